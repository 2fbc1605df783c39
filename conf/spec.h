#pragma once

#include "conf/json.h"
#include "conf/words.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

// How a configuration looks, as data. One table per object serves three readers: the checker (shape.h), the
// published JSON Schema (schema.h) and the "did you mean" lists. The tables are in model.cpp.
namespace sheaf::conf {

// What stands inside a string.
struct Format {
    std::string_view noun = {};    // `a duration such as "30s"`, for "expected ..."
    std::string_view pattern = {}; // ECMA 262 regular expression for the schema, which need not be as strict
    std::optional<Fault> (*check)(std::string_view word) = nullptr;
};

struct Object;

struct Type {
    json::Kind kind = json::Kind::string;         // string, integer, boolean, array, object
    const Format* format = nullptr;               // string
    std::span<const std::string_view> words = {}; // string: if not empty, one of them
    std::int64_t least = 0;                       // integer: the range
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const Type* item = nullptr;     // array: its values; object without `object`: its members' values
    const Format* names = nullptr;  // object without `object`: its members' keys
    const Object* object = nullptr; // object: its table
    bool may_be_empty = false;      // array
    bool secret = false;            // string: not for showing
};

struct Field {
    std::string_view key = {};
    const Type* type = nullptr;
    std::string_view doc = {}; // one sentence
    bool required = false;
    std::string_view standard = {}; // the default as JSON; empty: none
    std::string_view role = {};     // if not empty, only connections of this role have it
};

struct Object {
    std::span<const Field> fields = {};
    // Of these keys an object has one; then they are not required by themselves.
    std::span<const std::string_view> exactly_one = {};
};

// The whole file.
[[nodiscard]] const Object& model();

// The key whose word decides Field::role.
inline constexpr std::string_view kRoleKey = "role";

} // namespace sheaf::conf

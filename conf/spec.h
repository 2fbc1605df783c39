#pragma once

#include "conf/json.h"
#include "conf/words.h"

#include <array>
#include <cstddef>
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
    const Type* other = nullptr; // string: what may stand instead, a list of such or an object
    std::int64_t least = 0;      // integer: the range
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const Type* item = nullptr;     // array: its values; object without `object`: its members' values
    const Format* names = nullptr;  // object without `object`: its members' keys
    const Object* object = nullptr; // object: its table
    bool may_be_empty = false;      // array
    bool may_repeat = false;        // array: one value may stand twice
    bool secret = false;            // string: not for showing
};

// Up to four roles of a connection; empty ones stand for none.
struct Roles {
    std::array<std::string_view, 4> words = {};
    [[nodiscard]] constexpr std::size_t size() const {
        std::size_t out = 0;
        while (out < words.size() && !words[out].empty())
            ++out;
        return out;
    }
    [[nodiscard]] constexpr bool empty() const { return words[0].empty(); }
    [[nodiscard]] constexpr bool has(std::string_view role) const {
        for (const std::string_view word : words)
            if (!role.empty() && word == role) return true;
        return false;
    }
};

struct Field {
    std::string_view key = {};
    const Type* type = nullptr;
    std::string_view doc = {}; // one sentence
    bool required = false;
    std::string_view standard = {}; // the default as JSON; empty: none
    Roles roles = {};               // if not empty, only connections of these roles have it
    Roles required_by = {};         // if not empty, it is required of these roles alone
    std::string_view unless = {};   // if not empty, not where this key of the same object stands

    [[nodiscard]] constexpr bool applies_to(std::string_view role) const {
        return roles.empty() || roles.has(role);
    }
    [[nodiscard]] constexpr bool required_of(std::string_view role) const {
        return required && applies_to(role) && (required_by.empty() || required_by.has(role));
    }
};

struct Object {
    std::span<const Field> fields = {};
    // Of these keys an object has at most one.
    std::span<const std::string_view> alternatives = {};
    bool one_needed = true; // and at least one of them
};

// The whole file.
[[nodiscard]] const Object& model();

// The key whose word decides Field::roles.
inline constexpr std::string_view kRoleKey = "role";

} // namespace sheaf::conf

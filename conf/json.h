#pragma once

#include "conf/source.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// JSON with // and /* */ comments, as a tree in which every key and every value knows its place.
//
// Parser: nlohmann-json decides what is JSON; there is no second grammar here. Its SAX interface tells no
// places, but it calls back as soon as a token has been read: an iterator that counts the octets taken from
// it therefore stands at the end of that token. The beginning is the first octet after the previous token
// that is neither blank nor comment nor one of the separators , and : that have no callback.
namespace sheaf::conf::json {

inline constexpr std::size_t kMaxText =
    16 * 1024 * 1024;                        // 100,000 clients with a secret each need half of it
inline constexpr std::size_t kMaxDepth = 16; // the configuration needs 6

enum class Kind : std::uint8_t { null, boolean, integer, real, string, array, object };

[[nodiscard]] std::string_view noun(Kind kind); // "a string", "true or false", ...

struct Member;

struct Value {
    Kind kind = Kind::null;
    Place place;
    bool boolean = false;
    std::int64_t integer = 0; // of numbers beyond its range, the nearest end of it
    std::string string;
    std::vector<Value> items;
    std::vector<Member> members; // in the order of the file, keys differ
};

struct Member {
    std::string key;
    Place place; // of the key
    Value value;
};

// Of an object; null for a missing key and for values that are no objects.
[[nodiscard]] const Member* find(const Value& object, std::string_view key);
[[nodiscard]] Member* find(Value& object, std::string_view key);

// The tree, or none if the text is no JSON or exceeds a bound. Duplicate keys are reported; the tree keeps
// the first.
[[nodiscard]] std::optional<Value> parse(const Source& source, Report& report);

} // namespace sheaf::conf::json

#pragma once

#include "conf/json.h"
#include "lib/base/time.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Reading out of a tree that check_shape() has been through. What it has reported, these functions treat as
// absent, so that no mistake is told twice and the rest of the file is still examined.
namespace sheaf::conf {

// The member's value if it is of this kind.
[[nodiscard]] const json::Value* child(const json::Value& object, std::string_view key, json::Kind kind);
// The object that is the member's value; without one, an object that has nothing in it.
[[nodiscard]] const json::Value& object_at(const json::Value& object, std::string_view key);

[[nodiscard]] std::string_view string_at(const json::Value& object, std::string_view key,
                                         std::string_view otherwise = {});
[[nodiscard]] bool boolean_at(const json::Value& object, std::string_view key, bool otherwise);
[[nodiscard]] Duration duration_at(const json::Value& object, std::string_view key, Duration otherwise);
[[nodiscard]] std::size_t count_at(const json::Value& object, std::string_view key, std::size_t otherwise);
[[nodiscard]] std::uint16_t port_at(const json::Value& object, std::string_view key, std::uint16_t otherwise);

// Of an array's strings, each that `parse` (word -> optional) can read.
template <typename Parse>
[[nodiscard]] auto list_at(const json::Value& object, std::string_view key, Parse parse) {
    std::vector<typename decltype(parse(std::string_view()))::value_type> out;
    if (const auto* list = child(object, key, json::Kind::array))
        for (const auto& item : list->items)
            if (auto value = parse(std::string_view(item.string))) out.push_back(std::move(*value));
    return out;
}

[[nodiscard]] std::vector<std::string> strings_at(const json::Value& object, std::string_view key);

} // namespace sheaf::conf

#include "conf/read.h"

#include "conf/words.h"

#include <optional>

namespace sheaf::conf {

const json::Value* child(const json::Value& object, std::string_view key, json::Kind kind) {
    const auto* member = json::find(object, key);
    return member && member->value.kind == kind ? &member->value : nullptr;
}

const json::Value& object_at(const json::Value& object, std::string_view key) {
    static const json::Value nothing;
    const auto* value = child(object, key, json::Kind::object);
    return value ? *value : nothing;
}

std::string_view string_at(const json::Value& object, std::string_view key, std::string_view otherwise) {
    const auto* value = child(object, key, json::Kind::string);
    return value ? std::string_view(value->string) : otherwise;
}

bool boolean_at(const json::Value& object, std::string_view key, bool otherwise) {
    const auto* value = child(object, key, json::Kind::boolean);
    return value ? value->boolean : otherwise;
}

Duration duration_at(const json::Value& object, std::string_view key, Duration otherwise) {
    return parse_duration(string_at(object, key)).value_or(otherwise);
}

std::size_t count_at(const json::Value& object, std::string_view key, std::size_t otherwise) {
    const auto* value = child(object, key, json::Kind::integer);
    return value && value->integer >= 0 ? static_cast<std::size_t>(value->integer) : otherwise;
}

std::uint16_t port_at(const json::Value& object, std::string_view key, std::uint16_t otherwise) {
    const auto* value = child(object, key, json::Kind::integer);
    return value && std::in_range<std::uint16_t>(value->integer) ? static_cast<std::uint16_t>(value->integer)
                                                                 : otherwise;
}

std::vector<std::string> strings_at(const json::Value& object, std::string_view key) {
    return list_at(object, key, [](std::string_view text) { return std::optional(std::string(text)); });
}

} // namespace sheaf::conf

#include "conf/read.h"

namespace sheaf::conf {

const json::Value* child(const json::Value& object, std::string_view key, json::Kind kind) {
    const auto* member = json::find(object, key);
    return member && member->value.kind == kind ? &member->value : nullptr;
}

std::string_view string_at(const json::Value& object, std::string_view key, std::string_view otherwise) {
    const auto* value = child(object, key, json::Kind::string);
    return value ? std::string_view(value->string) : otherwise;
}

std::uint16_t port_at(const json::Value& object, std::string_view key, std::uint16_t otherwise) {
    const auto* value = child(object, key, json::Kind::integer);
    return value && std::in_range<std::uint16_t>(value->integer) ? static_cast<std::uint16_t>(value->integer)
                                                                 : otherwise;
}

} // namespace sheaf::conf

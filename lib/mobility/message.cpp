#include "lib/mobility/message.h"

#include <algorithm>

namespace sheaf::mobility {

std::uint16_t to_lifetime(Duration duration) {
    const auto units = duration / Duration(kLifetimeUnit);
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(units, 0, 0xffff));
}

MessageType type_of(const Message& message) {
    struct Visitor {
        MessageType operator()(const RefreshRequest&) const { return MessageType::refresh_request; }
        MessageType operator()(const RoutabilityTest& test) const { return test.type; }
        MessageType operator()(const BindingUpdate&) const { return MessageType::binding_update; }
        MessageType operator()(const BindingAck&) const { return MessageType::binding_ack; }
        MessageType operator()(const BindingError&) const { return MessageType::binding_error; }
    };
    return std::visit(Visitor{}, message);
}

bool is_unicast_routable(const IpAddress& address) {
    if (!address.is_v6() || address.is_any() || address.is_link_local()) return false;
    const View octets = address.view();
    if (octets[0] == 0xff) return false; // multicast
    const bool loopback = std::ranges::all_of(octets.first(15), [](auto octet) { return octet == 0; });
    return !(loopback && octets[15] == 1);
}

} // namespace sheaf::mobility

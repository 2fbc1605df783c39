#include "xfrm/address_form.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <sys/socket.h>

namespace sheaf::xfrm {

std::uint16_t family_number(Family family) { return family == Family::ipv6 ? AF_INET6 : AF_INET; }

xfrm_address_t encode(const IpAddress& address) {
    xfrm_address_t out{};
    std::memcpy(&out, address.view().data(), address.size());
    return out;
}

IpAddress decode(const xfrm_address_t& address, std::uint16_t family) {
    const std::size_t size = family == AF_INET6 ? 16 : 4;
    return *IpAddress::from_bytes(View(reinterpret_cast<const std::uint8_t*>(&address), size));
}

xfrm_lifetime_cfg unlimited() {
    xfrm_lifetime_cfg out{};
    out.soft_byte_limit = out.hard_byte_limit = XFRM_INF;
    out.soft_packet_limit = out.hard_packet_limit = XFRM_INF;
    return out;
}

std::string hex(std::uint32_t value) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08x", value);
    return text.data();
}

} // namespace sheaf::xfrm

#include "daemon/mobility_control.h"

#include "daemon/socket_address.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <netinet/in.h>

namespace sheaf::daemon {
namespace {

constexpr std::size_t kAddressSize = 16;
constexpr std::size_t kFixedSize = 2; // next header, and the length in units of 8 octets without the first
constexpr std::size_t kUnit = 8;
constexpr std::uint8_t kHomeAddress = 201;   // RFC 6275 6.3
constexpr std::uint8_t kPad1 = 0;            // RFC 8200 4.2
constexpr std::uint8_t kMobileRouting = 2;   // RFC 6275 6.4
constexpr std::size_t kRoutingFixedSize = 8; // before the address

// All of a header, as its length says; empty when octets are missing.
View whole(View header) {
    if (header.size() < kFixedSize) return {};
    const std::size_t size = (std::size_t{header[1]} + 1) * kUnit;
    return size <= header.size() ? header.first(size) : View{};
}

View data_of(const cmsghdr& header) { return {CMSG_DATA(&header), header.cmsg_len - CMSG_LEN(0)}; }

void put(Bytes& to, int level, int type, View data) {
    const std::size_t at = to.size();
    to.resize(at + CMSG_SPACE(data.size()));
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(data.size());
    std::memcpy(to.data() + at, &header, sizeof header);
    std::ranges::copy(data, to.begin() + static_cast<std::ptrdiff_t>(at + CMSG_LEN(0)));
}

template <class T>
void put_value(Bytes& to, int level, int type, const T& value) {
    put(to, level, type, View(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

} // namespace

std::optional<IpAddress> home_address_option(View header) {
    View rest = whole(header);
    if (rest.empty()) return std::nullopt;
    for (rest = rest.subspan(kFixedSize); !rest.empty();) {
        if (rest[0] == kPad1) {
            rest = rest.subspan(1);
            continue;
        }
        if (rest.size() < kFixedSize || rest.size() < kFixedSize + rest[1]) return std::nullopt;
        const View content = rest.subspan(kFixedSize, rest[1]);
        if (rest[0] == kHomeAddress)
            return content.size() == kAddressSize ? IpAddress::from_bytes(content) : std::nullopt;
        rest = rest.subspan(kFixedSize + content.size());
    }
    return std::nullopt;
}

std::optional<IpAddress> routing_header_address(View header) {
    const View octets = whole(header);
    if (octets.size() != kRoutingFixedSize + kAddressSize || octets[2] != kMobileRouting) return std::nullopt;
    return IpAddress::from_bytes(octets.subspan(kRoutingFixedSize));
}

Bytes routing_header(const IpAddress& address) {
    constexpr std::uint8_t kUnits = kAddressSize / kUnit, kSegmentsLeft = 1;
    Bytes out{0, kUnits, kMobileRouting, kSegmentsLeft, 0, 0, 0, 0};
    sheaf::append(out, address.view());
    return out;
}

std::optional<MobilityAddresses> addresses_of(msghdr& message, const IpAddress& source) {
    std::optional<IpAddress> destination, care_of;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != IPPROTO_IPV6 || header->cmsg_len < CMSG_LEN(0)) continue;
        const View data = data_of(*header);
        if (header->cmsg_type == IPV6_PKTINFO && data.size() >= sizeof(in6_pktinfo)) {
            in6_pktinfo info{};
            std::memcpy(&info, data.data(), sizeof info);
            destination = from_in6_addr(info.ipi6_addr);
        } else if (header->cmsg_type == IPV6_DSTOPTS) {
            if (const auto found = home_address_option(data)) care_of = found;
        } else if (header->cmsg_type == IPV6_RTHDR) {
            if (const auto found = routing_header_address(data)) care_of = found;
        }
    }
    if (!destination) return std::nullopt;
    return MobilityAddresses{source, *destination, care_of};
}

Bytes control_of(const MobilityAddresses& addresses, std::uint32_t mark) {
    Bytes out;
    in6_pktinfo info{};
    info.ipi6_addr = to_in6_addr(addresses.source);
    put_value(out, IPPROTO_IPV6, IPV6_PKTINFO, info);
    if (addresses.care_of) put(out, IPPROTO_IPV6, IPV6_RTHDR, routing_header(*addresses.care_of));
    put_value(out, SOL_SOCKET, SO_MARK, mark);
    return out;
}

} // namespace sheaf::daemon

#include "netlink/address.h"

#include "netlink/route_message.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cstring>

namespace sheaf::netlink {
namespace {

ifaddrmsg fixed_of(const Address& address) {
    ifaddrmsg out{};
    out.ifa_family = family_number(address.address.family());
    out.ifa_prefixlen = static_cast<std::uint8_t>(address.prefix_length);
    out.ifa_scope = address.address.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    out.ifa_index = static_cast<std::uint32_t>(address.interface_index);
    return out;
}

// The kernel tells it by a flag; a request has only the lifetime.
bool is_deprecated(const Attributes& attributes, std::uint32_t flags) {
    if ((flags & IFA_F_DEPRECATED) != 0) return true;
    ifa_cacheinfo lifetimes{};
    const View value = attributes.bytes(IFA_CACHEINFO);
    if (value.size() < sizeof lifetimes) return false;
    std::memcpy(&lifetimes, value.data(), sizeof lifetimes);
    return lifetimes.ifa_prefered == 0;
}

constexpr std::uint32_t kForEver = 0xffffffff; // seconds

Message encode(std::uint16_t flags, const Address& address) {
    RouteMessage out(RTM_NEWADDR, flags, fixed_of(address));
    out.put_address(IFA_LOCAL, address.address);
    out.put_address(IFA_ADDRESS, address.address);
    out.put_u32(IFA_FLAGS, (address.ask_first ? 0U : IFA_F_NODAD) |
                               (address.prefix_route ? 0U : IFA_F_NOPREFIXROUTE) |
                               (address.home ? IFA_F_HOMEADDRESS : 0U));
    out.put_struct(IFA_CACHEINFO, ifa_cacheinfo{.ifa_prefered = address.deprecated ? 0 : kForEver,
                                                .ifa_valid = kForEver,
                                                .cstamp = 0,
                                                .tstamp = 0});
    if (address.protocol != 0) out.put_u8(IFA_PROTO, address.protocol);
    return out.finish();
}

} // namespace

Message add_address(const Address& address) { return encode(NLM_F_CREATE | NLM_F_EXCL, address); }

Message change_address(const Address& address) { return encode(NLM_F_REPLACE, address); }

Message remove_address(const Address& address) {
    RouteMessage out(RTM_DELADDR, 0, fixed_of(address));
    out.put_address(IFA_LOCAL, address.address);
    return out.finish();
}

Message dump_addresses(Family family) {
    ifaddrmsg fixed{};
    fixed.ifa_family = family_number(family);
    return RouteMessage(RTM_GETADDR, NLM_F_DUMP, fixed).finish();
}

bool is_usable_address(const nlmsghdr& message) {
    ifaddrmsg fixed{};
    if (message.nlmsg_type != RTM_NEWADDR || !read_fixed(message, &fixed, sizeof fixed)) return false;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    const std::uint32_t flags = attributes.u32(IFA_FLAGS, fixed.ifa_flags);
    constexpr std::uint32_t kUnfit = IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TENTATIVE;
    return (flags & kUnfit) == 0 || ((flags & kUnfit) == IFA_F_TENTATIVE && (flags & IFA_F_OPTIMISTIC) != 0);
}

std::optional<Address> parse_address(const nlmsghdr& message) {
    ifaddrmsg fixed{};
    if (message.nlmsg_type != RTM_NEWADDR || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    // IPv4 has the interface's own address in IFA_LOCAL; IPv6 has it there only with a peer.
    const auto own = attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
    const auto address = IpAddress::from_bytes(attributes.bytes(own));
    if (!address) return std::nullopt;
    const std::uint32_t flags = attributes.u32(IFA_FLAGS, fixed.ifa_flags);
    return Address{.interface_index = static_cast<int>(fixed.ifa_index),
                   .address = *address,
                   .prefix_length = fixed.ifa_prefixlen,
                   .prefix_route = (flags & IFA_F_NOPREFIXROUTE) == 0,
                   .ask_first = (flags & IFA_F_NODAD) == 0,
                   .deprecated = is_deprecated(attributes, flags),
                   .protocol = attributes.u8(IFA_PROTO),
                   .home = (flags & IFA_F_HOMEADDRESS) != 0};
}

} // namespace sheaf::netlink

#include "netlink/host_watch.h"

#include "netlink/address.h"
#include "netlink/route.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <sys/socket.h>

namespace sheaf::netlink {
namespace {

// Objects that are remembered so that the same is not told twice; beyond that, more is told than is news.
constexpr std::size_t kMaxKnown = 4096;

template <typename Map>
void make_room(Map& map) {
    if (map.size() >= kMaxKnown) map.clear();
}

} // namespace

HostWatch::HostWatch(std::unique_ptr<Socket> socket, std::uint8_t own_protocol, IsOurs is_ours)
    : socket_(std::move(socket)), own_protocol_(own_protocol), is_ours_(std::move(is_ours)) {
    socket_->on_event([this](const nlmsghdr& message) { on_event(message); });
    socket_->on_overrun([this] {
        links_.clear();
        addresses_.clear();
        tell(Change::links);
    });
}

std::expected<std::unique_ptr<HostWatch>, Error> HostWatch::open(Os& os, std::uint8_t own_protocol,
                                                                 IsOurs is_ours) {
    auto socket = Socket::open(os, NETLINK_ROUTE, {});
    if (!socket) return std::unexpected(socket.error());
    for (const unsigned group :
         {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE}) {
        if (const auto joined = (*socket)->listen(group); !joined) return std::unexpected(joined.error());
    }
    return std::unique_ptr<HostWatch>(new HostWatch(std::move(*socket), own_protocol, std::move(is_ours)));
}

void HostWatch::tell(Change change) { change_ = std::max(change_, change); }

void HostWatch::on_event(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
    case RTM_NEWLINK: return on_link(message);
    case RTM_DELLINK: return on_link_gone(message);
    case RTM_NEWADDR: return on_address(message, false);
    case RTM_DELADDR: return on_address(message, true);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return on_route(message);
    default: return;
    }
}

void HostWatch::on_link(const nlmsghdr& message) {
    ifinfomsg fixed{};
    if (!read_fixed(message, &fixed, sizeof fixed) || fixed.ifi_family == AF_BRIDGE) return;
    auto link = parse_link(message);
    if (!link) return;
    if (is_ours_(*link)) {
        own_.insert(link->index);
        return;
    }
    const auto known = links_.find(link->index);
    if (known != links_.end() && known->second == *link) return;
    make_room(links_);
    links_[link->index] = std::move(*link);
    tell(Change::links);
}

void HostWatch::on_link_gone(const nlmsghdr& message) {
    ifinfomsg fixed{};
    if (!read_fixed(message, &fixed, sizeof fixed) || fixed.ifi_family == AF_BRIDGE) return;
    links_.erase(fixed.ifi_index);
    if (own_.erase(fixed.ifi_index) == 0) tell(Change::links);
}

void HostWatch::on_address(const nlmsghdr& message, bool gone) {
    ifaddrmsg fixed{};
    if (!read_fixed(message, &fixed, sizeof fixed)) return;
    const int index = static_cast<int>(fixed.ifa_index);
    const auto attributes = Attributes::of(message, sizeof fixed);
    if (own_.contains(index) || attributes.u8(IFA_PROTO) == own_protocol_) return;
    const auto of = attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
    const auto address = IpAddress::from_bytes(attributes.bytes(of));
    if (!address) return;
    const std::pair key{index, *address};
    if (gone) {
        addresses_.erase(key);
        return tell(Change::links);
    }
    const std::uint32_t flags = attributes.u32(IFA_FLAGS, fixed.ifa_flags);
    const auto known = addresses_.find(key);
    if (known != addresses_.end() && known->second == flags) return;
    make_room(addresses_);
    addresses_[key] = flags;
    tell(Change::links);
}

void HostWatch::on_route(const nlmsghdr& message) {
    rtmsg fixed{};
    if (!read_fixed(message, &fixed, sizeof fixed)) return;
    if (fixed.rtm_protocol == own_protocol_ || (fixed.rtm_flags & RTM_F_CLONED) != 0) return;
    const auto index = Attributes::of(message, sizeof fixed).u32(RTA_OIF);
    if (own_.contains(static_cast<int>(index))) return;
    tell(Change::routes);
}

} // namespace sheaf::netlink

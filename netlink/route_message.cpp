#include "netlink/route_message.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstring>
#include <new>
#include <sys/socket.h>

namespace sheaf::netlink {
namespace {
// The longest is a route with kMaxNextHops ways, of 48 octets each.
constexpr std::size_t kMaxRouteMessage = 1024;
} // namespace

void RouteMessage::Free::operator()(nl_msg* message) const { nlmsg_free(message); }

RouteMessage::RouteMessage(std::uint16_t type, std::uint16_t flags, void* fixed, std::size_t size)
    : message_(nlmsg_alloc_size(kMaxRouteMessage)) {
    if (message_ == nullptr) throw std::bad_alloc();
    failed_ = nlmsg_put(message_.get(), 0, 0, type, 0, flags | NLM_F_REQUEST) == nullptr;
    check(nlmsg_append(message_.get(), fixed, size, NLMSG_ALIGNTO));
}

void RouteMessage::put_u8(int type, std::uint8_t value) { check(nla_put_u8(message_.get(), type, value)); }
void RouteMessage::put_u16(int type, std::uint16_t value) { check(nla_put_u16(message_.get(), type, value)); }
void RouteMessage::put_u32(int type, std::uint32_t value) { check(nla_put_u32(message_.get(), type, value)); }
void RouteMessage::put_flag(int type) { check(nla_put_flag(message_.get(), type)); }

void RouteMessage::put_string(int type, const std::string& value) {
    check(nla_put_string(message_.get(), type, value.c_str()));
}

void RouteMessage::put_address(int type, const IpAddress& value) {
    check(nla_put(message_.get(), type, static_cast<int>(value.size()), value.view().data()));
}

void RouteMessage::put_raw(int type, const void* value, std::size_t size) {
    check(nla_put(message_.get(), type, static_cast<int>(size), value));
}

void RouteMessage::begin_nest(int type) {
    nlattr* nest = depth_ < kMaxDepth ? nla_nest_start(message_.get(), type) : nullptr;
    failed_ |= nest == nullptr;
    if (nest != nullptr) nests_.at(depth_++) = nest;
}

void RouteMessage::end_nest() {
    if (depth_ == 0) return;
    check(nla_nest_end(message_.get(), nests_.at(--depth_)));
}

std::size_t RouteMessage::length() const { return nlmsg_hdr(message_.get())->nlmsg_len; }

void RouteMessage::begin_next_hop(const rtnexthop& fixed) {
    next_hop_ = length();
    rtnexthop copy = fixed;
    check(nlmsg_append(message_.get(), &copy, sizeof copy, NLMSG_ALIGNTO));
}

void RouteMessage::end_next_hop() {
    if (failed_) return;
    const auto size = static_cast<unsigned short>(length() - next_hop_);
    auto* header = reinterpret_cast<std::uint8_t*>(nlmsg_hdr(message_.get()));
    std::memcpy(header + next_hop_ + offsetof(rtnexthop, rtnh_len), &size, sizeof size);
}

Message RouteMessage::finish() {
    if (failed_ || depth_ != 0) return {};
    const nlmsghdr* header = nlmsg_hdr(message_.get());
    return Message(View(reinterpret_cast<const std::uint8_t*>(header), header->nlmsg_len));
}

std::uint8_t family_number(Family family) { return family == Family::ipv6 ? AF_INET6 : AF_INET; }

} // namespace sheaf::netlink

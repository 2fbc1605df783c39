#include "xfrm/event.h"

#include "netlink/message.h"
#include "xfrm/address_form.h"
#include "xfrm/marks.h"
#include "xfrm/state.h"

#include <linux/xfrm.h>

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>

namespace sheaf::xfrm {
namespace {

std::optional<child::KernelEvent> gone(const std::optional<StateNotice>& notice) {
    if (!notice || !is_ours(notice->reqid) || notice->passing) return std::nullopt;
    return child::SaGone{notice->id.destination, notice->id.spi, notice->hard};
}

// A policy's first transformation, which is that of ESP; all zero when it has none.
xfrm_user_tmpl first_of(View templates) {
    xfrm_user_tmpl first{};
    if (templates.size() >= sizeof first) std::memcpy(&first, templates.data(), sizeof first);
    return first;
}

// One side of a packet. Message types are left out: what answers a message is of another type.
wire::TrafficSelector side_of(const xfrm_address_t& address, const xfrm_selector& packet, std::uint16_t port,
                              bool has_ports) {
    wire::TrafficSelector out;
    out.ip_protocol = packet.proto;
    out.start = out.end = decode(address, packet.family);
    if (has_ports) out.start_port = out.end_port = ntohs(port);
    return out;
}

std::optional<child::KernelEvent> acquire(const nlmsghdr& message) {
    xfrm_user_acquire wanted{};
    if (!netlink::read_fixed(message, &wanted, sizeof wanted) || wanted.id.proto != IPPROTO_ESP)
        return std::nullopt;
    const auto first = first_of(netlink::Attributes::of(message, sizeof wanted).bytes(XFRMA_TMPL));
    if (!is_ours(first.reqid)) return std::nullopt;
    const xfrm_selector& packet = wanted.sel;
    constexpr std::uint8_t kMobilityHeader = 135;
    const bool has_types =
        packet.proto == IPPROTO_ICMP || packet.proto == IPPROTO_ICMPV6 || packet.proto == kMobilityHeader;
    // A packet without ports, or of which the kernel does not see them, shows zeros.
    const bool has_ports = !has_types && (packet.sport != 0 || packet.dport != 0);
    return child::Acquire{.reqid = first.reqid,
                          .local = side_of(packet.saddr, packet, packet.sport, has_ports),
                          .remote = side_of(packet.daddr, packet, packet.dport, has_ports),
                          .outer_local = decode(wanted.saddr, first.family),
                          .outer_peer = decode(wanted.id.daddr, first.family)};
}

std::optional<child::KernelEvent> mapping(const nlmsghdr& message) {
    xfrm_user_mapping moved{};
    if (!netlink::read_fixed(message, &moved, sizeof moved) || moved.id.proto != IPPROTO_ESP)
        return std::nullopt;
    if (!is_ours(moved.reqid)) return std::nullopt;
    return child::PeerMoved{.destination = decode(moved.id.daddr, moved.id.family),
                            .spi = ntohl(moved.id.spi),
                            .peer = {decode(moved.new_saddr, moved.id.family), ntohs(moved.new_sport)}};
}

wire::TrafficSelector side_of(const Prefix& prefix, const Selector& selector, const PortMatch& port) {
    wire::TrafficSelector out;
    out.ip_protocol = selector.protocol;
    out.start = prefix.address();
    out.end = prefix.last();
    if (port.mask != 0) {
        out.start_port = port.value;
        out.end_port = static_cast<std::uint16_t>(port.value | static_cast<std::uint16_t>(~port.mask));
    }
    return out;
}

// The kernel repeats what it was asked for to those who listen. Our own requests name no ends of an IKE SA.
std::optional<child::KernelEvent> migration(const nlmsghdr& message) {
    xfrm_userpolicy_id policy{};
    if (!netlink::read_fixed(message, &policy, sizeof policy)) return std::nullopt;
    const auto attributes = netlink::Attributes::of(message, sizeof policy);
    const View ends = attributes.bytes(XFRMA_KMADDRESS), list = attributes.bytes(XFRMA_MIGRATE);
    xfrm_user_kmaddress ike{};
    xfrm_user_migrate moved{};
    if (ends.size() < sizeof ike || list.size() < sizeof moved) return std::nullopt;
    std::memcpy(&ike, ends.data(), sizeof ike);
    std::memcpy(&moved, list.data(), sizeof moved);
    if (moved.proto != IPPROTO_ESP || (moved.reqid != 0 && !is_ours(moved.reqid))) return std::nullopt;
    const Selector selector = selector_of(policy.sel);
    const bool out = policy.dir == XFRM_POLICY_OUT;
    return child::EndpointsMigrated{
        .source = side_of(selector.source, selector, selector.source_port),
        .destination = side_of(selector.destination, selector, selector.destination_port),
        .reqid = moved.reqid,
        .mode = moved.mode == XFRM_MODE_TRANSPORT ? child::Mode::transport : child::Mode::tunnel,
        .old_local = decode(out ? moved.old_saddr : moved.old_daddr, moved.old_family),
        .old_peer = decode(out ? moved.old_daddr : moved.old_saddr, moved.old_family),
        .new_local = decode(out ? moved.new_saddr : moved.new_daddr, moved.new_family),
        .new_peer = decode(out ? moved.new_daddr : moved.new_saddr, moved.new_family),
        .ike_local = decode(ike.local, ike.family),
        .ike_peer = decode(ike.remote, ike.family)};
}

} // namespace

std::optional<AcquireNotice> parse_acquire(const nlmsghdr& message) {
    xfrm_user_acquire wanted{};
    if (message.nlmsg_type != XFRM_MSG_ACQUIRE || !netlink::read_fixed(message, &wanted, sizeof wanted))
        return std::nullopt;
    const View templates = netlink::Attributes::of(message, sizeof wanted).bytes(XFRMA_TMPL);
    xfrm_user_tmpl first{};
    if (wanted.id.proto != IPPROTO_ESP || templates.size() < sizeof first) return std::nullopt;
    std::memcpy(&first, templates.data(), sizeof first);
    if (!is_ours(first.reqid)) return std::nullopt;
    return AcquireNotice{first.reqid, decode(wanted.id.daddr, first.family)};
}

std::optional<child::KernelEvent> event_of(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
    case XFRM_MSG_EXPIRE: return gone(parse_expiry(message));
    case XFRM_MSG_DELSA: return gone(parse_removal(message));
    case XFRM_MSG_ACQUIRE: return acquire(message);
    case XFRM_MSG_MAPPING: return mapping(message);
    case XFRM_MSG_MIGRATE: return migration(message);
    default: return std::nullopt;
    }
}

} // namespace sheaf::xfrm

#include "xfrm/care_of_state.h"

#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <cstring>
#include <tuple>

namespace sheaf::xfrm {
namespace {

bool is_known(std::uint8_t protocol) {
    return protocol == static_cast<std::uint8_t>(RouteOptimization::home_address) ||
           protocol == static_cast<std::uint8_t>(RouteOptimization::routing_header);
}

void put_mark(netlink::Builder& out, const CareOfState& state) {
    if (state.mark != 0) out.put_struct(XFRMA_MARK, xfrm_mark{state.mark, kGroupMarkMask});
}

netlink::Message encode_state(std::uint16_t type, const CareOfState& state) {
    netlink::Builder out(type, 0);
    auto& info = out.fixed<xfrm_usersa_info>();
    info.saddr = encode(state.source);
    info.id.daddr = encode(state.destination);
    info.id.proto = static_cast<std::uint8_t>(state.kind);
    info.lft = unlimited();
    info.reqid = state.reqid;
    info.family = family_number(Family::ipv6);
    info.mode = XFRM_MODE_ROUTEOPTIMIZATION;
    // Without a selector: the kernel looks for a policy before ESP is undone as well as after that.
    info.sel.family = info.family;
    out.put_struct(XFRMA_COADDR, encode(state.care_of).in6);
    put_mark(out, state);
    if (state.outbound) {
        out.put_u32(XFRMA_SET_MARK, kMark);
        out.put_u32(XFRMA_SET_MARK_MASK, kMarkMask);
    }
    return out.finish();
}

} // namespace

bool same_place(const CareOfState& a, const CareOfState& b) {
    return std::tie(a.kind, a.source, a.destination, a.mark) ==
           std::tie(b.kind, b.source, b.destination, b.mark);
}

std::string CareOfState::to_string() const {
    return std::string(kind == RouteOptimization::home_address ? "home address option " : "routing header ") +
           source.to_string() + " -> " + destination.to_string() + " (link " + hex(reqid) + ")";
}

netlink::Message install_state(const CareOfState& state) { return encode_state(XFRM_MSG_NEWSA, state); }
netlink::Message update_state(const CareOfState& state) { return encode_state(XFRM_MSG_UPDSA, state); }

netlink::Message remove_state(const CareOfState& state) {
    netlink::Builder out(XFRM_MSG_DELSA, 0);
    auto& fixed = out.fixed<xfrm_usersa_id>();
    fixed.daddr = encode(state.destination);
    fixed.family = family_number(Family::ipv6);
    fixed.proto = static_cast<std::uint8_t>(state.kind);
    out.put_struct(XFRMA_SRCADDR, encode(state.source));
    put_mark(out, state);
    return out.finish();
}

netlink::Message dump_states(RouteOptimization kind) {
    netlink::Builder out(XFRM_MSG_GETSA, NLM_F_DUMP);
    out.put_u8(XFRMA_PROTO, static_cast<std::uint8_t>(kind));
    return out.finish();
}

std::optional<CareOfState> parse_care_of_state(const nlmsghdr& message) {
    xfrm_usersa_info info{};
    if (message.nlmsg_type != XFRM_MSG_NEWSA || !netlink::read_fixed(message, &info, sizeof info))
        return std::nullopt;
    if (!is_known(info.id.proto) || info.family != family_number(Family::ipv6)) return std::nullopt;
    const auto attributes = netlink::Attributes::of(message, sizeof info);
    CareOfState out;
    out.kind = static_cast<RouteOptimization>(info.id.proto);
    out.source = decode(info.saddr, info.family);
    out.destination = decode(info.id.daddr, info.family);
    out.reqid = info.reqid;
    if (const auto told = IpAddress::from_bytes(attributes.bytes(XFRMA_COADDR))) out.care_of = *told;
    xfrm_mark mark{};
    if (const View value = attributes.bytes(XFRMA_MARK); value.size() >= sizeof mark) {
        std::memcpy(&mark, value.data(), sizeof mark);
        out.mark = mark.v & mark.m;
    }
    out.outbound = attributes.u32(XFRMA_SET_MARK) == kMark;
    return out;
}

std::optional<std::uint32_t> parse_care_of_removal(const nlmsghdr& message) {
    xfrm_usersa_id id{};
    if (message.nlmsg_type != XFRM_MSG_DELSA || !netlink::read_fixed(message, &id, sizeof id))
        return std::nullopt;
    const View value = netlink::Attributes::of(message, sizeof id).bytes(XFRMA_SA);
    xfrm_usersa_info info{};
    if (value.size() < sizeof info || !is_known(id.proto)) return std::nullopt;
    std::memcpy(&info, value.data(), sizeof info);
    return info.reqid;
}

} // namespace sheaf::xfrm

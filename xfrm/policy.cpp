#include "xfrm/policy.h"

#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <vector>

namespace sheaf::xfrm {

xfrm_selector selector_form(const Selector& selector) {
    xfrm_selector out{};
    out.family = family_number(selector.source.family());
    out.saddr = encode(selector.source.address());
    out.prefixlen_s = static_cast<std::uint8_t>(selector.source.length());
    out.daddr = encode(selector.destination.address());
    out.prefixlen_d = static_cast<std::uint8_t>(selector.destination.length());
    out.proto = selector.protocol;
    out.sport = htons(selector.source_port.value);
    out.sport_mask = htons(selector.source_port.mask);
    out.dport = htons(selector.destination_port.value);
    out.dport_mask = htons(selector.destination_port.mask);
    return out;
}

Selector selector_of(const xfrm_selector& selector) {
    Selector out;
    out.source = Prefix(decode(selector.saddr, selector.family), selector.prefixlen_s);
    out.destination = Prefix(decode(selector.daddr, selector.family), selector.prefixlen_d);
    out.protocol = selector.proto;
    out.source_port = {ntohs(selector.sport), ntohs(selector.sport_mask)};
    out.destination_port = {ntohs(selector.dport), ntohs(selector.dport_mask)};
    return out;
}

namespace {

xfrm_user_tmpl template_of(const Policy& policy) {
    xfrm_user_tmpl out{};
    out.id.proto = IPPROTO_ESP;
    out.id.spi = htonl(policy.spi);
    out.id.daddr = encode(policy.destination);
    out.saddr = encode(policy.source);
    out.family = family_number(policy.source.family());
    out.reqid = policy.reqid;
    out.mode = policy.mode == child::Mode::tunnel ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
    out.aalgos = out.ealgos = out.calgos = ~0U; // the SAD entry decides
    return out;
}

// Wherever it comes in the secpath it must be named there, for in this mode it counts as a tunnel does.
xfrm_user_tmpl optimization_of(const Policy& policy) {
    xfrm_user_tmpl out{};
    out.id.proto = static_cast<std::uint8_t>(policy.optimization);
    if (policy.direction == PolicyDirection::out) {
        out.saddr = encode(policy.selector.source.address());
        out.id.daddr = encode(policy.selector.destination.address());
    } else {
        out.optional = 1;
    }
    out.family = AF_INET6;
    out.reqid = policy.optimization_reqid != 0 ? policy.optimization_reqid : policy.reqid;
    out.mode = XFRM_MODE_ROUTEOPTIMIZATION;
    out.aalgos = out.ealgos = out.calgos = ~0U;
    return out;
}

// ESP first: outwards the kernel puts what follows outside of it, inwards it wants this order.
void put_templates(netlink::Builder& out, const Policy& policy) {
    std::vector<std::uint8_t> list;
    const auto append = [&](const xfrm_user_tmpl& one) {
        const auto* octets = reinterpret_cast<const std::uint8_t*>(&one);
        list.insert(list.end(), octets, octets + sizeof one);
    };
    if (policy.esp) append(template_of(policy));
    if (policy.optimization != RouteOptimization::none) append(optimization_of(policy));
    out.put(XFRMA_TMPL, list);
}

void put_mark(netlink::Builder& out, const Policy& policy) {
    if (policy.mark != 0) out.put_struct(XFRMA_MARK, xfrm_mark{policy.mark, kGroupMarkMask});
}

} // namespace

const char* to_string(PolicyDirection direction) {
    switch (direction) {
    case PolicyDirection::in: return "in";
    case PolicyDirection::out: return "out";
    case PolicyDirection::forward: return "fwd";
    }
    return "?";
}

std::string PortMatch::to_string() const {
    if (mask == 0) return "any";
    const unsigned last = value | (kWhole & ~mask);
    return std::to_string(value) + (last == value ? "" : "-" + std::to_string(last));
}

std::string Selector::to_string() const {
    std::string out = source.to_string() + " -> " + destination.to_string();
    if (protocol != 0) out += " protocol " + std::to_string(protocol);
    if (source_port.mask != 0 || destination_port.mask != 0)
        out += " port " + source_port.to_string() + " -> " + destination_port.to_string();
    return out;
}

std::string Policy::to_string() const {
    return std::string("policy ") + xfrm::to_string(direction) + " " + selector.to_string() + " (link " +
           hex(link != 0 ? link : reqid) + ")";
}

namespace {

netlink::Message policy_message(std::uint16_t type, const Policy& policy) {
    netlink::Builder out(type, 0);
    auto& info = out.fixed<xfrm_userpolicy_info>();
    info.sel = selector_form(policy.selector);
    info.lft = unlimited();
    info.priority = policy.priority;
    info.dir = static_cast<std::uint8_t>(policy.direction);
    info.action = policy.refuse ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
    info.share = XFRM_SHARE_ANY;
    put_templates(out, policy);
    put_mark(out, policy);
    if (policy.link != 0) out.put_u32(XFRMA_IF_ID, policy.link);
    return out.finish();
}

} // namespace

netlink::Message install_policy(const Policy& policy) { return policy_message(XFRM_MSG_NEWPOLICY, policy); }
netlink::Message update_policy(const Policy& policy) { return policy_message(XFRM_MSG_UPDPOLICY, policy); }

void put_identity(netlink::Builder& to, const Policy& policy) {
    auto& id = to.fixed<xfrm_userpolicy_id>();
    id.sel = selector_form(policy.selector);
    id.dir = static_cast<std::uint8_t>(policy.direction);
}

netlink::Message remove_policy(const Policy& policy) {
    netlink::Builder out(XFRM_MSG_DELPOLICY, 0);
    put_identity(out, policy);
    put_mark(out, policy);
    if (policy.link != 0) out.put_u32(XFRMA_IF_ID, policy.link);
    return out.finish();
}

netlink::Message dump_policies() {
    netlink::Builder out(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
    out.fixed<xfrm_userpolicy_id>();
    return out.finish();
}

namespace {

// That of ESP if there is one. Nothing for what we do not install.
std::optional<xfrm_user_tmpl> read_templates(View value, Policy& to) {
    std::optional<xfrm_user_tmpl> out;
    if (value.size() % sizeof(xfrm_user_tmpl) != 0) return std::nullopt;
    for (; !value.empty(); value = value.subspan(sizeof(xfrm_user_tmpl))) {
        xfrm_user_tmpl one{};
        std::memcpy(&one, value.data(), sizeof one);
        const auto kind = static_cast<RouteOptimization>(one.id.proto);
        if (one.id.proto == IPPROTO_ESP && !to.esp) {
            to.esp = true;
            out = one;
        } else if ((kind == RouteOptimization::home_address || kind == RouteOptimization::routing_header) &&
                   to.optimization == RouteOptimization::none) {
            to.optimization = kind;
            to.optimization_reqid = one.reqid;
            if (!out) out = one;
        } else {
            return std::nullopt;
        }
    }
    return out;
}

} // namespace

std::optional<Policy> parse_policy(const nlmsghdr& message) {
    xfrm_userpolicy_info info{};
    if (message.nlmsg_type != XFRM_MSG_NEWPOLICY || !netlink::read_fixed(message, &info, sizeof info))
        return std::nullopt;
    const auto attributes = netlink::Attributes::of(message, sizeof info);
    if (info.dir > XFRM_POLICY_FWD) return std::nullopt;
    if (attributes.u8(XFRMA_POLICY_TYPE) != XFRM_POLICY_TYPE_MAIN) return std::nullopt;
    Policy out;
    out.esp = false;
    const auto told = read_templates(attributes.bytes(XFRMA_TMPL), out);
    if (!told) return std::nullopt;
    const xfrm_user_tmpl& wanted = *told;
    out.direction = static_cast<PolicyDirection>(info.dir);
    out.selector = selector_of(info.sel);
    out.priority = info.priority;
    out.link = attributes.u32(XFRMA_IF_ID);
    out.reqid = wanted.reqid;
    if (out.optimization_reqid == out.reqid) out.optimization_reqid = 0;
    out.refuse = info.action == XFRM_POLICY_BLOCK;
    if (const View value = attributes.bytes(XFRMA_MARK); value.size() >= sizeof(xfrm_mark)) {
        xfrm_mark mark{};
        std::memcpy(&mark, value.data(), sizeof mark);
        out.mark = mark.v & mark.m;
    }
    if (out.esp) out.mode = wanted.mode == XFRM_MODE_TRANSPORT ? child::Mode::transport : child::Mode::tunnel;
    out.source = out.esp ? decode(wanted.saddr, wanted.family) : IpAddress::any(Family::ipv6);
    out.destination = out.esp ? decode(wanted.id.daddr, wanted.family) : IpAddress::any(Family::ipv6);
    out.spi = ntohl(wanted.id.spi);
    return out;
}

} // namespace sheaf::xfrm

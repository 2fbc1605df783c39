#include "lib/child/selector.h"

#include <algorithm>
#include <tuple>

namespace sheaf::child {
namespace {

bool is_opaque(const TrafficSelector& s) { return s.start_port == 65535 && s.end_port == 0; }

bool any_port(const TrafficSelector& s) { return s.start_port == 0 && s.end_port == 65535; }

bool same_family(const TrafficSelector& a, const TrafficSelector& b) {
    return a.start.family() == b.start.family();
}

// RFC 7296 3.13.1: OPAQUE ports are met by OPAQUE and by "any" alone.
std::optional<std::pair<std::uint16_t, std::uint16_t>> intersect_ports(const TrafficSelector& a,
                                                                       const TrafficSelector& b) {
    if (any_port(a)) return std::pair(b.start_port, b.end_port);
    if (any_port(b) || (is_opaque(a) && is_opaque(b))) return std::pair(a.start_port, a.end_port);
    const auto from = std::max(a.start_port, b.start_port);
    const auto to = std::min(a.end_port, b.end_port);
    if (is_opaque(a) || is_opaque(b) || from > to) return std::nullopt;
    return std::pair(from, to);
}

void add_distinct(std::vector<TrafficSelector>& to, const TrafficSelector& s) {
    if (std::ranges::any_of(to, [&](const TrafficSelector& have) { return contains(have, s); })) return;
    std::erase_if(to, [&](const TrafficSelector& have) { return contains(s, have); });
    to.push_back(s);
}

std::vector<TrafficSelector> intersect_all(std::span<const TrafficSelector> offered,
                                           std::span<const TrafficSelector> policy) {
    std::vector<TrafficSelector> out;
    for (const TrafficSelector& want : offered) {
        for (const TrafficSelector& may : policy) {
            const auto both = intersect(want, may);
            if (both && out.size() < wire::kMaxSelectors) add_distinct(out, *both);
        }
    }
    return out;
}

bool has_family(const std::vector<TrafficSelector>& list, Family family) {
    return std::ranges::any_of(list,
                               [family](const TrafficSelector& s) { return s.start.family() == family; });
}

// A selector whose family is missing on the other side can match no packet.
void drop_unpaired(std::vector<TrafficSelector>& mine, const std::vector<TrafficSelector>& other) {
    std::erase_if(mine, [&](const TrafficSelector& s) { return !has_family(other, s.start.family()); });
}

bool all_within(std::span<const TrafficSelector> inner, std::span<const TrafficSelector> outer) {
    return !inner.empty() && std::ranges::all_of(inner, [&](const TrafficSelector& s) {
        return std::ranges::any_of(outer, [&](const TrafficSelector& o) { return contains(o, s); });
    });
}

// The largest prefix that begins at `from` and does not reach past `to`.
Prefix largest_block(const IpAddress& from, const IpAddress& to) {
    unsigned length = from.bits();
    while (length > 0) {
        const Prefix wider(from, length - 1);
        if (wider.address() != from || wider.last() > to) break;
        --length;
    }
    return {from, length};
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
    case 1: return "icmp";
    case 6: return "tcp";
    case 17: return "udp";
    case 58: return "icmpv6";
    case 135: return "mh";
    default: return std::to_string(protocol);
    }
}

std::string range_text(unsigned first, unsigned last) {
    return first == last ? std::to_string(first) : std::to_string(first) + "-" + std::to_string(last);
}

// RFC 7296 3.13.1: of ICMP the type stands in the high octet and the code in the low one.
std::string ports_text(const TrafficSelector& s) {
    const bool typed = s.ip_protocol == 1 || s.ip_protocol == 58;
    if (!typed) return range_text(s.start_port, s.end_port);
    const std::string types = range_text(s.start_port >> 8U, s.end_port >> 8U);
    const unsigned first = s.start_port & 0xffU, last = s.end_port & 0xffU;
    return first == 0 && last == 0xff ? types : types + "/" + range_text(first, last);
}

} // namespace

TrafficSelector selector(const Prefix& prefix) { return {0, 0, 65535, prefix.address(), prefix.last()}; }

std::vector<TrafficSelector> selectors(std::span<const Prefix> prefixes) {
    std::vector<TrafficSelector> out;
    out.reserve(prefixes.size());
    for (const Prefix& prefix : prefixes)
        out.push_back(selector(prefix));
    return out;
}

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b) {
    if (!same_family(a, b)) return std::nullopt;
    if (a.ip_protocol != b.ip_protocol && a.ip_protocol != 0 && b.ip_protocol != 0) return std::nullopt;
    const auto ports = intersect_ports(a, b);
    TrafficSelector out;
    out.start = std::max(a.start, b.start);
    out.end = std::min(a.end, b.end);
    if (!ports || out.start > out.end) return std::nullopt;
    out.ip_protocol = a.ip_protocol != 0 ? a.ip_protocol : b.ip_protocol;
    std::tie(out.start_port, out.end_port) = *ports;
    return out;
}

bool contains(const TrafficSelector& outer, const TrafficSelector& inner) {
    return intersect(outer, inner) == inner;
}

std::optional<std::vector<Prefix>> prefixes_of(const TrafficSelector& selector, std::size_t most) {
    std::vector<Prefix> out;
    std::optional<IpAddress> from = selector.start;
    while (from && *from <= selector.end) {
        if (out.size() == most) return std::nullopt;
        out.push_back(largest_block(*from, selector.end));
        from = out.back().last().next();
    }
    return out;
}

std::vector<std::string> texts(std::span<const TrafficSelector> selectors) {
    std::vector<std::string> out;
    for (const auto& selector : selectors)
        out.push_back(to_string(selector));
    return out;
}

std::string to_string(const TrafficSelector& s) {
    std::string out;
    const auto prefixes = prefixes_of(s, 1);
    if (prefixes && prefixes->size() == 1) {
        out = prefixes->front().to_string();
    } else {
        out = s.start.to_string() + "-" + s.end.to_string();
    }
    if (s.ip_protocol != 0) out += " " + protocol_name(s.ip_protocol);
    if (is_opaque(s)) return out + "/opaque";
    if (any_port(s)) return out;
    return out + "/" + ports_text(s);
}

std::expected<Narrowed, Rule> Narrowed::narrow(std::span<const TrafficSelector> offered_i,
                                               std::span<const TrafficSelector> policy_i,
                                               std::span<const TrafficSelector> offered_r,
                                               std::span<const TrafficSelector> policy_r) {
    auto initiator = intersect_all(offered_i, policy_i);
    auto responder = intersect_all(offered_r, policy_r);
    drop_unpaired(initiator, responder);
    drop_unpaired(responder, initiator);
    if (initiator.empty() || responder.empty()) return std::unexpected(Rule::ts_unacceptable);
    return Narrowed(std::move(initiator), std::move(responder));
}

std::expected<Narrowed, Rule> Narrowed::accept(std::span<const TrafficSelector> answered_i,
                                               std::span<const TrafficSelector> offered_i,
                                               std::span<const TrafficSelector> answered_r,
                                               std::span<const TrafficSelector> offered_r) {
    if (!all_within(answered_i, offered_i) || !all_within(answered_r, offered_r))
        return std::unexpected(Rule::ts_not_narrowed);
    return Narrowed({answered_i.begin(), answered_i.end()}, {answered_r.begin(), answered_r.end()});
}

} // namespace sheaf::child

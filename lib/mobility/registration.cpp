#include "lib/mobility/registration.h"

#include <algorithm>
#include <tuple>

namespace sheaf::mobility {
namespace {

// Lower is better. Without a priority a binding comes after all that have one.
auto rank(const Binding& binding) { return std::tuple(binding.priority == 0, binding.priority, binding.bid); }

ChangeKind kind_of(const Binding& before, Binding after) {
    after.expires = before.expires;
    return before == after ? ChangeKind::refreshed : ChangeKind::changed;
}

void add_bindings(const Registration& before, const Registration& after, std::vector<Change>& to) {
    for (const Binding& binding : after.bindings) {
        const Binding* old = find(before.bindings, binding.bid);
        if (!old)
            to.emplace_back(BindingChange{ChangeKind::added, after.home, binding, std::nullopt});
        else if (*old != binding)
            to.emplace_back(BindingChange{kind_of(*old, binding), after.home, binding, *old});
    }
}

const FlowBinding* find_flow(const Registration& registration, std::uint16_t fid) {
    const auto found = std::ranges::find(registration.flows, fid, &FlowBinding::fid);
    return found == registration.flows.end() ? nullptr : &*found;
}

void add_flows(const Registration& before, const Registration& after, std::vector<Change>& to) {
    for (const FlowBinding& flow : after.flows) {
        const FlowBinding* old = find_flow(before, flow.fid);
        if (old && *old == flow) continue;
        to.emplace_back(FlowChange{old ? ChangeKind::changed : ChangeKind::added, after.home, flow});
    }
}

void add_path(const IpAddress& home, std::uint16_t fid, const Binding* before, const Binding* after,
              std::vector<Change>& to) {
    const bool same = before && after ? before->bid == after->bid && before->care_of == after->care_of &&
                                            before->at_home == after->at_home
                                      : before == after;
    if (same) return;
    to.emplace_back(PathChange{home, fid, after ? std::optional(*after) : std::nullopt});
}

void add_paths(const Registration& before, const Registration& after, std::vector<Change>& to) {
    add_path(after.home, 0, default_path(before), default_path(after), to);
    for (const FlowBinding& flow : after.flows) {
        const FlowBinding* old = find_flow(before, flow.fid);
        add_path(after.home, flow.fid, old ? path_of(*old, before) : nullptr, path_of(flow, after), to);
    }
}

void add_prefixes(const Registration& from, const Registration& without, ChangeKind kind,
                  std::vector<Change>& to) {
    for (const Prefix& prefix : from.prefixes)
        if (std::ranges::find(without.prefixes, prefix) == without.prefixes.end())
            to.emplace_back(PrefixChange{kind, from.home, prefix});
}

} // namespace

const Binding* find(std::span<const Binding> bindings, std::uint16_t bid) {
    const auto found = std::ranges::find(bindings, bid, &Binding::bid);
    return found == bindings.end() ? nullptr : &*found;
}

bool has_care_of(const Registration& registration, const IpAddress& care_of) {
    return std::ranges::find(registration.bindings, care_of, &Binding::care_of) !=
           registration.bindings.end();
}

void put(std::vector<Binding>& bindings, const Binding& binding) {
    std::erase_if(bindings, [&](const Binding& other) { return other.bid == binding.bid; });
    bindings.insert(std::ranges::upper_bound(bindings, binding.bid, {}, &Binding::bid), binding);
}

void put(std::vector<FlowBinding>& flows, const FlowBinding& flow) {
    std::erase_if(flows, [&](const FlowBinding& other) { return other.fid == flow.fid; });
    flows.insert(std::ranges::upper_bound(flows, flow.priority, {}, &FlowBinding::priority), flow);
}

const Binding* default_path(const Registration& registration) {
    const auto best = std::ranges::min_element(registration.bindings, {}, rank);
    return best == registration.bindings.end() ? nullptr : &*best;
}

const Binding* path_of(const FlowBinding& flow, const Registration& registration) {
    for (const std::uint16_t bid : flow.bids)
        if (const Binding* binding = find(registration.bindings, bid)) return binding;
    return nullptr;
}

const Binding* path_for(const PacketFacts& packet, const Registration& registration) {
    for (const FlowBinding& flow : registration.flows) {
        if (!flow.selector.matches(packet)) continue;
        if (const Binding* path = path_of(flow, registration)) return path;
    }
    return default_path(registration);
}

IpAddress key_endpoint_after(const Registration& after, const IpAddress& source,
                             std::span<const BindingId> named) {
    if (after.bindings.empty()) return after.home;
    if (has_care_of(after, source)) return source;
    for (const BindingId& asked : named)
        if (const Binding* binding = find(after.bindings, asked.bid)) return binding->care_of;
    return default_path(after)->care_of;
}

std::vector<Change> difference(const Registration& before, const Registration& after) {
    std::vector<Change> out;
    add_bindings(before, after, out);
    add_flows(before, after, out);
    add_prefixes(after, before, ChangeKind::added, out);
    add_paths(before, after, out);
    add_prefixes(before, after, ChangeKind::removed, out);
    for (const FlowBinding& flow : before.flows)
        if (!find_flow(after, flow.fid)) out.emplace_back(FlowChange{ChangeKind::removed, after.home, flow});
    for (const Binding& binding : before.bindings)
        if (!find(after.bindings, binding.bid))
            out.emplace_back(BindingChange{ChangeKind::removed, after.home, binding, binding});
    return out;
}

} // namespace sheaf::mobility

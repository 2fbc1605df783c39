#include "lib/mobility/binding_list.h"

#include <algorithm>

// Which Binding Update leads from what the home agent holds to what is wanted.
namespace sheaf::mobility {
namespace {

// RFC 6089 6: so that a message stays within 1280 octets; the others follow.
constexpr std::size_t kFlowsInMessage = 4;

bool has(const std::vector<std::uint16_t>& list, std::uint16_t number) {
    return std::ranges::find(list, number) != list.end();
}

} // namespace

// The preferred one comes first.
std::vector<CareOf> BindingList::wanted() const {
    std::vector<CareOf> out;
    if (stopped_) return out;
    if (is_home_alone()) return out;
    for (const CareOf& care_of : care_of_) {
        const auto refusal = refusals_.find(care_of.bid);
        if (refusal == refusals_.end() || refusal->second.care_of != care_of) out.push_back(care_of);
    }
    if (home_link_) out.push_back(*home_link_);
    std::ranges::stable_sort(out, {}, &CareOf::priority);
    if (out.size() > kMaxBindings) out.resize(kMaxBindings);
    return out;
}

// RFC 5648 9.1: the same address all the time, as long as it is there and nobody asks for another.
IpAddress BindingList::source(const std::vector<CareOf>& want) const {
    const auto asked = std::ranges::find(want, keys_bid_, &CareOf::bid);
    if (asked != want.end()) return asked->address;
    if (held_.key_endpoint)
        if (std::ranges::find(want, *held_.key_endpoint, &CareOf::address) != want.end())
            return *held_.key_endpoint;
    return want.front().address;
}

bool BindingList::is_as_held(const CareOf& care_of) const {
    const Binding* held = find(held_.bindings, care_of.bid);
    return held && held->care_of == care_of.address && held->priority == care_of.priority;
}

BindingId BindingList::option(const CareOf& care_of, bool with_address) const {
    BindingId out{care_of.bid, Status::accepted, is_home(care_of), care_of.priority, std::nullopt};
    // RFC 5648 5.6.3: that of the home link is always stated.
    if (with_address || out.at_home) out.care_of = care_of.address;
    return out;
}

std::optional<BindingList::Plan> BindingList::plan() const {
    if (refused_) return std::nullopt;
    const auto want = wanted();
    if (want.empty()) return plan_end();
    if (!settings_.multiple_care_of) return plan_plain(want.front());
    return settings_.bulk ? plan_bindings(want) : plan_one(want);
}

// RFC 5648 5.4, 5.5.1: all at once, from home or from any address that is left.
std::optional<BindingList::Plan> BindingList::plan_end() const {
    const bool may_hold = (unknown_ && (ever_sent_ || home_link_)) || !held_.bindings.empty();
    const bool can_send = home_link_ || (stopped_ && !care_of_.empty());
    if (!may_hold || !can_send) return std::nullopt;
    const IpAddress from = home_link_ ? settings_.home : care_of_.front().address;
    return Plan{make_removal({}, {}).update, from};
}

// RFC 6275 11.7.1: the one care-of address of a home agent that knows no others. It replaces all.
std::optional<BindingList::Plan> BindingList::plan_plain(const CareOf& care_of) const {
    const Binding* held = find(held_.bindings, 0);
    if (!unknown_ && !refresh_due_ && held && held->care_of == care_of.address) return std::nullopt;
    Plan out = make_plan({}, {care_of}, false);
    out.update.options.alternate_care_of = care_of.address;
    return out;
}

std::optional<BindingList::Plan> BindingList::plan_bindings(const std::vector<CareOf>& want) const {
    std::vector<BindingId> all;
    std::vector<BindingId> removed;
    bool changed = false;
    for (const CareOf& care_of : want) {
        all.push_back(option(care_of, !is_as_held(care_of)));
        changed = changed || !is_as_held(care_of);
    }
    for (const Binding& held : held_.bindings)
        if (std::ranges::find(want, held.bid, &CareOf::bid) == want.end()) removed.push_back({held.bid});
    if (unknown_ || (changed && !removed.empty())) {
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i].care_of = want[i].address;
        return make_plan(std::move(all), want, true);
    }
    if (!removed.empty()) return make_removal(std::move(removed), want);
    if (changed || refresh_due_ || flows_wait(want)) return make_plan(std::move(all), want, false);
    return std::nullopt;
}

// Without bulk registration: a message for each binding, what has to go first.
std::optional<BindingList::Plan> BindingList::plan_one(const std::vector<CareOf>& want) const {
    if (unknown_) return make_plan({option(want.front(), true)}, want, true);
    for (const Binding& held : held_.bindings)
        if (std::ranges::find(want, held.bid, &CareOf::bid) == want.end())
            return make_removal({{held.bid}}, want);
    for (const CareOf& care_of : want)
        if (!is_as_held(care_of)) return make_plan({option(care_of, true)}, want, false);
    if (flows_wait(want)) return make_plan({option(want.front(), false)}, want, false);
    if (!refresh_due_) return std::nullopt;
    const auto due = std::ranges::min_element(refresh_at_, {}, [](const auto& item) { return item.second; });
    const auto found = std::ranges::find(want, due->first, &CareOf::bid);
    return make_plan({option(found == want.end() ? want.front() : *found, false)}, want, false);
}

BindingList::Plan BindingList::make_plan(std::vector<BindingId> bindings, const std::vector<CareOf>& want,
                                         bool overwrite) const {
    Plan out;
    out.source = source(want);
    out.update.lifetime = to_lifetime(settings_.lifetime);
    unsigned flags = kAcknowledge | kHomeRegistration;
    if (settings_.key_mobility) flags |= kKeyMobility;
    if (settings_.mobile_router) flags |= kMobileRouter;
    if (overwrite) flags |= kOverwrite;
    out.update.flags = static_cast<std::uint16_t>(flags);
    out.update.options.bindings = std::move(bindings);
    if (settings_.mobile_router) out.update.options.prefixes = settings_.networks;
    if (!out.update.options.bindings.empty()) add_flows(out);
    return out;
}

BindingList::Plan BindingList::make_removal(std::vector<BindingId> bindings,
                                            const std::vector<CareOf>& want) const {
    Plan out;
    if (!want.empty()) out.source = source(want);
    unsigned flags = kAcknowledge | kHomeRegistration;
    if (settings_.key_mobility) flags |= kKeyMobility;
    if (settings_.mobile_router) flags |= kMobileRouter;
    out.update.flags = static_cast<std::uint16_t>(flags);
    out.update.options.bindings = std::move(bindings);
    if (!out.update.options.bindings.empty()) add_flows(out);
    return out;
}

// The bindings that the home agent has when it has taken the message.
std::vector<std::uint16_t> BindingList::there_after(const Plan& plan) const {
    std::vector<std::uint16_t> out;
    if (!plan.update.has(kOverwrite))
        for (const Binding& held : held_.bindings)
            out.push_back(held.bid);
    for (const BindingId& named : plan.update.options.bindings) {
        std::erase(out, named.bid);
        if (plan.update.lifetime != 0) out.push_back(named.bid);
    }
    return out;
}

// RFC 6089 5.2.2: the flow as it can be registered now: with the bindings of its wish that are there. None if
// that is what the home agent has, or has refused.
std::optional<FlowBinding> BindingList::flow_to_send(const FlowBinding& wish,
                                                     const std::vector<std::uint16_t>& there) const {
    FlowBinding flow = wish;
    std::erase_if(flow.bids, [&](std::uint16_t bid) { return !has(there, bid); });
    if (flow.bids.empty()) return std::nullopt;
    const auto held = std::ranges::find(held_.flows, wish.fid, &FlowBinding::fid);
    if (held != held_.flows.end() && !unknown_) {
        // A binding that went is remembered there and counts again when it comes back.
        FlowBinding same = wish;
        std::erase_if(same.bids,
                      [&](std::uint16_t bid) { return !has(there, bid) && !has(held->bids, bid); });
        if (same == *held) return std::nullopt;
    }
    const auto refusal = flow_refusals_.find(wish.fid);
    if (refusal != flow_refusals_.end() && refusal->second == flow) return std::nullopt;
    return flow;
}

// Whether its name is enough for the flow to stay at the home agent as we know it there, or to be asked for
// again by a home agent that has lost it (RFC 6089 5.3.3).
bool BindingList::can_keep(std::uint16_t fid) const {
    const bool is_held = std::ranges::find(held_.flows, fid, &FlowBinding::fid) != held_.flows.end();
    return is_held && !flows_in_doubt_.contains(fid);
}

// RFC 6089 5.2.3: every message names every flow that is to stay. Those of which the name is not enough come
// first, as they are not there, or no longer, until a message has room for them.
void BindingList::add_flows(Plan& plan) const {
    if (!flows_known_) return;
    const auto there = there_after(plan);
    Options& options = plan.update.options;
    auto wishes = flows_;
    std::ranges::stable_partition(wishes, [this](const FlowBinding& wish) { return !can_keep(wish.fid); });
    for (const FlowBinding& wish : wishes) {
        const auto flow = flow_to_send(wish, there);
        if (flow && options.flows.size() < kFlowsInMessage)
            options.flows.push_back(
                {flow->fid, flow->priority, FlowStatus::accepted, flow->bids, flow->selector});
        else if (can_keep(wish.fid))
            options.flow_summary.push_back(wish.fid);
    }
}

bool BindingList::flows_wait(const std::vector<CareOf>& want) const {
    if (!flows_known_) return false;
    std::vector<std::uint16_t> there;
    for (const CareOf& care_of : want)
        if (find(held_.bindings, care_of.bid)) there.push_back(care_of.bid);
    for (const FlowBinding& wish : flows_)
        if (flow_to_send(wish, there)) return true;
    return std::ranges::any_of(held_.flows, [this](const FlowBinding& held) {
        return std::ranges::find(flows_, held.fid, &FlowBinding::fid) == flows_.end();
    });
}

} // namespace sheaf::mobility

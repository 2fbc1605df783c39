#include "lib/mobility/binding_list.h"

#include <algorithm>

// What a Binding Acknowledgement tells the mobile node.
namespace sheaf::mobility {
namespace {

using Ability = AbilityMissing::Ability;

constexpr std::chrono::seconds kRetry{32}; // after a refusal that may pass: as slow as an unanswered message

// RFC 5648 5.7: the option's status, if it has one, else the message's.
Status status_of(const BindingAck& ack, std::uint16_t bid) {
    const auto& options = ack.options.bindings;
    const auto found = std::ranges::find(options, bid, &BindingId::bid);
    if (found == options.end() || found->status == Status::accepted) return ack.status;
    return found->status;
}

// A refusal that is no fault of the binding's.
bool may_pass(Status status) {
    return status == Status::insufficient_resources || status == Status::unspecified;
}

} // namespace

// RFC 6275 11.7.3: the home agent's last number is not older than ours. What it says of an older one of ours
// is late.
void BindingList::number(const BindingAck& ack, Instant now) {
    if (!pending_ || !pending_->sent || is_newer(pending_->last, ack.sequence)) return;
    const bool ours = static_cast<std::uint16_t>(ack.sequence - pending_->first) <=
                      static_cast<std::uint16_t>(pending_->last - pending_->first);
    sequence_ = ack.sequence;
    pending_->next_at = now;
    if (!ours) pending_->sent = false; // none of ours was taken
}

void BindingList::accept(Instant now, const BindingAck& ack, Actions& to) {
    const BindingUpdate& update = pending_->update;
    const bool is_end = update.lifetime == 0;
    unknown_ = false;
    flows_in_doubt_.clear();
    if (is_end) {
        take_removals();
    } else {
        if (update.has(kMobileRouter) && !ack.has(kAckMobileRouter)) miss(Ability::mobile_router, to);
        take_bindings(now, ack, to);
    }
    if (!update.options.bindings.empty()) take_flows(ack, to);
    take_keys(ack, to);
    if (ack.status == Status::prefix_discovery_needed) to.notices.emplace_back(PrefixDiscoveryNeeded{});
    if (is_end && home_link_ && update.options.bindings.empty()) to.notices.emplace_back(HomeLinkUsable{});
}

void BindingList::take_bindings(Instant now, const BindingAck& ack, Actions& to) {
    const BindingUpdate& update = pending_->update;
    const auto& named = update.options.bindings;
    const Duration granted = from_lifetime(std::min(ack.lifetime, update.lifetime));
    if (update.has(kOverwrite) || named.empty())
        std::erase_if(held_.bindings, [&](const Binding& held) {
            return std::ranges::find(named, held.bid, &BindingId::bid) == named.end();
        });
    const std::optional<Instant> advised =
        ack.options.refresh_advice
            ? std::optional(pending_->first_sent + from_lifetime(*ack.options.refresh_advice))
            : std::nullopt;
    held_.mobile_router = update.has(kMobileRouter) && ack.has(kAckMobileRouter);
    held_.prefixes = held_.mobile_router ? settings_.networks : std::vector<Prefix>{};
    if (named.empty())
        take_binding(now, {0, ack.status, false, 0, update.options.alternate_care_of}, ack.status, granted,
                     to);
    for (const BindingId& asked : named)
        take_binding(now, asked, status_of(ack, asked.bid), granted, to);
    if (!advised) return;
    for (auto& [bid, at] : refresh_at_)
        at = std::max(pending_->first_sent + Duration(kLifetimeUnit), std::min(at, *advised));
}

void BindingList::take_binding(Instant now, const BindingId& asked, Status status, Duration granted,
                               Actions& to) {
    if (!is_accepted(status)) return refuse_binding(now, asked, status, to);
    const Binding* before = find(held_.bindings, asked.bid);
    if (!asked.care_of && !before) return;
    const bool is_new = !before;
    const Binding binding{asked.bid, asked.care_of ? *asked.care_of : before->care_of, asked.priority,
                          asked.at_home, pending_->first_sent + granted};
    put(held_.bindings, binding);
    // A flow may have been refused for want of it, if only the home agent knew that it had gone.
    if (is_new || pending_->update.has(kOverwrite))
        std::erase_if(flow_refusals_, [&](const auto& refusal) {
            return std::ranges::find(refusal.second.bids, asked.bid) != refusal.second.bids.end();
        });
    refresh_at_[asked.bid] = pending_->first_sent + granted * 3 / 4;
    if (asked.at_home && is_new)
        to.notices.emplace_back(HomeLinkUsable{status != Status::home_without_neighbour_discovery});
}

// A removal that fails finds nothing to remove.
void BindingList::take_removals() {
    const auto& named = pending_->update.options.bindings;
    if (named.empty()) held_.bindings.clear();
    std::erase_if(held_.bindings, [&](const Binding& held) {
        return std::ranges::find(named, held.bid, &BindingId::bid) != named.end();
    });
    std::erase_if(refresh_at_, [&](const auto& item) { return !find(held_.bindings, item.first); });
}

// RFC 6089 5.2.6. A flow that is named in no way, or that the home agent refuses, is one that it has not; so is
// one that was sent and that it answers nothing of, while it answers others.
void BindingList::take_flows(const BindingAck& ack, Actions& to) {
    const Options& asked = pending_->update.options;
    if (!asked.flows.empty() && ack.options.flows.empty()) {
        miss(Ability::flows, to);
        held_.flows.clear();
        return;
    }
    std::erase_if(held_.flows, [&](const FlowBinding& held) {
        return std::ranges::find(asked.flow_summary, held.fid) == asked.flow_summary.end();
    });
    for (const FlowIdentification& answer : ack.options.flows) {
        if (answer.status != FlowStatus::accepted)
            std::erase_if(held_.flows, [&](const FlowBinding& held) { return held.fid == answer.fid; });
    }
    for (const FlowIdentification& sent : asked.flows) {
        const auto answer = std::ranges::find(ack.options.flows, sent.fid, &FlowIdentification::fid);
        const bool is_answered = answer != ack.options.flows.end();
        take_flow(sent, is_answered ? answer->status : FlowStatus::unspecified, to);
    }
}

void BindingList::take_flow(const FlowIdentification& sent, FlowStatus status, Actions& to) {
    const FlowBinding flow = binding_of(sent);
    if (status == FlowStatus::accepted) {
        put(held_.flows, flow);
        flow_refusals_.erase(flow.fid);
    } else {
        flow_refusals_[flow.fid] = flow;
        to.notices.emplace_back(FlowRefused{flow.fid, status});
    }
}

// RFC 6275 11.7.3: IKE follows where the message came from, or starts anew when its address is gone.
void BindingList::take_keys(const BindingAck& ack, Actions& to) {
    const auto old = held_.key_endpoint;
    const IpAddress next = key_endpoint_after(held_, pending_->source, pending_->update.options.bindings);
    const bool follows = pending_->update.has(kKeyMobility) && ack.has(kAckKeyMobility);
    if (!follows && old && has_care_of(held_, *old)) return;
    held_.key_endpoint = next;
    if (old == next) return;
    if (follows)
        to.changes.emplace_back(KeyEndpointChange{held_.home, true, next});
    else if (old)
        to.changes.emplace_back(KeyEndpointChange{held_.home, false, *old});
}

void BindingList::refuse(Instant now, const BindingAck& ack, Actions& to) {
    const BindingUpdate& update = pending_->update;
    const auto& named = update.options.bindings;
    if (pending_->first != pending_->last) doubt(); // an earlier copy may have been accepted
    switch (ack.status) {
    case Status::not_home_agent:
        if (update.lifetime != 0) return refuse_all(ack.status, to);
        take_removals(); // there was nothing
        if (named.empty()) find_nothing(to);
        return;
    case Status::plain_binding_exists:
        if (update.has(kOverwrite)) return refuse_all(ack.status, to);
        unknown_ = true; // RFC 5648 5.7: with the O flag, then
        return;
    case Status::multiple_prohibited:
        if (named.empty()) return refuse_all(ack.status, to);
        return miss(Ability::multiple_care_of, to);
    case Status::bulk_prohibited:
        if (named.size() < 2) return refuse_all(ack.status, to);
        return miss(Ability::bulk, to);
    case Status::home_and_foreign_prohibited: return miss(Ability::home_and_foreign, to);
    case Status::malformed_binding:
    case Status::invalid_care_of:
    case Status::unknown_care_of:
    case Status::unspecified:
    case Status::insufficient_resources: break;
    // It passes when what is left of the other kind has ended.
    case Status::registration_type_change: return wait(now, ack.status, to);
    // RFC 6275 11.7.1: after 134 the home address is not asked for again, unless IKE grants it anew.
    default: return refuse_all(ack.status, to);
    }
    if (update.lifetime == 0 || named.empty())
        return may_pass(ack.status) ? wait(now, ack.status, to) : refuse_all(ack.status, to);
    for (const BindingId& asked : named)
        refuse_binding(now, asked, status_of(ack, asked.bid), to);
}

// There is nothing to remove, or it went by an earlier copy of the message, whose answer was lost with what it said
// about IKE. So there an IKE SA is made anew.
void BindingList::find_nothing(Actions& to) {
    unknown_ = false;
    if (!home_link_) return;
    to.notices.emplace_back(HomeLinkUsable{});
    if (held_.key_endpoint)
        to.changes.emplace_back(KeyEndpointChange{held_.home, false, *held_.key_endpoint});
}

void BindingList::refuse_binding(Instant now, const BindingId& asked, Status status, Actions& to) {
    if (status == Status::unknown_care_of && !asked.care_of) {
        // RFC 5648 5.7: with the care-of address, then. And who has lost one may have lost all.
        std::erase_if(held_.bindings, [&](const Binding& held) { return held.bid == asked.bid; });
        unknown_ = true;
        return;
    }
    if (asked.at_home) return miss(Ability::home_and_foreign, to);
    const auto here = std::ranges::find(care_of_, asked.bid, &CareOf::bid);
    if (here == care_of_.end()) return wait(now, status, to);
    const auto until = may_pass(status) ? std::optional(now + kRetry) : std::nullopt;
    refusals_[asked.bid] = {*here, until};
    to.notices.emplace_back(BindingRefused{asked.bid, status, !until});
}

void BindingList::wait(Instant now, Status status, Actions& to) {
    retry_at_ = now + kRetry;
    to.notices.emplace_back(BindingRefused{0, status, false});
}

void BindingList::refuse_all(Status status, Actions& to) {
    refused_ = status;
    to.notices.emplace_back(BindingRefused{0, status, true});
}

// What is done without it begins with a message that says all.
void BindingList::miss(Ability ability, Actions& to) {
    unknown_ = true;
    switch (ability) {
    case Ability::multiple_care_of: settings_.multiple_care_of = false; break;
    case Ability::bulk: settings_.bulk = false; break;
    case Ability::home_and_foreign: settings_.home_and_foreign = false; break;
    case Ability::flows:
        flows_known_ = false;
        unknown_ = false; // it has ignored them
        break;
    case Ability::mobile_router: // RFC 3963 5.3: such a home agent is left
        settings_.mobile_router = false;
        stopped_ = true;
        break;
    }
    to.notices.emplace_back(AbilityMissing{ability});
}

} // namespace sheaf::mobility

#include "lib/mobility/binding_list.h"

#include <algorithm>
#include <iterator>

namespace sheaf::mobility {
namespace {

// RFC 6275 12
constexpr std::chrono::seconds kInitialTimeout{1};
constexpr std::chrono::seconds kMaxTimeout{32};
constexpr std::chrono::seconds kRatePeriod{1};

} // namespace

BindingList::BindingList(MobileNodeSettings settings, std::uint16_t sequence)
    : settings_(std::move(settings)), sequence_(sequence) {
    held_.home = settings_.home;
}

template <class Change>
Actions BindingList::step(Instant now, Change change) {
    Actions out;
    const Registration before = usable();
    expire(now);
    change(out);
    // Nothing belongs to a home address without a binding.
    if (held_.bindings.empty()) held_ = Registration{held_.home, {}, {}, false, {}, held_.key_endpoint};
    drive(now, out);
    auto changes = difference(before, usable());
    out.changes.insert(out.changes.begin(), std::make_move_iterator(changes.begin()),
                       std::make_move_iterator(changes.end()));
    return out;
}

Actions BindingList::set_care_of(Instant now, const CareOf& care_of) {
    return step(now, [&](Actions&) {
        std::erase_if(care_of_, [&](const CareOf& other) { return other.bid == care_of.bid; });
        const auto place = std::ranges::upper_bound(care_of_, care_of.bid, {}, &CareOf::bid);
        care_of_.insert(place, care_of);
    });
}

Actions BindingList::withdraw(Instant now, std::uint16_t bid) {
    return step(now, [&](Actions&) {
        std::erase_if(care_of_, [&](const CareOf& other) { return other.bid == bid; });
        refusals_.erase(bid);
    });
}

Actions BindingList::arrive_home(Instant now, std::uint16_t bid, std::uint8_t priority) {
    return step(now, [&](Actions&) {
        home_link_ = CareOf{bid, priority, settings_.home};
        if (is_home_alone()) unknown_ = true; // so that the home agent says that we are
    });
}

Actions BindingList::leave_home(Instant now) {
    return step(now, [&](Actions&) { home_link_.reset(); });
}

Actions BindingList::set_flow(Instant now, const FlowBinding& flow) {
    return step(now, [&](Actions&) {
        flow_refusals_.clear(); // what another flow had may be free now
        const bool is_known = std::ranges::find(flows_, flow.fid, &FlowBinding::fid) != flows_.end();
        if (is_known || flows_.size() < kMaxFlows) put(flows_, flow);
    });
}

Actions BindingList::remove_flow(Instant now, std::uint16_t fid) {
    return step(now, [&](Actions&) {
        flow_refusals_.clear();
        std::erase_if(flows_, [&](const FlowBinding& flow) { return flow.fid == fid; });
    });
}

Actions BindingList::use_for_keys(Instant now, std::uint16_t bid) {
    return step(now, [&](Actions&) {
        keys_bid_ = bid;
        const auto refresh = refresh_at_.find(bid);
        if (refresh != refresh_at_.end()) refresh->second = now; // the home agent learns it by a message
    });
}

Actions BindingList::stop(Instant now) {
    return step(now, [&](Actions&) { stopped_ = true; });
}

Actions BindingList::start(Instant now) {
    return step(now, [&](Actions&) {
        stopped_ = false;
        forget_refusals();
    });
}

void BindingList::forget_refusals() {
    refused_.reset();
    refusals_.clear();
    flow_refusals_.clear();
}

Actions BindingList::begin_again(Instant now) {
    return step(now, [&](Actions&) {
        unknown_ = true;
        give_up();
        retry_at_.reset();
        forget_refusals();
    });
}

Actions BindingList::receive(Instant now, const RefreshRequest& request) {
    return step(now, [&](Actions&) {
        const auto& named = request.options.bindings;
        for (auto& [bid, at] : refresh_at_)
            if (named.empty() || std::ranges::find(named, bid, &BindingId::bid) != named.end()) at = now;
    });
}

Actions BindingList::receive(Instant now, const BindingError& error) {
    return step(now, [&](Actions&) {
        const bool ours =
            error.status == ErrorStatus::unknown_binding && error.home_address == settings_.home;
        // Anybody can send this, so that it must not cost more than one message at a time, nor anything that
        // is registered. RFC 5648 5.7: who has lost a binding refuses its refresh, and is told all then.
        if (!ours || pending_) return;
        for (auto& [bid, at] : refresh_at_)
            at = now;
    });
}

Actions BindingList::on_timeout(Instant now) {
    return step(now, [](Actions&) {});
}

Registration BindingList::usable() const {
    Registration out = held_;
    const bool only_home = home_link_ && !settings_.home_and_foreign;
    std::erase_if(out.bindings, [&](const Binding& held) {
        if (only_home) return true;
        if (held.at_home) return !home_link_ || home_link_->bid != held.bid;
        return std::ranges::none_of(care_of_, [&](const CareOf& here) {
            return here.address == held.care_of && (held.bid == 0 || here.bid == held.bid);
        });
    });
    return out.bindings.empty() ? Registration{held_.home} : out;
}

// RFC 6275 11.7.3: our lifetimes begin when the message was sent, so that they end before the home agent's.
void BindingList::expire(Instant now) {
    const auto ended =
        std::erase_if(held_.bindings, [&](const Binding& held) { return held.expires <= now; });
    if (ended != 0) unknown_ = true;
    std::erase_if(refresh_at_, [&](const auto& item) { return !find(held_.bindings, item.first); });
    std::erase_if(refusals_,
                  [&](const auto& item) { return item.second.until && *item.second.until <= now; });
    if (retry_at_ && *retry_at_ <= now) retry_at_.reset();
}

bool BindingList::is_under_way(const Plan& plan) const {
    if (!pending_ || pending_->source != plan.source) return false;
    BindingUpdate update = pending_->update;
    update.sequence = plan.update.sequence;
    return update == plan.update;
}

void BindingList::give_up() {
    if (pending_ && pending_->sent) doubt();
    pending_.reset();
}

// The home agent may have taken what is under way, and with it other forms of flows than those that we know of.
void BindingList::doubt() {
    unknown_ = true;
    for (const FlowIdentification& sent : pending_->update.options.flows) {
        const auto held = std::ranges::find(held_.flows, sent.fid, &FlowBinding::fid);
        if (held != held_.flows.end() && *held != binding_of(sent)) flows_in_doubt_.insert(sent.fid);
    }
}

// What is under way stays so while it is what is to be done. If the home agent may have got what is given up,
// it may hold something else than we know, which is another plan.
void BindingList::follow_plan(Instant now) {
    refresh_due_ = std::ranges::any_of(refresh_at_, [&](const auto& item) { return item.second <= now; });
    auto next = plan();
    if (next ? is_under_way(*next) : !pending_) return;
    give_up();
    next = plan();
    if (!next) return;
    pending_ = Pending{std::move(next->update), next->source};
    pending_->next_at = now;
    // RFC 6275 11.8: a first registration takes longer, as the home agent looks for duplicates.
    pending_->timeout = held_.bindings.empty() ? settings_.first_timeout : Duration(kInitialTimeout);
}

Instant BindingList::send_at() const {
    Instant at = pending_->next_at;
    if (sent_count_ == sent_at_.size()) at = std::max(at, sent_at_.front() + kRatePeriod);
    return retry_at_ ? std::max(at, *retry_at_) : at;
}

void BindingList::drive(Instant now, Actions& to) {
    follow_plan(now);
    if (!pending_ || send_at() > now) return;
    Pending& pending = *pending_;
    pending.update.sequence = ++sequence_; // RFC 6275 11.8: also when it is sent again
    pending.last = sequence_;
    if (!pending.sent) {
        pending.first = sequence_;
        pending.first_sent = now;
        pending.sent = true;
    }
    pending.next_at = now + pending.timeout;
    pending.timeout = std::min(pending.timeout * 2, Duration(kMaxTimeout));
    ever_sent_ = true;
    std::ranges::rotate(sent_at_, sent_at_.begin() + 1);
    sent_at_.back() = now;
    sent_count_ = std::min(sent_count_ + 1, sent_at_.size());
    to.send = Packet{settings_.home, pending.source, pending.update};
}

std::optional<Instant> BindingList::next_timeout() const {
    std::optional<Instant> out;
    const auto at = [&out](Instant when) { out = out ? std::min(*out, when) : when; };
    if (pending_) at(send_at());
    for (const Binding& held : held_.bindings)
        at(held.expires);
    if (!refresh_due_)
        for (const auto& [bid, when] : refresh_at_)
            at(when);
    for (const auto& [bid, refusal] : refusals_)
        if (refusal.until) at(*refusal.until);
    if (retry_at_) at(*retry_at_);
    return out;
}

// RFC 6275 11.7.3: by its number. What else it says has to fit, too: before a restart the same number may have
// been given to another message.
bool BindingList::is_answer(const BindingAck& ack) const {
    if (!pending_ || !pending_->sent) return false;
    const auto ahead = static_cast<std::uint16_t>(ack.sequence - pending_->first);
    if (ahead > static_cast<std::uint16_t>(pending_->last - pending_->first)) return false;
    const auto& asked = pending_->update.options.bindings;
    const bool foreign = std::ranges::any_of(ack.options.bindings, [&](const BindingId& named) {
        return std::ranges::find(asked, named.bid, &BindingId::bid) == asked.end();
    });
    if (foreign) return false;
    return !is_accepted(ack.status) || (ack.lifetime == 0) == (pending_->update.lifetime == 0);
}

Actions BindingList::receive(Instant now, const BindingAck& ack) {
    return step(now, [&](Actions& to) {
        if (ack.status == Status::sequence_out_of_window) return number(ack, now);
        if (!is_answer(ack)) {
            to.discarded = Rule::unmatched_acknowledgement;
            return;
        }
        const bool named = !pending_->update.options.bindings.empty();
        if (named && ack.options.bindings.empty())
            miss(AbilityMissing::Ability::multiple_care_of, to); // RFC 5648 5.7, whatever the status is
        else if (is_accepted(ack.status))
            accept(now, ack, to);
        else
            refuse(now, ack, to);
        pending_.reset();
    });
}

} // namespace sheaf::mobility

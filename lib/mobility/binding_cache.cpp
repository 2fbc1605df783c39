#include "lib/mobility/binding_cache.h"

#include <algorithm>

namespace sheaf::mobility {
namespace {

constexpr std::chrono::seconds kDeleteTimeout{10}; // RFC 6275 12: MAX_DELETE_BCE_TIMEOUT
constexpr std::size_t kMaxParked = 256;            // home addresses that come up at the same second

Packet acknowledgement(const Arrival& arrival, BindingAck ack) {
    return {arrival.home, arrival.care_of, std::move(ack)}; // RFC 6275 9.5.4: to where the packet came from
}

Outcome refusal(const Arrival& arrival, BindingAck ack, Status status) {
    ack.status = status;
    ack.flags = 0;
    ack.lifetime = 0;
    ack.options.flows.clear();
    ack.options.refresh_advice.reset();
    for (BindingId& binding : ack.options.bindings)
        binding.status = Status::accepted;
    Outcome out;
    out.status = status;
    out.reply = acknowledgement(arrival, std::move(ack));
    return out;
}

} // namespace

Outcome BindingCache::receive(Instant now, const Arrival& arrival, const BindingUpdate& update,
                              const Authority& authority) {
    const auto entry = entries_.find(arrival.home);
    const Known* before = entry == entries_.end() ? nullptr : &entry->second;
    Verdict verdict = judge(policy_, authority, arrival, update, before, now);
    const bool is_new = !before || before->registration.bindings.empty();
    if (!verdict.discarded && verdict.is_registration && is_new) {
        if (!before && entries_.size() >= policy_.max_homes)
            return refusal(arrival, std::move(verdict.ack), Status::insufficient_resources);
        if (policy_.check_duplicates) {
            Outcome out;
            out.check_duplicates = park(arrival, update, authority);
            if (out.check_duplicates) return out;
            return refusal(arrival, std::move(verdict.ack), Status::insufficient_resources);
        }
    }
    return settle(now, arrival, update, std::move(verdict));
}

// A message that comes while one waits takes its place if it is newer.
bool BindingCache::park(const Arrival& arrival, const BindingUpdate& update, const Authority& authority) {
    const auto waiting = parked_.find(arrival.home);
    if (waiting == parked_.end()) {
        if (parked_.size() == kMaxParked) return false;
        parked_.emplace(arrival.home, Parked{arrival, update, authority});
    } else if (is_newer(update.sequence, waiting->second.update.sequence)) {
        waiting->second = {arrival, update, authority};
    }
    return true;
}

Outcome BindingCache::duplicate_checked(Instant now, const IpAddress& home, bool unique) {
    const auto waiting = parked_.find(home);
    if (waiting == parked_.end()) return {};
    const Parked parked = std::move(waiting->second);
    parked_.erase(waiting);
    const auto entry = entries_.find(home);
    const Known* before = entry == entries_.end() ? nullptr : &entry->second;
    Verdict verdict = judge(policy_, parked.authority, parked.arrival, parked.update, before, now);
    if (!unique) return refusal(parked.arrival, std::move(verdict.ack), Status::duplicate_address);
    return settle(now, parked.arrival, parked.update, std::move(verdict));
}

Outcome BindingCache::settle(Instant now, const Arrival& arrival, const BindingUpdate& update,
                             Verdict verdict) {
    Outcome out;
    out.discarded = verdict.discarded;
    if (out.discarded) return out;
    out.status = verdict.ack.status;
    out.reply = acknowledgement(arrival, std::move(verdict.ack));
    if (is_accepted(out.status)) {
        out.changes = replace(verdict.after);
        if (verdict.key_endpoint) out.changes.emplace_back(*verdict.key_endpoint);
    }
    auto entry = entries_.find(arrival.home);
    if (entry == entries_.end()) {
        // An end that overtook its beginning: the sequence number is remembered, as after an end that was.
        if (out.status != Status::not_home_agent || entries_.size() >= policy_.max_homes) return out;
        entry = entries_.emplace(arrival.home, Entry{{Registration{arrival.home}}, std::nullopt}).first;
    }
    if (out.status != Status::sequence_out_of_window) entry->second.sequence = update.sequence;
    if (is_accepted(out.status)) entry->second.by_node = !entry->second.registration.bindings.empty();
    const auto before = due(entry->second);
    if (!entry->second.registration.bindings.empty())
        entry->second.forget_at.reset();
    else if (out.status != Status::sequence_out_of_window)
        entry->second.forget_at = now + kDeleteTimeout;
    arm(arrival.home, before);
    return out;
}

// The entry is made if there is none.
std::vector<Change> BindingCache::replace(const Registration& after) {
    Entry& entry = entries_[after.home];
    const auto before = due(entry);
    entry.registration.home = after.home;
    auto changes = difference(entry.registration, after);
    entry.registration = after;
    arm(after.home, before);
    return changes;
}

std::optional<Instant> BindingCache::due(const Entry& entry) {
    const auto& bindings = entry.registration.bindings;
    const auto first = std::ranges::min_element(bindings, {}, &Binding::expires);
    if (first != bindings.end()) return first->expires;
    return entry.forget_at;
}

void BindingCache::arm(const IpAddress& home, const std::optional<Instant>& before) {
    if (before) timers_.erase({*before, home});
    if (const auto next = due(entries_.at(home))) timers_.emplace(*next, home);
}

std::vector<Change> BindingCache::forget(const IpAddress& home) {
    const auto entry = entries_.find(home);
    if (entry == entries_.end()) return {};
    auto changes = difference(entry->second.registration, Registration{home});
    if (const auto next = due(entry->second)) timers_.erase({*next, home});
    entries_.erase(entry);
    return changes;
}

std::vector<Change> BindingCache::set(const IpAddress& home, const Binding& binding) {
    const Registration* before = find(home);
    Registration after = before ? *before : Registration{home};
    const auto in_the_way = [&](const Binding& other) { return (other.bid == 0) != (binding.bid == 0); };
    std::erase_if(after.bindings, in_the_way);
    const bool is_more = !mobility::find(after.bindings, binding.bid);
    if (is_more && (after.bindings.size() >= kMaxBindings || (!before && homes() >= policy_.max_homes)))
        return {};
    put(after.bindings, binding);
    return replace(after);
}

std::vector<Change> BindingCache::remove(const IpAddress& home, std::uint16_t bid) {
    const Registration* before = find(home);
    if (!before || !mobility::find(before->bindings, bid)) return {};
    if (before->bindings.size() == 1) return forget(home);
    Registration after = *before;
    std::erase_if(after.bindings, [bid](const Binding& binding) { return binding.bid == bid; });
    return replace(after);
}

std::vector<Change> BindingCache::remove(const IpAddress& home) {
    parked_.erase(home);
    return forget(home);
}

std::optional<Instant> BindingCache::next_timeout() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first;
}

std::vector<Change> BindingCache::on_timeout(Instant now) {
    std::vector<Change> out;
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const IpAddress home = timers_.begin()->second;
        Registration after = entries_.at(home).registration;
        std::erase_if(after.bindings, [now](const Binding& binding) { return binding.expires <= now; });
        const auto changes = after.bindings.empty() ? forget(home) : replace(after);
        out.insert(out.end(), changes.begin(), changes.end());
    }
    return out;
}

std::expected<void, Rule> BindingCache::check_source(const IpAddress& home, const IpAddress& care_of) const {
    const Registration* registration = find(home);
    if (!registration || !has_care_of(*registration, care_of))
        return std::unexpected(Rule::unregistered_care_of);
    return {};
}

Packet BindingCache::binding_error(ErrorStatus status, const IpAddress& home, const IpAddress& source) {
    return {source, source, BindingError{status, home}};
}

std::optional<Packet> BindingCache::refresh_request(const IpAddress& home,
                                                    std::span<const std::uint16_t> bids) const {
    const Registration* registration = find(home);
    if (!registration) return std::nullopt;
    RefreshRequest request;
    for (const Binding& binding : registration->bindings) {
        const bool asked = bids.empty() || std::ranges::find(bids, binding.bid) != bids.end();
        if (asked && binding.bid != 0) request.options.bindings.push_back({binding.bid});
    }
    return Packet{home, default_path(*registration)->care_of, std::move(request)};
}

const Registration* BindingCache::find(const IpAddress& home) const {
    const auto entry = entries_.find(home);
    if (entry == entries_.end() || entry->second.registration.bindings.empty()) return nullptr;
    return &entry->second.registration;
}

std::vector<Registration> BindingCache::registrations() const {
    std::vector<Registration> out;
    for (const auto& [home, entry] : entries_)
        if (!entry.registration.bindings.empty()) out.push_back(entry.registration);
    return out;
}

} // namespace sheaf::mobility

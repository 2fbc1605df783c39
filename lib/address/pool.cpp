#include "lib/address/pool.h"

#include <algorithm>

namespace sheaf::address {
namespace {

// FNV-1a; it must give the same value in every run.
std::uint64_t hash(View octets) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const std::uint8_t octet : octets)
        value = (value ^ octet) * 0x100000001b3;
    return value ^ value >> 29;
}

} // namespace

Pool::Pool(const PoolSpec& spec) : spec_(spec), range_(spec) {
    for (const auto& [holder, block] : spec.reserved) {
        const auto index = range_.index(block);
        if (!index || !reserved_.emplace(*index, holder).second) continue;
        reservations_[holder].push_back(*index);
        occupied_.insert(*index);
    }
}

const Entry* Pool::find(std::uint64_t index) const {
    const auto found = entries_.find(index);
    return found == entries_.end() ? nullptr : &found->second;
}

bool Pool::reserved_for_another(std::uint64_t index, const Holder& holder) const {
    const auto found = reserved_.find(index);
    return found != reserved_.end() && found->second != holder;
}

std::vector<std::uint64_t> Pool::reservations(const Holder& holder) const {
    const auto found = reservations_.find(holder);
    if (found == reservations_.end()) return {};
    std::vector<std::uint64_t> out;
    for (const auto index : found->second) {
        const Entry* entry = find(index); // another's who had it before it was reserved, perhaps
        if (entry == nullptr || entry->link == 0) out.push_back(index);
    }
    return out;
}

std::uint64_t Pool::first_choice(const Holder& holder) const {
    return range_.first() + hash(holder.data) % range_.size();
}

std::optional<std::uint64_t> Pool::lapsed_block() const {
    return lapsed_.empty() ? std::nullopt : std::optional(lapsed_.begin()->second);
}

void Pool::put(std::uint64_t index, const Entry& entry, WallTime now) {
    entries_.emplace(index, entry);
    occupied_.insert(index);
    if (entry.link != 0)
        ++used_;
    else
        queue(index, entry, now);
}

void Pool::queue(std::uint64_t index, const Entry& entry, WallTime now) {
    if (!reserved_.contains(index)) (entry.until <= now ? lapsed_ : kept_).emplace(entry.until, index);
}

void Pool::erase(std::uint64_t index) {
    const auto found = entries_.find(index);
    if (found == entries_.end()) return;
    if (found->second.link != 0) --used_;
    kept_.erase({found->second.until, index});
    lapsed_.erase({found->second.until, index});
    entries_.erase(found);
    if (!reserved_.contains(index)) occupied_.erase(index);
}

void Pool::advance(WallTime now) {
    while (!kept_.empty() && kept_.begin()->first <= now)
        lapsed_.insert(kept_.extract(kept_.begin()));
}

std::vector<std::uint64_t> Pool::turn_back(WallTime now) {
    std::vector<std::uint64_t> changed;
    kept_.clear();
    lapsed_.clear();
    const WallTime latest = now + spec_.lease;
    for (auto& [index, entry] : entries_) {
        if (entry.link != 0) continue;
        if (entry.until > latest) {
            entry.until = latest;
            changed.push_back(index);
        }
        queue(index, entry, now);
    }
    return changed;
}

std::uint64_t Pool::lapsing(WallTime now) const {
    const auto last = std::ranges::find_if(kept_, [&](const auto& kept) { return kept.first > now; });
    return static_cast<std::uint64_t>(std::distance(kept_.begin(), last));
}

std::optional<WallTime> Pool::next_lapse(WallTime now) const {
    const auto next = kept_.lower_bound({now + std::chrono::seconds(1), 0});
    return next == kept_.end() ? std::nullopt : std::optional(next->first);
}

} // namespace sheaf::address

#include "lib/address/index_set.h"

#include <iterator>

namespace sheaf::address {

bool IndexSet::insert(std::uint64_t index) {
    const auto next = runs_.upper_bound(index);
    const bool has_before = next != runs_.begin();
    const auto before = has_before ? std::prev(next) : next;
    if (has_before && before->second > index) return false;
    const bool joins_before = has_before && before->second == index;
    const bool joins_next = next != runs_.end() && next->first == index + 1;
    const std::uint64_t end = joins_next ? next->second : index + 1;
    if (joins_before)
        before->second = end;
    else
        runs_.emplace_hint(next, index, end);
    if (joins_next) runs_.erase(next);
    ++count_;
    return true;
}

bool IndexSet::erase(std::uint64_t index) {
    const auto next = runs_.upper_bound(index);
    if (next == runs_.begin()) return false;
    const auto run = std::prev(next);
    const std::uint64_t end = run->second;
    if (end <= index) return false;
    if (index + 1 < end) runs_.emplace_hint(next, index + 1, end);
    if (run->first == index)
        runs_.erase(run);
    else
        run->second = index;
    --count_;
    return true;
}

bool IndexSet::contains(std::uint64_t index) const { return missing_from(index) != index; }

std::uint64_t IndexSet::missing_from(std::uint64_t index) const {
    const auto next = runs_.upper_bound(index);
    if (next == runs_.begin()) return index;
    const std::uint64_t end = std::prev(next)->second;
    return end > index ? end : index;
}

std::optional<std::uint64_t> IndexSet::gap(std::uint64_t from, std::uint64_t begin, std::uint64_t end) const {
    if (const auto found = missing_from(from); found < end) return found;
    if (const auto found = missing_from(begin); found < from && found < end) return found;
    return std::nullopt;
}

} // namespace sheaf::address

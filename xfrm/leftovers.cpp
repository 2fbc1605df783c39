#include "xfrm/leftovers.h"

#include <algorithm>

namespace sheaf::xfrm {

void Leftovers::strike(const StateId& id) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.id == id; });
}

std::vector<StateId> Leftovers::of(child::LinkNumber link, std::uint32_t spi) const {
    std::vector<StateId> out;
    for (const Entry& entry : entries_) {
        if (entry.link == link && entry.id.spi == spi) out.push_back(entry.id);
    }
    return out;
}

std::optional<Instant> Leftovers::next_timeout() const {
    std::optional<Instant> next;
    for (const Entry& entry : entries_) {
        const Instant due = entry.until.value_or(Instant::min());
        if (!next || due < *next) next = due;
    }
    return next;
}

std::vector<StateId> Leftovers::take_due(Instant now) {
    std::vector<StateId> out;
    for (Entry& entry : entries_) {
        if (!entry.until) entry.until = now + kStay;
        if (*entry.until <= now) out.push_back(entry.id);
    }
    std::erase_if(entries_, [&](const Entry& entry) { return *entry.until <= now; });
    return out;
}

} // namespace sheaf::xfrm

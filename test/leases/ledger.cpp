#include "test/leases/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sheaf::leases_test {

std::string Ledger::note(const Report& report) {
    switch (report.kind) {
    case Report::Kind::began:
        for (auto& [block, entry] : entries_)
            if (std::exchange(entry.link, 0) != 0) entry.until = report.at + lease();
        return {};
    case Report::Kind::granted: return note_grant(report);
    case Report::Kind::refused: ++counts_.refused; return {};
    case Report::Kind::released: {
        auto& entry = entries_[report.block];
        if (entry.holder != report.holder || entry.link != report.link)
            return "a release of what was not given";
        entry.link = 0;
        entry.until = report.at + lease();
        return {};
    }
    case Report::Kind::failed: return report.text;
    }
    return "an unknown report";
}

std::string Ledger::note_grant(const Report& report) {
    ++counts_.granted;
    counts_.renewed += report.renewed ? 1U : 0U;
    const auto found = entries_.find(report.block);
    if (found != entries_.end() && found->second.holder != report.holder) {
        if (counts_on(found->second, report.at))
            return fmt::format("{} is client{}'s and was given to client{}", report.block.to_string(),
                               found->second.holder, report.holder);
        ++counts_.changed_hands;
    }
    if (found != entries_.end() && found->second.holder == report.holder && found->second.link != 0 &&
        found->second.link != report.link)
        return fmt::format("{} is on two links of client{}", report.block.to_string(), report.holder);
    for (const auto& pool : world_.pools)
        for (const auto& reserved : pool.reserved)
            if (reserved.block == report.block && number_of(reserved.holder) != report.holder)
                return fmt::format("{} is reserved and was given to client{}", report.block.to_string(),
                                   report.holder);
    // Who is told a new block must not have an old one waiting.
    for (const auto& [block, entry] : entries_) {
        const bool waits = entry.holder == report.holder && entry.link == 0 && counts_on(entry, report.at);
        if (!report.renewed && waits && block.family() == report.block.family())
            return fmt::format("client{} was given {} while {} was kept for it", report.holder,
                               report.block.to_string(), block.to_string());
    }
    entries_[report.block] = {report.holder, report.link, {}};
    return {};
}

std::string Ledger::audit(const std::vector<address::Lease>& leases, WallTime now) const {
    for (std::size_t i = 0; i < leases.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (leases[i].block.overlaps(leases[j].block))
                return fmt::format("{} is in the file twice", leases[i].block.to_string());
    for (const auto& [block, entry] : entries_) {
        if (!counts_on(entry, now)) continue;
        const auto found = std::ranges::find(leases, block, &address::Lease::block);
        if (found == leases.end())
            return fmt::format("{} of client{} is lost", block.to_string(), entry.holder);
        if (number_of(found->holder) != entry.holder)
            return fmt::format("{} of client{} is {}'s in the file", block.to_string(), entry.holder,
                               found->holder.text);
        if (entry.link != 0 && found->link == 0)
            return fmt::format("{} of client{} is in use and free in the file", block.to_string(),
                               entry.holder);
        if (entry.link == 0 && found->link == 0 && found->until < entry.until)
            return fmt::format("{} is kept for client{} for too short a time", block.to_string(),
                               entry.holder);
    }
    return {};
}

} // namespace sheaf::leases_test

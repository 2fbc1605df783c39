#include "daemon/group_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sheaf::daemon {

std::expected<void, std::string> GroupKeeper::serve(std::span<const ike::GroupService> services) {
    if (path_.empty() || services.empty() || store_) return {};
    auto opened = GroupStore::open(path_);
    if (!opened) return std::unexpected(std::move(opened.error()));
    store_ = std::move(opened->store);
    if (opened->created)
        remark(LogLevel::info, fmt::format("group file {}: was missing and has been made: groups begin with "
                                           "new SAs",
                                           path_));
    for (auto& stored : opened->groups) {
        if (std::ranges::find(services, stored.group, &ike::GroupService::name) != services.end()) {
            recalled_.push_back(std::move(stored));
            continue;
        }
        remark(LogLevel::warning,
               fmt::format("group file {}: group \"{}\" is not served any more, and its SA "
                           "is forgotten",
                           path_, escaped(stored.group)));
        unwritten_.insert_or_assign(stored.group, ike::GroupRecord{stored.group, 0, {}});
    }
    return {};
}

void GroupKeeper::put(ike::GroupRecord record) {
    auto name = record.group;
    unwritten_.insert_or_assign(std::move(name), std::move(record));
}

GroupKeeper::Taken GroupKeeper::take(Instant now) {
    commit(now);
    return {std::exchange(stored_, {}), std::exchange(remarks_, {})};
}

void GroupKeeper::commit(Instant now) {
    if (unwritten_.empty() || (retry_ && now < *retry_)) return;
    std::vector<const ike::GroupRecord*> records;
    for (const auto& [group, record] : unwritten_)
        records.push_back(&record);
    const auto done = store_ ? store_->apply(records) : std::expected<void, std::string>();
    if (!done) {
        if (!retry_) remark(LogLevel::error, done.error() + "; until then no member is told a new SA");
        retry_ = now + kRetry;
        return;
    }
    if (std::exchange(retry_, std::nullopt))
        remark(LogLevel::warning, fmt::format("group file {}: is written again", path_));
    for (const auto* record : records)
        if (record->change != 0) stored_.push_back({record->group, record->change});
    unwritten_.clear();
}

} // namespace sheaf::daemon

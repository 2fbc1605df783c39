#include "daemon/pool_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sheaf::daemon {
namespace {

using address::LeaseChange;

// Some of many, for a log line.
std::string named(std::span<const address::Lease> leases) {
    constexpr std::size_t kMost = 3;
    std::string out;
    for (const auto& lease : leases.first(std::min(leases.size(), kMost)))
        out += fmt::format("{}{} of {} in pool {}", out.empty() ? "" : ", ", lease.block.to_string(),
                           lease.holder.text, lease.pool);
    return leases.size() > kMost ? out + ", ..." : out;
}

} // namespace

std::expected<std::unique_ptr<PoolSource>, std::string>
PoolSource::open(std::string path, std::span<const address::PoolSpec> specs, Clock clock) {
    std::unique_ptr<PoolSource> source(new PoolSource(std::move(path), std::move(clock)));
    if (auto done = source->open_store(specs); !done) return std::unexpected(std::move(done.error()));
    return source;
}

// Begins with what is in the file. Until there is a pool, there need not be one.
std::expected<void, std::string> PoolSource::open_store(std::span<const address::PoolSpec> specs) {
    if (path_.empty() || specs.empty()) {
        book_.update(specs, clock_());
        return {};
    }
    auto opened = LeaseStore::open(path_);
    if (!opened) return std::unexpected(std::move(opened.error()));
    store_ = std::move(opened->store);
    if (opened->created)
        remark(LogLevel::warning,
               fmt::format("lease file {}: was missing and has been made: who had which prefix before is not "
                           "known, so clients may get other ones",
                           path_));
    book_ = address::LeaseBook(specs);
    const auto count = opened->leases.size();
    auto left_out = book_.restore(std::move(opened->leases), clock_());
    remark(LogLevel::info, fmt::format("lease file {}: {} leases", path_, count - left_out.size()));
    if (!left_out.empty())
        remark(LogLevel::warning,
               fmt::format(
                   "lease file {}: {} leases are in no pool of the configuration any more, or reserved for "
                   "somebody else, and are forgotten: {}",
                   path_, left_out.size(), named(left_out)));
    for (auto& lease : left_out)
        unwritten_.try_emplace(lease.block, LeaseChange{LeaseChange::Kind::remove, lease});
    return {};
}

void PoolSource::ask(address::Demand demand, Instant) {
    if (const auto* release = std::get_if<address::Release>(&demand))
        return book_.release(*release, clock_());
    auto& assign = std::get<address::Assign>(demand);
    auto assigned = book_.assign(assign, clock_());
    answers_.push_back({std::move(assign.holder), assign.link, std::move(assigned)});
}

AddressSource::Supplied PoolSource::take(Instant now) {
    commit(now);
    Supplied out;
    for (auto& answer : std::exchange(answers_, {}))
        out.answers.push_back(std::move(answer.assigned));
    out.notices = book_.take_notices();
    out.remarks = std::exchange(remarks_, {});
    return out;
}

void PoolSource::collect_changes() {
    for (auto& change : book_.take_changes()) {
        const Prefix block = change.lease.block;
        unwritten_.insert_or_assign(block, std::move(change));
    }
}

void PoolSource::commit(Instant now) {
    collect_changes();
    if (!store_) unwritten_.clear();
    if (unwritten_.empty()) return;
    if (retry_ && now < *retry_) return refuse_unrecorded();
    std::vector<LeaseChange> changes;
    changes.reserve(unwritten_.size());
    for (const auto& [block, change] : unwritten_)
        changes.push_back(change);
    const auto done = store_->apply(changes);
    if (done) {
        unwritten_.clear();
        if (std::exchange(retry_, std::nullopt))
            remark(LogLevel::warning, fmt::format("lease file {}: is written again", path_));
        return;
    }
    if (!retry_)
        remark(LogLevel::error,
               done.error() + "; until then no client is given an address that it does not have");
    retry_ = now + kRetry;
    failure_ = done.error();
    refuse_unrecorded();
}

// What could be forgotten must not be told to a client. It stays kept for the holder, like what was released.
void PoolSource::refuse_unrecorded() {
    for (auto& [holder, link, assigned] : answers_) {
        address::Release undo{holder, link, {}};
        for (auto& grant : assigned.grants) {
            if (!grant || !unwritten_.contains(grant->block) || store_->names(*grant, holder)) continue;
            undo.grants.push_back(*grant);
            grant.reset();
        }
        if (undo.grants.empty()) continue;
        book_.release(undo, clock_());
        assigned.error = failure_;
    }
    collect_changes();
}

std::expected<void, std::string> PoolSource::update(std::span<const address::PoolSpec> specs, Instant now) {
    if (!store_ && !path_.empty()) return open_store(specs);
    commit(now);
    book_.update(specs, clock_());
    std::vector<address::Lease> gone;
    for (auto& change : book_.take_changes()) {
        gone.push_back(change.lease);
        const Prefix block = change.lease.block;
        unwritten_.insert_or_assign(block, std::move(change));
    }
    if (!gone.empty())
        remark(LogLevel::warning,
               fmt::format("{} leases are in no pool of the configuration any more and are forgotten: {}",
                           gone.size(), named(gone)));
    return {};
}

} // namespace sheaf::daemon

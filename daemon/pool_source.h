#pragma once

#include "daemon/address_source.h"
#include "daemon/lease_store.h"

#include <functional>
#include <map>
#include <memory>

namespace sheaf::daemon {

// Pools of our own, with their leases in a file: a LeaseBook and a LeaseStore.
//
// What was asked since the last take() is written in one transaction, and only then answered: a client is
// never told of a block that a restart would not know of. While the file cannot be written (a disk is full),
// what is not on record as that client's is refused, the log says so, and it is tried again every kRetry; links
// keep what they have.
class PoolSource final : public AddressSource {
  public:
    static constexpr Duration kRetry = std::chrono::seconds(5);

    using Clock = std::function<WallTime()>;

    // `path` empty: without a file, for who needs no memory. The file is opened as soon as there is a pool.
    // Error: a sentence about the file.
    [[nodiscard]] static std::expected<std::unique_ptr<PoolSource>, std::string>
    open(std::string path, std::span<const address::PoolSpec> specs, Clock clock);

    void ask(address::Demand demand, Instant now) override;
    [[nodiscard]] Supplied take(Instant now) override;
    [[nodiscard]] std::optional<Instant> next_timeout() const override { return retry_; }
    [[nodiscard]] std::expected<void, std::string> update(std::span<const address::PoolSpec> specs,
                                                          Instant now) override;
    [[nodiscard]] std::vector<address::PoolUsage> usage() const override { return book_.usage(clock_()); }

  private:
    struct Answer {
        address::Holder holder;
        address::LinkId link = 0;
        address::Assigned assigned;
    };

    PoolSource(std::string path, Clock clock) : path_(std::move(path)), clock_(std::move(clock)), book_({}) {}
    [[nodiscard]] std::expected<void, std::string> open_store(std::span<const address::PoolSpec> specs);
    void commit(Instant now);
    void collect_changes();
    void refuse_unrecorded();
    void remark(LogLevel level, std::string text) { remarks_.push_back({level, std::move(text)}); }

    std::string path_;
    Clock clock_;
    address::LeaseBook book_;
    std::optional<LeaseStore> store_;
    std::vector<Answer> answers_;
    std::map<Prefix, address::LeaseChange> unwritten_; // the last one of each block
    std::optional<Instant> retry_;                     // writing has failed: when to try again
    std::string failure_;                              // why
    std::vector<Remark> remarks_;
};

} // namespace sheaf::daemon

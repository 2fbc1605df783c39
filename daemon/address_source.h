#pragma once

#include "daemon/log.h"
#include "lib/address/demand.h"
#include "lib/address/lease_book.h"
#include "lib/base/time.h"

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sheaf::daemon {

// Where addresses and prefixes for clients come from. The engine states demands; whoever is behind this
// interface answers them, at once or after seconds, in any order, and nobody waits meanwhile: pools and a
// file of ours (PoolSource), a DHCPv6 server that delegates prefixes, a RADIUS server.
//
// Use: ask() for each demand, then take() and hand on what came out; wait until next_timeout(), or until one
// of the descriptors is readable. Each Assign is answered once; a source that gets no answer itself answers
// without grants, in a time that an IKE peer has patience for.
class AddressSource {
  public:
    struct Remark { // for the log
        LogLevel level{};
        std::string text;
    };
    struct Supplied {
        std::vector<address::Assigned> answers; // what is granted is on record by now
        std::vector<address::PoolNotice> notices;
        std::vector<Remark> remarks;
    };

    virtual ~AddressSource() = default;

    virtual void ask(address::Demand demand, Instant now) = 0;
    [[nodiscard]] virtual Supplied take(Instant now) = 0;

    [[nodiscard]] virtual std::vector<int> fds() const { return {}; } // the same ones for life
    virtual void on_readable(Instant) {}
    [[nodiscard]] virtual std::optional<Instant> next_timeout() const { return std::nullopt; }
    virtual void on_timeout(Instant) {}

    // Takes new pools, before the engine learns of them. Error: a sentence; then the pools are as before.
    [[nodiscard]] virtual std::expected<void, std::string> update(std::span<const address::PoolSpec> specs,
                                                                  Instant now) = 0;
    [[nodiscard]] virtual std::vector<address::PoolUsage> usage() const = 0;
};

} // namespace sheaf::daemon

#pragma once

#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/mobility/home_agent.h"

#include <chrono>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace sheaf::mobility {

// What a call led to.
struct Outcome {
    std::optional<Packet> reply;
    std::optional<Rule> discarded;    // nothing is answered, nothing changed
    Status status = Status::accepted; // otherwise: as in the reply
    bool check_duplicates = false;    // the answer waits for duplicate_checked()
    std::vector<Change> changes;
};

// The home agent's binding cache (RFC 6275 10.1, RFC 5648 6): who is bound where.
//
// Time: an argument. It has to be called at next_timeout(), at which bindings end.
// Changes: every call tells how the cache differs from before, in an order in which that can be carried out.
//     A Binding Update that is refused or discarded changes nothing.
// Limits: bindings, flows and prefixes of a home address, home addresses, and messages that wait for
//     Duplicate Address Detection are bounded; beyond that the status is insufficient_resources.
class BindingCache {
  public:
    explicit BindingCache(HomeAgentPolicy policy) : policy_(std::move(policy)) {}

    // For Binding Updates from now on; what is registered stays until it ends.
    void set_policy(HomeAgentPolicy policy) { policy_ = std::move(policy); }

    [[nodiscard]] Outcome receive(Instant now, const Arrival& arrival, const BindingUpdate& update,
                                  const Authority& authority);

    // RFC 6275 10.3.1: what Duplicate Address Detection found. Nothing happens if no message waits for it.
    [[nodiscard]] Outcome duplicate_checked(Instant now, const IpAddress& home, bool unique);

    // What somebody else decides, an operator or another mobility stack. Binding 0 stands alone; any other
    // takes its place. REQUIRES: an IPv6 care-of address.
    [[nodiscard]] std::vector<Change> set(const IpAddress& home, const Binding& binding);
    [[nodiscard]] std::vector<Change> remove(const IpAddress& home, std::uint16_t bid);
    // All of a home address: its holder may no longer have it.
    [[nodiscard]] std::vector<Change> remove(const IpAddress& home);

    [[nodiscard]] std::optional<Instant> next_timeout() const;
    [[nodiscard]] std::vector<Change> on_timeout(Instant now);

    // RFC 5648 6.5, RFC 6275 9.3.1: whether a packet of this home address, other than a Binding Update, may
    // come from this address. Error: unregistered_care_of, which is answered with binding_error().
    [[nodiscard]] std::expected<void, Rule> check_source(const IpAddress& home,
                                                         const IpAddress& care_of) const;

    // RFC 6275 9.3.3: for a packet from that source, without a type 2 routing header; `home` is unspecified
    // when the packet had no home address option.
    [[nodiscard]] static Packet binding_error(ErrorStatus status, const IpAddress& home,
                                              const IpAddress& source);

    // RFC 5648 6.4: asks the mobile node for a Binding Update of these bindings, or of all; sent to the default
    // way. None if it has no binding.
    [[nodiscard]] std::optional<Packet> refresh_request(const IpAddress& home,
                                                        std::span<const std::uint16_t> bids) const;

    [[nodiscard]] const Registration* find(const IpAddress& home) const;
    [[nodiscard]] std::vector<Registration> registrations() const; // by home address
    [[nodiscard]] std::size_t homes() const { return entries_.size(); }

  private:
    struct Entry : Known {
        // RFC 6275 10.3.2: after its end an entry is kept so long for its sequence number, so that a late
        // message does not bring it back.
        std::optional<Instant> forget_at;
    };
    struct Parked {
        Arrival arrival;
        BindingUpdate update;
        Authority authority;
    };

    [[nodiscard]] Outcome settle(Instant now, const Arrival& arrival, const BindingUpdate& update,
                                 Verdict verdict);
    [[nodiscard]] bool park(const Arrival& arrival, const BindingUpdate& update, const Authority& authority);
    [[nodiscard]] std::vector<Change> replace(const Registration& after);
    [[nodiscard]] std::vector<Change> forget(const IpAddress& home);
    [[nodiscard]] static std::optional<Instant> due(const Entry& entry);
    void arm(const IpAddress& home, const std::optional<Instant>& before);

    HomeAgentPolicy policy_;
    std::map<IpAddress, Entry> entries_;
    std::set<std::pair<Instant, IpAddress>> timers_; // one for each entry
    std::map<IpAddress, Parked> parked_;
};

} // namespace sheaf::mobility

#pragma once

#include "lib/address/demand.h"
#include "lib/address/pool_spec.h"
#include "lib/base/time.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sheaf::address {

// A block and whose it is.
struct Lease {
    std::string pool;
    Prefix block;
    Holder holder;
    LinkId link = 0; // that uses it; 0: the holder is away
    WallTime since;  // the holder's, without a break
    WallTime until;  // holder away: for so long it is kept for them
};

// What has changed, to be put on record before anybody is told.
struct LeaseChange {
    enum class Kind : std::uint8_t { put, remove } kind{};
    Lease lease;
};

// A pool is nearly, or wholly, given away. Told once each time that it comes to be so.
struct PoolNotice {
    std::string pool;
    std::uint64_t used = 0; // by links, or kept
    std::uint64_t size = 0;
    bool exhausted = false; // a client was sent away
};

struct PoolUsage {
    PoolSpec spec;
    std::uint64_t size = 0;
    std::uint64_t used = 0;               // by links
    std::uint64_t kept = 0;               // for holders who are away, or by reservation
    std::optional<WallTime> next_free;    // the earliest moment at which a kept block may go to another
    std::optional<WallTime> exhausted_at; // when the pool will be used up if it fills as in the last hour
};

// The pools of a gateway: who has which block, and for how long it is kept for whom (RFC 5739 4.1: no block
// is ever two holders'). Which block a new holder gets follows from its octets, so that it does not tell who
// came before.
//
// It has no clock and no file: time is an argument, and what must be on record comes out of take_changes().
// When time goes back, no block stays kept for longer than if its holder had left at that moment.
//
// Which block a want is given: what its link has of these pools already, in the same order for the same
// wants; what is reserved for its holder; what is kept for its holder; else a new one out of the first pool
// that has one, be it free or, where none is, the one that lapsed first: its holder has been away for longer
// than the pool's time. Reservations and what has not lapsed are nobody else's.
//
// Requires: no two pools overlap, and links are not 0.
// Cost: O(log n) in the leases for each block, whatever the pools' size and level; update() and restore() go
// through all, as does the first call after time has gone back.
class LeaseBook {
  public:
    explicit LeaseBook(std::span<const PoolSpec> specs);
    ~LeaseBook();
    LeaseBook(LeaseBook&&) noexcept;
    LeaseBook& operator=(LeaseBook&&) noexcept;

    // What an earlier life had on record. Links are gone with it: all blocks are kept for their holders. What
    // is in no pool any more, or overlaps a block that came earlier in the list, is left out and answered.
    [[nodiscard]] std::vector<Lease> restore(std::vector<Lease> leases, WallTime now);

    [[nodiscard]] Assigned assign(const Assign& demand, WallTime now);
    void release(const Release& demand, WallTime now);
    // Takes new pools. Leases in pools of the same name whose block is still one of theirs stay. Of the others
    // those that no link uses are forgotten at once, the rest when they are released: until then nobody is
    // given what overlaps them.
    void update(std::span<const PoolSpec> specs, WallTime now);

    [[nodiscard]] std::vector<LeaseChange> take_changes();
    [[nodiscard]] std::vector<PoolNotice> take_notices();
    [[nodiscard]] std::vector<PoolUsage> usage(WallTime now) const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

} // namespace sheaf::address

#pragma once

#include "lib/address/block_range.h"
#include "lib/address/index_set.h"
#include "lib/address/lease_book.h"
#include "lib/address/pool_gauge.h"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

// The inside of LeaseBook.
namespace sheaf::address {

// Where a block is in the book: sorted by what a link has in a pool, and of that by when it got it.
struct BlockKey {
    std::uint32_t pool = 0;
    LinkId link = 0; // 0: kept
    std::uint64_t turn = 0;
    std::uint64_t index = 0;
    friend auto operator<=>(const BlockKey&, const BlockKey&) = default;
};

// Every holder with its blocks. The addresses of the entries stay.
using Holders = std::map<Holder, std::set<BlockKey>>;

// A block that is somebody's.
struct Entry {
    Holders::value_type* holder = nullptr;
    LinkId link = 0;        // 0: kept
    std::uint64_t turn = 0; // grants in their order
    WallTime since{};
    WallTime until{}; // kept
};

// A pool: what is taken, what is kept for how long, and what the next one gets.
//
// A block is free, used by a link, kept for a holder who is away, or lapsed: kept for longer than was
// promised, so that another may have it if nothing else is free. Reserved blocks are never free.
class Pool {
  public:
    explicit Pool(const PoolSpec& spec);

    [[nodiscard]] const PoolSpec& spec() const { return spec_; }
    [[nodiscard]] const BlockRange& range() const { return range_; }
    [[nodiscard]] const Entry* find(std::uint64_t index) const;
    [[nodiscard]] bool reserved_for_another(std::uint64_t index, const Holder& holder) const;
    // Of the holder's own, those that no link uses.
    [[nodiscard]] std::vector<std::uint64_t> reservations(const Holder& holder) const;
    // Where to look first for a free block; it follows from the holder's octets. Requires: size() is not 0.
    [[nodiscard]] std::uint64_t first_choice(const Holder& holder) const;
    // The next free block, once around.
    [[nodiscard]] std::optional<std::uint64_t> free_block(std::uint64_t from) const {
        return occupied_.gap(from, range_.first(), range_.end());
    }
    // That lapsed first.
    [[nodiscard]] std::optional<std::uint64_t> lapsed_block() const;

    void put(std::uint64_t index, const Entry& entry, WallTime now); // nobody has it
    void erase(std::uint64_t index);
    // What was kept for long enough lapses.
    void advance(WallTime now);
    // Time has gone back: what is not to lapse yet is kept again, and nothing for longer than the pool's time from
    // now on. Answers the blocks for which that is less than it was.
    [[nodiscard]] std::vector<std::uint64_t> turn_back(WallTime now);

    [[nodiscard]] std::uint64_t used() const { return used_; }
    // Lapsed blocks do not count, for others may have them.
    [[nodiscard]] std::uint64_t taken() const { return occupied_.count() - lapsed_.size(); }
    [[nodiscard]] std::uint64_t lapsing(WallTime now) const; // that have lapsed since advance()
    [[nodiscard]] std::optional<WallTime> next_lapse(WallTime now) const;
    [[nodiscard]] const std::unordered_map<std::uint64_t, Entry>& entries() const { return entries_; }

    PoolGauge gauge;

  private:
    using Queue = std::set<std::pair<WallTime, std::uint64_t>>; // by `until`

    void queue(std::uint64_t index, const Entry& entry, WallTime now); // which is kept

    PoolSpec spec_;
    BlockRange range_;
    IndexSet occupied_; // by entries and reservations
    std::unordered_map<std::uint64_t, Entry> entries_;
    std::map<std::uint64_t, Holder> reserved_;
    std::map<Holder, std::vector<std::uint64_t>> reservations_;
    Queue kept_;
    Queue lapsed_;
    std::uint64_t used_ = 0;
};

} // namespace sheaf::address

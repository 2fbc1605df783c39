#pragma once

#include "test/leases/report.h"

#include <map>
#include <string>
#include <vector>

namespace sheaf::leases_test {

// What clients have been told in all lives, and whether it holds.
class Ledger {
  public:
    explicit Ledger(const World& world) : world_(world) {}

    // Empty, or what is wrong with it.
    [[nodiscard]] std::string note(const Report& report);
    // Between two lives: what the file holds must have everything that clients may count on.
    [[nodiscard]] std::string audit(const std::vector<address::Lease>& leases, WallTime now) const;

    [[nodiscard]] bool empty() const { return entries_.empty(); }

    struct Counts {
        unsigned granted = 0;
        unsigned renewed = 0;
        unsigned refused = 0;
        unsigned changed_hands = 0;
    };
    [[nodiscard]] const Counts& counts() const { return counts_; }

  private:
    struct Entry {
        unsigned holder = 0;
        address::LinkId link = 0; // 0: away
        WallTime until{};         // away: so long, at the least, the block is the holder's
    };

    [[nodiscard]] std::string note_grant(const Report& report);
    [[nodiscard]] bool counts_on(const Entry& entry, WallTime now) const {
        return entry.link != 0 || now < entry.until;
    }
    [[nodiscard]] std::chrono::seconds lease() const { return world_.pools[0].lease; }

    const World& world_;
    std::map<Prefix, Entry> entries_; // the last that clients were told of each block
    Counts counts_;
};

} // namespace sheaf::leases_test

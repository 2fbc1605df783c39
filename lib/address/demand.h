#pragma once

#include "lib/address/holder.h"
#include "lib/base/ip.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// What the engine asks of whoever gives addresses away, and the answer: values only. Pools in a file of ours
// (LeaseBook) answer at once; a DHCPv6 server that delegates prefixes or a RADIUS server may take seconds,
// and nobody else waits meanwhile.
namespace sheaf::address {

using DemandId = std::uint64_t;
// The virtual link that blocks are for: its number. The blocks of one link are never another link's.
using LinkId = std::uint32_t;

// One block, out of the first of these pools that has one.
struct Want {
    std::vector<std::string> pools;
    friend bool operator==(const Want&, const Want&) = default;
};

// Asks for blocks. What the link holds already, or the holder had before and nobody has got since, is given
// again.
struct Assign {
    DemandId id = 0;
    Holder holder;
    LinkId link = 0;
    std::string connection;
    std::vector<Want> wants;
};

// A block that a link holds from now on.
struct Grant {
    std::string pool;
    Prefix block;
    bool renewed = false; // the holder had it before
    friend bool operator==(const Grant& a, const Grant& b) { return a.pool == b.pool && a.block == b.block; }
};

// The link does not use them any more. They stay reserved for their holder for the pool's time.
struct Release {
    Holder holder;
    LinkId link = 0;
    std::vector<Grant> grants;
};

using Demand = std::variant<Assign, Release>;

// The answer to Assign: one entry for each want, nothing where no pool had a block. By then what was granted
// is on record, so that no later life of the daemon gives it to somebody else (RFC 5739 4.1).
struct Assigned {
    DemandId id = 0;
    std::vector<std::optional<Grant>> grants;
    std::string error{}; // why something is missing, for people
};

} // namespace sheaf::address

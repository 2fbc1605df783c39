#pragma once

#include "lib/base/bytes.h"
#include "lib/base/secret.h"
#include "lib/base/time.h"
#include "lib/group/shared_sa.h"

#include <cstdint>
#include <optional>

namespace sheaf::group {

// A generation of a group's SA as it is kept through restarts. Times are of the wall clock, since the other
// one begins anew with the machine.
struct RecordedSa {
    std::uint64_t generation = 0;
    SharedSa sa;
    WallTime begun;
    WallTime switch_at; // members send with it
    WallTime remove_at; // members refuse what was before
    WallTime expires;
};

// What a gateway must find again: the keys of the newest SA and of the one before it, if that may still be in
// use.
//
// A gateway stores this before it tells anybody an SA that is in it. So no key is given away and forgotten,
// and the number of a generation whose key was given away never comes again with another.
struct Record {
    WallTime saved;
    bool rekey_wanted = false; // somebody left who knows the newest SA
    RecordedSa newest;
    std::optional<RecordedSa> old;
};

// For a file or a database that nobody else may read: the keys are in clear.
[[nodiscard]] Secret to_octets(const Record& record);

// None if the octets are not a record, or one of a later format. Then tell the operator: a gateway that founds
// the group anew makes all members roll over, and counts its generations from 1.
[[nodiscard]] std::optional<Record> record_from(View octets);

} // namespace sheaf::group

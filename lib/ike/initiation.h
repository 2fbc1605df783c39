#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/ike/client_path.h"
#include "lib/ike/ike_sa.h"
#include "lib/ike/virtual_link.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace sheaf::ike {

// What installs a Child SA of a peer connection without waiting for anybody: its number in the kernel, and
// whether its policies are there as a trap.
struct Trap {
    child::LinkNumber number = 0;
    std::optional<child::PolicySet> policies; // while they are installed
};

// A connection that we may begin: what the operator wants of it and how far we are.
struct Initiation {
    Initiation(ConnectionPtr c, Instant now);

    ConnectionPtr connection;
    bool wanted = false;  // to be up; retried until it is
    wire::Spi sa = 0;     // our SPI of the current IKE SA or attempt, 0: none
    wire::Spi before = 0; // while `sa` is an attempt to reauthenticate: the IKE SA that it is to replace
    unsigned failures = 0;
    std::optional<Instant> next_attempt;
    std::string last_error;
    std::set<std::string> children;    // peer: to be made, by name
    std::map<std::string, Trap> traps; // peer, by the Child SA's name
    std::optional<Instant> traps_at;   // when to try again to install those that are missing
    std::shared_ptr<VirtualLink> link; // of client, and of peer with an interface
    ClientPaths paths;                 // client with uplinks

    // Whether it is to come back by itself after a loss.
    [[nodiscard]] bool lasting() const;
    // Whether it drops what it has no SA for.
    [[nodiscard]] bool fails_closed() const;
};

// Whether we know where the peer is.
[[nodiscard]] bool may_begin(const Connection& connection);

} // namespace sheaf::ike

#pragma once

#include "lib/base/time.h"

#include <chrono>

// How long what is no longer wanted stays, for the peer's sake.
namespace sheaf::ike {

// How long the IKE SA of a peer stays that has authenticated another one: the peer is to delete it.
inline constexpr Duration kReplacedStays = std::chrono::seconds(10);

// Likewise where it takes addresses along that were withdrawn (RFC 4862 5.5.4).
inline constexpr Duration kWithdrawnStays = std::chrono::seconds(60);

// How soon a client is to authenticate anew whose prefixes are about to go; not all at once.
inline constexpr Duration kRenumberTime = std::chrono::seconds(60);

} // namespace sheaf::ike

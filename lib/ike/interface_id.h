#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/random.h"
#include "lib/crypto/backend.h"
#include "lib/wire/cfg.h"

#include <string_view>

// Interface identifiers (RFC 4291 2.5.1), and addresses made with them.
namespace sheaf::ike {

using wire::InterfaceId;

// RFC 5739 4.1 asks a gateway to take any identifier that does not stand for something else: not all zero
// (the subnet-router anycast address, RFC 4291 2.6.1) and not in the range of reserved anycast identifiers.
[[nodiscard]] bool acceptable(const InterfaceId& id);
[[nodiscard]] InterfaceId random_interface_id(Random& random);

// RFC 7217 5: the same whenever interface, network and prefix are, and without the secret nobody can tell
// which other prefix's identifier belongs to the same host. `network` is the connection.
[[nodiscard]] InterfaceId stable_interface_id(crypto::Backend& backend, View secret, const Prefix& prefix,
                                              std::string_view interface, std::string_view network);

// The address in a prefix; of one that is longer than 64 bits the identifier fills what it leaves.
[[nodiscard]] IpAddress address_in(const Prefix& prefix, const InterfaceId& id);
[[nodiscard]] IpAddress link_local(const InterfaceId& id); // fe80::/64

} // namespace sheaf::ike

#pragma once

#include "lib/auth/identity.h"
#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/crypto/suite.h"
#include "lib/group/suite.h"
#include "lib/ike/config.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <string>
#include <vector>

// What follows from one value alone, and several parts of the engine ask for.
namespace sheaf::ike {

// To what half-open IKE SAs are counted: an IPv4 address, or an IPv6 /64.
[[nodiscard]] Prefix source_of(const IpAddress& address);
[[nodiscard]] Bytes spi_octets(wire::ChildSpi spi);
[[nodiscard]] const ChildConfig* child_config(const Connection& connection, const std::string& name);
// Configured selectors; none stand for the outer address.
[[nodiscard]] std::vector<wire::TrafficSelector>
selectors_of(const std::vector<wire::TrafficSelector>& configured, const IpAddress& outer);
[[nodiscard]] std::uint64_t peer_hash(const auth::Identity& identity);
[[nodiscard]] std::string describe(const crypto::IkeSuite& suite);
[[nodiscard]] std::string describe(const crypto::EspSuite& suite);
[[nodiscard]] std::string describe(const group::Suite& suite);

} // namespace sheaf::ike

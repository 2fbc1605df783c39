#pragma once

#include "lib/child/kernel.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <expected>
#include <string>
#include <utility>
#include <vector>

// From what the engine wants to the objects of the kernel. Pure functions; errors are sentences for the
// operator.
namespace sheaf::xfrm {

// Bounds on what one set of selectors may cost. A range of addresses takes at most twice its bits in
// prefixes; what peers ask for in earnest takes one or two.
inline constexpr std::size_t kMaxPrefixesPerSelector = 64;
inline constexpr std::size_t kMaxPoliciesPerSet = 1024;

// The fewest prefixes that hold exactly the addresses from `first` to `last`. REQUIRES: one family, first <=
// last. Nothing when more than `limit` are needed.
[[nodiscard]] std::optional<std::vector<Prefix>> prefixes_of(const IpAddress& first, const IpAddress& last,
                                                             std::size_t limit);

// The fewest blocks of ports that are those from `first` to `last`: 30 at most. REQUIRES: first <= last.
[[nodiscard]] std::vector<PortMatch> blocks_of(std::uint16_t first, std::uint16_t last);

// The SPD entries that let the pairs of a local and a remote selector through: each pair of one family that
// agree on a protocol, outwards, inwards and (in tunnel mode) forwarded. Narrower ones win over wider ones.
// OPAQUE ports (RFC 7296 3.13.1) are those that the kernel cannot see; message types are those of ICMP and
// ICMPv6 only, for the kernel does not read those of Mobility Headers on input.
[[nodiscard]] std::expected<std::vector<Policy>, std::string> policies_of(const child::PolicySet& set);

// Both entries of a Child SA; one that the step does not install has no algorithms.
struct StatePair {
    State in;
    State out;
};
[[nodiscard]] bool installs_in(child::Directions directions);
[[nodiscard]] bool installs_out(child::Directions directions);
// `with_direction`: the kernel knows XFRMA_SA_DIR.
[[nodiscard]] std::expected<StatePair, std::string> states_of(const child::InstallSas& step,
                                                              bool with_direction);

[[nodiscard]] StateId inbound_id(const child::SaPairId& id);
[[nodiscard]] StateId outbound_id(const child::SaPairId& id);

// What the kernel calls a suite's algorithms, with copies of the keys. REQUIRES: crypto::supported(suite).
void put_algorithms(State& state, const crypto::EspSuite& suite, View encryption_key, View integrity_key);

} // namespace sheaf::xfrm

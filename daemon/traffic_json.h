#pragma once

#include "daemon/usage.h"

#include <nlohmann/json_fwd.hpp>

#include <span>

namespace sheaf::daemon {

// Adds what the Child SAs of these IKE SAs have carried (bytes_in, bytes_out, packets_in, packets_out), and
// since when the oldest of them has been there (counted_s). Nothing where the kernel told of none.
void put_traffic(nlohmann::ordered_json& out, std::span<const ike::IkeSaStatus* const> sas,
                 const Usage& usage, Instant now);

} // namespace sheaf::daemon

#pragma once

#include "daemon/status_json.h"
#include "lib/ike/event.h"
#include "lib/ike/status.h"

#include <vector>

// Values as an engine would tell them.
namespace sheaf::daemon::test {

inline constexpr Instant kNow{std::chrono::seconds(1000)};

inline constexpr WallTime kWall{std::chrono::seconds(1'800'000'000)};

[[nodiscard]] ike::Status gateway_status();
[[nodiscard]] std::vector<address::PoolUsage> gateway_pools();
[[nodiscard]] Usage gateway_usage(); // of the one Child SA of gateway_status()
[[nodiscard]] Snapshot gateway_snapshot();
[[nodiscard]] ike::Status waiting_status();
// A client with one path in use over eth0, one over wwan0 that is down, and one that stands by.
[[nodiscard]] Snapshot paths_snapshot();
// Of a gateway with two members, of whom one has yet to take the newest SA.
[[nodiscard]] Snapshot served_group_snapshot();
// Of an endpoint with two SAs, before it sends with the newer one, and two other endpoints.
[[nodiscard]] Snapshot joined_group_snapshot();
[[nodiscard]] child::Link client_link();
[[nodiscard]] ike::SaName sa_name();
[[nodiscard]] ike::IkeUp ike_up();
[[nodiscard]] ike::IkeDown ike_down();
[[nodiscard]] ike::ChildUp child_up();      // a client's
[[nodiscard]] ike::ChildUp peer_child_up(); // a peer's, without an interface
[[nodiscard]] ike::Leased leased(ike::Leased::What what);
[[nodiscard]] ike::PoolLow pool_low(bool exhausted);
[[nodiscard]] ike::PathChanged path_down(); // without an IKE SA
[[nodiscard]] ike::BindingChanged prefix_gone();
[[nodiscard]] ike::BindingChanged at_home();
[[nodiscard]] ike::GroupChanged group_made();
[[nodiscard]] ike::GroupChanged group_unfit();
[[nodiscard]] ike::GroupChanged member_failed();
[[nodiscard]] ike::Refused refused();
[[nodiscard]] ike::MessageTraced traced();

} // namespace sheaf::daemon::test

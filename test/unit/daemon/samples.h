#pragma once

#include "lib/ike/event.h"
#include "lib/ike/status.h"

// Values as an engine would tell them.
namespace sheaf::daemon::test {

inline constexpr Instant kNow{std::chrono::seconds(1000)};

[[nodiscard]] ike::Status gateway_status();
[[nodiscard]] ike::Status waiting_status();
[[nodiscard]] child::Link client_link();
[[nodiscard]] ike::SaName sa_name();
[[nodiscard]] ike::IkeUp ike_up();
[[nodiscard]] ike::IkeDown ike_down();
[[nodiscard]] ike::ChildUp child_up();      // a client's
[[nodiscard]] ike::ChildUp peer_child_up(); // a peer's, without an interface
[[nodiscard]] ike::Refused refused();
[[nodiscard]] ike::MessageTraced traced();

} // namespace sheaf::daemon::test

#pragma once

#include "lib/ike/status.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// What the control socket's JSON is a version of. It grows when a reader of the old form would be misled; new
// members alone do not change it.
inline constexpr int kSchema = 1;

// Members of the answer to "status": ike_sas, connections, pools, half_open, counters. Moments are told as
// seconds before or after `now`; SPIs and link numbers as hexadecimal strings.
[[nodiscard]] nlohmann::ordered_json to_json(const ike::Status& status, Instant now);
// Members of the answer to "list": connections and pools alone.
[[nodiscard]] nlohmann::ordered_json to_json_list(const ike::Status& status, Instant now);
[[nodiscard]] nlohmann::ordered_json to_json(const ike::IkeSaStatus& sa, Instant now);
[[nodiscard]] nlohmann::ordered_json to_json(const ike::ConnectionStatus& connection, Instant now);
[[nodiscard]] nlohmann::ordered_json to_json(const child::Link& link);

// As it is told: milliseconds are as much as a person or a test can use.
[[nodiscard]] double seconds(Duration duration);
[[nodiscard]] std::string ike_spi_text(wire::Spi spi);        // "00112233445566aa"
[[nodiscard]] std::string child_spi_text(wire::ChildSpi spi); // "0xc0ffee01"
[[nodiscard]] std::string_view name(ike::Role role);

// One line of text for a socket: no newline inside, whatever the strings hold.
[[nodiscard]] std::string one_line(const nlohmann::ordered_json& value);

} // namespace sheaf::daemon

#pragma once

#include "daemon/usage.h"
#include "lib/address/lease_book.h"
#include "lib/ike/status.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace sheaf::daemon {

// What the control socket's JSON is a version of. It grows when a reader of the old form would be misled; new
// members alone do not change it.
inline constexpr int kSchema = 1;

// What is to be told, as of one moment. Moments in it are told as seconds before or after that; SPIs and link
// numbers as hexadecimal strings.
struct Snapshot {
    ike::Status status;
    std::vector<address::PoolUsage> pools;
    std::optional<Usage> usage; // none: the kernel has not told in time, and the figures are left out
    Instant now;
    WallTime wall; // the same moment
    // Of each group that we are in, by its number.
    std::map<child::LinkNumber, std::vector<xfrm::GroupRoute>> group_routes{};
};

// Members of the answer to "status": ike_sas, connections, pools, half_open, counters.
[[nodiscard]] nlohmann::ordered_json status_json(const Snapshot& snapshot);
// Members of the answer to "list": connections and pools alone.
[[nodiscard]] nlohmann::ordered_json list_json(const Snapshot& snapshot);
// The member of the answer to "pools".
[[nodiscard]] nlohmann::ordered_json pools_json(const Snapshot& snapshot);
[[nodiscard]] nlohmann::ordered_json to_json(const ike::IkeSaStatus& sa, Instant now,
                                             const Usage* usage = nullptr);
[[nodiscard]] nlohmann::ordered_json to_json(const ike::ConnectionStatus& connection, Instant now);
[[nodiscard]] nlohmann::ordered_json to_json(const child::Link& link);
[[nodiscard]] nlohmann::ordered_json to_json(const address::Grant& lease);
// bytes_in, bytes_out, packets_in, packets_out
[[nodiscard]] nlohmann::ordered_json to_json(const Traffic& traffic);

// As it is told: milliseconds are as much as a person or a test can use.
[[nodiscard]] double seconds(Duration duration);
[[nodiscard]] std::string ike_spi_text(wire::Spi spi);        // "00112233445566aa"
[[nodiscard]] std::string child_spi_text(wire::ChildSpi spi); // "0xc0ffee01"
[[nodiscard]] std::string link_text(child::LinkNumber link);  // "0x53000001"
[[nodiscard]] std::string_view name(ike::Role role);

// One line of text for a socket: no newline inside, whatever the strings hold.
[[nodiscard]] std::string one_line(const nlohmann::ordered_json& value);

} // namespace sheaf::daemon

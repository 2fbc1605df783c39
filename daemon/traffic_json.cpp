#include "daemon/traffic_json.h"

#include "daemon/status_json.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace sheaf::daemon {

void put_traffic(nlohmann::ordered_json& out, std::span<const ike::IkeSaStatus* const> sas,
                 const Usage& usage, Instant now) {
    std::optional<Traffic> sum;
    std::optional<Instant> since;
    for (const auto* sa : sas)
        for (const auto& child : sa->children)
            if (const auto traffic = usage.of(*sa, child)) {
                sum = sum.value_or(Traffic{});
                *sum += *traffic;
                if (child.since && (!since || *child.since < *since)) since = child.since;
            }
    if (sum) out.update(to_json(*sum));
    if (since) out["counted_s"] = seconds(now - *since);
}

} // namespace sheaf::daemon

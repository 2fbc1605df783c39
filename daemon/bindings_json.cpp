#include "daemon/bindings_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

bool concerns_home(const ike::HomeStatus& home, std::string_view name) {
    if (name.empty() || name == home.connection || name == home.registration.home.to_string()) return true;
    if (home.sa && name == home.sa->peer_id) return true;
    const auto& bindings = home.registration.bindings;
    return std::ranges::any_of(bindings, [&](const auto& b) { return name == b.care_of.to_string(); });
}

// What the pairs of one care-of address, or of another use, have carried.
void put_pairs(Json& out, const ike::HomeStatus& home, const Usage& usage, auto is_meant) {
    Traffic sum;
    bool any = false;
    for (const auto& pair : home.pairs) {
        if (!is_meant(pair)) continue;
        ike::IkeSaStatus sa;
        sa.local.address = pair.local;
        sa.peer.address = pair.peer;
        ike::ChildStatus child;
        child.spi_in = pair.spi_in;
        child.spi_out = pair.spi_out;
        const auto carried = usage.of(sa, child);
        if (!carried) continue;
        sum += *carried;
        any = true;
    }
    if (any) out.update(to_json(sum));
}

const IpAddress& node_end(const ike::HomeStatus& home, const ike::HomePairStatus& pair) {
    return home.is_agent ? pair.peer : pair.local;
}

bool is_paired(const ike::HomeStatus& home, const mobility::Binding& binding) {
    return std::ranges::any_of(home.pairs, [&](const auto& pair) {
        return pair.use.traffic == ike::MobileTraffic::payload && node_end(home, pair) == binding.care_of;
    });
}

// What packets can be sent to, as the kernel has it.
mobility::Registration usable(const ike::HomeStatus& home) {
    mobility::Registration out = home.registration;
    std::erase_if(out.bindings, [&](const mobility::Binding& binding) {
        return !binding.at_home && !is_paired(home, binding);
    });
    return out;
}

Json binding_json(const ike::HomeStatus& home, const mobility::Binding& binding, const Snapshot& snapshot) {
    Json out{{"bid", binding.bid}, {"care_of", binding.care_of.to_string()}};
    if (binding.priority != 0) out["priority"] = binding.priority;
    const mobility::Registration ways = usable(home);
    const auto* first = mobility::default_path(ways);
    out["default"] = first && first->bid == binding.bid;
    out["at_home"] = binding.at_home;
    out["paired"] = is_paired(home, binding);
    out["expires_s"] = seconds(binding.expires - snapshot.now);
    if (snapshot.usage)
        put_pairs(out, home, *snapshot.usage, [&](const ike::HomePairStatus& pair) {
            return pair.use.traffic == ike::MobileTraffic::payload && node_end(home, pair) == binding.care_of;
        });
    return out;
}

Json flow_json(const ike::HomeStatus& home, const mobility::FlowBinding& flow) {
    Json out{{"fid", flow.fid}, {"priority", flow.priority}, {"packets", selector_text(flow.selector)}};
    out["bids"] = flow.bids;
    const mobility::Registration ways = usable(home);
    const auto* path = mobility::path_of(flow, ways);
    if (path) out["bid"] = path->bid;
    return out;
}

// What has no end is told without one.
Json prefix_json(const mobility::HomePrefix& prefix, Instant now) {
    Json out{{"prefix", prefix.prefix.to_string()}};
    if (prefix.valid_until) out["valid_s"] = seconds(*prefix.valid_until - now);
    if (prefix.preferred_until) out["preferred_s"] = seconds(std::max(*prefix.preferred_until - now, {}));
    return out;
}

Json home_json(const ike::HomeStatus& home, const Snapshot& snapshot) {
    const auto& registration = home.registration;
    Json out{{"home", registration.home.to_string()},
             {"role", home.is_agent ? "home-agent" : "mobile-node"},
             {"name", home.connection},
             {"agent", home.agent.to_string()},
             {"link", link_text(home.number)}};
    out["connected"] = home.sa.has_value();
    if (home.sa) {
        out["peer_id"] = home.sa->peer_id;
        out["spi"] = ike_spi_text(home.sa->spi);
        out["peer"] = home.sa->peer.to_string();
    }
    if (!home.is_agent) {
        out["settled"] = home.settled;
        out["at_home"] = home.at_home;
        if (!home.home_link.empty()) out["home_link"] = home.home_link;
    }
    out["bindings"] = Json::array();
    for (const auto& binding : registration.bindings)
        out["bindings"].push_back(binding_json(home, binding, snapshot));
    out["flows"] = Json::array();
    for (const auto& flow : registration.flows)
        out["flows"].push_back(flow_json(home, flow));
    out["networks"] = Json::array();
    // RFC 3963: of a home agent those that are registered, not all that might be.
    for (const auto& network : home.is_agent ? registration.prefixes : home.networks)
        out["networks"].push_back(network.to_string());
    if (!home.is_agent) {
        out["links"] = Json::array();
        for (const auto& [bid, address] : home.places)
            out["links"].push_back({{"bid", bid}, {"address", address.to_string()}});
        out["home_prefixes"] = Json::array();
        for (const auto& prefix : home.home_prefixes)
            if (!prefix.valid_until || *prefix.valid_until > snapshot.now)
                out["home_prefixes"].push_back(prefix_json(prefix, snapshot.now));
    }
    if (snapshot.usage) {
        Json& signalling = out["signalling"] = Json::object();
        put_pairs(signalling, home, *snapshot.usage, [](const ike::HomePairStatus& pair) {
            return pair.use.traffic == ike::MobileTraffic::signalling;
        });
    }
    return out;
}

template <class T>
std::string range_text(const std::optional<mobility::Range<T>>& range, auto text) {
    if (!range) return "any";
    return range->first == range->last ? text(range->first) : text(range->first) + "-" + text(range->last);
}

} // namespace

std::string selector_text(const mobility::FlowSelector& selector) {
    const auto address = [](const IpAddress& one) { return one.to_string(); };
    const auto number = [](auto one) { return std::to_string(one); };
    std::string out = fmt::format("{} to {}", range_text(selector.source, address),
                                  range_text(selector.destination, address));
    if (selector.next_header) out += ", protocol " + range_text(selector.next_header, number);
    if (selector.source_port || selector.destination_port)
        out += fmt::format(", ports {} to {}", range_text(selector.source_port, number),
                           range_text(selector.destination_port, number));
    if (selector.spi) out += ", SPI " + range_text(selector.spi, number);
    if (selector.flow_label) out += ", flow label " + range_text(selector.flow_label, number);
    if (selector.traffic_class) out += ", traffic class " + range_text(selector.traffic_class, number);
    return out;
}

Json bindings_json(const Snapshot& snapshot, std::string_view name) {
    Json out{{"homes", Json::array()}};
    for (const auto& home : snapshot.status.homes)
        if (concerns_home(home, name)) out["homes"].push_back(home_json(home, snapshot));
    return out;
}

} // namespace sheaf::daemon

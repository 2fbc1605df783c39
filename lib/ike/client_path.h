#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/wire/header.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A client's paths to its gateway (PathPlan), as the engine keeps them.
namespace sheaf::ike {

// An uplink and an address of the gateway.
struct UplinkPair {
    std::size_t uplink = 0; // its place in PathPlan::uplinks
    IpAddress gateway;
    friend auto operator<=>(const UplinkPair&, const UplinkPair&) = default;
};

enum class PathState : std::uint8_t { down, opening, up, away, refused };
[[nodiscard]] std::string_view name(PathState state); // as PathStatus tells it

struct ClientPath {
    std::vector<UplinkPair> own; // what it is for, the best first
    wire::Spi sa = 0;            // our SPI of its IKE SA; 0: none
    PathState state = PathState::down;
    std::string why;
    Instant since{};
    Instant again = Instant::min(); // before then the gateway is not asked for what it has refused
    std::optional<Duration> round_trip;
    std::uint64_t probes = 0;
    std::uint64_t unanswered = 0;
};

// A pair over which no answer came, until one does, or that the gateway refuses: when it is to be tried again, and how long to wait after that.
struct Silence {
    Instant until{};
    Duration pause{};
    bool refused = false; // it does answer: that the gateway does not take us from there
};

// Where a path can run.
struct PlacedPath {
    UplinkPair pair;
    IpAddress local;
    bool own = false; // and it answers, as far as we know
};

struct ClientPaths {
    std::vector<ClientPath> all;     // in order of preference; the first has the IKE SA of the login
    std::vector<IpAddress> gateways; // the addresses that we know, the configured ones first
    std::map<UplinkPair, Silence> silent;
    std::optional<Instant> due; // when to look at them again

    [[nodiscard]] ClientPath* of(wire::Spi sa);
    [[nodiscard]] bool is_silent(const UplinkPair& pair) const { return silent.contains(pair); }
};

} // namespace sheaf::ike

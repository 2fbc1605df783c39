#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/base/ip.h"
#include "lib/ike/config.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sheaf::conf {

// As many as hosts have, and as few as can be probed, told and read by a person.
inline constexpr std::size_t kMostUplinks = 8;
inline constexpr std::size_t kMostPaths = 16;
inline constexpr std::size_t kMostOtherAddresses = kMostPaths - 1;
inline constexpr std::size_t kGatewayPaths = 8; // of one authentication, unless "most" says otherwise

// What sheafd's own packets carry in these bits of the firewall mark is no operator's.
inline constexpr std::uint32_t kOwnMark = 0x53000000;
inline constexpr std::uint32_t kOwnMarkMask = 0xff000000;

// What a gateway's or client's connection says of moving and of several paths: "mobike", "route_proof",
// "allow_nat", "uplinks", "paths" and the "other_addresses" of either side. REQUIRES: role and remote are read.
void read_paths(const json::Value& connection, ike::Connection& out);

// The names of the interfaces that the paths of a client get beside "interface": while one authentication replaces
// another, both have theirs.
[[nodiscard]] std::vector<std::string> way_interfaces(const ike::Connection& connection);

// Whether all that fits together, in one connection after the other: marks are told apart across all of them.
// `interfaces` are those that Sheaf makes.
class PathCheck {
  public:
    PathCheck(const std::vector<IpAddress>& listen, const std::vector<std::string>& interfaces,
              Report& report)
        : listen_(listen), interfaces_(interfaces), report_(report) {}

    void connection(const ike::Connection& connection, const json::Value& entry, const std::string& path);

  private:
    const std::vector<IpAddress>& listen_;
    const std::vector<std::string>& interfaces_;
    Report& report_;
    std::map<std::uint32_t, std::string> marks_; // -> whose they are
};

} // namespace sheaf::conf

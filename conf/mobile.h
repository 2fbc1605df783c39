#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace sheaf::conf {

// Home addresses that the file itself names; pools give many more.
inline constexpr std::size_t kMostHomeEntries = 10'000;
inline constexpr std::size_t kMostHomesOfOne = 16; // a handful of subscriptions

// What a connection says of Mobile IPv6: "home_agent" or "mobile", by its role. REQUIRES: role and remote are read.
void read_mobile(const json::Value& connection, ike::Connection& out);

// Whether that fits together. `interfaces` are those that Sheaf makes.
class MobileCheck {
  public:
    MobileCheck(const std::vector<std::string>& interfaces, Report& report)
        : interfaces_(interfaces), report_(report) {}

    void connection(const ike::Connection& connection, const json::Member& member, const std::string& path);

  private:
    const std::vector<std::string>& interfaces_;
    Report& report_;
    std::map<IpAddress, std::string> agents_; // home agent's address -> whose it is
    std::map<std::uint32_t, std::string> marks_;
};

} // namespace sheaf::conf

#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/address/pool_spec.h"
#include "lib/base/ip.h"
#include "lib/ike/config.h"

#include <string>
#include <utility>
#include <vector>

namespace sheaf::conf {

// Whether what home agents give is one mobile node's alone: home addresses, mobile networks, and the pools that give
// either, in one connection after the other.
class HomeCheck {
  public:
    HomeCheck(const std::vector<address::PoolSpec>& pools, Report& report) : pools_(pools), report_(report) {}

    void connection(const ike::Connection& connection, const json::Value& entry, const std::string& path);

  private:
    const std::vector<address::PoolSpec>& pools_;
    Report& report_;
    std::vector<std::pair<Prefix, std::string>> prefixes_; // of home agents -> whose they are
};

} // namespace sheaf::conf

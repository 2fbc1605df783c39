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

// Addresses that are somebody's alone.
struct Holding {
    enum class What { agent, pool, network, home };
    What what;
    Prefix block;
    std::string owner;      // the identity, or the pool
    std::string connection; // its path
    std::string path;       // where it stands
    Place place;
};

// Whether what home agents give is one mobile node's alone: home addresses, mobile networks, and the pools that give
// either. And whether there is a home address to have at all.
class HomeCheck {
  public:
    HomeCheck(const std::vector<address::PoolSpec>& pools, Report& report) : pools_(pools), report_(report) {}

    // One after the other, each by itself.
    void connection(const ike::Connection& connection, const json::Member& member, const std::string& path);
    // All of them together, after the last.
    void together();

  private:
    [[nodiscard]] bool is_of_other_prefix(const Holding& holding) const;
    void clash(const Holding& a, const Holding& b) const;

    const std::vector<address::PoolSpec>& pools_;
    Report& report_;
    std::vector<std::pair<Prefix, std::string>> prefixes_; // of home agents -> whose they are
    std::vector<Holding> holdings_;
};

} // namespace sheaf::conf

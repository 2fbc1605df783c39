#pragma once

#include "test/kernel/world.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::kernel_test {

// A gateway (2001:db8:13::2 outside, hosts 2001:db8:9::53 and 10.9.0.53 behind it) and clients (2001:db8:7::n
// for the n-th, from 1), joined by a bridge in the gateway's namespace. With all of one prefix outside,
// nothing needs routes there.
class Star {
  public:
    explicit Star(unsigned clients);

    World gateway;
    std::unique_ptr<xfrm::Kernel> at_gateway;
    struct Point {
        World world;
        std::unique_ptr<xfrm::Kernel> kernel;
    };
    [[nodiscard]] Point& client(unsigned n) { return *points_.at(n - 1); }

  private:
    void wire_up(unsigned n);
    std::vector<std::unique_ptr<Point>> points_;
};

// A counter of /proc/net/xfrm_stat.
[[nodiscard]] unsigned long counter(const World& world, const std::string& name);

// What a command prints in the world's namespace.
[[nodiscard]] std::string output(const World& world, const std::string& command);

// Until no address waits for duplicate address detection any more, 10 s at most. A router whose link-local address does
// asks for no neighbour, and what it should forward is lost.
void await_addresses(const World& world);

// Whether a ping with these arguments is answered.
[[nodiscard]] bool ping(const World& world, const std::string& arguments);

} // namespace sheaf::kernel_test

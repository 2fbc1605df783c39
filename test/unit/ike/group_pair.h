#pragma once

#include "test/support/pipe.h"
#include "test/unit/ike/group_net.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <set>
#include <string>

// An endpoint of the group "mesh" and its gateway, message by message.
namespace sheaf::test {

using namespace std::chrono_literals;

inline ike::Config endpoint_side() {
    auto config = sheaf::test::peer_config(true);
    config.connections[0].group = "mesh";
    config.group_memberships = {{"mesh", "mesh0", {}, {}, {}}};
    return config;
}

inline ike::Config gateway_side() {
    auto config = sheaf::test::peer_config(false);
    config.connections[0].group = "mesh";
    config.group_services = {{"mesh", {}}};
    return config;
}

// An endpoint, which began, and its gateway.
struct Two {
    Pipe pipe;
    Host& endpoint;
    Host& gateway;
    explicit Two(ike::Config a = endpoint_side(), ike::Config b = gateway_side())
        : pipe(std::move(a), std::move(b)), endpoint(pipe.a()), gateway(pipe.b()) {
        REQUIRE(endpoint.established() == 1);
    }
    // A request of the gateway's own, on its way to the endpoint; or of the endpoint's.
    Flight question(Host& from) {
        Host& to = &from == &endpoint ? gateway : endpoint;
        for (int round = 0; round < 100 && pipe.to(to).empty(); ++round) {
            pipe.now += 1s;
            from.engine.on_timeout(pipe.now);
            pipe.collect();
        }
        return pipe.hold(to);
    }
    Flight put_on_its_way() {
        REQUIRE(pipe.command(gateway, ike::RekeyGroup{"mesh"}));
        return question(gateway);
    }
    std::string answered() { return pipe.to(gateway).empty() ? "nothing" : pipe.to(gateway).front().what(); }
    std::set<wire::ChildSpi> held() { return spis_of(endpoint); }
};

inline group::Put some_put(wire::ChildSpi spi = 0xf1234567) {
    SeededRandom random(7);
    group::Put put;
    put.sa = group::draw_sa(random, group::Suite{}, spi);
    put.life = 600s;
    put.rollover1 = 60s;
    put.rollover2 = 120s;
    return put;
}

} // namespace sheaf::test

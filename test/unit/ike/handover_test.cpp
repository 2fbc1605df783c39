// From an IKE SA to the one that is authenticated after it (RFC 7296 2.8.3): what is sent meanwhile arrives.

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

// A client and its gateway, or two peers; the first one has begun.
struct Connected {
    Pipe pipe;
    Host& client;
    Host& gateway;
    explicit Connected(bool peers = false)
        : pipe(peers ? peer_config(true) : client_config("192.0.2.2"),
               peers ? peer_config(false) : gateway_config(), peers),
          client(pipe.a()), gateway(pipe.b()) {
        pipe.run(1s);
        REQUIRE(client.established() == 1);
    }
};

// What is wrong with it that `from` sends to `to`; empty if nothing is.
std::string unheard(Host& from, Host& to) {
    std::size_t outbound = 0;
    for (const auto& [spi, pair] : from.kernel.sas) {
        if (!pair.outbound) continue;
        ++outbound;
        const auto other = to.kernel.sas.find(pair.id.spi_out);
        if (other == to.kernel.sas.end() || !other->second.inbound)
            return from.address.to_string() + " sends on what the other does not receive on";
    }
    return outbound == 0 ? from.address.to_string() + " has nothing to send on" : "";
}

} // namespace

TEST_CASE("authenticating anew, nobody sends on what the other does not receive on, at any moment") {
    const bool peers = GENERATE(false, true);
    Connected c(peers);
    const auto old_at_client = c.client.kernel.sas.begin()->first;
    const auto old_at_gateway = c.gateway.kernel.sas.begin()->first;
    REQUIRE(c.pipe.command(c.client, ike::Reauthenticate{peers ? "tunnel" : "home"}));
    std::string last;
    for (int i = 0; i < 20 && last != "nothing"; ++i) {
        for (Host* host : {&c.gateway, &c.client}) {
            c.pipe.collect();
            last = c.pipe.pass(*host);
            INFO("after '" << last << "' to " << host->address.to_string());
            CHECK(unheard(c.client, c.gateway) == "");
            CHECK(unheard(c.gateway, c.client) == "");
        }
    }
    CHECK(c.client.established() == 1);
    CHECK(c.gateway.established() == 1);
    // What was sent before is still on its way, and is listened for: by the IKE SA that goes on.
    CHECK(c.client.kernel.sas.at(old_at_client).inbound);
    CHECK_FALSE(c.client.kernel.sas.at(old_at_client).outbound);
    CHECK(c.gateway.kernel.sas.at(old_at_gateway).inbound);
    CHECK_FALSE(c.gateway.kernel.sas.at(old_at_gateway).outbound);
    c.pipe.run(6s);
    CHECK(c.pipe.wrong() == "");
    CHECK_FALSE(c.client.kernel.sas.contains(old_at_client));
    CHECK_FALSE(c.gateway.kernel.sas.contains(old_at_gateway));
}

TEST_CASE("a peer that forgets to delete the old IKE SA is sent to on the new one all the same") {
    Connected c;
    const auto old = c.gateway.kernel.sas.begin()->first;
    REQUIRE(c.pipe.command(c.client, ike::Reauthenticate{"home"}));
    std::vector<Flight> lost;
    for (int i = 0; i < 20; ++i) {
        c.pipe.collect();
        auto& to_gateway = c.pipe.to(c.gateway);
        if (!to_gateway.empty() && to_gateway.front().what() == "delete ike")
            lost.push_back(c.pipe.hold(c.gateway));
        c.pipe.pass(c.gateway);
        c.pipe.pass(c.client);
    }
    REQUIRE(lost.size() == 1);
    CHECK(c.gateway.kernel.pairs() == 1);
    CHECK(c.gateway.kernel.sas.at(old).outbound);
    // Its DELETE is repeated after a while; before that comes through, time alone decides.
    for (int i = 0; i < 30; ++i) {
        c.pipe.now += 100ms;
        c.gateway.engine.on_timeout(c.pipe.now);
        c.gateway.pump(c.pipe.now);
    }
    CHECK(c.gateway.kernel.pairs() == 2);
    c.pipe.run(30s);
    CHECK(c.pipe.wrong() == "");
    CHECK_FALSE(c.gateway.kernel.sas.contains(old));
}

// Rekeying without collisions: the collisions have tables of their own (ike_rekey_collision_test.cpp,
// child_rekey_collision_test.cpp).

#include "lib/child/selector.h"
#include "test/support/pipe.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kClient = "198.51.100.2";

struct Established {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Established(ike::Config g = gateway_config(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add(kClient, std::move(c))) {
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        REQUIRE(client.established() == 1);
    }
    // Both ends hold one Child SA, the same, in both directions, and nothing else.
    void check_agreed() {
        for (const Host* host : {&gateway, &client}) {
            CHECK(host->established() == 1);
            CHECK(host->kernel.sas.size() == 1);
            CHECK(host->kernel.pairs() == 1);
            CHECK(host->kernel.policies.size() == 1);
            CHECK(host->kernel.links.size() == 1);
            CHECK(host->kernel.breaches.empty());
        }
        const auto& ours = client.kernel.sas.begin()->second;
        const auto theirs = gateway.kernel.sas.find(ours.id.spi_out);
        REQUIRE(theirs != gateway.kernel.sas.end());
        CHECK(equal(theirs->second.in.encryption.view(), ours.out.encryption.view()));
        CHECK(equal(theirs->second.out.encryption.view(), ours.in.encryption.view()));
    }
    Host& side(bool of_client) { return of_client ? client : gateway; }
    static std::string name(bool of_client) { return of_client ? "home" : "clients"; }
};

} // namespace

TEST_CASE("either side rekeys the Child SA, and the old one is gone at both ends") {
    for (const bool by_client : {true, false}) {
        Established pair;
        const auto before = pair.client.kernel.sas.begin()->first;
        REQUIRE(pair.side(by_client).engine.command(pair.net.now, ike::Rekey{Established::name(by_client)}));
        pair.net.settle();
        // The old inbound entries stay a little for packets that are on their way.
        CHECK(pair.client.kernel.sas.size() == 2);
        CHECK(pair.client.kernel.pairs() == 1);
        pair.net.run_for(6s);
        pair.check_agreed();
        CHECK_FALSE(pair.client.kernel.sas.contains(before));
        CHECK(pair.gateway.count<ike::ChildRekeyed>() == 1);
        CHECK(pair.client.count<ike::ChildRekeyed>() == 1);
        CHECK(pair.client.count<ike::ChildDown>() == 0);
        CHECK(pair.gateway.count<ike::ChildDown>() == 0);
    }
}

TEST_CASE("either side rekeys the IKE SA, and the Child SA goes on") {
    for (const bool by_client : {true, false}) {
        Established pair;
        const auto child = pair.client.kernel.sas.begin()->first;
        const auto before = pair.client.engine.status().ike_sas.at(0).spi_i;
        REQUIRE(pair.side(by_client).engine.command(
            pair.net.now, ike::Rekey{Established::name(by_client), ike::Rekey::What::ike}));
        pair.net.run_for(1s);
        pair.check_agreed();
        CHECK(pair.client.kernel.sas.contains(child));
        CHECK(pair.client.engine.status().ike_sas.at(0).spi_i != before);
        CHECK(pair.client.engine.status().ike_sas.at(0).initiator == by_client);
        CHECK(pair.gateway.count<ike::IkeRekeyed>() == 1);
        CHECK(pair.gateway.count<ike::IkeDown>() == 0);
        CHECK(pair.gateway.engine.counters().handshakes == 1);
        // What is asked on the new IKE SA works.
        REQUIRE(pair.client.engine.command(pair.net.now, ike::Rekey{"home"}));
        pair.net.run_for(6s);
        pair.check_agreed();
        CHECK_FALSE(pair.client.kernel.sas.contains(child));
        REQUIRE(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
        pair.net.run_for(1s);
        CHECK(pair.gateway.engine.idle());
        CHECK(pair.client.engine.idle());
    }
}

TEST_CASE("time alone makes both SAs rekey, again and again, by one side at a time") {
    auto gateway = gateway_config();
    auto client = client_config(kGateway);
    for (auto* config : {&gateway, &client}) {
        config->connections[0].rekey = 40min;
        config->connections[0].child.lifetime.time = 10min;
    }
    Established pair(std::move(gateway), std::move(client));
    pair.net.run_for(4h);
    pair.net.run_for(6s);
    pair.check_agreed();
    CHECK(pair.gateway.engine.counters().handshakes == 1);
    CHECK(pair.gateway.count<ike::IkeRekeyed>() >= 5);
    CHECK(pair.gateway.count<ike::ChildRekeyed>() >= 20);
    CHECK(pair.gateway.count<ike::IkeDown>() == 0);
    CHECK(pair.gateway.count<ike::ChildDown>() == 0);
}

TEST_CASE("a rekeying that is answered with more than was offered keeps the selectors of the Child SA") {
    Pipe pipe;
    const auto before = pipe.a().kernel.policies;
    const auto old = pipe.child_spi(pipe.a());
    REQUIRE(pipe.rekey_child(pipe.a()));
    REQUIRE(pipe.pass(pipe.b()) == "rekey child");
    Flight answer = pipe.hold(pipe.a());
    const bool elsewhere = GENERATE(false, true); // then nothing of it
    const auto answered = *Prefix::parse(elsewhere ? "2001:db8:ffff::/48" : "::/0");
    for (auto& payload : answer.payloads) {
        if (auto* ts = std::get_if<wire::TrafficSelectors>(&payload))
            ts->selectors = {child::selector(answered)};
    }
    pipe.deliver(pipe.a(), pipe.with_payloads(answer, answer.payloads));
    pipe.settle();
    CHECK((pipe.child_spi(pipe.a()) == old) == elsewhere);
    CHECK(pipe.a().kernel.policies == before);
    CHECK(pipe.a().kernel.breaches.empty());
    pipe.run(6s); // what was replaced, or refused, goes
    CHECK(pipe.wrong() == "");
}

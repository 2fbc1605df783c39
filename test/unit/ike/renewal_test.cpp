// Authenticating anew, and what becomes of the IKE SAs of an identity that comes twice.

#include "lib/wire/codec.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

struct Established {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Established(ike::Config g = gateway_config(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add("198.51.100.2", std::move(c))) {
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        REQUIRE(client.established() == 1);
    }
};

// A second device with the same identity, which does not say that it begins anew: it believes it has another
// IKE SA.
Host& add_twin(Established& pair) {
    auto config = client_config(kGateway);
    Host& twin = pair.net.add("198.51.100.77", config);
    return twin;
}

// Takes INITIAL_CONTACT out of the question: the engine sends it only if it has no other IKE SA with the
// peer, so the twin gets one with another gateway of the same name first.
ike::Config without_initial_contact() {
    auto config = client_config(kGateway);
    auto second = config.connections[0];
    second.name = "again";
    second.interface = "sheaf1";
    second.start = false;
    config.connections.push_back(second);
    return config;
}

} // namespace

TEST_CASE("a client authenticates anew without a gap, and keeps its link and addresses") {
    Established pair;
    const auto link = *pair.client.kernel.links.begin();
    const auto given = pair.gateway.kernel.links.begin()->second;
    const auto before = pair.client.engine.status().ike_sas.at(0).spi_i;
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Reauthenticate{"home"}));
    bool gap = false;
    for (int i = 0; i < 400; ++i) {
        pair.net.run_for(50ms);
        gap = gap || pair.client.kernel.pairs() == 0 || pair.gateway.kernel.pairs() == 0 ||
              pair.client.kernel.links.size() != 1 || pair.client.kernel.policies.empty();
    }
    CHECK_FALSE(gap);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.engine.status().ike_sas.at(0).spi_i != before);
    CHECK(pair.gateway.engine.counters().handshakes == 2);
    CHECK(pair.client.kernel.links.begin()->first == link.first);
    CHECK(pair.client.kernel.pairs() == 1);
    CHECK(pair.client.kernel.sas.size() == 1);
    CHECK(pair.gateway.kernel.links.size() == 1);
    CHECK(pair.gateway.kernel.links.begin()->second.routes == given.routes);
    CHECK(pair.gateway.blocks_used() == 2);
    CHECK(pair.gateway.kernel.breaches.empty());
    CHECK(pair.client.kernel.breaches.empty());
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
    pair.net.run_for(1s);
    CHECK(pair.client.kernel.empty());
    CHECK(pair.gateway.kernel.empty());
    CHECK(pair.gateway.blocks_used() == 0);
}

TEST_CASE("a client that cannot authenticate anew keeps what it has, and tries again") {
    Established pair;
    const auto before = pair.client.engine.status().ike_sas.at(0).spi_i;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        return wire::parse_header(datagram.bytes)->initiator_spi == before;
    };
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Reauthenticate{"home"}));
    pair.net.run_for(30s);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.client.kernel.pairs() == 1);
    CHECK(pair.client.kernel.links.size() == 1);
    pair.net.on_wire = nullptr;
    pair.net.run_for(90s);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.client.engine.status().ike_sas.at(0).spi_i != before);
}

TEST_CASE("time alone makes a client authenticate anew") {
    auto config = client_config(kGateway);
    config.connections[0].reauth = 10min;
    Established pair(gateway_config(), config);
    pair.net.run_for(61min);
    CHECK(pair.gateway.engine.counters().handshakes >= 6);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.kernel.pairs() == 1);
    CHECK(pair.client.kernel.links.size() == 1);
    CHECK(pair.gateway.kernel.links.size() == 1);
    CHECK(pair.client.kernel.breaches.empty());
}

TEST_CASE("an IKE SA that cannot be rekeyed ends when its time is up") {
    auto gateway = gateway_config();
    gateway.connections[0].rekey = 10min;
    Established pair(gateway);
    // The client answers nothing that the gateway asks on CREATE_CHILD_SA, but lives.
    pair.net.on_wire = [](ike::Datagram& datagram) {
        return wire::parse_header(datagram.bytes)->exchange != wire::ExchangeType::create_child_sa;
    };
    pair.net.run_for(15min);
    CHECK(pair.gateway.count<ike::IkeDown>() >= 1);
}

TEST_CASE("a second IKE SA of an identity takes the addresses over, and the first one goes") {
    Established pair(gateway_config(), without_initial_contact());
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Up{"again"}));
    pair.net.run_for(1s);
    CHECK(pair.gateway.established() == 2);
    CHECK(pair.gateway.kernel.links.size() == 1);
    pair.net.run_for(15s);
    CHECK(std::ranges::any_of(pair.gateway.events, [](const ike::Event& event) {
        const auto* down = std::get_if<ike::IkeDown>(&event);
        return down && down->reason == ike::DownReason::replaced;
    }));
    CHECK(pair.gateway.blocks_used() == 2);
    CHECK(pair.gateway.kernel.breaches.empty());
}

TEST_CASE("an identity may be allowed one IKE SA only") {
    auto gateway = gateway_config();
    gateway.connections[0].uniqueness = ike::Uniqueness::keep;
    Established pair(gateway);
    Host& twin = add_twin(pair);
    pair.net.run_for(2s);
    CHECK(pair.gateway.established() == 1);
    CHECK(twin.established() == 0);
    CHECK(pair.client.established() == 1);
    CHECK(pair.gateway.refused(Rule::already_connected) >= 1);
}

TEST_CASE("an identity may be allowed many IKE SAs, each with addresses of its own") {
    auto gateway = gateway_config();
    gateway.connections[0].uniqueness = ike::Uniqueness::many;
    Established pair(gateway, without_initial_contact());
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Up{"again"}));
    pair.net.run_for(30s);
    CHECK(pair.gateway.established() == 2);
    CHECK(pair.gateway.kernel.links.size() == 2);
    CHECK(pair.gateway.blocks_used() == 4);
}

TEST_CASE("a reload that takes a peer's secret away ends its IKE SA") {
    Established pair;
    auto config = gateway_config();
    config.credentials.shared_keys.clear();
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Reload{config}));
    pair.net.run_for(1s);
    CHECK(pair.gateway.established() == 0);
    CHECK(pair.gateway.kernel.empty());
}

TEST_CASE("one source cannot fill the half-open table: it has to return cookies, and has an end") {
    auto config = gateway_config();
    config.limits.half_open_per_source = 4;
    WireNet net;
    Host& gateway = net.add(kGateway, config);
    Host& client = net.add("198.51.100.2", client_config(kGateway));
    client.engine.on_timeout(net.now);
    client.pump(net.now);
    REQUIRE(client.outbox.size() == 1);
    for (std::uint8_t i = 0; i < 20; ++i) {
        auto request = client.outbox.front();
        request.bytes[0] = static_cast<std::uint8_t>(request.bytes[0] ^ i);
        gateway.engine.datagram(net.now, {request.peer, request.local, request.bytes});
        gateway.pump(net.now);
    }
    CHECK(gateway.engine.status().half_open == 4);
    CHECK(gateway.refused(Rule::cookie_required) == 16);
    // Another source gets in without one.
    Host& other = net.add("198.51.100.3", client_config(kGateway));
    gateway.outbox.clear();
    client.outbox.clear();
    net.on_wire = [&](ike::Datagram& datagram) {
        return datagram.local.address != client.address && datagram.peer.address != client.address;
    };
    net.run_for(1s);
    CHECK(other.established() == 1);
}

TEST_CASE("who fails to authenticate counts as half-open until it is forgotten") {
    auto config = client_config(kGateway);
    config.credentials.shared_keys[0].key = std::make_shared<const Secret>(Secret::copy_of(Bytes{'n', 'o'}));
    WireNet net;
    Host& gateway = net.add(kGateway, gateway_config());
    net.add("198.51.100.2", config);
    net.run_for(200ms);
    CHECK(gateway.refused(Rule::authentication_failed) >= 1);
    CHECK(gateway.engine.status().half_open >= 1);
    net.on_wire = [](ike::Datagram&) { return false; };
    net.run_for(40s);
    CHECK(gateway.engine.status().half_open == 0);
    CHECK(gateway.engine.idle());
}

TEST_CASE("a client whose link the kernel refused opens it with the next attempt") {
    WireNet net;
    net.add(kGateway, gateway_config());
    Host& client = net.add("198.51.100.2", client_config(kGateway));
    client.kernel.fail_step = child::KernelStep(child::InstallSas{}).index();
    net.run_for(10s);
    CHECK(client.established() == 1);
    CHECK(client.kernel.links.size() == 1);
    CHECK(client.kernel.pairs() == 1);
    CHECK(client.kernel.breaches.empty());
}

TEST_CASE("an IKE SA that is rekeyed while its client authenticates anew loses neither") {
    Established pair;
    const auto before = pair.client.engine.status().ike_sas.at(0).spi_i;
    bool hold = true;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        const bool attempt = header->exchange == wire::ExchangeType::ike_sa_init;
        if (hold && attempt) return false;
        return true;
    };
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Reauthenticate{"home"}));
    pair.net.settle();
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Rekey{"clients", ike::Rekey::What::ike}));
    pair.net.settle();
    hold = false;
    pair.net.run_for(20s);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.engine.status().ike_sas.at(0).spi_i != before);
    CHECK(pair.gateway.engine.counters().handshakes == 2);
    CHECK(pair.client.kernel.links.size() == 1);
    CHECK(pair.client.kernel.pairs() == 1);
    CHECK(pair.client.kernel.breaches.empty());
}

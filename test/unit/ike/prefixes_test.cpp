// What clients are given, and when (RFC 5739): several prefixes, answers that take their time, other prefixes
// while they are up.

#include "test/unit/ike/client_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

TEST_CASE("a client gets a block of each entry, and all of it is its own") {
    Net n;
    n.connect();
    const auto given = blocks(n.gateway);
    REQUIRE(given.size() == 3);
    CHECK(given[0].length() == 56);
    CHECK(given[1] == prefix("2001:db8:b00::/64"));
    CHECK(given[2].length() == 32);
    for (const Prefix& block : given) {
        CHECK(std::ranges::find(n.at_gateway().routes, block) != n.at_gateway().routes.end());
        CHECK(address_in(n.link(), block));
    }
    CHECK(n.link().delegated == std::vector{given[0], given[1]});
    // The client's packets may have any source of its blocks, or its link-local address.
    const auto& policies = n.gateway.kernel.policies.at(0);
    CHECK(policies.remote_selectors.size() == 4);
    const auto leased = n.gateway.last<ike::Leased>();
    REQUIRE(leased);
    CHECK(leased->what == ike::Leased::What::assigned);
    CHECK(leased->blocks == given);
}

TEST_CASE("where the first pool of an entry is used up, the next one gives") {
    Net n;
    Host& second = n.net.add("198.51.100.3", client_config(kGateway, 1));
    n.net.run_for(1s);
    REQUIRE(n.gateway.established() == 2);
    const auto has = [](const Host& host, std::string_view text) {
        const auto& link = host.kernel.links.begin()->second;
        return address_in(link, prefix(text)).has_value();
    };
    CHECK(has(n.client, "2001:db8:b00::/64") != has(second, "2001:db8:b00::/64"));
    CHECK(has(n.client, "2001:db8:b10::/48") != has(second, "2001:db8:b10::/48"));
}

TEST_CASE("an identity that comes back finds its blocks") {
    Net n;
    n.connect();
    const auto before = blocks(n.gateway);
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.net.run_for(5s);
    REQUIRE(n.gateway.engine.idle());
    CHECK(n.gateway.blocks_used() == 0);
    CHECK(n.gateway.last<ike::Leased>()->what == ike::Leased::What::released);
    // Somebody else comes meanwhile.
    n.net.add("198.51.100.3", client_config(kGateway, 1));
    n.net.run_for(1s);
    REQUIRE(n.client.engine.command(n.net.now, ike::Up{"home"}));
    n.net.run_for(1s);
    REQUIRE(n.client.established() == 1);
    for (const Prefix& block : before)
        CHECK(address_in(n.link(), block));
    CHECK(n.gateway.last<ike::Leased>()->what == ike::Leased::What::renewed);
}

TEST_CASE("whoever gives addresses may take its time, and nobody else waits") {
    Net n;
    n.gateway.addresses_answer = false;
    n.net.run_for(2s);
    CHECK(n.client.established() == 0);
    CHECK(n.gateway.established() == 0);
    REQUIRE(n.gateway.demands.size() == 1); // though the client has asked more than once
    const auto first = n.gateway.demands.front();
    n.gateway.demands.clear();
    n.gateway.addresses_answer = true;
    Host& second = n.net.add("198.51.100.3", client_config(kGateway, 1));
    n.net.run_for(1s);
    CHECK(second.established() == 1);
    n.gateway.demands = {first};
    n.gateway.answer_demands(n.net.now);
    n.net.run_for(1s);
    CHECK(n.client.established() == 1);
    CHECK(n.gateway.established() == 2);
}

TEST_CASE("an answer that comes too late is given back") {
    auto client = client_config(kGateway);
    client.connections[0].retransmit = {500ms, 8};
    Net n(rich_gateway(), client);
    n.gateway.addresses_answer = false;
    n.net.run_for(31s);
    CHECK(n.gateway.refused(Rule::address_failure) == 1);
    REQUIRE(n.client.last<ike::IkeDown>());
    CHECK(n.client.last<ike::IkeDown>()->detail == "the peer answered INTERNAL_ADDRESS_FAILURE");
    const auto late = n.gateway.demands.front();
    n.gateway.demands.clear();
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.gateway.addresses_answer = true;
    n.net.run_for(5s);
    n.gateway.demands = {late};
    n.gateway.answer_demands(n.net.now);
    n.gateway.pump(n.net.now);
    CHECK(n.gateway.blocks_used() == 0);
    CHECK(n.gateway.kernel.empty());
}

// A client that has an IKE SA, and authenticates anew while whoever gives addresses takes its time.
TEST_CASE("what an IKE SA leaves behind while its successor waits for the same is not given to anybody") {
    Net n;
    n.connect();
    const auto before = blocks(n.gateway);
    n.gateway.addresses_answer = false;
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(1s);
    REQUIRE(n.gateway.demands.size() == 1);
    SECTION("the old one ends first") {
        REQUIRE(n.gateway.engine.command(n.net.now, ike::Down{"clients"}));
        // The client begins anew, and gets the same.
        n.net.run_for(1s);
        n.gateway.addresses_answer = true;
        n.gateway.answer_demands(n.net.now);
        n.net.run_for(30s);
        REQUIRE(n.client.established() == 1);
        CHECK(n.gateway.blocks_used() == 3);
    }
    SECTION("the answer comes too late") {
        const auto late = n.gateway.demands.front();
        n.net.run_for(31s);
        n.gateway.addresses_answer = true;
        n.gateway.answer_demands(n.net.now);
        n.net.run_for(1s);
        n.gateway.demands = {late};
        n.gateway.answer_demands(n.net.now);
        n.gateway.pump(n.net.now);
        CHECK(n.gateway.established() >= 1);
        CHECK(n.gateway.blocks_used() == 3);
        for (const Prefix& block : before)
            CHECK(address_in(n.link(), block));
        CHECK(n.client.established() >= 1);
        CHECK(n.client.kernel.pairs() >= 1);
    }
    SECTION("the configuration is read again") {
        n.gateway.reload(n.net.now, rich_gateway());
        n.gateway.addresses_answer = true;
        n.gateway.answer_demands(n.net.now);
        n.net.run_for(30s);
        CHECK(n.client.established() == 1);
        CHECK(n.gateway.engine.counters().handshakes == 2);
        CHECK(blocks(n.gateway) == before);
    }
    SECTION("the old one is deleted by its peer meanwhile") {
        const auto old = n.client.engine.status().ike_sas;
        REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
        n.net.run_for(1s);
        n.gateway.addresses_answer = true;
        n.gateway.answer_demands(n.net.now);
        n.net.run_for(40s);
        CHECK(n.gateway.blocks_used() == 0);
        CHECK(n.gateway.kernel.empty());
    }
    CHECK(n.gateway.kernel.breaches.empty());
    CHECK(n.client.kernel.breaches.empty());
}

TEST_CASE("an IKE SA that got no addresses does not end the one that has them") {
    Net n;
    n.connect();
    const auto alive = n.gateway.engine.status().ike_sas.at(0).spi_i;
    n.gateway.addresses_answer = false;
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(50s); // longer than a replaced one would stay
    CHECK(n.client.count<ike::IkeDown>() == 1);
    const auto left = n.gateway.engine.status().ike_sas;
    REQUIRE_FALSE(left.empty());
    CHECK(std::ranges::count(left, alive, &ike::IkeSaStatus::spi_i) == 1);
    CHECK(n.client.kernel.pairs() == 1);
}

TEST_CASE("one identity has no more IKE SAs than one may have") {
    const unsigned clones = GENERATE(1U, 4U); // whether or not a login may have several, each counts
    auto config = gateway_config();
    config.connections[0].uniqueness = ike::Uniqueness::many;
    config.connections[0].ike_sas_per_login = clones;
    config.limits.ike_sas_per_identity = 3;
    WireNet net;
    Host& gateway = net.add(kGateway, config);
    for (int i = 0; i < 6; ++i) {
        auto client = client_config(kGateway);
        client.connections[0].start = false;
        client.connections[0].ike_sas_per_login = clones;
        Host& host = net.add("198.51.100." + std::to_string(10 + i), client);
        REQUIRE(host.engine.command(net.now, ike::Up{"home"}));
        host.pump(net.now);
        net.run_for(1s);
    }
    CHECK(gateway.established() == 3);
    CHECK(gateway.refused(Rule::too_many_of_identity) == 3);
    CHECK(gateway.blocks_used() == 6);
}

TEST_CASE("a client that goes while its addresses are sought leaves nothing behind") {
    Net n;
    n.gateway.addresses_answer = false;
    n.net.run_for(1s);
    REQUIRE(n.gateway.engine.command(n.net.now, ike::Down{"clients"}));
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.gateway.addresses_answer = true;
    n.gateway.answer_demands(n.net.now);
    n.net.run_for(40s);
    CHECK(n.gateway.blocks_used() == 0);
    CHECK(n.gateway.kernel.empty());
    CHECK(n.gateway.engine.idle());
}

TEST_CASE("a kernel that refuses the link leaves the client's blocks free") {
    auto client = client_config(kGateway);
    client.connections[0].start = false;
    Net n(rich_gateway(), client);
    n.gateway.kernel.fail_step = child::KernelStep(child::OpenLink{}).index();
    REQUIRE(n.client.engine.command(n.net.now, ike::Up{"home"}));
    n.net.run_for(1s);
    CHECK(n.gateway.kernel.links.empty());
    CHECK(n.gateway.blocks_used() == 0);
    CHECK(n.gateway.count<ike::Leased>() == 0);
    REQUIRE(n.client.engine.command(n.net.now, ike::Up{"home"}));
    n.net.run_for(1s);
    CHECK(n.gateway.established() == 1);
    CHECK(n.gateway.blocks_used() == 3);
}

TEST_CASE("what only some pools can give is given") {
    auto config = rich_gateway(1);
    config.connections[0].pools = {{{"b"}}, {{"b"}}, {{"v4"}}};
    Net n(config);
    n.connect();
    CHECK(blocks(n.gateway).size() == 2);
}

TEST_CASE("another pool comes while the client is up: it keeps its link and gets a block of that, too") {
    Net n;
    n.connect();
    const auto before = n.link();
    auto config = rich_gateway();
    config.connections[0].pools.push_back({{"b2"}});
    n.gateway.reload(n.net.now, config);
    n.net.run_for(70s);
    REQUIRE(n.client.established() == 1);
    CHECK(n.gateway.established() == 1);
    CHECK(std::ranges::none_of(n.client.events, [](const ike::Event& event) {
        const auto* down = std::get_if<ike::IkeDown>(&event);
        return down && down->reason != ike::DownReason::replaced;
    }));
    CHECK(blocks(n.gateway).size() == 4);
    CHECK(address_in(n.link(), prefix("2001:db8:b10::/48")));
    CHECK(n.link().number == before.number);
    for (const auto& address : before.addresses)
        CHECK(std::ranges::find(n.link().addresses, address) != n.link().addresses.end());
    CHECK(n.client.kernel.breaches.empty());
    CHECK(n.gateway.kernel.breaches.empty());
}

TEST_CASE("a prefix that is withdrawn is deprecated for a minute before it is removed") {
    auto config = rich_gateway();
    config.connections[0].uniqueness =
        GENERATE(ike::Uniqueness::replace, ike::Uniqueness::share, ike::Uniqueness::many);
    Net n(config);
    n.connect();
    const auto old = address_in(n.link(), prefix("2001:db8:a00::/40"));
    REQUIRE(old);
    CHECK_FALSE(old->deprecated);
    config.connections[0].pools = {{{"b", "b2"}}, {{"v4"}}};
    n.gateway.reload(n.net.now, config);
    bool there = true, deprecated = false, removed_without_warning = false;
    Duration warned{};
    for (int i = 0; i < 200 && there; ++i) {
        n.net.run_for(1s);
        const auto now =
            address_in(n.link(), old->address == IpAddress{} ? Prefix{} : Prefix::host(old->address));
        there = now.has_value();
        if (!there) removed_without_warning = !deprecated;
        deprecated = now && now->deprecated;
        if (deprecated) warned += 1s;
        // As long as it is there, the gateway sends to it.
        if (there)
            CHECK(std::ranges::any_of(n.at_gateway().routes,
                                      [&](const Prefix& route) { return route.contains(old->address); }));
    }
    CHECK_FALSE(there);
    CHECK_FALSE(removed_without_warning);
    CHECK(warned >= 55s);
    CHECK(warned <= 65s);
    CHECK(std::ranges::none_of(n.gateway.events, [](const ike::Event& event) {
        const auto* down = std::get_if<ike::IkeDown>(&event);
        return down && down->reason == ike::DownReason::expired;
    }));
    CHECK(n.client.established() == 1);
    CHECK(address_in(n.link(), prefix("2001:db8:b00::/64")));
    CHECK_FALSE(address_in(n.link(), prefix("2001:db8:b00::/64"))->deprecated);
    CHECK(blocks(n.gateway).size() == 2);
    CHECK(n.gateway.kernel.breaches.empty());
    CHECK(n.client.kernel.breaches.empty());
}

TEST_CASE("a pool that goes takes the client's block of it along, after another authentication") {
    Net n(gateway_config());
    n.connect();
    auto config = gateway_config();
    config.pools[0].prefix = prefix("2001:db8:200::/48");
    n.gateway.reload(n.net.now, config);
    n.net.run_for(3min);
    REQUIRE(n.gateway.established() == 1);
    CHECK(n.gateway.engine.counters().handshakes == 2);
    CHECK(prefix("2001:db8:200::/48").contains(blocks(n.gateway).at(0)));
    CHECK_FALSE(address_in(n.link(), prefix("2001:db8:100::/48")));
}

TEST_CASE("a client that does not authenticate anew when it is asked to loses its IKE SA") {
    Net n(gateway_config());
    n.connect();
    auto config = gateway_config();
    config.pools[0].prefix = prefix("2001:db8:200::/48");
    const auto alive = n.client.engine.status().ike_sas.at(0).spi_i;
    n.net.on_wire = [&](ike::Datagram& datagram) { // it hears, and cannot
        return datagram.peer.address != n.gateway.address ||
               wire::parse_header(datagram.bytes)->initiator_spi == alive;
    };
    n.gateway.reload(n.net.now, config);
    n.net.run_for(2min);
    CHECK(n.gateway.established() == 0);
    REQUIRE(n.gateway.last<ike::IkeDown>());
    CHECK(n.gateway.last<ike::IkeDown>()->reason == ike::DownReason::expired);
}

TEST_CASE("a gateway may want its clients to authenticate anew from time to time") {
    auto config = gateway_config();
    config.connections[0].reauth = 10min;
    config.connections[0].rekey = 3min; // the limit outlives the IKE SA that it was told on
    Net n(config);
    n.connect();
    n.net.run_for(1h);
    CHECK(n.gateway.engine.counters().handshakes >= 6);
    CHECK(n.gateway.established() == 1);
    CHECK(n.gateway.kernel.links.size() == 1);
    CHECK(std::ranges::none_of(n.gateway.events, [](const ike::Event& event) {
        const auto* down = std::get_if<ike::IkeDown>(&event);
        return down && down->reason == ike::DownReason::expired;
    }));
}

TEST_CASE("of a family in which nothing can be reached no address is given") {
    auto config = gateway_config();
    config.connections[0].networks = {prefix("2001:db8:9::/48")};
    Net n(config);
    n.connect();
    REQUIRE(blocks(n.gateway).size() == 1);
    CHECK(blocks(n.gateway)[0].family() == Family::ipv6);
    CHECK(n.gateway.blocks_used() == 1);
}

TEST_CASE("a client of the old way may use the whole block of its address, unless the operator says no") {
    auto client = client_config(kGateway);
    client.connections[0].request = {.prefix = false, .ipv6 = true, .ipv4 = false};
    const bool whole = GENERATE(true, false);
    auto gateway = rich_gateway();
    gateway.connections[0].block_with_address = whole;
    Net n(gateway, client);
    n.connect();
    REQUIRE(n.at_gateway().routes.size() == 1);
    CHECK(n.at_gateway().routes[0].length() == (whole ? 56 : 128));
    CHECK(n.at_gateway().addresses.empty());
    CHECK(n.gateway.kernel.policies.at(0).remote_selectors ==
          std::vector{child::selector(n.at_gateway().routes[0])});
    CHECK(n.link().addresses.size() == 1);
}

TEST_CASE("two IKE SAs of one identity have the same addresses, or their own, as the operator says") {
    auto config = gateway_config();
    const auto uniqueness = GENERATE(ike::Uniqueness::share, ike::Uniqueness::many);
    config.connections[0].uniqueness = uniqueness;
    Net n(config);
    n.connect();
    Host& twin = n.net.add("198.51.100.77", client_config(kGateway));
    n.net.run_for(60s);
    CHECK(n.gateway.established() == 2);
    CHECK(twin.established() == 1);
    CHECK(n.client.established() == 1);
    const bool same = uniqueness == ike::Uniqueness::share;
    CHECK(n.gateway.kernel.links.size() == (same ? 1 : 2));
    CHECK(n.gateway.blocks_used() == (same ? 2 : 4));
    CHECK((n.link().delegated == twin.kernel.links.begin()->second.delegated) == same);
    // The first goes; the other keeps what it has.
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.net.run_for(5s);
    CHECK(n.gateway.established() == 1);
    CHECK(n.gateway.kernel.pairs() == 1);
    CHECK(n.gateway.kernel.links.size() == 1);
    CHECK(n.gateway.blocks_used() == 2);
    CHECK(n.gateway.kernel.breaches.empty());
}

// What clients are given, and when (RFC 5739): several prefixes, answers that take their time, other prefixes
// while they are up, and what a client makes of them.

#include "lib/child/selector.h"
#include "lib/ike/assignment.h"
#include "lib/ike/interface_id.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

Prefix prefix(std::string_view text) { return *Prefix::parse(text); }

// Three entries of IPv6, the second with an alternative, and one of IPv4.
ike::Config rich_gateway(std::size_t clients = 2) {
    auto config = gateway_config(clients);
    config.pools = {{.name = "a", .prefix = prefix("2001:db8:a00::/40"), .delegate = 56},
                    {.name = "b", .prefix = prefix("2001:db8:b00::/64"), .delegate = 64},
                    {.name = "b2", .prefix = prefix("2001:db8:b10::/48"), .delegate = 64},
                    {.name = "v4", .prefix = prefix("10.64.0.0/16"), .delegate = 32}};
    config.connections[0].pools = {{{"a"}}, {{"b", "b2"}}, {{"v4"}}};
    return config;
}

struct Net {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Net(ike::Config g = rich_gateway(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add("198.51.100.2", std::move(c))) {}
    void connect() {
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        REQUIRE(client.established() == 1);
    }
    const child::Link& link() { return client.kernel.links.begin()->second; }
    const child::Link& at_gateway() { return gateway.kernel.links.begin()->second; }
};

std::vector<Prefix> blocks(const Host& gateway) {
    std::vector<Prefix> out;
    for (const auto& grant : gateway.engine.status().ike_sas.at(0).leases)
        out.push_back(grant.block);
    return out;
}

std::optional<child::InterfaceAddress> address_in(const child::Link& link, const Prefix& prefix) {
    const auto found = std::ranges::find_if(
        link.addresses, [&](const auto& address) { return prefix.contains(address.address); });
    return found == link.addresses.end() ? std::nullopt : std::optional(*found);
}

} // namespace

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
    auto config = gateway_config();
    config.connections[0].uniqueness = ike::Uniqueness::many;
    config.limits.ike_sas_per_identity = 3;
    WireNet net;
    Host& gateway = net.add(kGateway, config);
    for (int i = 0; i < 6; ++i) {
        auto client = client_config(kGateway);
        client.connections[0].start = false;
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

TEST_CASE("a prefix that is withdrawn is deprecated before it is removed") {
    Net n;
    n.connect();
    const auto old = address_in(n.link(), prefix("2001:db8:a00::/40"));
    REQUIRE(old);
    CHECK_FALSE(old->deprecated);
    auto config = rich_gateway();
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
    CHECK(warned >= 30s);
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

TEST_CASE("a distinguished name is one holder, however it is written") {
    const auto holder = [](std::string_view text) { return ike::holder_of(*auth::Identity::parse(text)); };
    CHECK(holder("C=CH, O=Example, CN=gw") == holder("C=CH, O=EXAMPLE, CN=Gw"));
    CHECK(holder("C=CH, O=Some  Thing, CN=gw") == holder("C=CH, O=Some Thing, CN=gw"));
    CHECK(holder("C=CH, O=Example, CN=gw") != holder("C=CH, O=Example, CN=gw2"));
    CHECK(holder("alice@example.org") !=
          holder("Alice@example.org")); // the part before the @ is the domain's own
}

TEST_CASE("a client chooses the identifiers of its addresses") {
    auto client = client_config(kGateway);
    const wire::InterfaceId own{0, 0, 0, 0, 0, 0, 0xbe, 0xef};
    client.connections[0].request.interface_ids = {ike::StableId{}, ike::RandomId{}, own};
    client.connections[0].request.lan = {{"lan0", 1}, {"lan1", 300}};
    Net n(rich_gateway(), client);
    n.connect();
    const auto given = blocks(n.gateway);
    const auto in = [&](const Prefix& block) {
        std::vector<IpAddress> out;
        for (const auto& address : n.link().addresses)
            if (block.contains(address.address)) out.push_back(address.address);
        return out;
    };
    REQUIRE(in(given[0]).size() == 3);
    REQUIRE(in(given[1]).size() == 3);
    const auto third = in(given[1]);
    CHECK(std::ranges::find(third, *IpAddress::parse("2001:db8:b00::beef")) != third.end());
    // Of the /56 the LAN gets its subnet; there is no 300th, and none in a /64.
    REQUIRE(n.link().lan.size() == 1);
    CHECK(n.link().lan[0].interface == "lan0");
    CHECK(given[0].contains(n.link().lan[0].address));
    CHECK(n.link().lan[0].address.view()[7] == 1);
    CHECK(n.link().lan[0].address.view()[15] == 1);
    const auto before = n.link().addresses;
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.net.run_for(5s);
    REQUIRE(n.client.engine.command(n.net.now, ike::Up{"home"}));
    n.net.run_for(1s);
    REQUIRE(n.client.established() == 1);
    // The random ones are others, one in each of two prefixes.
    const auto kept = std::ranges::count_if(before, [&](const auto& address) {
        return std::ranges::find(n.link().addresses, address) != n.link().addresses.end();
    });
    CHECK(kept == static_cast<std::ptrdiff_t>(before.size()) - 2);
}

TEST_CASE("stable identifiers depend on prefix, interface, network and secret, and on nothing else") {
    crypto::Backend backend;
    const Bytes secret(16, 1), other(16, 2);
    const auto id = [&](View key, std::string_view block, std::string_view interface,
                        std::string_view network) {
        return ike::stable_interface_id(backend, key, prefix(block), interface, network);
    };
    const auto first = id(secret, "2001:db8::/64", "sheaf0", "home");
    CHECK(first == id(secret, "2001:db8::/64", "sheaf0", "home"));
    CHECK(first != id(other, "2001:db8::/64", "sheaf0", "home"));
    CHECK(first != id(secret, "2001:db8:0:1::/64", "sheaf0", "home"));
    CHECK(first != id(secret, "2001:db8::/64", "sheaf1", "home"));
    CHECK(first != id(secret, "2001:db8::/64", "sheaf0", "work"));
    CHECK(id(secret, "2001:db8::/64", "sheaf", "0home") != first);
    CHECK(ike::acceptable(first));
}

TEST_CASE("name servers and their domains are told while the link is up, and only then") {
    auto config = gateway_config();
    config.connections[0].dns_domains = {"corp.example.org"};
    config.connections[0].networks = {prefix("2001:db8:9::/48"), prefix("192.0.2.0/24")};
    Net n(config);
    n.connect();
    REQUIRE(n.client.name_servers.size() == 1);
    const ike::NameServers told{"sheaf0", {*IpAddress::parse("2001:db8:9::53")}, {"corp.example.org"}};
    CHECK(n.client.name_servers[0] == told);
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(30s);
    CHECK(n.client.name_servers.size() == 1); // unchanged
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.net.run_for(5s);
    REQUIRE(n.client.name_servers.size() == 2);
    CHECK(n.client.name_servers[1] == ike::NameServers{"sheaf0", {}, {}});
    CHECK(n.gateway.name_servers.empty());
}

TEST_CASE("other name servers are told with the next authentication, though the addresses stay") {
    Net n(gateway_config());
    n.connect();
    auto config = gateway_config();
    config.connections[0].dns = {*IpAddress::parse("2001:db8:9::54")};
    n.gateway.reload(n.net.now, config);
    n.net.run_for(1s);
    CHECK(n.client.name_servers.size() == 1);
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(30s);
    REQUIRE(n.client.name_servers.size() == 2);
    CHECK(n.client.name_servers[1].servers == config.connections[0].dns);
}

TEST_CASE("a client takes no prefix that is nobody's to give, and none twice") {
    const auto reply = [](std::initializer_list<std::string_view> prefixes) {
        wire::Configuration out{wire::CfgType::reply,
                                {wire::link_attribute({{0, 0, 0, 0, 0, 0, 0, 9}, Bytes(16, 1)})}};
        for (const auto text : prefixes)
            out.attributes.push_back(wire::prefix_attribute(prefix(text)));
        return out;
    };
    const auto taken = [&](const wire::Configuration& cp, const Prefix& admitted) {
        const ike::MakeId id = [](const Prefix&, const ike::InterfaceIdChoice&) {
            return wire::InterfaceId{0, 0, 0, 0, 0, 0, 0, 5};
        };
        const std::vector selectors{child::selector(admitted)};
        const auto share = ike::read_reply({}, {0, 0, 0, 0, 0, 0, 0, 7}, &cp, selectors, id);
        REQUIRE(share);
        return share->part.delegated;
    };
    const auto all = Prefix::all(Family::ipv6);
    CHECK(taken(reply({"2000::/3", "::/0", "ff00::/16", "fe80::/64", "::/64"}), all).empty());
    CHECK(taken(reply({"2001:db8::/64", "2001:db8::/64"}), all) == std::vector{prefix("2001:db8::/64")});
    CHECK(taken(reply({"2001:db8::/64", "2001:db8:1::/64"}), prefix("2001:db8:1::/64")) ==
          std::vector{prefix("2001:db8:1::/64")});
    CHECK(taken(reply({}), all).empty()); // a link without any prefix
}

TEST_CASE("a client that sends everything to the gateway asks its servers for everything") {
    auto config = gateway_config();
    config.connections[0].dns_domains = {"corp.example.org"};
    Net n(config);
    n.connect();
    REQUIRE(n.client.name_servers.size() == 1);
    CHECK(n.client.name_servers[0].domains.empty()); // RFC 8598 2
    CHECK_FALSE(n.client.name_servers[0].servers.empty());
}

TEST_CASE("a client that wants no name servers is told none") {
    auto client = client_config(kGateway);
    client.connections[0].request.dns = false;
    Net n(gateway_config(), client);
    n.connect();
    CHECK(n.client.name_servers.empty());
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

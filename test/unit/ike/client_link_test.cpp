// What a client makes of what it is given (RFC 5739, RFC 7217, RFC 8598).

#include "lib/ike/assignment.h"
#include "lib/ike/interface_id.h"
#include "test/unit/ike/client_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

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

TEST_CASE("a random identifier is another one with each link of the gateway's, though the interface stays") {
    auto client = client_config(kGateway);
    client.connections[0].start = true;
    client.connections[0].request.interface_ids = {ike::RandomId{}};
    Net n(gateway_config(), client);
    n.connect();
    const auto number = n.link().number;
    const auto before = address_in(n.link(), prefix("2001:db8:100::/48"));
    REQUIRE(before);
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(30s);
    CHECK(address_in(n.link(), prefix("2001:db8:100::/48")) == before); // the same link
    REQUIRE(n.gateway.engine.command(n.net.now, ike::Down{"clients"}));
    n.net.run_for(5s);
    REQUIRE(n.client.established() == 1);
    CHECK(n.link().number == number);
    const auto after = address_in(n.link(), prefix("2001:db8:100::/48"));
    REQUIRE(after);
    CHECK(after != before);
    CHECK(Prefix(after->address, 64) == Prefix(before->address, 64));
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

TEST_CASE("of name servers whose domains cannot be read none is taken, rather than for all names") {
    auto config = gateway_config();
    config.connections[0].networks = {prefix("2001:db8:9::/48"), prefix("192.0.2.0/24")};
    SECTION("none can be read") {
        config.connections[0].dns_domains = {"corp..example.org", "*"};
        Net n(config);
        n.connect();
        CHECK(n.client.name_servers.empty());
        CHECK(n.client.refused(Rule::bad_configuration) == 1);
    }
    SECTION("one can") {
        config.connections[0].dns_domains = {"*", "corp.example.org"};
        Net n(config);
        n.connect();
        REQUIRE(n.client.name_servers.size() == 1);
        CHECK(n.client.name_servers[0].domains == std::vector<std::string>{"corp.example.org"});
    }
    SECTION("none can, and all traffic is sent there") {
        config.connections[0].networks = {Prefix::all(Family::ipv6)};
        config.connections[0].dns_domains = {"*"};
        Net n(config);
        n.connect();
        REQUIRE(n.client.name_servers.size() == 1);
        CHECK_FALSE(n.client.name_servers[0].servers.empty());
    }
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

TEST_CASE("a client takes no single address that is nobody's to give, or that its selectors do not have") {
    const auto taken = [](std::string_view address, std::string_view admitted) {
        const auto given = *IpAddress::parse(address);
        const wire::Configuration cp{
            wire::CfgType::reply,
            {given.is_v6() ? wire::ip6_address_attribute(given, 64)
                           : wire::address_attribute(wire::CfgAttributeType::internal_ip4_address, given)}};
        const ike::MakeId id = [](const Prefix&, const ike::InterfaceIdChoice&) {
            return wire::InterfaceId{};
        };
        const std::vector selectors{child::selector(prefix(admitted))};
        return ike::read_reply({.prefix = false, .ipv6 = true}, {}, &cp, selectors, id).has_value();
    };
    for (const auto* address :
         {"0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255"})
        CHECK_FALSE(taken(address, "0.0.0.0/0"));
    for (const auto* address : {"::", "::1", "fe80::1", "ff02::1", "::ffff:192.0.2.1"})
        CHECK_FALSE(taken(address, "::/0"));
    CHECK(taken("192.0.2.1", "192.0.2.1/32")); // as strongSwan narrows it
    CHECK(taken("10.0.0.1", "0.0.0.0/0"));
    CHECK_FALSE(taken("192.0.2.1", "192.0.2.2/32"));
    CHECK(taken("2001:db8::1", "2001:db8::1/128"));
    CHECK_FALSE(taken("2001:db8::1", "0.0.0.0/0"));
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

// Home agents and mobile nodes: how they are read, and golden diagnostics.
#include "conf/mobile.h"
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kAgentText = R"({
  "pools": { "homes": { "prefix": "2001:db8:a:1::/64", "delegate": 128 } },
  "secrets": { "all": { "id": "*.example.org", "text": "correct horse" } },
  "connections": {
    "nodes": {
      "role": "home-agent",
      "local": { "id": "ha.example.org", "address": "2001:db8:a::1" },
      "remote": { "id": "*.example.org" },
      "pools": ["homes"],
      "home_agent": {
        "prefixes": ["2001:db8:a::/64", "2001:db8:a:1::/64"],
        "nodes": { "bus.example.org": { "homes": ["2001:db8:a::100"], "networks": ["2001:db8:f0::/48"] } },
        "lifetime": "10m", "most_bindings": 4, "move_ike": false
      }
    }
  }
}
)";

constexpr std::string_view kNodeText = R"({
  "secrets": { "ha": { "id": "ha.example.org", "text": "correct horse" } },
  "connections": {
    "home": {
      "role": "mobile-node",
      "local": { "id": "bus.example.org" },
      "remote": { "id": "ha.example.org", "address": "2001:db8:a::1" },
      "interface": "mob0",
      "mobile": {
        "home": "2001:db8:a::100",
        "networks": ["2001:db8:f0:7::/64"],
        "care_of": [{ "interface": "wlan0", "bid": 1 }, { "interface": "wwan0", "bid": 20, "priority": 9 }],
        "flows": [{ "remote": "2001:db8:9::/64 udp/5001-5002", "bids": [20, 1] }, { "mark": 7, "bids": [1] }],
        "lifetime": "5m", "home_test": true, "prefix_discovery": true
      },
      "start": true
    }
  }
}
)";

ike::Connection read(std::string_view text) {
    const auto loaded = parse("sheafd.json", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return loaded->engine.connections[0];
}

} // namespace

TEST_CASE("A home agent is read", "[conf]") {
    const auto connection = read(kAgentText);
    CHECK(connection.role == ike::Role::home_agent);
    REQUIRE(connection.home_service.has_value());
    const auto& service = *connection.home_service;
    CHECK(service.address == *IpAddress::parse("2001:db8:a::1"));
    CHECK(service.prefixes.size() == 2);
    REQUIRE(service.entries.size() == 1);
    CHECK(service.entries[0].homes == std::vector{*IpAddress::parse("2001:db8:a::100")});
    CHECK(service.entries[0].networks.size() == 1);
    CHECK(service.max_lifetime == 10min);
    CHECK(service.max_bindings == 4);
    CHECK_FALSE(service.key_mobility);
    CHECK(service.bulk);
    CHECK(service.prefix_discovery);
    CHECK_FALSE(read(changed(kAgentText, R"("most_bindings": 4)", R"("prefix_discovery": false)"))
                    .home_service->prefix_discovery);
    CHECK(connection.pools.size() == 1);
}

TEST_CASE("A mobile node is read", "[conf]") {
    const auto connection = read(kNodeText);
    CHECK(connection.role == ike::Role::mobile_node);
    CHECK(connection.interface == "mob0");
    CHECK(connection.start);
    CHECK(connection.networks == std::vector{Prefix::all(Family::ipv6)});
    REQUIRE(connection.mobile.has_value());
    const auto& plan = *connection.mobile;
    CHECK(plan.home == IpAddress::parse("2001:db8:a::100"));
    CHECK(plan.router);
    REQUIRE(plan.access.size() == 2);
    CHECK(plan.access[0] == ike::AccessLink{"wlan0", 1, 1});
    CHECK(plan.access[1] == ike::AccessLink{"wwan0", 20, 9});
    REQUIRE(plan.flows.size() == 1);
    CHECK(plan.flows[0].bids == std::vector<std::uint16_t>{20, 1});
    // RFC 6088 speaks of packets to the mobile node: what is remote to it is their source.
    REQUIRE(plan.flows[0].selector.source.has_value());
    CHECK(plan.flows[0].selector.source->first == *IpAddress::parse("2001:db8:9::"));
    CHECK(plan.flows[0].selector.source_port == mobility::Range<std::uint16_t>{5001, 5002});
    CHECK(plan.flows[0].selector.next_header == mobility::Range<std::uint8_t>{17, 17});
    CHECK_FALSE(plan.flows[0].selector.destination.has_value());
    REQUIRE(plan.marked.size() == 1);
    CHECK(plan.marked[0].mark == 7);
    CHECK(plan.lifetime == 5min);
    CHECK(plan.home_test);
    CHECK(plan.prefix_discovery);
    CHECK_FALSE(read(changed(kNodeText, R"(, "prefix_discovery": true)", "")).mobile->prefix_discovery);
}

TEST_CASE("Mistakes about home agents are told", "[conf]") {
    CHECK(mistake(changed(kAgentText, R"(, "address": "2001:db8:a::1")", "")) ==
          "connections.nodes: a home agent has one IPv6 address, which mobile nodes know\n"
          "write it as local.address");
    CHECK(mistake(changed(kAgentText, R"("2001:db8:a::100")", R"("2001:db8:b::100")")) ==
          "connections.nodes.home_agent.nodes.bus.example.org.homes: \"2001:db8:b::100\" is of no prefix in "
          "\"prefixes\"\nadd its prefix there: home addresses are of those alone");
    CHECK(mistake(changed(kAgentText, R"("2001:db8:f0::/48")", R"("10.1.0.0/16")")) ==
          "connections.nodes.home_agent.nodes.bus.example.org.networks: \"10.1.0.0/16\" is not IPv6\n"
          "Mobile IPv6 has IPv6 addresses alone");
    CHECK(mistake(changed(kAgentText, R"("most_bindings": 4)", R"("most_bindings": 17)"))
              .starts_with("connections.nodes.home_agent.most_bindings"));
    CHECK(mistake(changed(kAgentText, R"("lifetime": "10m")", R"("lifetime": "59s")")) ==
          "connections.nodes.home_agent.lifetime: \"59s\" is not between 1m and 24h\n");
}

TEST_CASE("Home addresses are for single identities", "[conf]") {
    for (const std::string pattern : {"*.example.org", "*"})
        CHECK(mistake(changed(kAgentText, R"("nodes": { "bus.example.org")",
                              R"("nodes": { ")" + pattern + "\"")) ==
              "connections.nodes.home_agent.nodes: \"" + pattern +
                  "\" is a pattern: whoever fits could take the home address of another\n"
                  "name each identity; those that are not named are given theirs by \"pools\"");
    CHECK(mistake(changed(kAgentText, R"("nodes": { "bus.example.org")", R"("nodes": { "*bus")"))
              .find("\"*bus\" is no identity") != std::string::npos);
}

TEST_CASE("A home address is one mobile node's", "[conf]") {
    const std::string bus = R"("bus.example.org": { "homes": ["2001:db8:a::100"])";
    CHECK(
        mistake(changed(kAgentText, bus, R"("car.example.org": { "homes": ["2001:db8:a::100"] }, )" + bus)) ==
        "connections.nodes.home_agent.nodes.bus.example.org.homes: 2001:db8:a::100 is the home address of "
        "\"car.example.org\"\nit can be one mobile node's alone: make them distinct");
    // An identity that is a home address has that without being told.
    CHECK(mistake(changed(kAgentText, bus, R"("2001:db8:a::100": {}, )" + bus)) ==
          "connections.nodes.home_agent.nodes.bus.example.org.homes: 2001:db8:a::100 is the home address of "
          "\"2001:db8:a::100\"\nit can be one mobile node's alone: make them distinct");
    CHECK(mistake(changed(kAgentText, "2001:db8:a::100", "2001:db8:a::1")) ==
          "connections.nodes.home_agent.nodes.bus.example.org.homes: 2001:db8:a::1 is the home agent's own "
          "address\nBinding Updates are sent there: make them distinct");
    CHECK(mistakes(changed(kAgentText, bus, R"("car.example.org": { "homes": ["2001:db8:a::101"] }, )" + bus))
              .empty());
}

TEST_CASE("A pool gives no address that a mobile node has", "[conf]") {
    CHECK(mistake(changed(kAgentText, "2001:db8:a::100", "2001:db8:a:1::100")) ==
          "connections.nodes.home_agent.nodes.bus.example.org.homes: 2001:db8:a:1::100 is in the pool "
          "\"homes\"\nanother mobile node may be given it: choose it outside of the pool, or reserve it "
          "there instead");
    CHECK(mistake(changed(kAgentText, R"("address": "2001:db8:a::1")", R"("address": "2001:db8:a:1::1")")) ==
          "connections.nodes.pools: \"homes\" contains the home agent's own address 2001:db8:a:1::1\n"
          "Binding Updates are sent there: make them distinct");
    const auto networks = changed(kAgentText, R"("delegate": 128 })",
                                  R"("delegate": 128 }, "nets": { "prefix": "2001:db8:f0:8::/61" })");
    CHECK(mistake(changed(networks, R"(["homes"])", R"(["homes", "nets"])")) ==
          "connections.nodes.home_agent.nodes.bus.example.org.networks: 2001:db8:f0::/48 contains the pool "
          "\"nets\"\nanother mobile node may be given it: choose it outside of the pool, or reserve it there "
          "instead");
    CHECK(mistakes(networks).empty()); // it gives nothing to mobile nodes
}

TEST_CASE("A mobile network is one mobile node's", "[conf]") {
    const std::string network = R"("networks": ["2001:db8:f0::/48"] })";
    const std::string path = "connections.nodes.home_agent.nodes.";
    CHECK(mistake(changed(kAgentText, network,
                          network + R"(, "car.example.org": { "networks": ["2001:db8:f0:7::/64"] })")) ==
          path + "car.example.org.networks: 2001:db8:f0:7::/64 is in the mobile network 2001:db8:f0::/48 of "
                 "\"bus.example.org\"\nit can be one mobile node's alone: make them distinct");
    CHECK(mistake(changed(kAgentText, network,
                          network + R"(, "car.example.org": { "networks": ["2001:db8:a::100/120"] })")) ==
          path + "car.example.org.networks: 2001:db8:a::100/120 contains the home address 2001:db8:a::100 of "
                 "\"bus.example.org\"\nit can be one mobile node's alone: make them distinct");
    // RFC 3963 3: of its own one, that is; and a network may be told in parts.
    CHECK(mistakes(
              changed(kAgentText, network, R"("networks": ["2001:db8:a::100/120", "2001:db8:a::180/121"] })"))
              .empty());
}

TEST_CASE("Pools of a home agent give home addresses", "[conf]") {
    const auto pool = [](std::string_view prefix) {
        return changed(kAgentText, R"("prefix": "2001:db8:a:1::/64", "delegate": 128)", prefix);
    };
    CHECK(mistake(pool(R"("prefix": "10.1.0.0/16")")) ==
          "connections.nodes.pools: \"homes\" is IPv4\n"
          "Mobile IPv6 has IPv6 addresses alone: name another, or remove it");
    CHECK(mistake(changed(pool(R"("prefix": "10.1.0.0/16")"), R"(["homes"])", R"([["homes"]])"))
              .starts_with("connections.nodes.pools: \"homes\" is IPv4\n"));
    CHECK(mistake(pool(R"("prefix": "2001:db8:b::/64", "delegate": 128)")) ==
          "connections.nodes.pools: \"homes\" gives addresses of 2001:db8:b::/64, which is in no prefix in "
          "\"prefixes\"\nadd it there: home addresses are of those alone");
    CHECK(mistakes(pool(R"("prefix": "2001:db8:b::/48")")).empty()); // mobile networks
}

TEST_CASE("A home prefix is one home agent's", "[conf]") {
    const auto with = [](std::string_view prefix) {
        return changed(kAgentText, R"("connections": {)",
                       R"("connections": { "other": { "role": "home-agent",
      "local": { "id": "hb.example.org", "address": "2001:db8:c::1" }, "remote": { "id": "*.example.org" },
      "home_agent": { "prefixes": [")" +
                           std::string(prefix) +
                           R"("], "nodes": { "car.example.org": { "homes": ["2001:db8:a:0:7::1"] } } } },)");
    };
    CHECK(mistake(with("2001:db8:a:0:7::/80")) ==
          "connections.nodes.home_agent.prefixes: \"2001:db8:a::/64\" overlaps 2001:db8:a:0:7::/80 of "
          "connections.other\na home address has one home agent: make them distinct");
}

TEST_CASE("One IKE SA speaks for a home address", "[conf]") {
    for (const std::string word : {"share", "many"})
        CHECK(mistake(changed(kAgentText, R"("pools": ["homes"])",
                              R"("pools": ["homes"], "unique": ")" + word + "\"")) ==
              "connections.nodes.unique: two IKE SAs of one mobile node cannot both speak for its home "
              "address\nwrite \"replace\" or \"keep\"");
    for (const std::string word : {"replace", "keep"})
        CHECK(mistakes(changed(kAgentText, R"("pools": ["homes"])",
                               R"("pools": ["homes"], "unique": ")" + word + "\""))
                  .empty());
}

TEST_CASE("A home agent does not authenticate anew", "[conf]") {
    CHECK(mistake(changed(kAgentText, R"("pools": ["homes"])", R"("pools": ["homes"], "reauth": "1h")")) ==
          "\"reauth\" in connections.nodes is for the roles \"gateway\", \"client\", \"peer\" or "
          "\"mobile-node\", not for \"home-agent\"\nremove it, or change the role");
    CHECK(mistakes(changed(kNodeText, R"("start": true)", R"("start": true, "reauth": "1h")")).empty());
}

TEST_CASE("Mistakes about mobile nodes are told", "[conf]") {
    CHECK(mistakes(changed(kNodeText, R"("bid": 20)", R"("bid": 1)")).find("stands twice") !=
          std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("wwan0")", R"("wlan0")")).find("\"wlan0\" stands twice") !=
          std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("wwan0")", R"("mob0")")).find("is one of our own interfaces") !=
          std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("bids": [20, 1])", R"("bids": [2, 1])")) ==
          "connections.home.mobile.flows[0].bids: nothing in \"care_of\" has the binding identifier 2\n"
          "name bindings that are there, the preferred one first");
    CHECK(mistake(changed(kNodeText, R"("mark": 7, )", "")).find("says nothing about packets") !=
          std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("mark": 7)", R"("mark": 1392508929)")).find("sheafd's own packets") !=
          std::string::npos);
    CHECK(mistake(changed(kNodeText, "2001:db8:9::/64 udp/5001-5002", "10.0.0.0/8 udp/5001"))
              .find("is not IPv6") != std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("address": "2001:db8:a::1")", R"("address": "192.0.2.1")")) ==
          "connections.home.remote.address: a home agent is reached by IPv6\nwrite its IPv6 address");
    CHECK(mistake(changed(kNodeText, R"("home": "2001:db8:a::100")", R"("home": "2001:db8:a::1")")) ==
          "connections.home.mobile.home: \"2001:db8:a::1\" is the home agent's own address\n"
          "write the one that it has for us, or leave it out to be given one");
    CHECK(mistake(changed(kNodeText, R"("id": "bus.example.org")",
                          R"("id": "bus.example.org", "address": "2001:db8:1::2")")) ==
          "connections.home.local.address: a mobile node speaks from its care-of addresses\n"
          "remove it: care_of says where we are");
    CHECK(mistake(changed(kNodeText, R"("start": true)", R"("networks": ["0.0.0.0/0"])")) ==
          "connections.home.networks: none of the correspondents is IPv6\n"
          "Mobile IPv6 has IPv6 addresses alone: write \"::/0\", or leave it out");
    CHECK(mistake(changed(kNodeText, R"("bids": [20, 1])", R"("local": "::/0 tcp/80", "bids": [20, 1])")) ==
          "connections.home.mobile.flows[0].local: its protocol is not that of \"remote\", and a packet has "
          "one\nwrite the same on both sides, or on one side alone");
    for (const std::string local : {"::/0", "::/0 udp/7"})
        CHECK(mistakes(
                  changed(kNodeText, R"("bids": [20, 1])", R"("local": ")" + local + R"(", "bids": [20, 1])"))
                  .empty());
    CHECK(mistake(changed(kNodeText, R"("role": "mobile-node")", R"("role": "client")"))
              .find("is for the role \"mobile-node\"") != std::string::npos);
    CHECK(mistake(changed(kNodeText, R"("lifetime": "5m")", R"("lifetime": "3s")")) ==
          "connections.home.mobile.lifetime: \"3s\" is not between 1m and 24h\n");
    CHECK(mistakes(changed(kNodeText, R"("lifetime": "5m")", R"("lifetime": "1m")")).empty());
}

TEST_CASE("A flow that no packet can be of is refused", "[conf]") {
    const std::string flow = R"("remote": "2001:db8:9::/64 udp/5001-5002")";
    for (const std::string text : {"::/0 icmpv6/128", "::/0 58/3/1"})
        CHECK(mistake(changed(kNodeText, flow, R"("remote": ")" + text + "\"")) ==
              "connections.home.mobile.flows[0].remote: \"" + text +
                  "\" has a type, and flows cannot tell the types of ICMPv6 apart\n"
                  "write \"icmpv6\" alone, for all of them");
    for (const std::string text : {"::/0 mh", "2001:db8:9::/64 135"})
        CHECK(mistake(changed(kNodeText, flow, R"("local": ")" + text + "\"")) ==
              "connections.home.mobile.flows[0].local: \"" + text +
                  "\" is the signalling of Mobile IPv6, which has ways of its own\n"
                  "name another protocol, or none for all packets");
    for (const std::string text :
         {"::/0 icmpv6", "::/0 tcp/1", "::/0 udplite/1", "::/0 sctp/1", "::/0 dccp/1", "::/0 gre", "::/0"})
        CHECK(mistakes(changed(kNodeText, flow, R"("remote": ")" + text + "\"")).empty());
}

namespace {

// kAgentText after another home agent with a mobile node of its own.
std::string with_other(std::string_view node, std::string_view prefix = "2001:db8:c::/64",
                       std::string_view address = "2001:db8:c::1") {
    return changed(kAgentText, R"("connections": {)",
                   R"("connections": { "other": { "role": "home-agent",
      "local": { "id": "hb.example.org", "address": ")" +
                       std::string(address) +
                       R"(" }, "remote": { "id": "*.example.org" }, "home_agent": { "prefixes": [")" +
                       std::string(prefix) + R"("], "nodes": { )" + std::string(node) + " } } },");
}

constexpr std::string_view kCar = R"("car.example.org": { "homes": ["2001:db8:c::100"])";

std::string with_network(std::string_view network) {
    return std::string(kCar) + R"(, "networks": [")" + std::string(network) + R"("] })";
}

} // namespace

TEST_CASE("A mobile network is one mobile node's, at whatever home agent", "[conf]") {
    const std::string bus = "connections.nodes.home_agent.nodes.bus.example.org.";
    const std::string car = "connections.other.home_agent.nodes.car.example.org.networks: ";
    CHECK(mistakes(with_other(with_network("2001:db8:f1::/48"))).empty());
    CHECK(mistake(with_other(with_network("2001:db8:f0:7::/64"))) ==
          bus + "networks: 2001:db8:f0::/48 contains the mobile network 2001:db8:f0:7::/64 of "
                "\"car.example.org\" in connections.other\n"
                "it can be one mobile node's alone: make them distinct");
    // The identity's own, though it goes to the one home agent and the other.
    CHECK(mistakes(with_other(R"("bus.example.org": { "networks": ["2001:db8:f0:7::/64"] }, )" +
                              with_network("2001:db8:f1::/48")))
              .empty());
    CHECK(mistake(changed(with_other(with_network("2001:db8:d::/48")), R"("address": "2001:db8:a::1")",
                          R"("address": "2001:db8:d::1")")) ==
          car + "2001:db8:d::/48 contains the home agent's own address 2001:db8:d::1 in connections.nodes\n"
                "Binding Updates are sent there: make them distinct");
}

TEST_CASE("Nothing of another home agent's prefixes is a mobile network", "[conf]") {
    const std::string car = "connections.other.home_agent.nodes.car.example.org.networks: ";
    const std::string remedy = "\nthat home agent's home addresses are there: make them distinct";
    CHECK(mistake(with_other(with_network("2001:db8:a::40/122"))) ==
          car + "2001:db8:a::40/122 is in the home prefix 2001:db8:a::/64 of connections.nodes" + remedy);
    CHECK(mistake(with_other(with_network("2001:db8:a:1::/64"))) ==
          car + "2001:db8:a:1::/64 is a home prefix of connections.nodes" + remedy);
    // What is in the prefix is not told besides.
    CHECK(mistake(with_other(with_network("2001:db8:a::/60"))) ==
          car + "2001:db8:a::/60 contains the home prefix 2001:db8:a::/64 of connections.nodes" + remedy);
    const auto pool = changed(kAgentText, R"("delegate": 128 })",
                              R"("delegate": 128 }, "nets": { "prefix": "2001:db8:c:8::/61" })");
    const auto both = changed(changed(pool, R"(["homes"])", R"(["homes", "nets"])"), R"("connections": {)",
                              R"("connections": { "other": { "role": "home-agent",
      "local": { "id": "hb.example.org", "address": "2001:db8:c::1" }, "remote": { "id": "*.example.org" },
      "home_agent": { "prefixes": ["2001:db8:c::/48"], "nodes": { "car.example.org": { "homes": ["2001:db8:c::7"] } } } },)");
    CHECK(mistake(both) == "connections.nodes.pools: \"nets\" is in the home prefix 2001:db8:c::/48 of "
                           "connections.other" +
                               remedy);
}

TEST_CASE("A pool gives nothing that a mobile node of another home agent has", "[conf]") {
    const auto pool = [](std::string_view prefix) {
        return changed(changed(with_other(with_network("2001:db8:f1::/48")), R"("delegate": 128 })",
                               R"("delegate": 128 }, "nets": { "prefix": ")" + std::string(prefix) + "\" }"),
                       R"(["homes"])", R"(["homes", "nets"])");
    };
    CHECK(mistakes(pool("2001:db8:f2::/48")).empty());
    CHECK(
        mistake(pool("2001:db8:f1:8::/61")) ==
        "connections.other.home_agent.nodes.car.example.org.networks: 2001:db8:f1::/48 contains the pool "
        "\"nets\" in connections.nodes\nanother mobile node may be given it: choose it outside of the pool, "
        "or reserve it there instead");
}

TEST_CASE("Somebody can get a home address of a home agent", "[conf]") {
    const std::string homes = R"("homes": ["2001:db8:a::100"], )";
    const std::string pool = R"("delegate": 128)";
    const std::string none = ": no mobile node would have a home address\n";
    const std::string name = "name some as \"homes\" in home_agent.nodes, or ";
    const auto nets =
        changed(changed(kAgentText, homes, ""), R"("prefix": "2001:db8:a:1::/64", "delegate": 128)",
                R"("prefix": "2001:db8:f1::/48")");
    CHECK(mistake(nets) ==
          "connections.nodes.pools" + none + name + "write \"delegate\": 128 for a pool of single addresses");
    CHECK(mistake(changed(changed(kAgentText, homes, ""), R"("pools": ["homes"],)", "")) ==
          "connections.nodes" + none + name + "give \"pools\" of single addresses (\"delegate\": 128)");
    CHECK(mistakes(changed(kAgentText, homes, "")).empty());
    CHECK(mistakes(changed(kAgentText, R"("pools": ["homes"],)", "")).empty());
    // An identity that is a home address has that.
    CHECK(mistakes(changed(nets, R"("nodes": { "bus)", R"("nodes": { "2001:db8:a::7": {}, "bus)")).empty());
    CHECK(mistakes(
              changed(changed(nets, R"("remote": { "id": "*.example.org" })", R"("remote": { "id": "*" })"),
                      R"("id": "*.example.org", "text")", R"("id": "*", "text")"))
              .empty());
    const auto of = [&](const std::string& id) {
        return changed(
            changed(nets, R"("remote": { "id": "*.example.org" })", R"("remote": { "id": ")" + id + "\" }"),
            R"("id": "*.example.org", "text")", R"("id": ")" + id + R"(", "text")");
    };
    CHECK(mistakes(of("2001:db8:a::7")).empty());
    CHECK(mistake(of("2001:db8:b::7")).starts_with("connections.nodes.pools" + none));
    // What is wrong with the pool is told; that nobody has an address of it follows from that.
    CHECK(mistake(changed(nets, R"("2001:db8:f1::/48")", R"("10.1.0.0/16")"))
              .starts_with("connections.nodes.pools: \"homes\" is IPv4\n"));
}

TEST_CASE("Home addresses can be reached from afar", "[conf]") {
    const std::string hint = "write one that packets can be sent to from afar";
    for (const std::string home : {"fe80::1", "ff02::1", "::", "::1"}) {
        CHECK(mistake(changed(kNodeText, R"("home": "2001:db8:a::100")", R"("home": ")" + home + "\"")) ==
              "connections.home.mobile.home: \"" + home + "\" is no routable unicast address\n" + hint +
                  ", or leave it out to be given one");
        CHECK(mistake(changed(kAgentText, "2001:db8:a::100", home)) ==
              "connections.nodes.home_agent.nodes.bus.example.org.homes: \"" + home +
                  "\" is no routable unicast address\n" + hint + ", and of \"prefixes\"");
    }
}

TEST_CASE("Home prefixes are of global unicast", "[conf]") {
    const std::string last = R"("2001:db8:a:1::/64"],)";
    for (const std::string prefix : {"fe80::/64", "fe80::/9", "ff00::/8", "ff02::/16", "::1/128", "::/0"})
        CHECK(mistakes(changed(kAgentText, last, R"("2001:db8:a:1::/64", ")" + prefix + "\"],"))
                  .find("connections.nodes.home_agent.prefixes: \"" + prefix +
                        "\" is not of routable unicast addresses alone\n") != std::string::npos);
    for (const std::string prefix : {"fc00::/7", "2001:db8:b::/64", "2001:db8:b::1/128"})
        CHECK(mistakes(changed(kAgentText, last, R"("2001:db8:a:1::/64", ")" + prefix + "\"],")).empty());
}

TEST_CASE("Who has mobile networks is a mobile router", "[conf]") {
    const std::string networks = R"("networks": ["2001:db8:f0:7::/64"],)";
    CHECK(mistake(changed(kNodeText, networks, networks + R"( "router": false,)")) ==
          "connections.home.mobile.router is false: the home agent would be told none of \"networks\"\n"
          "remove \"router\", or \"networks\"");
    CHECK(mistakes(changed(kNodeText, networks, networks + R"( "router": true,)")).empty());
    CHECK(mistakes(changed(kNodeText, networks, R"("router": false,)")).empty());
}

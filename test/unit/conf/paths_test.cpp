// Moving and several paths: how they are read, and golden diagnostics.
#include "conf/paths.h"
#include "test/unit/conf/mistakes.h"
#include "xfrm/marks.h"

#include <catch2/catch.hpp>

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;
using namespace std::chrono_literals;

namespace {

ike::Connection read(std::string_view text) {
    const auto loaded = parse("sheafd.json", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return loaded->engine.connections[0];
}

std::string client_with(std::string_view members) { return changed(kClient, R"("start": true)", members); }
std::string gateway_with(std::string_view members) {
    return changed(kGateway, R"("role")", std::string(members) + R"(, "role")");
}
// Other addresses of the gateway, told to its clients and known to one of them.
std::string gateway_at(std::string_view list) {
    return changed(kGateway, R"("local": { "id": "gw.example.org")",
                   R"("local": { "id": "gw.example.org", "other_addresses": )" + std::string(list));
}
std::string client_to(std::string_view list, std::string_view members = R"("start": true)") {
    return changed(client_with(members), R"("2001:db8:13::2")",
                   R"("2001:db8:13::2", "other_addresses": )" + std::string(list));
}

std::vector<IpAddress> addresses(std::initializer_list<std::string_view> words) {
    std::vector<IpAddress> out;
    for (const auto word : words)
        out.push_back(IpAddress::parse(word).value());
    return out;
}

std::string numbered(unsigned count, const std::function<std::string(unsigned)>& one) {
    std::string out;
    for (unsigned i = 1; i <= count; ++i)
        out += (i == 1 ? "" : ", ") + one(i);
    return "[" + out + "]";
}
std::string interfaces(unsigned count) {
    return numbered(count, [](unsigned i) { return "\"eth" + std::to_string(i) + "\""; });
}
std::string others(unsigned count) {
    return numbered(count, [](unsigned i) { return "\"2001:db8:14::" + std::to_string(i) + "\""; });
}

} // namespace

TEST_CASE("Clients and gateways move, and a gateway's clients may have several paths", "[conf]") {
    const auto client = read(kClient);
    CHECK(client.mobike);
    CHECK(client.nats_allowed);
    CHECK(client.ike_sas_per_login == 1);
    CHECK(client.paths == ike::PathPlan{});
    CHECK(client.addresses.empty());
    const auto gateway = read(kGateway);
    CHECK(gateway.mobike);
    CHECK(gateway.route_proof);
    CHECK(gateway.ike_sas_per_login == kGatewayPaths);
    CHECK(gateway.paths == ike::PathPlan{});
    const auto peer = read(kPeer);
    CHECK_FALSE(peer.mobike);
    CHECK(peer.ike_sas_per_login == 1);
}

TEST_CASE("A gateway at a port of its own keeps its clients where they are", "[conf]") {
    const auto at = [](std::string_view members) {
        return changed(client_with(members), R"("2001:db8:13::2")", R"("2001:db8:13::2", "port": 5500)");
    };
    CHECK_FALSE(read(at(R"("start": true)")).mobike);
    CHECK_FALSE(read(at(R"("mobike": false)")).mobike);
    CHECK(mistake(at(R"("mobike": true)")) ==
          "connections.home.mobike goes on at port 4500, and nothing says where that is of a gateway at port "
          "5500\nremove it, or serve the gateway at port 500");
    CHECK(mistake(at(R"("uplinks": ["eth0"])")) == "connections.home.uplinks needs MOBIKE\n"
                                                   "that goes on at port 4500, so remote.port must be 500");
}

TEST_CASE("Every key of moving is read", "[conf]") {
    CHECK_FALSE(read(client_with(R"("mobike": false)")).mobike);
    CHECK_FALSE(read(client_with(R"("allow_nat": false)")).nats_allowed);
    CHECK_FALSE(read(gateway_with(R"("mobike": false)")).mobike);
    CHECK_FALSE(read(gateway_with(R"("route_proof": false)")).route_proof);
    CHECK(read(gateway_at(R"(["192.0.2.1", "2001:db8:14::2"])")).addresses ==
          addresses({"192.0.2.1", "2001:db8:14::2"}));
    CHECK(read(client_to(R"(["192.0.2.1", "2001:db8:14::2"])")).addresses ==
          addresses({"192.0.2.1", "2001:db8:14::2"}));
}

TEST_CASE("Every key of paths is read", "[conf]") {
    SECTION("names alone") {
        const auto client = read(client_with(R"("uplinks": ["eth0", "wwan0"])"));
        CHECK(client.paths.uplinks == std::vector<ike::Uplink>{{"eth0", 1, 0}, {"wwan0", 1, 0}});
        CHECK(client.paths.set == ike::PathSet::uplinks);
        CHECK(client.paths.use == ike::PathUse::primary);
        CHECK(client.paths.probe == 0s);
        CHECK(client.ike_sas_per_login == 2);
        CHECK(way_interfaces(client) == std::vector<std::string>{"sheaf0-2", "sheaf0-3"});
    }
    SECTION("weights") {
        const auto client = read(client_with(R"("uplinks": [{ "interface": "eth0", "weight": 256 }, "wwan0"],
            "paths": { "set": "pairs", "use": "balance", "probe": "100ms" })"));
        CHECK(client.paths.uplinks == std::vector<ike::Uplink>{{"eth0", 256, 0}, {"wwan0", 1, 0}});
        CHECK(client.paths.set == ike::PathSet::pairs);
        CHECK(client.paths.use == ike::PathUse::balance);
        CHECK(client.paths.probe == 100ms);
        CHECK(client.ike_sas_per_login == kMostPaths);
        CHECK(way_interfaces(client).size() == 2 * kMostPaths - 2);
        CHECK(way_interfaces(client).back() == "sheaf0-31");
    }
    SECTION("marks") {
        const auto client = read(client_with(
            R"("uplinks": ["eth0", { "interface": "wwan0", "mark": 4294967295 }], "paths": { "use": "mark" })"));
        CHECK(client.paths.uplinks == std::vector<ike::Uplink>{{"eth0", 1, 0}, {"wwan0", 1, 0xffffffff}});
        CHECK(client.paths.use == ike::PathUse::mark);
    }
    SECTION("one for each address of the gateway") {
        const auto client = read(client_to(
            R"(["192.0.2.1"])", R"("uplinks": ["eth0"], "paths": { "set": "gateways", "most": 3 })"));
        CHECK(client.paths.set == ike::PathSet::gateways);
        CHECK(client.ike_sas_per_login == 3);
    }
    SECTION("a client's without uplinks, for the gateway to add to") {
        const auto client = read(client_with(R"("paths": { "most": 2 })"));
        CHECK(client.ike_sas_per_login == 2);
        CHECK(way_interfaces(client).empty());
    }
    SECTION("a gateway's") {
        const auto gateway = read(gateway_with(R"("paths": { "use": "balance", "most": 1 })"));
        CHECK(gateway.paths.use == ike::PathUse::balance);
        CHECK(gateway.ike_sas_per_login == 1);
    }
}

TEST_CASE("What needs MOBIKE says so", "[conf]") {
    CHECK(mistake(client_with(R"("mobike": false, "allow_nat": false)")) ==
          "connections.home.allow_nat needs MOBIKE\nlet \"mobike\" be true, or remove \"allow_nat\"");
    CHECK(mistake(gateway_with(R"("mobike": false, "route_proof": true)")) ==
          "connections.clients.route_proof needs MOBIKE\nlet \"mobike\" be true, or remove \"route_proof\"");
    CHECK(mistake(client_with(R"("mobike": false, "uplinks": ["eth0"])")) ==
          "connections.home.uplinks needs MOBIKE\nlet \"mobike\" be true, or remove \"uplinks\"");
    CHECK(mistake(client_to(R"(["192.0.2.1"])", R"("mobike": false)")) ==
          "connections.home.remote.other_addresses needs MOBIKE\n"
          "let \"mobike\" be true, or remove \"other_addresses\"");
}

TEST_CASE("Each of the keys is for its role", "[conf]") {
    CHECK(mistake(changed(kPeer, R"("role")", R"("mobike": true, "role")")) ==
          "\"mobike\" in connections.b is for the roles \"gateway\" or \"client\", not for \"peer\"\n"
          "remove it, or change the role");
    CHECK(mistake(gateway_with(R"("uplinks": ["eth0"])")) ==
          "\"uplinks\" in connections.clients is for the role \"client\", not for \"gateway\"\n"
          "remove it, or change the role");
    CHECK(mistake(gateway_with(R"("paths": { "probe": "1s" })")) ==
          "\"probe\" in connections.clients.paths is for the role \"client\", not for \"gateway\"\n"
          "remove it, or change the role");
    CHECK(mistake(gateway_with(R"("paths": { "use": "mark" })")) ==
          "connections.clients.paths.use: a gateway does not send by mark\nwrite \"primary\" or \"balance\"");
    CHECK(mistake(changed(kClient, R"("local": { "id")", R"("local": { "other_addresses": ["::1"], "id")")) ==
          "\"other_addresses\" in connections.home.local is for the role \"gateway\", not for \"client\"\n"
          "remove it, or change the role");
}

TEST_CASE("Other addresses must be ones that IKE can run at", "[conf]") {
    SECTION("one again, in other digits") {
        CHECK(
            mistakes(client_to(R"(["2001:db8::1", "2001:db8::0:1"])")) ==
            R"(sheafd.json:7:107: connections.home.remote.other_addresses: "2001:db8::0:1" is "2001:db8::1" again
    7 | :2", "other_addresses": ["2001:db8::1", "2001:db8::0:1"] },
      |                                         ^~~~~~~~~~~~~~~
   remove one
)");
    }
    SECTION("one again, in the same") {
        CHECK(mistake(client_to(R"(["2001:db8::1", "2001:db8::1"])")) ==
              "connections.home.remote.other_addresses: \"2001:db8::1\" stands twice\nremove one");
    }
    SECTION("the one that is known") {
        CHECK(mistake(client_to(R"(["2001:db8:13::2"])")) ==
              "connections.home.remote.other_addresses: \"2001:db8:13::2\" is remote.address already\nremove "
              "it");
        CHECK(mistake(changed(gateway_at(R"(["192.0.2.1"])"), R"("gw.example.org",)",
                              R"("gw.example.org", "address": "192.0.2.1",)")) ==
              "connections.clients.local.other_addresses: \"192.0.2.1\" is local.address already\nremove it");
    }
    SECTION("nobody's") {
        CHECK(mistake(gateway_at(R"(["::"])")) ==
              "connections.clients.local.other_addresses: \"::\" is nobody's address\n");
    }
    SECTION("one that is not listened at") {
        CHECK(mistake(changed(gateway_at(R"(["192.0.2.1"])"), R"("port": 500)",
                              R"("addresses": ["::", "192.0.2.2"])")) ==
              "\"listen\" has no address for \"192.0.2.1\" of connections.clients\n"
              "add \"192.0.2.1\" to listen.addresses");
        CHECK(mistakes(changed(gateway_at(R"(["192.0.2.1"])"), R"("port": 500)",
                               R"("addresses": ["::", "192.0.2.1"])"))
                  .empty());
        CHECK(mistake(changed(client_to(R"(["192.0.2.1"])"), R"("secrets")",
                              R"("listen": { "addresses": ["::"] }, "secrets")")) ==
              "\"listen\" has no address of the family of \"192.0.2.1\" of connections.home\n"
              "add \"0.0.0.0\" to listen.addresses");
    }
    SECTION("one that our only address cannot reach") {
        CHECK(mistake(changed(client_to(R"(["192.0.2.1"])"), R"("local": {)",
                              R"("local": { "address": "2001:db8::7",)")) ==
              "connections.home.remote.other_addresses: \"192.0.2.1\" is not of the family of local.address, "
              "which "
              "we speak from\nremove one of the two");
    }
    SECTION("too many") {
        CHECK(mistakes(client_to(others(15))).empty());
        CHECK(mistake(client_to(others(16))) ==
              "connections.home.remote.other_addresses: there are 16, and 15 are the most\n");
    }
}

TEST_CASE("Uplinks must be interfaces that lead out", "[conf]") {
    SECTION("none") {
        CHECK(mistake(client_with(R"("uplinks": [])")) ==
              "connections.home.uplinks: the list is empty\nname at least one, or leave the key out");
    }
    SECTION("what is neither a name nor an object") {
        CHECK(mistake(client_with(R"("uplinks": [7])")) ==
              "connections.home.uplinks: expected an interface name or an object, found a number\n");
        CHECK(mistake(client_with(R"("uplinks": [{ "weight": 2 }], "paths": { "use": "balance" })")) ==
              "connections.home.uplinks lacks \"interface\"\n\"interface\": The interface that leads out.");
        CHECK(mistake(client_with(R"("uplinks": [{ "interface": "eth0", "metric": 2 }])"))
                  .starts_with("unknown key \"metric\" in connections.home.uplinks\n"));
    }
    SECTION("a name that is too long") {
        CHECK(mistake(client_with(R"("uplinks": ["a-cable-to-the-exchange"])")) ==
              "connections.home.uplinks: the interface name \"a-cable-to-the-exchange\" is longer than 15 "
              "characters\nLinux allows no more: shorten it");
    }
    SECTION("one twice, in either form") {
        for (const auto* list :
             {R"(["a", "a"])", R"(["a", { "interface": "a" }])", R"([{ "interface": "a" }, "a"])"})
            CHECK(mistake(client_with(R"("uplinks": )" + std::string(list))) ==
                  "connections.home.uplinks: \"a\" stands twice\nremove one");
    }
    SECTION("the tunnel itself") {
        CHECK(mistakes(client_with(R"("uplinks": ["eth0", "sheaf0"])")) ==
              R"(sheafd.json:9:27: connections.home.uplinks: "sheaf0" is one of our own interfaces
    9 |       "uplinks": ["eth0", "sheaf0"]
      |                           ^~~~~~~~
   name an interface that the gateway can be reached by without a tunnel
)");
        CHECK(mistake(client_with(R"("uplinks": ["eth0", "sheaf0-2"])"))
                  .starts_with("connections.home.uplinks: \"sheaf0-2\" is one of our own interfaces"));
    }
    SECTION("a network behind us") {
        CHECK(mistake(client_with(R"("uplinks": ["lan0"], "lan": [{ "interface": "lan0", "subnet": 1 }])")) ==
              "connections.home.uplinks: \"lan0\" is in \"lan\", too\na network behind us is no way out: "
              "remove one");
    }
    SECTION("too many") {
        CHECK(mistakes(client_with(R"("uplinks": )" + interfaces(8))).empty());
        CHECK(mistake(client_with(R"("uplinks": )" + interfaces(9))) ==
              "connections.home.uplinks: there are 9, and 8 are the most\n");
    }
    SECTION("an address that is not theirs") {
        CHECK(mistake(changed(client_with(R"("uplinks": ["eth0"])"), R"("local": {)",
                              R"("local": { "address": "2001:db8::7",)")) ==
              "connections.home: with \"uplinks\" the address that we speak from is the uplink's\n"
              "remove local.address, or \"uplinks\"");
    }
}

TEST_CASE("Weights and marks are for what uses them", "[conf]") {
    const auto uplinks = [](std::string_view list, std::string_view paths = "") {
        return client_with(R"("uplinks": )" + std::string(list) + std::string(paths));
    };
    const std::string by_mark = R"(, "paths": { "use": "mark" })";
    SECTION("without it") {
        CHECK(mistake(uplinks(R"([{ "interface": "eth0", "weight": 2 }])")) ==
              "connections.home.uplinks: \"weight\" has no effect without paths.use \"balance\"\n"
              "add \"paths\": { \"use\": \"balance\" }, or remove it");
        CHECK(mistake(uplinks(R"([{ "interface": "eth0", "mark": 2 }])")) ==
              "connections.home.uplinks: \"mark\" has no effect without paths.use \"mark\"\n"
              "add \"paths\": { \"use\": \"mark\" }, or remove it");
    }
    SECTION("out of range") {
        CHECK(mistake(uplinks(R"([{ "interface": "a", "weight": 257 }], "paths": { "use": "balance" })")) ==
              "connections.home.uplinks.weight: the number is not between 1 and 256\n");
        CHECK(mistake(uplinks(R"([{ "interface": "a", "mark": 1 }, { "interface": "b", "mark": 0 }])",
                              by_mark)) ==
              "connections.home.uplinks.mark: the number is not between 1 and 4294967295\n");
    }
    SECTION("no mark at all") {
        CHECK(mistake(uplinks(R"(["eth0", "eth1"])", by_mark)) ==
              "connections.home.paths.use: no uplink has a mark\n"
              "write uplinks as { \"interface\": \"eth0\", \"mark\": 1 }");
    }
    SECTION("one mark for two") {
        CHECK(mistakes(uplinks(R"([{ "interface": "a", "mark": 7 }, { "interface": "b", "mark": 7 }])",
                               by_mark)) ==
              R"(sheafd.json:9:80: connections.home.uplinks: the mark 7 is that of connections.home for "a"
    9 | mark": 7 }, { "interface": "b", "mark": 7 }], "paths": { "use": "mark" }
      |                                         ^
   give each uplink a mark of its own
)");
    }
    SECTION("the marks of our own packets") {
        for (const auto* mark : {"1392508928", "1409286143"}) // 0x53000000, 0x53ffffff
            CHECK(mistake(uplinks(R"([{ "interface": "a", "mark": )" + std::string(mark) + " }]", by_mark)) ==
                  "connections.home.uplinks: the marks from 0x53000000 to 0x53ffffff are of sheafd's own "
                  "packets\nuse another, such as 1");
        CHECK(mistakes(uplinks(R"([{ "interface": "a", "mark": 1409286144 }])", by_mark)).empty());
        CHECK(kOwnMark == xfrm::kMark);
        CHECK(kOwnMarkMask == xfrm::kMarkMask);
    }
    SECTION("a set in which they choose nothing") {
        CHECK(mistake(uplinks(
                  R"([{ "interface": "a", "mark": 7 }], "paths": { "use": "mark", "set": "gateways" })")) ==
              "connections.home.paths.use: marks choose an uplink, and with the set \"gateways\" all paths "
              "may go "
              "over one\nwrite \"pairs\" for the set, or \"balance\" here");
    }
}

TEST_CASE("Marks differ across connections", "[conf]") {
    const std::string_view second = R"("away": { "role": "client", "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "192.0.2.9" }, "interface": "away0",
      "uplinks": [{ "interface": "eth0", "mark": MARK }], "paths": { "use": "mark" } }, "home")";
    const std::string first =
        client_with(R"("uplinks": [{ "interface": "eth0", "mark": 1 }], "paths": { "use": "mark" })");
    CHECK(mistakes(changed(first, "\"home\"", changed(second, "MARK", "2"))).empty());
    CHECK(mistake(changed(first, "\"home\"", changed(second, "MARK", "1"))) ==
          "connections.home.uplinks: the mark 1 is that of connections.away for \"eth0\"\n"
          "give each uplink a mark of its own");
}

TEST_CASE("Paths must be ones that can be", "[conf]") {
    SECTION("a plan without uplinks") {
        CHECK(mistake(client_with(R"("paths": { "use": "balance" })")) ==
              "connections.home.paths.use needs uplinks\n"
              "add \"uplinks\" with the interfaces that lead out, or remove \"use\"");
        CHECK(mistake(client_with(R"("paths": { "probe": "1s" })"))
                  .starts_with("connections.home.paths.probe needs"));
    }
    SECTION("a probe that no path could answer") {
        CHECK(mistake(client_with(R"("uplinks": ["eth0"], "paths": { "probe": "99ms" })")) ==
              "connections.home.paths.probe: \"99ms\" is not between 100ms and 1m\n");
    }
    SECTION("more pairs than paths") {
        const auto pairs = [](unsigned uplinks, unsigned addresses, std::string_view more = "") {
            return client_to(others(addresses), R"("uplinks": )" + interfaces(uplinks) +
                                                    R"(, "paths": { "set": "pairs")" + std::string(more) +
                                                    " }");
        };
        CHECK(mistakes(pairs(8, 1)).empty());
        CHECK(mistake(pairs(6, 2)) ==
              "connections.home.paths.set: the pairs are 18, and 16 paths are the most\n"
              "say with \"most\" how many of them are to be made");
        CHECK(mistakes(pairs(6, 2, R"(, "most": 4)")).empty());
    }
    SECTION("more than there may be") {
        CHECK(mistake(gateway_with(R"("paths": { "most": 17 })")) ==
              "connections.clients.paths.most: the number is not between 1 and 16\n");
        // Logins have a limit of their own.
        CHECK(mistakes(changed(gateway_with(R"("paths": { "most": 9 })"), R"("listen")",
                               R"("limits": { "ike_sas_per_identity": 8 }, "listen")"))
                  .empty());
    }
}

TEST_CASE("There must be room for the names of further interfaces", "[conf]") {
    const std::string uplinks = R"(, "uplinks": ["eth0", "eth1"])";
    CHECK(mistakes(client_with(R"("interface": "a-tunnel-home")" + uplinks)).empty());
    CHECK(
        mistakes(client_with(R"("interface": "my-tunnel-home")" + uplinks)) ==
        R"(sheafd.json:9:20: connections.home.interface: further paths have interfaces up to "my-tunnel-home-3", which is longer than 15 characters
    9 |       "interface": "my-tunnel-home", "uplinks": ["eth0", "eth1"]
      |                    ^~~~~~~~~~~~~~~~
   shorten "my-tunnel-home" to 13 characters
)");
    const std::string pairs = uplinks + R"(, "paths": { "set": "pairs" })";
    CHECK(mistake(client_with(R"("interface": "a-tunnel-home")" + pairs)) ==
          "connections.home.interface: further paths have interfaces up to \"a-tunnel-home-31\", which is "
          "longer "
          "than 15 characters\nshorten \"a-tunnel-home\" to 12 characters");
    const std::string taken = changed(client_with(R"("start": true)" + uplinks), R"("home")",
                                      R"("away": { "role": "client", "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "192.0.2.9" }, "interface": "sheaf0-2" }, "home")");
    CHECK(mistake(taken) == "connections.home: the interface \"sheaf0-2\" is that of connections.away\n"
                            "give this connection another \"interface\"");
}

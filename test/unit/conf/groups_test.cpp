// Groups: how they are read, and golden diagnostics.
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kServing = R"({
  "groups": { "sites": { "serve": {} } },
  "secrets": { "all": { "id": "*.example.org", "text": "correct horse" } },
  "connections": {
    "sites": {
      "role": "peer",
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "group": "sites"
    }
  }
}
)";

constexpr std::string_view kJoining = R"({
  "groups": { "sites": { "join": { "interface": "sheaf-sites" } } },
  "secrets": { "gw": { "id": "gw.example.org", "text": "correct horse" } },
  "connections": {
    "gateway": {
      "role": "peer",
      "local": { "id": "a.example.org" },
      "remote": { "id": "gw.example.org", "address": "192.0.2.1" },
      "group": "sites",
      "start": true
    }
  }
}
)";

ike::Config read(std::string_view text) {
    const auto loaded = parse("sheafd.json", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return loaded->engine;
}

std::vector<std::string> notes(std::string_view text) {
    const auto loaded = parse("x", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return loaded->notes;
}

std::string serving(std::string_view members) {
    return changed(kServing, R"("serve": {})", R"("serve": { )" + std::string(members) + " }");
}
std::string joining(std::string_view members) {
    return changed(kJoining, R"("interface": "sheaf-sites")",
                   R"("interface": "sheaf-sites", )" + std::string(members));
}
std::string connected(std::string_view members) {
    return changed(kJoining, R"("group": "sites")", R"("group": "sites", )" + std::string(members));
}

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

} // namespace

TEST_CASE("A served group has good terms without a word about them", "[conf]") {
    const auto config = read(kServing);
    REQUIRE(config.group_services.size() == 1);
    CHECK(config.group_services[0] == ike::GroupService{"sites", group::Terms{}});
    CHECK(config.group_memberships.empty());
    REQUIRE(config.connections.size() == 1);
    CHECK(config.connections[0].group == "sites");
    CHECK(config.connections[0].children.empty());
    CHECK_FALSE(config.connections[0].start);
}

TEST_CASE("Every key of a served group is read", "[conf]") {
    const auto config = read(serving(R"("suite": "aes128-sha384-prfsha512", "lifetime": "20m",
        "rollover": { "send_after": "40s", "refuse_after": "2m" }, "rekey_on_leave": false, "rekey_on_join": true)"));
    REQUIRE(config.group_services.size() == 1);
    const auto& terms = config.group_services[0].terms;
    CHECK(terms.suite == group::Suite{{crypto::EncrId::aes_cbc, 128},
                                      crypto::IntegId::hmac_sha2_384_192,
                                      crypto::PrfId::hmac_sha2_512});
    CHECK(terms.lifetime == 20min);
    CHECK(terms.rollover1 == 40s);
    CHECK(terms.rollover2 == 2min);
    CHECK(terms.delivery == 32s);
    CHECK_FALSE(terms.rekey_on_leave);
    CHECK(terms.rekey_on_join);
    CHECK_FALSE(terms.acceptance.sha1);
}

TEST_CASE("How long a message to a member may take follows from its connection", "[conf]") {
    const auto text = changed(
        kServing, R"("group": "sites")",
        R"("group": "sites", "retransmit": { "first": "100ms", "tries": 4 })"); // 0.1 + 0.2 + 0.4 + 0.8 s
    CHECK(read(text).group_services[0].terms.delivery == 2s);
    const auto two = changed(text, R"("connections": {)", R"("connections": {
        "others": { "role": "peer", "local": { "id": "gw.example.org" }, "remote": { "id": "b.example.org" },
                    "group": "sites", "retransmit": { "first": "1s", "tries": 5 } },)");
    CHECK(read(two).group_services[0].terms.delivery == 31s);
}

TEST_CASE("A weak algorithm of a group is asked for by its word, and noted", "[conf]") {
    const auto text = serving(R"("suite": "aes256-weak-sha1-weak-prfsha1")");
    CHECK(read(text).group_services[0].terms.acceptance.sha1);
    CHECK(notes(text) == std::vector<std::string>{
                             "groups.sites.serve.suite has the weak algorithm \"weak-sha1\": do so only "
                             "while a member has nothing better",
                             "groups.sites.serve.suite has the weak algorithm \"weak-prfsha1\": do so "
                             "only while a member has nothing better"});
    CHECK(
        notes(joining(R"("allow_sha1": true)")) ==
        std::vector<std::string>{"groups.sites.join.allow_sha1: the gateway may choose SHA-1 for the group"});
}

TEST_CASE("Every key of a joined group is read", "[conf]") {
    const auto config = read(joining(R"("addresses": ["192.0.2.5", "2001:db8::5"], "allow_sha1": true,
        "sites": { "192.0.2.2": ["10.2.0.0/16", "2001:db8:2::/48"], "2001:db8::7": ["10.3.0.0/16"] })"));
    CHECK(config.group_services.empty());
    const std::vector<child::GroupSite> sites{
        {ip("192.0.2.2"), {prefix("10.2.0.0/16"), prefix("2001:db8:2::/48")}},
        {ip("2001:db8::7"), {prefix("10.3.0.0/16")}}};
    CHECK(config.group_memberships ==
          std::vector<ike::GroupMembership>{
              {"sites", "sheaf-sites", {.sha1 = true}, {ip("192.0.2.5"), ip("2001:db8::5")}, sites}});
    const auto& connection = config.connections[0];
    CHECK(connection.start);
    CHECK(connection.group == "sites");
    CHECK(connection.children.empty());
    CHECK(connection.childless);
}

TEST_CASE("A connection with a group has its Child SAs as ever", "[conf]") {
    const auto config =
        read(connected(R"("children": { "bgp": { "local": ["10.0.0.2"], "remote": ["10.0.0.1"] } })"));
    CHECK(config.connections[0].children.size() == 1);
    CHECK_FALSE(config.connections[0].childless);
    CHECK(read(connected(R"("children": {})")).connections[0].childless);
}

TEST_CASE("The file of served groups", "[conf]") {
    CHECK(parse("x", std::string(kServing), {})->group_file == "/var/lib/sheaf/groups.db");
    const auto text = changed(kServing, R"("groups": {)", R"("group_file": "/srv/groups.db", "groups": {)");
    CHECK(parse("x", text, {})->group_file == "/srv/groups.db");
}

TEST_CASE("A group is served or joined", "[conf]") {
    CHECK(mistakes(changed(kServing, R"({ "serve": {} })", "{}")) ==
          R"(sheafd.json:2:15: groups.sites lacks "serve" or "join"
    2 |   "groups": { "sites": {} },
      |               ^~~~~~~
   add exactly one of them
)");
    CHECK(mistake(changed(kServing, R"("serve": {})", R"("serve": {}, "join": { "interface": "s0" })")) ==
          "groups.sites has both \"serve\" and \"join\"\nremove one");
    CHECK(mistake(changed(kJoining, R"("interface": "sheaf-sites")", "")) ==
          "groups.sites.join lacks \"interface\"\n\"interface\": The virtual interface of the group.");
}

TEST_CASE("Suites that a group cannot have", "[conf]") {
    const auto told = [](std::string_view suite) {
        return mistake(serving(R"("suite": ")" + std::string(suite) + "\""));
    };
    CHECK(
        mistakes(serving(R"("suite": "aes256gcm16-prfsha256")")) ==
        R"(sheafd.json:2:47: groups.sites.serve.suite: the cipher "aes256gcm16" is not for a group: a counter mode (GCM, CCM, CTR, ChaCha20-Poly1305) must never use a counter twice under one key, and members that share the key count on their own
    2 |   "groups": { "sites": { "serve": { "suite": "aes256gcm16-prfsha256" } } },
      |                                               ^~~~~~~~~~~
   write "aes256-sha256-prfsha256"
)");
    CHECK(told("chacha20poly1305-prfsha256").find("the cipher \"chacha20poly1305\" is not for a group") !=
          std::string::npos);
    CHECK(told("sha256-prfsha256") ==
          "groups.sites.serve.suite: the suite \"sha256-prfsha256\" has no cipher\n"
          "write \"aes256-sha256-prfsha256\"");
    CHECK(told("aes256-prfsha256") ==
          "groups.sites.serve.suite: the suite \"aes256-prfsha256\" has no integrity\n"
          "write \"aes256-sha256-prfsha256\"");
    CHECK(told("aes256-sha256") == "groups.sites.serve.suite: the suite \"aes256-sha256\" has no PRF\n"
                                   "write \"aes256-sha256-prfsha256\"");
    CHECK(told("aes256-aes128-sha256-prfsha256") ==
          "groups.sites.serve.suite: the suite \"aes256-aes128-sha256-prfsha256\" has more than one cipher\n"
          "write \"aes256-sha256-prfsha256\"");
    CHECK(told("aes256-sha256-prfsha256-x25519") ==
          "groups.sites.serve.suite: the suite \"aes256-sha256-prfsha256-x25519\" has a key exchange, and a "
          "group's "
          "keys are made by its gateway\nremove \"x25519\"");
    CHECK(told("aes256-sha1-prfsha256") ==
          "groups.sites.serve.suite: the algorithm \"sha1\" is too weak to be offered\n"
          "use \"sha256\"; if the peer has nothing better, write \"weak-sha1\"");
}

TEST_CASE("Terms that would lose packets", "[conf]") {
    CHECK(mistake(serving(R"("rollover": { "send_after": "20s" })")) ==
          "groups.sites.serve.rollover.send_after: members would send with the new SA before all have it\n"
          "make it longer than the span of retransmissions (32 s, by \"retransmit\" of connections.sites)");
    CHECK(mistake(serving(R"("rollover": { "refuse_after": "70s" })")) ==
          "groups.sites.serve.rollover.refuse_after: members would refuse the old SA while others still send "
          "with "
          "it\nmake it longer than the first by 30 seconds, and by the span of retransmissions and 5 seconds "
          "(32 s, "
          "by \"retransmit\" of connections.sites)");
    CHECK(
        mistakes(serving(R"("lifetime": "2h")")) ==
        R"(sheafd.json:2:49: groups.sites.serve.lifetime: a member that restarts could not count on from where it was
    2 |   "groups": { "sites": { "serve": { "lifetime": "2h" } } },
      |                                                 ^~~~
   4095 seconds are the longest
)");
    CHECK(mistake(serving(R"("lifetime": "5m")")) ==
          "groups.sites.serve.lifetime: there is no room for a rollover before it ends\n"
          "make it four times the second rollover time at least");
    CHECK(mistake(serving(R"("lifetime": "1500ms")")) ==
          "groups.sites.serve.lifetime: \"1500ms\" is not in whole seconds\nwrite \"30s\", \"5m\", \"1h\"");
    // Told where something is written that a person can change.
    CHECK(mistakes(changed(kServing, R"("group": "sites")",
                           R"("group": "sites", "retransmit": { "first": "2s" })"))
              .starts_with("sheafd.json:2:15: groups.sites.serve.rollover.send_after: members would send"));
}

TEST_CASE("Connections and groups fit each other", "[conf]") {
    const auto unnamed = changed(kServing, R"("group": "sites")", R"("children": { "net":
        { "local": ["10.1.0.0/16"], "remote": ["10.2.0.0/16"] } })");
    CHECK(mistakes(unnamed) == R"(sheafd.json:2:15: groups.sites: no connection names it
    2 |   "groups": { "sites": { "serve": {} } },
      |               ^~~~~~~
   add "group": "sites" to that of its members
)");
    CHECK(mistake(changed(kServing, R"("groups": { "sites": { "serve": {} } },)", "")) ==
          "connections.sites.group: there is no group \"sites\"\nadd it to \"groups\" at the top level");
    const auto both = changed(kServing, R"("groups": {)", R"("groups": { "site": { "serve": {} },)");
    CHECK(mistakes(changed(both, R"("group": "sites")", R"("group": "sides")"))
              .find("did you mean \"sites\"?") != std::string::npos);
}

TEST_CASE("A group is joined by one connection that we begin", "[conf]") {
    CHECK(mistake(changed(kJoining, R"(, "address": "192.0.2.1")", "")) ==
          "connections.gateway.group: \"sites\" is joined, and nothing says where its gateway is\n"
          "add remote.address");
    const auto twice = changed(kJoining, R"("connections": {)", R"("connections": {
        "other": { "role": "peer", "local": { "id": "a.example.org" }, "remote": { "id": "gw.example.org",
                   "address": "192.0.2.9" }, "group": "sites" },)");
    CHECK(mistake(twice) == "connections.gateway.group: connections.other joins \"sites\", too\n"
                            "one SA has one gateway: make another group of it, with an interface of its own");
    const auto gateway = changed(kGateway, R"("listen": { "port": 500 },)",
                                 R"("groups": { "s": { "join": { "interface": "s0" } } },)");
    CHECK(mistake(changed(gateway, R"("role")", R"("group": "s", "role")")) ==
          "connections.clients.group: \"s\" is joined, and that takes a connection that we begin\n"
          "name it in one of the role \"client\" or \"peer\", or write \"serve\" in the group");
    const auto client = changed(kClient, R"("secrets")", R"("groups": { "s": { "serve": {} } }, "secrets")");
    CHECK(mistake(changed(client, R"("role")", R"("group": "s", "role")")) ==
          "connections.home.group: \"s\" is served here, and a client has no members\n"
          "name it in a connection of the role \"gateway\" or \"peer\", or write \"join\" in the group");
    CHECK(mistake(connected(R"("encapsulation": "always")")) ==
          "connections.gateway.encapsulation: \"always\" feigns a NAT, and no group is told through one\n"
          "remove it, or \"group\"");
}

TEST_CASE("A gateway for clients serves a group, and a client joins one", "[conf]") {
    const auto gateway =
        changed(kGateway, R"("listen": { "port": 500 },)", R"("groups": { "s": { "serve": {} } },)");
    CHECK(read(changed(gateway, R"("role")", R"("group": "s", "role")")).connections[0].group == "s");
    const auto client = changed(kClient, R"("secrets")",
                                R"("groups": { "s": { "join": { "interface": "s0" } } }, "secrets")");
    CHECK(read(changed(client, R"("role")", R"("group": "s", "role")")).connections[0].group == "s");
}

TEST_CASE("A peer is begun with for its children or for its group", "[conf]") {
    CHECK(mistake(changed(kPeer, R"("children")", R"("start": true, "children")")) ==
          "connections.b.start: a peer is begun with for its children, or for a group that we join\n"
          "write \"start\": \"now\" in one of its children");
    CHECK(mistake(changed(kServing, R"("group": "sites")", R"("group": "sites", "start": true)")) ==
          "connections.sites.start: a peer is begun with for its children, or for a group that we join\n"
          "write \"start\": \"now\" in one of its children");
    CHECK_FALSE(read(changed(kPeer, R"("children")", R"("start": false, "children")")).connections[0].start);
    CHECK(mistake(changed(kPeer, R"("children": {
        "net": { "local": ["10.1.0.0/16"], "remote": ["10.2.0.0/16"] }
      })",
                          R"("liveness": "30s")"))
              .starts_with("connections.b lacks \"children\"\n"));
}

TEST_CASE("The interface of a group is its own", "[conf]") {
    CHECK(mistake(connected(R"("interface": "sheaf-sites")")) ==
          "connections.gateway: the interface \"sheaf-sites\" is that of groups.sites\n"
          "give this connection another \"interface\"");
    const auto two = changed(kJoining, R"("groups": {)",
                             R"("groups": { "b": { "join": { "interface": "sheaf-sites" } },)");
    const auto named = changed(two, R"("connections": {)", R"("connections": {
        "other": { "role": "peer", "local": { "id": "a.example.org" }, "remote": { "id": "gw.example.org",
                   "address": "192.0.2.9" }, "group": "b" },)");
    CHECK(mistake(named) == "groups.sites.join: the interface \"sheaf-sites\" is that of groups.b.join\n"
                            "give this group another \"interface\"");
    const auto client = changed(kClient, R"("secrets")",
                                R"("groups": { "s": { "join": { "interface": "eth1" } } }, "secrets")");
    CHECK(mistake(changed(client, R"("role")", R"("uplinks": ["eth0", "eth1"], "group": "s", "role")")) ==
          "connections.home.uplinks: \"eth1\" is one of our own interfaces\n"
          "name an interface that the gateway can be reached by without a tunnel");
}

TEST_CASE("The addresses of an endpoint", "[conf]") {
    CHECK(mistake(joining(R"("addresses": ["192.0.2.5", "192.0.2.6"])")) ==
          "groups.sites.join.addresses: \"192.0.2.6\" and \"192.0.2.5\" are both IPv4\n"
          "others know an endpoint by one address of a family: remove one");
    CHECK(mistake(joining(R"("addresses": ["0.0.0.0"])")) ==
          "groups.sites.join.addresses: \"0.0.0.0\" is nobody's address\n");
    CHECK(mistake(joining(R"("addresses": ["ff02::1"])")) ==
          "groups.sites.join.addresses: \"ff02::1\" is nobody's address\n");
}

TEST_CASE("What is behind other endpoints", "[conf]") {
    const auto sites = [](std::string_view members) {
        return joining(R"("sites": { )" + std::string(members) + " }");
    };
    CHECK(
        mistakes(sites(R"("192.0.2.2": ["10.2.0.0/16"], "192.0.2.3": ["10.3.0.0/16", "10.2.9.0/24"])")) ==
        R"(sheafd.json:2:134: groups.sites.join.sites: 10.2.9.0/24 of 192.0.2.3 overlaps 10.2.0.0/16 of 192.0.2.2
    2 | .0.0/16"], "192.0.2.3": ["10.3.0.0/16", "10.2.9.0/24"] } } } },
      |                                         ^~~~~~~~~~~~~
   what is behind one endpoint must come from that endpoint alone: make them distinct
)");
    CHECK(mistake(sites(R"("192.0.2.2": ["10.2.0.0/16"], "192.0.2.3": ["10.2.0.0/16"])")) ==
          "groups.sites.join.sites: 10.2.0.0/16 of 192.0.2.3 overlaps 10.2.0.0/16 of 192.0.2.2\n"
          "what is behind one endpoint must come from that endpoint alone: make them distinct");
    CHECK(mistake(sites(R"("224.0.0.1": ["10.2.0.0/16"])")) ==
          "groups.sites.join.sites.224.0.0.1: that is nobody's address\n");
    CHECK(
        mistake(sites(R"("2001:db8::2": ["10.2.0.0/16"])")) ==
        "groups.sites.join.sites.2001:db8::2: an endpoint with IPv6 is not reached from the address that IKE "
        "uses\nadd an address of that family to \"addresses\"");
    CHECK(mistake(joining(R"("addresses": ["2001:db8::5"], "sites": { "192.0.2.2": ["10.2.0.0/16"] })")) ==
          "groups.sites.join.sites.192.0.2.2: an endpoint with IPv4 is not reached from \"addresses\"\n"
          "add an address of that family to \"addresses\"");
    CHECK(mistake(joining(R"("addresses": ["192.0.2.5"], "sites": { "192.0.2.5": ["10.2.0.0/16"] })")) ==
          "groups.sites.join.sites.192.0.2.5: that is ourselves, by \"addresses\"\n"
          "\"sites\" are those of others: remove it");
    CHECK(mistake(joining(R"("addresses": ["2001:db8::5"], "sites": { "2001:db8::2": ["10.2.0.0/16"],
                             "2001:DB8::2": ["10.3.0.0/16"] })")) ==
          "groups.sites.join.sites.2001:DB8::2: the same address stands twice, written in two ways\n"
          "put all prefixes into one of them");
    CHECK(mistake(sites(R"("10.0.0.0/8": ["10.2.0.0/16"])")) ==
          "groups.sites.join.sites: \"10.0.0.0/8\" is a prefix, not an address\ndid you mean \"10.0.0.0\"?");
}

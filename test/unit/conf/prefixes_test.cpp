// What a gateway gives and a client asks for: how it is read, and golden diagnostics.
#include "conf/interface_id_words.h"
#include "lib/ike/assignment.h"
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;
using namespace std::chrono_literals;

namespace {

Settings read(std::string_view text) {
    const auto loaded = parse("sheafd.json", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return *loaded;
}

std::string with_pool(std::string_view members) {
    return changed(kGateway, R"("2001:db8:100::/48", "delegate": 64 })",
                   R"("2001:db8:100::/48", )" + std::string(members) + " }");
}

std::string with_reserved(std::string_view members) {
    return with_pool(R"("reserved": { )" + std::string(members) + " }");
}

std::string with_pools(std::string_view list) {
    return changed(changed(kGateway, R"(["v6", "v4"])", list), R"("v4": {)",
                   R"("v6b": { "prefix": "2001:db8:200::/48" }, "v4b": { "prefix": "10.78.0.0/24" },
    "v4": {)");
}

std::string gateway_with(std::string_view members) {
    return changed(kGateway, R"("role")", std::string(members) + R"(, "role")");
}

std::string client_with(std::string_view members) { return changed(kClient, R"("start": true)", members); }

address::Holder holder(std::string_view identity) { return ike::holder_of(*auth::Identity::parse(identity)); }

} // namespace

TEST_CASE("Every key of a pool is read", "[conf]") {
    const auto pools = read(with_pool(R"("delegate": 60, "lease": "7d", "warn_at": 0, "reserved": {
        "alice.example.org": "2001:db8:100:10::/60", "BOB.example.org": "2001:db8:100:20::/60" })"))
                           .engine.pools;
    CHECK(pools[0].delegate == 60);
    CHECK(pools[0].lease == 7 * 24h);
    CHECK(pools[0].warn_at == 0);
    REQUIRE(pools[0].reserved.size() == 2);
    CHECK(pools[0].reserved[0] ==
          address::Reservation{holder("alice.example.org"), *Prefix::parse("2001:db8:100:10::/60")});
    CHECK(pools[0].reserved[0].holder.text == "alice.example.org");
    CHECK(pools[0].reserved[1].holder == holder("bob.example.org"));
    CHECK(pools[1].lease == 24h);
    CHECK(pools[1].warn_at == 90);
    CHECK(pools[1].reserved.empty());
}

TEST_CASE("Any form of identity can have a block", "[conf]") {
    const auto text =
        changed(with_reserved(R"("a@example.org": "2001:db8:100:1::/64", "192.0.2.9": "2001:db8:100:2::/64",
        "CN=gw, O=Example": "2001:db8:100:3::/64", "@#0102": "2001:db8:100::/64")"),
                R"({ "id": "*.example.org" },)", R"({ "id": "*" },)");
    const auto reserved = read(text).engine.pools[0].reserved;
    REQUIRE(reserved.size() == 4);
    CHECK(reserved[0].holder == holder("a@example.org"));
    CHECK(reserved[1].holder == holder("192.0.2.9"));
    CHECK(reserved[2].holder == holder("CN=gw, O=Example"));
    CHECK(reserved[3].holder == holder("@#0102"));
}

TEST_CASE("Reserved blocks must be ones that the pool gives, to one who can come", "[conf]") {
    SECTION("outside of the pool") {
        CHECK(
            mistakes(with_reserved(R"("a.example.org": "2001:db8:200::/64")")) ==
            R"(sheafd.json:4:75: pools.v6.reserved.a.example.org: 2001:db8:200::/64 is not in 2001:db8:100::/48
    4 |     "v6": { "prefix": "2001:db8:100::/48", "reserved": { "a.example.org": "2001:db8:200::/64" } },
      |                                                                           ^~~~~~~~~~~~~~~~~~~
   reserve a block of the pool's prefix
)");
    }
    SECTION("of another length") {
        CHECK(mistake(with_reserved(R"("a.example.org": "2001:db8:100:10::/60")")) ==
              "pools.v6.reserved.a.example.org: 2001:db8:100:10::/60 is a /60, and the pool's clients get a "
              "/64 "
              "each\nwrite \"2001:db8:100:10::/64\"");
        CHECK(
            mistake(with_reserved(R"("a.example.org": "2001:db8:100:10::1")")) ==
            "pools.v6.reserved.a.example.org: 2001:db8:100:10::1/128 is a /128, and the pool's clients get a "
            "/64 each\nwrite \"2001:db8:100:10::/64\"");
    }
    SECTION("the whole of a smaller pool's addresses") {
        const auto v4 = [](std::string_view address) {
            return changed(kGateway, R"("10.77.0.0/24")",
                           R"("10.77.0.0/24", "reserved": { "a.example.org": ")" + std::string(address) +
                               "\" }");
        };
        CHECK(mistakes(v4("10.77.0.9")).empty());
        CHECK(mistake(v4("10.77.0.0")) ==
              "pools.v4.reserved.a.example.org: 10.77.0.0/32 is the first address "
              "of the pool, which nobody gets\nreserve another");
        CHECK(mistake(v4("10.77.0.255")) == "pools.v4.reserved.a.example.org: 10.77.0.255/32 is the last "
                                            "address of the pool, which nobody gets\nreserve another");
        CHECK(mistake(v4("10.77.0.8/30")) ==
              "pools.v4.reserved.a.example.org: 10.77.0.8/30 is a /30, and the pool's clients get a /32 "
              "each\nwrite one address");
    }
    SECTION("one block for two") {
        CHECK(mistake(with_reserved(
                  R"("a.example.org": "2001:db8:100:1::/64", "b.example.org": "2001:db8:100:1::/64")")) ==
              "pools.v6.reserved.b.example.org: 2001:db8:100:1::/64 is that of \"a.example.org\"\n"
              "reserve another block");
    }
    SECTION("two blocks for one") {
        CHECK(mistake(with_reserved(
                  R"("a.example.org": "2001:db8:100:1::/64", "A.example.org": "2001:db8:100:2::/64")")) ==
              "pools.v6.reserved.A.example.org: this is \"a.example.org\" again\n"
              "an identity gets one block of a pool: remove one");
    }
    SECTION("a pattern") {
        CHECK(mistake(with_reserved(R"("*.example.org": "2001:db8:100:1::/64")")) ==
              "pools.v6.reserved: the pattern \"*.example.org\" names nobody\n"
              "write one identity");
    }
    SECTION("one who cannot come") {
        CHECK(mistake(with_reserved(R"("a.example.com": "2001:db8:100:1::/64")")) ==
              "pools.v6.reserved: no gateway connection with this pool serves \"a.example.com\"\n"
              "compare it with the remote.id of the connections");
    }
    SECTION("no prefix") {
        CHECK(mistake(with_reserved(R"("a.example.org": "2001:db8:100:1:/64")")) ==
              "pools.v6.reserved.a.example.org: \"2001:db8:100:1:/64\" is no prefix\n"
              "write address/length: \"2001:db8::/48\", \"10.77.0.0/24\"");
    }
}

TEST_CASE("Leases and warnings have ranges", "[conf]") {
    CHECK(read(with_pool(R"("lease": "365d")")).engine.pools[0].lease == 365 * 24h);
    CHECK(read(with_pool(R"("lease": "0s")")).engine.pools[0].lease == 0s);
    CHECK(mistake(with_pool(R"("lease": "366d")")) ==
          "pools.v6.lease: \"366d\" is not between 0s and 365d\n");
    CHECK(mistake(with_pool(R"("lease": "1500ms")")) ==
          "pools.v6.lease: \"1500ms\" is not in whole seconds\nwrite \"1s\", \"24h\", \"7d\"");
    CHECK(mistake(with_pool(R"("lease": "24")")) ==
          "pools.v6.lease: \"24\" is no duration\ndid you mean \"24s\"?");
    CHECK(read(with_pool(R"("warn_at": 100)")).engine.pools[0].warn_at == 100);
    CHECK(mistake(with_pool(R"("warn_at": 101)")) ==
          "pools.v6.warn_at: the number is not between 0 and 100\n");
    CHECK(mistake(with_pool(R"("warnat": 10)")) ==
          "unknown key \"warnat\" in pools.v6\ndid you mean \"warn_at\"?");
}

TEST_CASE("A gateway gives a block of each entry", "[conf]") {
    const auto wants = [](std::string_view list) {
        return read(with_pools(list)).engine.connections[0].pools;
    };
    using Wants = std::vector<address::Want>;
    CHECK(wants(R"(["v6"])") == Wants{{{"v6"}}});
    CHECK(wants(R"([["v6", "v6b"], "v4"])") == Wants{{{"v6", "v6b"}}, {{"v4"}}});
    CHECK(wants(R"(["v6", "v6b", "v6", ["v4b", "v4"]])") ==
          Wants{{{"v6"}}, {{"v6b"}}, {{"v6"}}, {{"v4b", "v4"}}});
}

TEST_CASE("The blocks of a client must be such as it can get", "[conf]") {
    SECTION("an unknown pool among alternatives") {
        CHECK(mistakes(changed(kGateway, R"(["v6", "v4"])", R"([["v6", "v5"], "v4"])")) ==
              R"(sheafd.json:13:24: connections.clients.pools: there is no pool "v5"
   13 |       "pools": [["v6", "v5"], "v4"],
      |                        ^~~~
   did you mean "v6"?
)");
    }
    SECTION("alternatives of two families") {
        CHECK(mistakes(changed(kGateway, R"(["v6", "v4"])", R"([["v6", "v4"]])")) ==
              R"(sheafd.json:13:24: connections.clients.pools: "v4" is IPv4, and "v6" before it is not
   13 |       "pools": [["v6", "v4"]],
      |                        ^~~~
   an inner list is of pools for one block: to give a block of each, write "v4" outside of it
)");
    }
    SECTION("two IPv4 addresses") {
        CHECK(mistake(with_pools(R"(["v4", "v6", "v4b"])")) ==
              "connections.clients.pools: a client gets one IPv4 address, and this would be a second\n"
              "for a choice write one entry: [\"v4\", \"v4b\"]");
    }
    SECTION("one pool twice among alternatives") {
        CHECK(mistake(with_pools(R"([["v6", "v6"]])")) ==
              "connections.clients.pools: \"v6\" stands twice\nremove one");
    }
    SECTION("no alternative") {
        CHECK(mistake(with_pools(R"([[], "v4"])")) ==
              "connections.clients.pools: the list is empty\nname at least one, or leave the key out");
    }
    SECTION("lists within lists") {
        CHECK(mistake(with_pools(R"([[["v6"]], "v4"])")) ==
              "connections.clients.pools: expected a name, found a list\n");
    }
    SECTION("neither name nor list") {
        CHECK(mistake(with_pools(R"(["v6", 4])")) ==
              "connections.clients.pools: expected a name or a list of such, found a number\n");
    }
}

TEST_CASE("A client gets as many blocks as its Child SA has room for", "[conf]") {
    const auto blocks = [](std::size_t count) {
        std::string out = "[\"v6\"";
        while (--count > 0)
            out += ", \"v6\"";
        return with_pools(out + "]");
    };
    CHECK(mistakes(blocks(63)).empty());
    CHECK(mistake(blocks(64)) == "connections.clients.pools has 64 entries, and 63 are the most\n"
                                 "give clients fewer blocks that are larger");
}

TEST_CASE("What clients are given is nothing that the file uses itself", "[conf]") {
    CHECK(
        mistakes(gateway_with(R"("dns": ["10.77.0.53"])")) ==
        R"(sheafd.json:10:15: connections.clients.dns: "10.77.0.53" is in pools.v4, which gives it to a client
   10 |       "dns": ["10.77.0.53"], "role": "gateway",
      |               ^~~~~~~~~~~~
   that client would take the name server from everybody: choose an address outside of 10.77.0.0/24, or another prefix for the pool
)");
    const auto fault = [](std::string_view from, std::string_view to) {
        return mistake(changed(kGateway, from, to));
    };
    CHECK(fault(R"("gw.example.org" })", R"("gw.example.org", "address": "2001:db8:100::1" })")
              .starts_with(
                  "connections.clients.local.address: \"2001:db8:100::1\" is in pools.v6, which gives it to "
                  "a client\nthat client would take our address from everybody"));
    CHECK(fault(R"("port": 500)", R"("addresses": ["::", "10.77.0.1", "0.0.0.0"])")
              .starts_with("listen.addresses: \"10.77.0.1\" is in pools.v4"));
    // These nobody is given.
    CHECK(mistakes(gateway_with(R"("dns": ["10.77.0.255"])")).empty());
    CHECK(mistakes(gateway_with(R"("dns": ["2001:db8:101::1"])")).empty());
    CHECK(mistakes(changed(gateway_with(R"("dns": ["2001:db8:100:7::53"])"), R"("delegate": 64 })",
                           R"("delegate": 64, "reserved": { "ns.example.org": "2001:db8:100:7::/64" } })"))
              .empty());
    CHECK(
        mistakes(changed(gateway_with(R"("dns": ["10.77.0.53"])"), R"(["v6", "v4"])", R"(["v6"])")).empty());
}

TEST_CASE("Pools and networks of a gateway have a family in common", "[conf]") {
    const auto with = [](std::string_view pools, std::string_view networks) {
        return changed(gateway_with(R"("networks": )" + std::string(networks)), R"(["v6", "v4"])", pools);
    };
    CHECK(mistake(with(R"(["v4"])", R"(["2001:db8:9::/48"])")) ==
          "connections.clients: \"networks\" are all IPv6, and of \"pools\" none is\n"
          "no client would get an address: add an IPv6 pool, or a network of the other family");
    CHECK(mistake(with(R"(["v6"])", R"(["10.0.0.0/8"])"))
              .starts_with("connections.clients: \"networks\" are all IPv4"));
    CHECK(mistakes(with(R"(["v6", "v4"])", R"(["2001:db8:9::/48"])")).empty());
    CHECK(mistakes(with(R"(["v4"])", R"(["2001:db8:9::/48", "10.0.0.0/8"])")).empty());
}

TEST_CASE("A gateway that keeps the first IKE SA does not ask for another one", "[conf]") {
    CHECK(mistake(gateway_with(R"("unique": "keep", "reauth": "1h")")) ==
          "connections.clients.unique: \"keep\" refuses the clients that authenticate anew because of "
          "\"reauth\"\n"
          "they would be cut off every time: write \"replace\", or leave \"reauth\" out");
    CHECK(mistakes(gateway_with(R"("unique": "keep")")).empty());
    CHECK(mistakes(gateway_with(R"("unique": "keep", "reauth": "0s")")).empty());
}

TEST_CASE("A gateway's other keys are read", "[conf]") {
    const auto standard = read(kGateway).engine.connections[0];
    CHECK(standard.block_with_address);
    CHECK(standard.dns_domains.empty());
    CHECK(standard.children.empty());
    const auto settings = read(gateway_with(R"("block_with_address": false, "dns": ["2001:db8::53"],
        "dns_domains": ["corp.example.org", "_tcp.xn--bcher-kva.example"], "networks": ["2001:db8::/32"],
        "unique": "share", "reauth": "1h",
        "children": { "acs": { "mode": "transport", "local": ["2001:db8::2 tcp/7547"] }, "all": {} })"));
    const auto& clients = settings.engine.connections[0];
    CHECK_FALSE(clients.block_with_address);
    CHECK(clients.dns_domains == std::vector<std::string>{"corp.example.org", "_tcp.xn--bcher-kva.example"});
    CHECK(clients.uniqueness == ike::Uniqueness::share);
    CHECK(clients.reauth == 1h);
    REQUIRE(clients.children.size() == 2);
    CHECK(clients.children[0].mode == child::Mode::transport);
    CHECK(clients.children[0].local.size() == 1);
    CHECK(clients.children[1].mode == child::Mode::tunnel);
    CHECK(clients.children[1].local.empty()); // the outer address
    CHECK(clients.children[1].remote.empty());
    CHECK(settings.notes.empty());
}

TEST_CASE("Domains are names of the DNS, with a server to ask", "[conf]") {
    const auto with_domain = [](std::string_view domain) {
        return gateway_with(R"("dns": ["2001:db8::53"], "dns_domains": [")" + std::string(domain) + "\"]");
    };
    const std::string form = "write letters, digits and \"-\", joined by dots: \"corp.example.org\"";
    const auto fault = [&](std::string_view domain) {
        return "connections.clients.dns_domains: \"" + std::string(domain) + "\" is no domain of the DNS\n";
    };
    CHECK(mistake(with_domain("*.example.org")) ==
          fault("*.example.org") + "did you mean \"example.org\"? The names below a domain belong to it");
    CHECK(mistake(with_domain("example.org.")) ==
          fault("example.org.") + "did you mean \"example.org\"? The names below a domain belong to it");
    CHECK(mistake(with_domain("corp..example")) == fault("corp..example") + form);
    CHECK(mistake(with_domain("-corp.example")) == fault("-corp.example") + form);
    CHECK(mistake(with_domain("")) == fault("") + form);
    CHECK(mistake(with_domain(".")) == fault(".") + form);
    CHECK(mistake(with_domain("b\xc3\xbc"
                              "cher.example"))
              .ends_with("write its labels in their ASCII form, \"xn--...\" (RFC 5890)"));
    CHECK(mistakes(with_domain(std::string(63, 'a') + ".example")).empty());
    CHECK_FALSE(mistakes(with_domain(std::string(64, 'a') + ".example")).empty());
    std::string longest;
    while (longest.size() < 252)
        longest += "a.";
    CHECK(mistakes(with_domain(longest + "a")).empty());
    CHECK_FALSE(mistakes(with_domain(longest + "aa")).empty());
    CHECK(mistake(gateway_with(R"("dns_domains": ["example.org"])")) ==
          "connections.clients.dns_domains needs a name server to ask\n"
          "add \"dns\" with its address (RFC 8598 3.2)");
    CHECK(mistake(gateway_with(R"("dns": [], "dns_domains": ["example.org"])"))
              .starts_with("connections.clients.dns_domains needs"));
    CHECK(mistakes(gateway_with(R"("dns_domains": [])")).empty());
}

TEST_CASE("Domains that clients will not heed are noted", "[conf]") {
    const auto notes = [](std::string_view networks) {
        return read(gateway_with(R"("dns": ["2001:db8::53"], "dns_domains": ["example.org"])" +
                                 std::string(networks)))
            .notes;
    };
    REQUIRE(notes("").size() == 1);
    CHECK(notes("")[0] ==
          "connections.clients.dns_domains is for clients that send only a part of their traffic "
          "here: with these \"networks\" they ask the name servers for everything (RFC 8598 2)");
    CHECK(notes(R"(, "networks": ["2001:db8::/32", "0.0.0.0/0"])").size() == 1);
    CHECK(notes(R"(, "networks": ["2001:db8::/32"])").empty());
}

TEST_CASE("What a client asks for is read", "[conf]") {
    const auto home = read(client_with(R"("request": ["prefix", "dns"],
        "interface_ids": ["random", "::a:b:c:d", "stable", "::1"],
        "lan": [{ "interface": "lan0", "subnet": 1 }, { "interface": "lan1", "subnet": 65535 }],
        "children": { "acs": { "mode": "transport", "remote": ["2001:db8:13::2 tcp/7547"], "start": "trap" },
                      "far": { "local": ["2001:db8:5::1"], "start": "now", "without_sa": "clear" } })"))
                          .engine.connections[0];
    ike::AddressRequest expected;
    expected.ipv4 = false;
    expected.interface_ids = {ike::RandomId{}, wire::InterfaceId{0, 0xa, 0, 0xb, 0, 0xc, 0, 0xd},
                              ike::StableId{}, wire::InterfaceId{0, 0, 0, 0, 0, 0, 0, 1}};
    expected.lan = {{"lan0", 1}, {"lan1", 65535}};
    CHECK(home.request == expected);
    REQUIRE(home.children.size() == 2);
    CHECK(home.children[0].start == ike::Start::trap);
    CHECK(home.children[1].start == ike::Start::now);
    CHECK(home.children[1].clear_without_sa);
    CHECK(home.children[1].remote.empty());
}

TEST_CASE("Interface identifiers that are none say why", "[conf]") {
    const auto fault = [](std::string_view word) {
        const auto choice = parse_interface_id(word);
        return choice ? std::string("none") : choice.error().message + "\n" + choice.error().hint;
    };
    const std::string form = "write \"stable\", \"random\", or its 64 bits after \"::\": \"::a:b:c:d\"";
    CHECK(fault("::fdff:ffff:ffff:ff7f") == "none");
    CHECK(fault("0:0:0:0:a:b:c:d") == "none");
    CHECK(fault("::192.0.2.1") == "none");
    CHECK(fault("::") == "\"::\" stands for the routers of every subnet (RFC 4291 2.6.1)\n"
                         "the first that can be used is \"::1\"");
    for (const auto* word : {"::fdff:ffff:ffff:ff80", "::fdff:ffff:ffff:ffff"})
        CHECK(fault(word) == "\"" + std::string(word) +
                                 "\" is reserved for anycast addresses of every subnet (RFC 5453)\n"
                                 "use one below \"::fdff:ffff:ffff:ff80\", or \"stable\"");
    CHECK(fault("a:b:c:d") == "\"a:b:c:d\" is no interface identifier\ndid you mean \"::a:b:c:d\"?");
    CHECK(fault("1") == "\"1\" is no interface identifier\ndid you mean \"::1\"?");
    CHECK(fault("2001:db8::1") == "\"2001:db8::1\" is no interface identifier\n"
                                  "leave the prefix away, for it is the gateway's to give: \"::a:b:c:d\"");
    CHECK(fault("stabel") == "\"stabel\" is no interface identifier\ndid you mean \"stable\"?");
    CHECK(fault("eui64") == "\"eui64\" is no interface identifier\n" + form);
    CHECK(fault("") == "\"\" is no interface identifier\n" + form);
    CHECK(fault("192.0.2.1") == "\"192.0.2.1\" is no interface identifier\ndid you mean \"::192.0.2.1\"?");
}

TEST_CASE("What a client asks for must fit", "[conf]") {
    SECTION("one identifier twice") {
        CHECK(mistake(client_with(R"("interface_ids": ["::1", "::0:1"])")) ==
              "connections.home.interface_ids: \"::0:1\" is \"::1\" again\nremove one");
        CHECK(mistake(client_with(R"("interface_ids": ["::1", "::1"])")) ==
              "connections.home.interface_ids: \"::1\" stands twice\nremove one");
    }
    SECTION("identifiers and networks without prefixes") {
        CHECK(mistake(client_with(R"("request": ["ipv4"], "interface_ids": ["random"])")) ==
              "connections.home.interface_ids needs prefixes\n"
              "add \"prefix\" to \"request\", or remove \"interface_ids\"");
        CHECK(mistake(client_with(R"("request": ["ipv6"], "lan": [{ "interface": "lan0", "subnet": 1 }])")) ==
              "connections.home.lan needs prefixes\nadd \"prefix\" to \"request\", or remove \"lan\"");
    }
    SECTION("no address") {
        CHECK(mistake(client_with(R"("request": ["dns"])")) ==
              "connections.home.request: no address is asked for\nadd \"prefix\", \"ipv6\" or \"ipv4\"");
    }
    SECTION("a network that is the connection's own interface") {
        CHECK(mistakes(client_with(R"("lan": [{ "interface": "sheaf0", "subnet": 1 }])")) ==
              R"(sheafd.json:9:30: connections.home.lan: "sheaf0" is one of our own interfaces
    9 |       "lan": [{ "interface": "sheaf0", "subnet": 1 }]
      |                              ^~~~~~~~
   name the interface of a network behind this host
)");
    }
    SECTION("an interface twice") {
        CHECK(mistake(client_with(
                  R"("lan": [{ "interface": "a", "subnet": 1 }, { "interface": "a", "subnet": 2 }])")) ==
              "connections.home.lan: \"a\" has a subnet already\nremove one");
    }
    SECTION("a subnet twice") {
        CHECK(mistake(client_with(
                  R"("lan": [{ "interface": "a", "subnet": 1 }, { "interface": "b", "subnet": 1 }])")) ==
              "connections.home.lan: subnet 1 stands twice\ngive each network a subnet of its own");
    }
    SECTION("our own subnet") {
        CHECK(mistake(client_with(R"("lan": [{ "interface": "a", "subnet": 0 }])")) ==
              "connections.home.lan.subnet: the number is not between 1 and 4294967295\n");
    }
    SECTION("a network without its number") {
        CHECK(mistake(client_with(R"("lan": [{ "interface": "a" }])")) ==
              "connections.home.lan lacks \"subnet\"\n\"subnet\": Which /64 of each prefix the network gets; "
              "the "
              "one numbered 0 has our own addresses.");
    }
}

TEST_CASE("Child SAs beside the virtual link must fit the role", "[conf]") {
    SECTION("a gateway that begins") {
        for (const std::string word : {"trap", "now"})
            CHECK(mistake(gateway_with(R"("children": { "a": { "start": ")" + word + "\" } }")) ==
                  "connections.clients.children.a.start: \"" + word +
                      "\" is not for a gateway: clients begin\n"
                      "leave it out here, and write it in the connection of the client");
        CHECK(mistakes(gateway_with(R"("children": { "a": { "start": "manual" } })")).empty());
    }
    SECTION("a gateway's policy without an SA") {
        CHECK(mistake(gateway_with(R"("children": { "a": { "without_sa": "clear" } })")) ==
              "connections.clients.children.a.without_sa is not for a gateway: no policy waits for an SA "
              "there\n"
              "leave it out here, and write it in the connection of the client");
    }
    SECTION("none") {
        CHECK(mistake(client_with(R"("children": {})")) ==
              "connections.home has no child\nname one, or leave \"children\" out");
    }
    SECTION("the virtual link's name") {
        CHECK(mistake(client_with(R"("children": { "home": {} })")) ==
              "connections.home.children.home: the Child SA of the virtual link has this name\n"
              "give this one another");
    }
    SECTION("the same traffic twice") {
        CHECK(mistake(client_with(R"("children": { "a": {}, "b": {} })")) ==
              "connections.home.children.b: connections.home.children.a is for the same traffic\n"
              "only one of them would ever be used: remove one");
    }
    SECTION("more than the limit, with that of the link") {
        const std::string text = client_with(R"("children": { "a": {}, "b": { "mode": "transport" } })");
        const auto limited = [&](std::string_view most) {
            return changed(text, R"("secrets")",
                           R"("limits": { "children": )" + std::string(most) + R"( }, "secrets")");
        };
        CHECK(mistakes(limited("3")).empty());
        CHECK(mistake(limited("2")) ==
              "connections.home has 3 children with that of the virtual link, and 2 are "
              "the most\nraise limits.children");
    }
    SECTION("an interface beside children in transport mode") {
        CHECK(mistakes(client_with(R"("interface": "x", "children": { "a": { "mode": "transport" } })"))
                  .empty());
    }
}

TEST_CASE("A peer has nothing to share", "[conf]") {
    CHECK(mistake(changed(kPeer, R"("role")", R"("unique": "share", "role")")) ==
          "connections.b.unique: a peer has no addresses that its IKE SAs could share\nwrite \"many\"");
    CHECK(mistakes(changed(kPeer, R"("role")", R"("unique": "many", "role")")).empty());
}

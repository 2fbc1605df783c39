// Peer connections: what is read, and golden diagnostics of what does not fit.
#include "conf/selector_words.h"
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;
using namespace std::chrono_literals;

namespace {

ike::Connection read(std::string_view text) {
    const auto loaded = parse("sheafd.json", std::string(text), {});
    INFO(mistakes(text));
    REQUIRE(loaded);
    return loaded->engine.connections.front();
}

std::string with_child(std::string_view child) {
    return changed(kPeer, R"("net": { "local": ["10.1.0.0/16"], "remote": ["10.2.0.0/16"] })", child);
}

std::string text_of(std::string_view word) {
    const auto selector = parse_selector(word);
    return selector ? child::to_string(*selector) : selector.error().message;
}

} // namespace

TEST_CASE("A peer's file becomes a peer", "[conf]") {
    const auto b = read(kPeer);
    CHECK(b.role == ike::Role::peer);
    CHECK(b.remote->to_string() == "192.0.2.2:500");
    CHECK(b.interface.empty());
    CHECK(b.networks.empty());
    CHECK(b.uniqueness == ike::Uniqueness::replace);
    CHECK_FALSE(b.childless);
    REQUIRE(b.children.size() == 1);
    ike::ChildConfig expected;
    expected.name = "net";
    expected.local = {child::selector(*Prefix::parse("10.1.0.0/16"))};
    expected.remote = {child::selector(*Prefix::parse("10.2.0.0/16"))};
    expected.terms.esp = child::default_esp_proposals();
    CHECK(b.children.front() == expected);
}

TEST_CASE("Every key of a child is read", "[conf]") {
    const auto b = read(with_child(
        R"("all": { "mode": "transport" },
           "web": { "mode": "tunnel", "local": ["10.1.0.0/16", "2001:db8::/64"], "start": "trap",
                    "remote": ["10.2.0.1 tcp/443", "2001:db8:2::1"], "without_sa": "clear", "esp": ["aes128gcm16-noesn"],
                    "rekey": { "time": "7d", "bytes": 1000, "packets": 7 }, "replay_window": 0, "dscp": "both",
                    "ecn": false, "df": "clear" },
           "one": { "local": ["10.1.0.0/16"], "remote": ["10.3.0.0/16"], "start": "now", "dscp": "in" })"));
    REQUIRE(b.children.size() == 3);
    CHECK(b.children[0].mode == child::Mode::transport);
    CHECK(b.children[0].local.empty());
    const auto& web = b.children[1];
    CHECK(web.mode == child::Mode::tunnel);
    CHECK(web.start == ike::Start::trap);
    CHECK(web.clear_without_sa);
    CHECK(web.local.size() == 2);
    CHECK(web.terms.esp == std::vector{child::EspProposal{
                               {{crypto::EncrId::aes_gcm_16, 128}}, {}, {}, {crypto::EsnId::none}}});
    CHECK(web.terms.lifetime == ike::Lifetime{7 * 24h, 1000, 7});
    CHECK(web.terms.replay_window == 0);
    CHECK(web.terms.outer ==
          child::OuterHeader{.ecn = false, .dscp_out = true, .dscp_in = true, .path_mtu = false});
    CHECK(b.children[2].start == ike::Start::now);
    CHECK(b.children[2].terms.outer == child::OuterHeader{.dscp_out = false, .dscp_in = true});
    CHECK(b.children[2].terms.lifetime == ike::Lifetime{1h, 0, 0});
}

TEST_CASE("Selectors are read as they are shown", "[conf]") {
    for (const auto* word : {"10.1.0.0/16", "2001:db8::/64 tcp/443", "10.0.0.1/32 udp/5000-5010",
                             "10.0.0.1-10.0.0.9 tcp", "0.0.0.0/0 icmp", "::/0 icmpv6", "10.0.0.0/8 47"})
        CHECK(text_of(word) == word);
    CHECK(text_of("10.0.0.1 gre") == "10.0.0.1/32 47");
    CHECK(parse_selector("10.0.0.0/8 icmp/8")->start_port == 0x0800);
    CHECK(parse_selector("10.0.0.0/8 icmp/8")->end_port == 0x08ff);
    CHECK(parse_selector("10.0.0.0/8 icmp/3/1")->start_port == 0x0301);
    CHECK(parse_selector("10.0.0.0/8 icmp/3/1")->end_port == 0x0301);
    CHECK(parse_selector("10.0.0.0/8 sctp/7")->ip_protocol == 132);
}

TEST_CASE("Selectors that are none say why", "[conf]") {
    CHECK(text_of("") == "\"\" is no prefix");
    CHECK(text_of("gw.example.org") == "\"gw.example.org\" is no prefix");
    CHECK(text_of("10.1.2.3/16") == "\"10.1.2.3/16\" has bits set after its length");
    CHECK(text_of("10.0.0.9-10.0.0.1") == "\"10.0.0.9-10.0.0.1\" is no range of addresses");
    CHECK(text_of("10.0.0.9-::1") == "\"10.0.0.9-::1\" is no range of addresses");
    CHECK(text_of("10.0.0.0/8 ") == "\"\" is no protocol");
    CHECK(text_of("10.0.0.0/8 0") == "\"0\" is no protocol");
    CHECK(text_of("10.0.0.0/8 256") == "\"256\" is no protocol");
    CHECK(text_of("10.0.0.0/8 tpc/80") == "\"tpc\" is no protocol");
    CHECK(text_of("10.0.0.0/8 tcp/") == "\"\" is no port");
    CHECK(text_of("10.0.0.0/8 tcp/65536") == "\"65536\" is no port");
    CHECK(text_of("10.0.0.0/8 tcp/9-8") == "\"9-8\" is no port");
    CHECK(text_of("10.0.0.0/8 tcp/1-") == "\"1-\" is no port");
    CHECK(text_of("10.0.0.0/8 icmp/256") == "\"256\" is no ICMP type");
    CHECK(text_of("10.0.0.0/8 icmp/3/") == "\"3/\" is no ICMP type");
    CHECK(text_of("10.0.0.0/8 icmpv6/128") == "\"icmpv6\" is not of the address's family");
    CHECK(text_of("::/0 icmp") == "\"icmp\" is not of the address's family");
    CHECK(text_of("10.0.0.0/8 gre/1") == "the protocol \"gre\" has no ports");
}

TEST_CASE("A selector's mistake is underlined where it is", "[conf]") {
    CHECK(mistakes(with_child(R"("net": { "local": ["10.1.0.0/16 tpc/80"], "remote": ["10.2.0.0/16"] })")) ==
          R"(sheafd.json:9:41: connections.b.children.net.local: "tpc" is no protocol
    9 |         "net": { "local": ["10.1.0.0/16 tpc/80"], "remote": ["10.2.0.0/16"] }
      |                                         ^~~
   write "tcp", "udp", "icmp", "icmpv6", "sctp" or the protocol's number, and "/" and a port
)");
}

TEST_CASE("Children must fit their mode, their peer and one another", "[conf]") {
    SECTION("none at all") {
        CHECK(mistake(with_child("")) == "connections.b has no child\n"
                                         "name at least one: \"children\": { \"net\": { ... } }");
    }
    SECTION("the key is missing") {
        CHECK(mistake(changed(kPeer, "\"children\"", "\"childern\"")) ==
              "unknown key \"childern\" in connections.b\ndid you mean \"children\"?");
    }
    SECTION("tunnel mode without a side") {
        CHECK(mistake(with_child(R"("net": { "local": ["10.1.0.0/16"] })")) ==
              "connections.b.children.net lacks \"remote\"\n"
              "in tunnel mode both sides name their networks: \"local\": [\"10.1.0.0/16\"]");
    }
    SECTION("families that do not meet") {
        CHECK(mistake(with_child(
                  R"("net": { "local": ["10.1.0.0/16", "2001:db8::/64"], "remote": ["10.2.0.0/16"] })")) ==
              "connections.b.children.net: \"2001:db8::/64\" meets no IPv6 on the other side\n"
              "add one to \"remote\", or remove this one");
    }
    SECTION("a network in transport mode") {
        CHECK(mistake(with_child(R"("net": { "mode": "transport", "remote": ["10.2.0.0/16 tcp"] })")) ==
              "connections.b.children.net.remote: \"10.2.0.0/16 tcp\" is no single address\n"
              "transport mode protects packets between two hosts; for networks use mode \"tunnel\"");
    }
    SECTION("a start without an address") {
        const std::string text = changed(kPeer, R"(, "address": "192.0.2.2")", "");
        CHECK(mistakes(text).empty());
        CHECK(mistake(changed(text, R"("local": ["10.1)", R"("start": "now", "local": ["10.1)")) ==
              "connections.b.children.net.start: \"now\" needs to know where the peer is\n"
              "add remote.address to the connection, or let the peer begin: \"manual\"");
    }
    SECTION("without_sa with nothing in place") {
        CHECK(mistake(changed(kPeer, R"("local": ["10.1)", R"("without_sa": "drop", "local": ["10.1)")) ==
              "connections.b.children.net.without_sa is for start \"trap\" and \"now\"\n"
              "without a policy in place, packets go as the routes say: remove it, or set \"start\"");
    }
    SECTION("the same traffic twice") {
        CHECK(
            mistake(changed(kPeer, R"("net": {)",
                            R"("old": { "local": ["10.1.0.0/16"], "remote": ["10.2.0.0/16"] }, "net": {)")) ==
            "connections.b.children.net: connections.b.children.old is for the same traffic\n"
            "only one of them would ever be used: remove one");
    }
    SECTION("extended sequence numbers without a window") {
        CHECK(mistake(changed(kPeer, R"("local": ["10.1)",
                              R"("replay_window": 0, "esp": ["aes256gcm16-esn"], "local": ["10.1)")) ==
              "connections.b.children.net.esp: \"aes256gcm16-esn\" needs a replay window\n"
              "Linux counts beyond 32 bits only with one: remove \"esn\", or \"replay_window\": 0");
    }
    SECTION("an interface for transport mode") {
        CHECK(mistake(changed(with_child(R"("net": { "mode": "transport" })"), R"("role")",
                              R"("interface": "x", "role")")) ==
              "connections.b.interface: transport mode has no use for an interface\n"
              "remove it: such packets stay on the interface that they leave by");
    }
    SECTION("more children than the limit") {
        CHECK(mistake(changed(changed(kPeer, R"("net": {)", R"("old": { "mode": "transport" }, "net": {)"),
                              R"("secrets")", R"("limits": { "children": 1 }, "secrets")")) ==
              "connections.b has 2 children, and 1 are the most\nraise limits.children");
    }
    SECTION("keys of other roles") {
        CHECK(mistake(changed(kPeer, R"("role")", R"("child_rekey": { "time": "1h" }, "role")")) ==
              "\"child_rekey\" in connections.b is for the roles \"gateway\", \"client\", \"home-agent\" or "
              "\"mobile-node\", not for \"peer\"\nremove it, or change the role");
        CHECK(mistake(changed(kClient, R"("start": true)", R"("unique": "many")")) ==
              "\"unique\" in connections.home is for the roles \"gateway\", \"peer\" or \"home-agent\", not "
              "for \"client\"\nremove it, or change the role");
    }
    SECTION("a pattern at an address") {
        CHECK(mistake(changed(
                  changed(kPeer, R"("b": { "id": "b.example.org")", R"("b": { "id": "*.example.org")"),
                  R"("remote": { "id": "b.example.org")", R"("remote": { "id": "*.example.org")")) ==
              "connections.b.remote.id: \"*.example.org\" is a pattern\n"
              "name the one identity that is at remote.address");
    }
}

TEST_CASE("A peer's interface is its own", "[conf]") {
    const std::string text = changed(kPeer, R"("role")", R"("interface": "to-b", "role")");
    CHECK(read(text).interface == "to-b");
    CHECK(mistake(changed(text, R"("connections": {)",
                          R"("connections": { "c": { "role": "peer", "interface": "to-b",
        "local": { "id": "a.example.org" }, "remote": { "id": "b.example.org", "address": "192.0.2.3" },
        "children": { "n": { "local": ["10.1.0.0/16"], "remote": ["10.3.0.0/16"] } } },)")) ==
          "connections.b: the interface \"to-b\" is that of connections.c\n"
          "give this connection another \"interface\"");
}

#include "conf/settings.h"
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

const std::vector<crypto::EsnId> kBoth{crypto::EsnId::esn, crypto::EsnId::none};

std::string text_of(const auth::SharedKey& key) { return {key.key->view().begin(), key.key->view().end()}; }

} // namespace

TEST_CASE("A client's file becomes a client", "[conf]") {
    const Settings settings = read(kClient);
    REQUIRE(settings.engine.connections.size() == 1);
    const auto& home = settings.engine.connections.front();
    CHECK(home.name == "home");
    CHECK(home.role == ike::Role::client);
    CHECK(home.local_id == auth::Identity::parse("alice.example.org"));
    CHECK(home.remote_id == auth::IdentityPattern::parse("gw.example.org"));
    CHECK(home.remote->to_string() == "[2001:db8:13::2]:500");
    CHECK_FALSE(home.local_address);
    CHECK(home.retransmit == ike::RetransmitPolicy{.first = 500ms, .tries = 5});
    CHECK(home.start);
    REQUIRE(settings.engine.credentials.shared_keys.size() == 1);
    CHECK(text_of(settings.engine.credentials.shared_keys.front()) == "correct horse");
}

TEST_CASE("What a file leaves out has the stated default", "[conf]") {
    const Settings settings = read(changed(kClient, ",\n      \"start\": true", ""));
    const auto& home = settings.engine.connections.front();
    CHECK(home.networks == std::vector{Prefix::all(Family::ipv6), Prefix::all(Family::ipv4)});
    CHECK(home.ike == child::default_ike_proposals());
    CHECK(home.child.esp == child::default_esp_proposals());
    CHECK(home.liveness == 30s);
    CHECK(home.request == ike::AddressRequest{});
    CHECK(home.children.empty());
    CHECK(home.interface == "sheaf0");
    CHECK_FALSE(home.start);
    CHECK(settings.engine.port == 500);
    CHECK(settings.engine.nat_port == 4500);
    CHECK(settings.engine.gateway_interface == "sheaf0");
    CHECK(settings.listen_addresses ==
          std::vector{IpAddress::any(Family::ipv6), IpAddress::any(Family::ipv4)});
}

TEST_CASE("Every key of a client is read", "[conf]") {
    const Settings settings = read(changed(
        changed(changed(kClient, "\"start\": true",
                        R"("start": false, "interface": "tun-1", "request": ["ipv6"], "liveness": "0s",
                           "networks": ["2001:db8::/32"], "ike": ["aes256-aes128-sha512-prfsha384-ecp384"],
                           "esp": ["chacha20poly1305-x25519", "aes128-sha256"])"),
                "\"id\": \"alice.example.org\"", R"("id": "alice@example.org", "address": "2001:db8::7")"),
        "\"2001:db8:13::2\"", "\"2001:db8:13::2\", \"port\": 1500"));
    const auto& home = settings.engine.connections.front();
    CHECK(home.interface == "tun-1");
    CHECK(home.request == ike::AddressRequest{.prefix = false, .ipv6 = true, .ipv4 = false, .dns = false});
    CHECK(home.liveness == Duration::zero());
    CHECK(home.networks == std::vector{*Prefix::parse("2001:db8::/32")});
    CHECK(home.local_address == IpAddress::parse("2001:db8::7"));
    CHECK(home.remote->port == 1500);
    REQUIRE(home.ike.size() == 1);
    CHECK(home.ike[0] == child::IkeProposal{{{crypto::EncrId::aes_cbc, 256}, {crypto::EncrId::aes_cbc, 128}},
                                            {crypto::IntegId::hmac_sha2_512_256},
                                            {crypto::PrfId::hmac_sha2_384},
                                            {crypto::KeId::ecp384}});
    REQUIRE(home.child.esp.size() == 2);
    CHECK(home.child.esp[0] ==
          child::EspProposal{{{crypto::EncrId::chacha20_poly1305, 0}}, {}, {crypto::KeId::x25519}, kBoth});
    CHECK(home.child.esp[1] ==
          child::EspProposal{
              {{crypto::EncrId::aes_cbc, 128}}, {crypto::IntegId::hmac_sha2_256_128}, {}, kBoth});
}

TEST_CASE("A gateway's file becomes a gateway", "[conf]") {
    const Settings settings = read(changed(
        changed(kGateway, "\"pools\": [", "\"dns\": [\"2001:db8::53\", \"192.0.2.53\"],\n      \"pools\": ["),
        "\"listen\": { \"port\": 500 }",
        R"("interface": "gw0", "listen": { "port": 1500, "nat_port": 5500, "addresses": ["192.0.2.1"] })"));
    const auto& engine = settings.engine;
    CHECK(engine.port == 1500);
    CHECK(engine.nat_port == 5500);
    CHECK(engine.gateway_interface == "gw0");
    CHECK(settings.listen_addresses == std::vector{*IpAddress::parse("192.0.2.1")});
    REQUIRE(engine.pools.size() == 2);
    CHECK(engine.pools[0] == address::PoolSpec{.name = "v6", .prefix = *Prefix::parse("2001:db8:100::/48")});
    CHECK(engine.pools[1] ==
          address::PoolSpec{.name = "v4", .prefix = *Prefix::parse("10.77.0.0/24"), .delegate = 32});
    const auto& clients = engine.connections.front();
    CHECK(clients.role == ike::Role::gateway);
    CHECK(clients.pools == std::vector<address::Want>{{{"v6"}}, {{"v4"}}});
    CHECK(clients.dns == std::vector{*IpAddress::parse("2001:db8::53"), *IpAddress::parse("192.0.2.53")});
    CHECK_FALSE(clients.remote);
}

TEST_CASE("The most specific secret comes first", "[conf]") {
    const Settings settings = read(changed(kGateway, "\"all\": {", R"("star": { "id": "*", "text": "1" },
        "wide": { "id": "*.org", "text": "2" }, "alice": { "id": "alice.example.org", "text": "3" }, "all": {)"));
    std::vector<std::string> order;
    for (const auto& key : settings.engine.credentials.shared_keys)
        order.push_back(key.peer.to_string());
    CHECK(order == std::vector<std::string>{"alice.example.org", "*.example.org", "*.org", "*"});
}

TEST_CASE("All mistakes of a file are told at once, in its order", "[conf]") {
    const auto loaded =
        parse("x", changed(changed(kGateway, "\"v6\", \"v4\"", "\"v5\""), "\"listen\"", "\"lisen\""), {});
    REQUIRE_FALSE(loaded);
    REQUIRE(loaded.error().size() == 2);
    CHECK(loaded.error()[0].message == "unknown key \"lisen\" at the top level");
    CHECK(loaded.error()[1].message == "connections.clients.pools: there is no pool \"v5\"");
    CHECK(to_string(loaded.error()).ends_with("\n2 mistakes\n"));
}

TEST_CASE("Mistakes of one part are not told again by another", "[conf]") {
    // A malformed pool is still the one that a connection names, a malformed id may be the one that is
    // missing.
    CHECK(parse("x", changed(kGateway, "2001:db8:100::/48", "2001:db8:100::/148"), {}).error().size() == 1);
    CHECK(parse("x",
                changed(kGateway, "{ \"id\": \"*.example.org\", \"text\"", "{ \"id\": \"*.*\", \"text\""), {})
              .error()
              .size() == 1);
}

TEST_CASE("Overlaps are found whatever stands between and in which order", "[conf]") {
    const auto loaded =
        parse("x", changed(kGateway, "\"v6\": {", R"("inner": { "prefix": "2001:db8:300:1::/64" },
        "far": { "prefix": "2001:db8:200::/48" }, "outer": { "prefix": "2001:db8:300::/48" },
        "last": { "prefix": "2001:db8:300:ff::/64" }, "after": { "prefix": "2001:db8:301::/48" }, "v6": {)"),
              {});
    REQUIRE_FALSE(loaded);
    REQUIRE(loaded.error().size() == 2);
    CHECK(loaded.error()[0].message ==
          "pools.outer: 2001:db8:300::/48 overlaps 2001:db8:300:1::/64 of pools.inner");
    CHECK(loaded.error()[1].message ==
          "pools.last: 2001:db8:300:ff::/64 overlaps 2001:db8:300::/48 of pools.outer");
}

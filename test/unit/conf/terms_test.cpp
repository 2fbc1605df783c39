// The life of SAs, limits and weak algorithms: what is read, and what is told.
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

std::vector<child::EspProposal> esp_of(std::string_view words) {
    return read(changed(kGateway, R"("esp": ["aes256gcm16"])", R"("esp": [")" + std::string(words) + R"("])"))
        .engine.connections.front()
        .child.esp;
}

} // namespace

TEST_CASE("The life of SAs has the stated defaults", "[conf]") {
    const auto home = read(kClient).engine.connections.front();
    CHECK(home.rekey == 4h);
    CHECK(home.reauth == 0s);
    CHECK(home.nat_keepalive == 20s);
    CHECK_FALSE(home.force_encapsulation);
    CHECK_FALSE(home.childless);
    CHECK(home.auth == auth::Terms{});
    CHECK(home.child.lifetime == ike::Lifetime{1h, 0, 0});
    CHECK(home.child.replay_window == 64);
    CHECK(home.child.outer == child::OuterHeader{});
}

TEST_CASE("Every key of the life of SAs is read", "[conf]") {
    const auto home =
        read(changed(kClient, "\"start\": true", R"("rekey": "0s", "reauth": "30d", "nat_keepalive": "0s",
        "child_rekey": { "time": "10m", "bytes": 9000000000000000000 }, "replay_window": 1024, "dscp": "none",
        "ecn": false, "df": "clear", "encapsulation": "always")"))
            .engine.connections.front();
    CHECK(home.rekey == 0s);
    CHECK(home.reauth == 30 * 24h);
    CHECK(home.nat_keepalive == 0s);
    CHECK(home.child.lifetime == ike::Lifetime{10min, 9'000'000'000'000'000'000U, 0});
    CHECK(home.child.replay_window == 1024);
    CHECK(home.child.outer ==
          child::OuterHeader{.ecn = false, .dscp_out = false, .dscp_in = false, .path_mtu = false});
    CHECK(home.force_encapsulation);
    CHECK(read(changed(kGateway, "\"role\"", "\"unique\": \"many\", \"role\""))
              .engine.connections.front()
              .uniqueness == ike::Uniqueness::many);
    CHECK(read(changed(kGateway, "\"role\"", "\"unique\": \"keep\", \"role\""))
              .engine.connections.front()
              .uniqueness == ike::Uniqueness::keep);
}

TEST_CASE("Limits are read", "[conf]") {
    const auto limits =
        read(changed(kGateway, "\"listen\"", R"("limits": { "cookies_from": 1, "cookies_from_per_source": 2,
        "half_open": 3, "half_open_timeout": "4s", "ike_sas": 5, "children": 6 }, "listen")"))
            .engine.limits;
    CHECK(limits.half_open_for_cookies == 1);
    CHECK(limits.half_open_per_source == 2);
    CHECK(limits.half_open == 3);
    CHECK(limits.half_open_timeout == 4s);
    CHECK(limits.ike_sas == 5);
    CHECK(limits.children_per_ike_sa == 6);
    CHECK(mistakes(changed(kGateway, "\"listen\"", R"("limits": { "half_open": 10 }, "listen")")) ==
          R"(sheafd.json:2:28: limits: no cookie would be asked for before "half_open" is reached
    2 |   "limits": { "half_open": 10 }, "listen": { "port": 500 },
      |                            ^~
   make "cookies_from" smaller than "half_open"
)");
    CHECK(mistakes(changed(kGateway, "\"listen\"", R"("limits": { "half_open_timeout": "0s" }, "listen")")) ==
          R"(sheafd.json:2:36: limits.half_open_timeout: no peer could prove its identity in no time
    2 |   "limits": { "half_open_timeout": "0s" }, "listen": { "port": 500 },
      |                                    ^~~~
   write "30s", or leave it out
)");
}

TEST_CASE("Lifetimes have a bound", "[conf]") {
    CHECK(mistakes(changed(kClient, "\"start\": true", "\"rekey\": \"31d\"")) ==
          R"(sheafd.json:9:16: connections.home.rekey: "31d" is not between 0s and 30d
    9 |       "rekey": "31d"
      |                ^~~~~
)");
}

TEST_CASE("Sequence numbers and key exchanges of ESP", "[conf]") {
    using crypto::EsnId;
    using crypto::KeId;
    CHECK(esp_of("aes256gcm16").front().sequence_numbers == std::vector{EsnId::esn, EsnId::none});
    CHECK(esp_of("aes256gcm16-esn").front().sequence_numbers == std::vector{EsnId::esn});
    CHECK(esp_of("aes256gcm16-noesn").front().sequence_numbers == std::vector{EsnId::none});
    CHECK(esp_of("aes256gcm16-noesn-esn").front().sequence_numbers == std::vector{EsnId::none, EsnId::esn});
    CHECK(esp_of("aes256gcm16-x25519-none").front().key_exchange == std::vector{KeId::x25519, KeId::none});
    CHECK(esp_of("aes256gcm16-none").front().key_exchange.empty());
    CHECK(mistakes(changed(kGateway, "-x25519", "-x25519-esn")).find("unknown algorithm \"esn\"") !=
          std::string::npos);
}

TEST_CASE("Without a replay window there are no extended sequence numbers", "[conf]") {
    const auto home =
        read(changed(kClient, "\"start\": true", "\"replay_window\": 0")).engine.connections.front();
    for (const auto& proposal : home.child.esp)
        CHECK(proposal.sequence_numbers == std::vector{crypto::EsnId::none});
}

TEST_CASE("Weak algorithms are had by their full word alone, and noted", "[conf]") {
    CHECK(mistakes(changed(kGateway, "prfsha256", "prfsha1")) ==
          R"(sheafd.json:14:28: connections.clients.ike: the algorithm "prfsha1" is too weak to be offered
   14 |       "ike": ["aes256gcm16-prfsha1-x25519"],
      |                            ^~~~~~~
   use "prfsha256"; if the peer has nothing better, write "weak-prfsha1"
)");
    const auto settings =
        read(changed(changed(kGateway, "prfsha256", "prfsha256-weak-prfsha1"), R"(["aes256gcm16"])",
                     R"(["aes256-weak-sha1-sha256", "aes256gcm16"])"));
    const auto& clients = settings.engine.connections.front();
    CHECK(clients.ike.front().prf == std::vector{crypto::PrfId::hmac_sha2_256, crypto::PrfId::hmac_sha1});
    CHECK(clients.child.esp.front().integrity ==
          std::vector{crypto::IntegId::hmac_sha1_96, crypto::IntegId::hmac_sha2_256_128});
    CHECK(settings.notes == std::vector<std::string>{"connections.clients.ike offers the weak algorithm "
                                                     "\"weak-prfsha1\": do so only while the peer has "
                                                     "nothing better",
                                                     "connections.clients.esp offers the weak algorithm "
                                                     "\"weak-sha1\": do so only while the peer has nothing "
                                                     "better"});
    CHECK(mistakes(changed(kGateway, "prfsha256", "weak-prfmd5")).find("unknown algorithm \"weak-prfmd5\"") !=
          std::string::npos);
    CHECK(mistakes(changed(kGateway, "prfsha256", "weak")).find("unknown algorithm \"weak-x25519\"") !=
          std::string::npos);
}

TEST_CASE("What is strong has no notes, and the rest is told by its place", "[conf]") {
    CHECK(read(kClient).notes.empty());
    CHECK(read(kGateway).notes.empty());
    CHECK(read(changed(changed(kPeer, "\"net\": {",
                               "\"net\": { \"replay_window\": 0, \"esp\": [\"aes256-weak-sha1\"],"),
                       "\"address\"", "\"allow_sha1\": true, \"address\""))
              .notes ==
          std::vector<std::string>{
              "connections.b.remote.allow_sha1: signatures with SHA-1 are accepted, which can be forged",
              "connections.b.children.net.esp offers the weak algorithm \"weak-sha1\": do so only while the "
              "peer has "
              "nothing better",
              "connections.b.children.net.replay_window is 0: replayed packets are taken for new ones"});
}

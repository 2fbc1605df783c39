#include "daemon/event_json.h"
#include "daemon/event_text.h"
#include "daemon/remedy.h"
#include "daemon/status_json.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

TEST_CASE("A gateway's status as JSON", "[daemon]") {
    CHECK(status_json(gateway_snapshot()).dump(2) == R"({
  "ike_sas": [
    {
      "name": "clients",
      "role": "gateway",
      "state": "established",
      "initiator": false,
      "local_id": "gw.example.org",
      "peer_id": "alice.example.org",
      "local": "[2001:db8:13::2]:500",
      "peer": "[2001:db8:7:1::2]:500",
      "suite": "aes256gcm16-prfsha256-x25519",
      "spi_i": "0123456789abcdef",
      "spi_r": "00000000000000ff",
      "nat": {
        "here": false,
        "there": true
      },
      "established_s": 12.346,
      "rekey_s": 10800.0,
      "last_heard_s": 1.5,
      "link": {
        "number": "0x53000001",
        "interface": "sheaf0",
        "prefixes": [
          "2001:db8:100:1::/64",
          "10.77.0.1/32"
        ],
        "addresses": [],
        "link_local": "fe80::a"
      },
      "link_s": 93600.0,
      "leases": [
        {
          "pool": "v6",
          "block": "2001:db8:100:1::/64"
        },
        {
          "pool": "v4",
          "block": "10.77.0.1/32"
        }
      ],
      "dns": [],
      "children": [
        {
          "name": "clients",
          "state": "live",
          "spi_in": "0xc0ffee01",
          "spi_out": "0x00000abc",
          "suite": "aes256gcm16",
          "mode": "tunnel",
          "encap": true,
          "installed": true,
          "local_ts": [
            "::/0"
          ],
          "remote_ts": [
            "2001:db8:100:1::/64"
          ],
          "since_s": 12.0,
          "rekey_s": 3000.5,
          "bytes_in": 1536,
          "bytes_out": 2000000,
          "packets_in": 12,
          "packets_out": 1500
        }
      ]
    }
  ],
  "connections": [
    {
      "name": "clients",
      "role": "gateway",
      "state": "serving",
      "ike_sas": 1
    }
  ],
  "pools": [
    {
      "name": "v6",
      "prefix": "2001:db8:100::/48",
      "delegate": 64,
      "size": 65536,
      "used": 1,
      "kept": 2,
      "state": "ok",
      "warn_at": 90,
      "lease_s": 86400,
      "reserved": 1,
      "next_free_s": 72000,
      "exhausted_s": 2592000
    }
  ],
  "half_open": 2,
  "counters": {
    "datagrams_in": 10,
    "datagrams_out": 9,
    "retransmits": 1,
    "handshakes": 1,
    "refused": {
      "integrity_check": 3
    }
  }
})");
}

TEST_CASE("A client's link has addresses and routes", "[daemon]") {
    CHECK(to_json(client_link()).dump() == R"({"number":"0x53000002","interface":"sheaf0","routes":["::/0"],)"
                                           R"("addresses":["2001:db8:100:1::1/64","fe80::1/64"]})");
}

TEST_CASE("A client's link tells what is deprecated, delegated and handed on", "[daemon]") {
    auto link = client_link();
    link.addresses.front().deprecated = true;
    link.delegated = {*Prefix::parse("2001:db8:100::/56")};
    link.lan = {{"lan0", *IpAddress::parse("2001:db8:100:1::1"), 64}};
    const auto json = to_json(link);
    CHECK(json["deprecated"].dump() == R"(["2001:db8:100:1::1/64"])");
    CHECK(json["delegated"].dump() == R"(["2001:db8:100::/56"])");
    CHECK(json["lan"].dump() == R"([{"interface":"lan0","address":"2001:db8:100:1::1/64"}])");
    CHECK(json["addresses"].size() == 2);
}

TEST_CASE("IKE SAs of one authentication are told as a family", "[daemon]") {
    auto sa = gateway_status().ike_sas.front();
    CHECK_FALSE(to_json(sa, kNow).contains("family"));
    sa.family = 0xfe;
    CHECK(to_json(sa, kNow)["family"] == "00000000000000fe");
}

TEST_CASE("Name servers are told with the domains that they are for", "[daemon]") {
    auto sa = gateway_status().ike_sas.front();
    sa.dns = {*IpAddress::parse("2001:db8:9::53")};
    sa.dns_domains = {"example.org"};
    const auto json = to_json(sa, kNow);
    CHECK(json["dns"].dump() == R"(["2001:db8:9::53"])");
    CHECK(json["dns_domains"].dump() == R"(["example.org"])");
}

TEST_CASE("Figures that the kernel has not told are left out", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.usage.reset();
    CHECK_FALSE(status_json(snapshot)["ike_sas"][0]["children"][0].contains("bytes_in"));
    snapshot.usage.emplace(std::vector<xfrm::SaUsage>{});
    CHECK_FALSE(status_json(snapshot)["ike_sas"][0]["children"][0].contains("bytes_in"));
    snapshot.usage.emplace(
        std::vector<xfrm::SaUsage>{{*IpAddress::parse("2001:db8:13::2"), 0xc0ffee01, 1536, 12}});
    const auto half = status_json(snapshot)["ike_sas"][0]["children"][0];
    CHECK(half["bytes_in"] == 1536);
    CHECK(half["bytes_out"] == 0);
}

TEST_CASE("How much of a pool is left", "[daemon]") {
    auto snapshot = gateway_snapshot();
    auto& pool = snapshot.pools.front();
    const auto state = [&](std::uint64_t used, std::uint64_t kept, unsigned warn_at = 90) {
        pool.size = 100;
        pool.used = used;
        pool.kept = kept;
        pool.spec.warn_at = warn_at;
        return pools_json(snapshot)["pools"][0]["state"].get<std::string>();
    };
    CHECK(state(0, 0) == "ok");
    CHECK(state(80, 9) == "ok");
    CHECK(state(80, 10) == "low");
    CHECK(state(99, 0, 0) == "ok");
    CHECK(state(99, 1, 0) == "full");
    pool.size = pool.used = UINT64_MAX;
    CHECK(pools_json(snapshot)["pools"][0]["state"] == "full");
    pool.next_free.reset();
    pool.exhausted_at.reset();
    CHECK_FALSE(pools_json(snapshot)["pools"][0].contains("next_free_s"));
    CHECK_FALSE(pools_json(snapshot)["pools"][0].contains("exhausted_s"));
}

TEST_CASE("A client that waits tells for what and why", "[daemon]") {
    const Snapshot snapshot{waiting_status(), {}, {}, kNow, kWall};
    const auto json = status_json(snapshot);
    CHECK(json["connections"].dump() ==
          R"([{"name":"home","role":"client","state":"waiting","ike_sas":0,"next_attempt_s":4.0,)"
          R"("last_error":"the peer did not answer"}])");
    CHECK(json["ike_sas"].dump() == "[]");
    CHECK(
        list_json(snapshot).dump() ==
        R"({"connections":[{"name":"home","role":"client","state":"waiting","ike_sas":0,"next_attempt_s":4.0,)"
        R"("last_error":"the peer did not answer"}],"pools":[]})");
}

TEST_CASE("Whatever a peer calls itself, the JSON is one line of UTF-8", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.ike_sas.front().peer_id = "\xff\n\"";
    const std::string line = one_line(status_json(snapshot));
    CHECK(line.find('\n') == std::string::npos);
    CHECK(nlohmann::json::accept(line));
}

TEST_CASE("Events as JSON", "[daemon]") {
    const auto line = [](const ike::Event& event) { return one_line(to_json(event, "T")); };
    CHECK(line(ike_up()) ==
          R"({"schema":1,"time":"T","event":"ike_up","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org",)"
          R"("suite":"aes256gcm16-prfsha256-x25519","nat":true})");
    CHECK(line(ike_down()) ==
          R"({"schema":1,"time":"T","event":"ike_down","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","reason":"failed","detail":"no proposal",)"
          R"("retrying":true})");
    CHECK(
        line(child_up()) ==
        R"({"schema":1,"time":"T","event":"child_up","name":"clients","spi":"00000000000000ff",)"
        R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","spi_in":"0x00000100","spi_out":"0x00000200",)"
        R"("suite":"aes256gcm16","link":{"number":"0x53000002","interface":"sheaf0","routes":["::/0"],)"
        R"("addresses":["2001:db8:100:1::1/64","fe80::1/64"]},"local_ts":["2001:db8:100:1::/64"],)"
        R"("remote_ts":["::/0"]})");
    CHECK(line(peer_child_up()) ==
          R"({"schema":1,"time":"T","event":"child_up","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","child":"office","spi_in":"0x00000100",)"
          R"("spi_out":"0x00000200","suite":"aes256gcm16","local_ts":["10.1.0.0/16"],)"
          R"("remote_ts":["10.2.0.0/16","10.3.0.1/32 tcp/80"]})");
    CHECK(line(ike::IkeCloned{sa_name(), 0xaa, "aes256gcm16-prfsha256-x25519"})
              .find(R"("event":"ike_cloned")") != std::string::npos);
    CHECK(line(ike::IkeRekeyed{sa_name(), 0xaa, "aes256gcm16-prfsha256-x25519"}) ==
          R"({"schema":1,"time":"T","event":"ike_rekeyed","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","old_spi":"00000000000000aa",)"
          R"("suite":"aes256gcm16-prfsha256-x25519"})");
    CHECK(
        line(ike::ChildRekeyed{sa_name(), "office", 0x90, 0x100, 0x200, "aes256gcm16"}) ==
        R"({"schema":1,"time":"T","event":"child_rekeyed","name":"clients","spi":"00000000000000ff",)"
        R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","child":"office","old_spi_in":"0x00000090",)"
        R"("spi_in":"0x00000100","spi_out":"0x00000200","suite":"aes256gcm16"})");
    CHECK(
        line(ike::Moved{sa_name(), *IpAddress::parse("192.0.2.7"), *IpAddress::parse("192.0.2.8")}) ==
        R"({"schema":1,"time":"T","event":"moved","name":"clients","spi":"00000000000000ff",)"
        R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","local":"192.0.2.7","before":"192.0.2.8"})");
    CHECK(line(ike::PeerMoved{sa_name(), {*IpAddress::parse("192.0.2.9"), 4500}}) ==
          R"({"schema":1,"time":"T","event":"peer_moved","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","before":"192.0.2.9:4500"})");
    CHECK(line(path_down()) ==
          R"({"schema":1,"time":"T","event":"path_changed","name":"home","peer_id":"gw.example.org",)"
          R"("uplink":"wwan0","gateway":"192.0.2.2","state":"down","why":"wwan0 has no carrier"})");
    CHECK(line(ike::PathChanged{sa_name(), {}, *IpAddress::parse("192.0.2.2"), "up", {}}) ==
          R"({"schema":1,"time":"T","event":"path_changed","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","gateway":"192.0.2.2","state":"up"})");
    CHECK(line(group_made()) ==
          R"({"schema":1,"time":"T","event":"group_changed","group":"sites","what":"made",)"
          R"("group_spi":"0xf0000002","generation":2,"why":"a member left"})");
    CHECK(line(member_failed()) ==
          R"({"schema":1,"time":"T","event":"group_changed","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","group":"sites","what":"member_failed",)"
          R"("group_spi":"0xf0000002","generation":2,"why":"NO_PROPOSAL_CHOSEN"})");
    CHECK(
        line(ike::ChildDown{sa_name(), {}, 0x100, 0x200}) ==
        R"({"schema":1,"time":"T","event":"child_down","name":"clients","spi":"00000000000000ff",)"
        R"("peer":"192.0.2.1:500","peer_id":"alice.example.org","spi_in":"0x00000100","spi_out":"0x00000200"})");
    CHECK(line(leased(ike::Leased::What::assigned)) ==
          R"({"schema":1,"time":"T","event":"lease_assigned","name":"clients","spi":"00000000000000ff",)"
          R"("peer":"192.0.2.1:500","peer_id":"alice.example.org",)"
          R"("blocks":["2001:db8:100:1::/64","10.77.0.1/32"]})");
    CHECK(to_json(leased(ike::Leased::What::renewed), "T")["event"] == "lease_renewed");
    CHECK(to_json(leased(ike::Leased::What::released), "T")["event"] == "lease_released");
    CHECK(
        line(pool_low(false)) ==
        R"({"schema":1,"time":"T","event":"pool_low","pool":"v4","used":231,"size":256,"exhausted":false})");
    CHECK(line(refused()) ==
          R"({"schema":1,"time":"T","event":"refused","rule":"integrity_check",)"
          R"("sentence":"the integrity check of the message fails","peer":"192.0.2.1:500",)"
          R"("spi":"00000000000000ff"})");
    CHECK(line(traced()) ==
          R"({"schema":1,"time":"T","event":"message","sent":true,"exchange":"IKE_AUTH",)"
          R"("response":true,"message_id":1,"spi_i":"0000000000000001","spi_r":"0000000000000002",)"
          R"("local":"192.0.2.2:500","peer":"192.0.2.1:500","length":200,"payloads":"SK"})");
    CHECK(line(prefix_gone()) ==
          R"({"schema":1,"time":"T","event":"binding_changed","name":"home","home":"2001:db8:a::100",)"
          R"("what":"prefix_gone","why":"the home agent has 2001:db8:b::/64"})");
    CHECK(line(at_home()) ==
          R"({"schema":1,"time":"T","event":"binding_changed","name":"home","home":"2001:db8:a::100",)"
          R"("what":"at_home","why":"eth0"})");
    CHECK(one_line(held_back_json(7, "T")) ==
          R"({"schema":1,"time":"T","event":"refused_held_back","count":7})");
}

TEST_CASE("Events as log lines", "[daemon]") {
    const auto is = [](const ike::Event& event, LogLevel level, std::string_view text) {
        const auto said = describe(event);
        CHECK(said.text == text);
        CHECK(said.level == level);
    };
    is(ike_up(), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: IKE SA up, aes256gcm16-prfsha256-x25519, "
       "through a NAT");
    is(ike_down(), LogLevel::warning,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: IKE SA down, failed: no proposal; will "
       "try again");
    is(child_up(), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: Child SA up, in 0x00000100 out "
       "0x00000200, "
       "aes256gcm16, 2001:db8:100:1::1/64, fe80::1/64 on sheaf0");
    is(peer_child_up(), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: Child SA office up, in 0x00000100 out "
       "0x00000200, aes256gcm16, 10.1.0.0/16 to 10.2.0.0/16, 10.3.0.1/32 tcp/80");
    is(ike::IkeRekeyed{sa_name(), 0xaa, "aes256gcm16-prfsha256-x25519"}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: IKE SA rekeyed, was [00000000000000aa], "
       "aes256gcm16-prfsha256-x25519");
    is(ike::ChildRekeyed{sa_name(), "office", 0x90, 0x100, 0x200, "aes256gcm16"}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: Child SA office rekeyed, in 0x00000100 "
       "out "
       "0x00000200, in was 0x00000090, aes256gcm16");
    is(ike::Moved{sa_name(), *IpAddress::parse("192.0.2.7"), *IpAddress::parse("192.0.2.8")}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: we have moved to 192.0.2.7, were at "
       "192.0.2.8");
    is(ike::PeerMoved{sa_name(), {*IpAddress::parse("192.0.2.9"), 4500}}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: the peer has moved, was 192.0.2.9:4500");
    is(path_down(), LogLevel::warning,
       "home gw.example.org: path over wwan0 to 192.0.2.2 is down: wwan0 has no carrier");
    is(prefix_gone(), LogLevel::warning,
       "home: home address 2001:db8:a::100: its prefix is gone from the home link: the home agent has "
       "2001:db8:b::/64");
    is(at_home(), LogLevel::info, "home: home address 2001:db8:a::100: at home: eth0");
    is(ike::PathChanged{sa_name(), {}, *IpAddress::parse("192.0.2.2"), "up", {}}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: path to 192.0.2.2 is up");
    is(group_unfit(), LogLevel::warning, "group \"sites\": the kernel refuses what it needs: SPD: no room");
    is(group_made(), LogLevel::info, "group \"sites\": SA 0xf0000002 (generation 2) made: a member left");
    is(member_failed(), LogLevel::warning,
       "group \"sites\": clients[00000000000000ff] alice.example.org 192.0.2.1:500 does not have SA "
       "0xf0000002 "
       "(generation 2): NO_PROPOSAL_CHOSEN");
    using What = ike::GroupChanged::What;
    is(ike::GroupChanged{"sites", What::member_failed, 0, 0, sa_name(), "a NAT"}, LogLevel::warning,
       "group \"sites\": clients[00000000000000ff] alice.example.org 192.0.2.1:500 is told no SA: a NAT");
    is(ike::GroupChanged{"sites", What::settled, 2, 2, {}, {}}, LogLevel::info,
       "group \"sites\": SA 0x00000002 (generation 2) is what all members send with");
    is(ike::GroupChanged{"sites", What::retired, 2, 2, {}, {}}, LogLevel::info,
       "group \"sites\": SA 0x00000002 (generation 2) is taken by nobody any more");
    is(ike::GroupChanged{"sites", What::joined, 2, 2, sa_name(), {}}, LogLevel::info,
       "group \"sites\": clients[00000000000000ff] alice.example.org 192.0.2.1:500 joined");
    is(ike::GroupChanged{"sites", What::left, 2, 2, sa_name(), "deleted"}, LogLevel::info,
       "group \"sites\": clients[00000000000000ff] alice.example.org 192.0.2.1:500 left: deleted");
    is(ike::GroupChanged{"sites", What::installed, 2, 0, {}, {}}, LogLevel::info,
       "group \"sites\": SA 0x00000002 installed, packets under it are taken");
    is(ike::GroupChanged{"sites", What::sending, 2, 0, {}, {}}, LogLevel::info,
       "group \"sites\": SA 0x00000002 is sent with");
    is(ike::GroupChanged{"sites", What::removed, 2, 0, {}, {}}, LogLevel::info,
       "group \"sites\": SA 0x00000002 removed");
    is(ike::GroupChanged{"sites", What::refused, 2, 0, {}, "SHA-1 is used"}, LogLevel::warning,
       "group \"sites\": SA 0x00000002 refused: SHA-1 is used");
    is(ike::ChildDown{sa_name(), {}, 0x100, 0x200}, LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: Child SA down, in 0x00000100 out "
       "0x00000200");
    is(leased(ike::Leased::What::assigned), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: assigned 2001:db8:100:1::/64, "
       "10.77.0.1/32");
    is(leased(ike::Leased::What::renewed), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: assigned again 2001:db8:100:1::/64, "
       "10.77.0.1/32");
    is(leased(ike::Leased::What::released), LogLevel::info,
       "clients[00000000000000ff] alice.example.org 192.0.2.1:500: released 2001:db8:100:1::/64, "
       "10.77.0.1/32");
    const std::string help = std::string("; ") + std::string(kPoolRemedy);
    is(pool_low(false), LogLevel::warning, "pool \"v4\" is nearly used up: 231 of 256" + help);
    is(pool_low(true), LogLevel::warning,
       "pool \"v4\" is used up: 256 of 256, and a client was sent away" + help);
    is(refused(), LogLevel::info,
       "refused[00000000000000ff] 192.0.2.1:500: integrity_check: the integrity check of the message fails");
    is(traced(), LogLevel::debug,
       "out IKE_AUTH response 1 192.0.2.1:500 0000000000000001_0000000000000002 200 octets: SK");
    is(ike::Refused{Rule::kernel_refused, {}, 0, "SAD: no"}, LogLevel::warning,
       "refused: kernel_refused: the kernel refused an SA, policy, route or link: SAD: no");
    auto nameless = ike_down();
    nameless.sa.peer_id = "";
    nameless.reason = ike::DownReason::command;
    nameless.detail = "a\nb";
    nameless.retrying = false;
    is(nameless, LogLevel::info, "clients[00000000000000ff] 192.0.2.1:500: attempt ended, command: a\\nb");
}

TEST_CASE("What a client was given is logged without the link-local address", "[daemon]") {
    auto event = child_up();
    event.link = *gateway_status().ike_sas.front().link;
    CHECK(describe(event).text.ends_with("aes256gcm16, 2001:db8:100:1::/64, 10.77.0.1/32 on sheaf0"));
}

TEST_CASE("what is refused for want of room names the limit that it ran into") {
    CHECK(remedy(Rule::too_many_half_open).find("\"half_open\"") != std::string_view::npos);
    CHECK(remedy(Rule::too_many_of_identity).find("\"ike_sas_per_identity\"") != std::string_view::npos);
}

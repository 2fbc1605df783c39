#include "daemon/clients_json.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;

namespace {

// A second IKE SA of the same client on the same link, ten seconds old.
ike::IkeSaStatus second_path(const Snapshot& snapshot) {
    auto sa = snapshot.status.ike_sas.front();
    sa.spi_r = 0x100;
    sa.established = kNow - 10s;
    sa.peer.port = 4501;
    sa.children.front().spi_in = 0xc0ffee02;
    sa.children.front().spi_out = 0xabd;
    sa.children.front().since = kNow - 10s;
    return sa;
}

ike::IkeSaStatus other_client(const Snapshot& snapshot) {
    auto sa = snapshot.status.ike_sas.front();
    sa.link->number = 0x53000000;
    sa.link->routes = {*Prefix::parse("2001:db8:100:2::/64"), *Prefix::parse("2001:db8:200:2::/56")};
    sa.leases.clear();
    sa.peer_id = "bob.example.org";
    sa.peer.address = *IpAddress::parse("192.0.2.9");
    sa.children.clear();
    return sa;
}

} // namespace

TEST_CASE("A client as JSON", "[daemon]") {
    CHECK(clients_json(gateway_snapshot(), "").dump(2) == R"({
  "clients": [
    {
      "name": "clients",
      "peer_id": "alice.example.org",
      "link": "0x53000001",
      "interface": "sheaf0",
      "link_s": 93600.0,
      "prefixes": [
        "2001:db8:100:1::/64",
        "10.77.0.1/32"
      ],
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
      "link_local": "fe80::a",
      "bytes_in": 1536,
      "bytes_out": 2000000,
      "packets_in": 12,
      "packets_out": 1500,
      "counted_s": 12.0,
      "paths": [
        {
          "state": "established",
          "local": "[2001:db8:13::2]:500",
          "peer": "[2001:db8:7:1::2]:500",
          "nat": {
            "here": false,
            "there": true
          },
          "encap": true,
          "spi_i": "0123456789abcdef",
          "spi_r": "00000000000000ff",
          "established_s": 12.346,
          "last_heard_s": 1.5
        }
      ]
    }
  ]
})");
}

TEST_CASE("Two IKE SAs on one link are one client, the latest path first", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.ike_sas.push_back(second_path(snapshot));
    snapshot.status.ike_sas.back().leases.front().block = *Prefix::parse("2001:db8:100:9::/64");
    snapshot.usage.emplace(std::vector<xfrm::SaUsage>{
        {*IpAddress::parse("2001:db8:13::2"), 0xc0ffee01, 1000, 10},
        {*IpAddress::parse("2001:db8:13::2"), 0xc0ffee02, 500, 5},
        {*IpAddress::parse("2001:db8:7:1::2"), 0xabc, 30, 3},
        {*IpAddress::parse("2001:db8:7:1::2"), 0xabd, 4, 2},
    });
    const auto json = clients_json(snapshot, "");
    REQUIRE(json["clients"].size() == 1);
    const auto& client = json["clients"][0];
    REQUIRE(client["paths"].size() == 2);
    CHECK(client["paths"][0]["spi_r"] == "0000000000000100");
    CHECK(client["paths"][1]["spi_r"] == "00000000000000ff");
    CHECK(client["leases"].dump() ==
          R"([{"pool":"v6","block":"2001:db8:100:9::/64"},{"pool":"v4","block":"10.77.0.1/32"},)"
          R"({"pool":"v6","block":"2001:db8:100:1::/64"}])");
    CHECK(client["bytes_in"] == 1500);
    CHECK(client["bytes_out"] == 34);
    CHECK(client["packets_in"] == 15);
    CHECK(client["packets_out"] == 5);
    CHECK(client["counted_s"] == 12.0);
}

TEST_CASE("Only links of a gateway are clients'", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.ike_sas.front().role = ike::Role::client;
    CHECK(clients_json(snapshot, "")["clients"].empty());
    snapshot = gateway_snapshot();
    snapshot.status.ike_sas.front().link.reset();
    CHECK(clients_json(snapshot, "")["clients"].empty());
}

TEST_CASE("Clients are found by names and by all of their addresses", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.ike_sas.push_back(other_client(snapshot));
    const auto found = [&](std::string_view name) {
        const auto json = clients_json(snapshot, name);
        std::string out;
        for (const auto& client : json["clients"]) {
            const auto id = client["peer_id"].get<std::string>();
            out += id.substr(0, id.find('.')) + " ";
        }
        return out;
    };
    CHECK(found("") == "bob alice ");
    CHECK(found("clients") == "bob alice ");
    CHECK(found("alice.example.org") == "alice ");
    CHECK(found("192.0.2.9") == "bob ");
    CHECK(found("192.0.2.9:500") == "bob ");
    CHECK(found("2001:db8:100:1:dead::beef") == "alice ");
    CHECK(found("10.77.0.1") == "alice ");
    CHECK(found("2001:db8:200:2a::1") == "bob ");
    CHECK(found("2001:db8:300::1").empty());
    CHECK(found("carol").empty());
}

TEST_CASE("A client whose SAs the kernel does not tell of has no figures", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.usage.emplace(std::vector<xfrm::SaUsage>{});
    CHECK_FALSE(clients_json(snapshot, "")["clients"][0].contains("bytes_in"));
    CHECK_FALSE(clients_json(snapshot, "")["clients"][0].contains("counted_s"));
}

#include "daemon/paths_json.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

TEST_CASE("Paths as JSON", "[daemon]") {
    CHECK(paths_json(paths_snapshot()).dump(2) == R"({
  "paths": [
    {
      "name": "home",
      "peer_id": "gw.example.org",
      "uplink": "eth0",
      "gateway": "2001:db8:7:1::2",
      "state": "up",
      "since_s": 90.0,
      "carries": true,
      "spi": "0123456789abcdef",
      "local": "[2001:db8:13::2]:500",
      "peer": "[2001:db8:7:1::2]:500",
      "nat": {
        "here": true,
        "there": false
      },
      "link": "0x53000001",
      "round_trip_s": 0.012345,
      "probes": 400,
      "unanswered": 1,
      "bytes_in": 1536,
      "bytes_out": 2000000,
      "packets_in": 12,
      "packets_out": 1500,
      "counted_s": 12.0
    },
    {
      "name": "home",
      "peer_id": "gw.example.org",
      "uplink": "wwan0",
      "gateway": "192.0.2.2",
      "state": "down",
      "why": "wwan0 has no carrier",
      "since_s": 3.0,
      "carries": false,
      "probes": 0,
      "unanswered": 0
    },
    {
      "name": "home",
      "peer_id": "gw.example.org",
      "uplink": "sat0",
      "gateway": "2001:db8:7:1::2",
      "state": "up",
      "since_s": 90.0,
      "carries": false,
      "spi": "00000000000000aa",
      "local": "[2001:db8:13::2]:500",
      "peer": "[2001:db8:7:1::2]:500",
      "nat": {
        "here": false,
        "there": false
      },
      "link": "0x53000001",
      "round_trip_s": 0.00064,
      "probes": 0,
      "unanswered": 0
    }
  ]
})");
    CHECK(paths_json({}).dump() == R"({"paths":[]})");
}

TEST_CASE("A path carries what the Child SAs of its own IKE SA do", "[daemon]") {
    auto snapshot = paths_snapshot();
    auto& sa = snapshot.status.ike_sas.front();
    CHECK(paths_json(snapshot)["paths"][0].contains("bytes_in"));
    snapshot.usage.reset();
    CHECK_FALSE(paths_json(snapshot)["paths"][0].contains("bytes_in"));
    snapshot.usage = gateway_usage();
    // A gateway's SPI is the other one.
    sa.initiator = false;
    CHECK_FALSE(paths_json(snapshot)["paths"][0].contains("bytes_in"));
    snapshot.status.paths.front().spi = sa.spi_r;
    CHECK(paths_json(snapshot)["paths"][0]["bytes_in"] == 1536);
    // No SPI is none, and not the one of an IKE SA that waits for its answer.
    sa.spi_r = 0;
    snapshot.status.paths.front().spi = 0;
    CHECK_FALSE(paths_json(snapshot)["paths"][0].contains("bytes_in"));
}

TEST_CASE("A gateway knows no uplinks", "[daemon]") {
    auto snapshot = paths_snapshot();
    snapshot.status.paths.front().uplink.clear();
    CHECK_FALSE(paths_json(snapshot)["paths"][0].contains("uplink"));
}

TEST_CASE("Paths are found by names and by the addresses of both ends", "[daemon]") {
    auto snapshot = paths_snapshot();
    snapshot.status.paths.back().connection = "away";
    const auto found = [&](std::string_view name) {
        const auto json = paths_json(snapshot, name);
        std::string out;
        for (const auto& path : json["paths"])
            out += path["uplink"].get<std::string>() + " ";
        return out;
    };
    CHECK(found("") == "eth0 wwan0 sat0 ");
    CHECK(found("home") == "eth0 wwan0 ");
    CHECK(found("wwan0") == "wwan0 ");
    CHECK(found("gw.example.org") == "eth0 wwan0 sat0 ");
    CHECK(found("192.0.2.2") == "wwan0 ");
    CHECK(found("2001:db8:13:0::2") == "eth0 sat0 ");
    CHECK(found("2001:db8:7:1::2") == "eth0 sat0 ");
    CHECK(found("[2001:db8:7:1::2]:500") == "eth0 sat0 ");
    CHECK(found("192.0.2.3").empty());
    CHECK(found("nobody").empty());
}

TEST_CASE("Paths that are not used are told with the reason and a remedy", "[daemon]") {
    auto status = paths_snapshot().status;
    CHECK(
        unused_paths_json(status, "home", kNow).dump() ==
        R"([{"name":"home","peer_id":"gw.example.org","uplink":"wwan0","gateway":"192.0.2.2","state":"down",)"
        R"("why":"wwan0 has no carrier","since_s":3.0,"sentence":"is down","remedy":"see whether the uplink has a )"
        R"(carrier, an address and a route to the gateway, and whether UDP port 4500 is open on the way"},)"
        R"({"name":"home","peer_id":"gw.example.org","uplink":"sat0","gateway":"2001:db8:7:1::2","state":"up",)"
        R"("since_s":90.0,"sentence":"stands by: it takes over when those before it are gone, or what has its )"
        R"(mark"}])");
    CHECK(unused_paths_json(status, "eth0", kNow).empty());
    CHECK(unused_paths_json(status, "wwan0", kNow).size() == 1);
    auto& path = status.paths.front();
    path.state = "away"; // in use, but not where it should be
    CHECK(unused_paths_json(status, "eth0", kNow)[0]["sentence"] == "goes over another uplink than its own");
    CHECK(unused_paths_json(status, "eth0", kNow)[0].contains("remedy"));
    path.state = "opening";
    CHECK(unused_paths_json(status, "eth0", kNow)[0]["sentence"] == "is being made");
    CHECK_FALSE(unused_paths_json(status, "eth0", kNow)[0].contains("remedy"));
    path.state = "refused";
    CHECK(unused_paths_json(status, "eth0", kNow)[0]["remedy"].get<std::string>().starts_with(
        "see whether the gateway's connection has"));
}

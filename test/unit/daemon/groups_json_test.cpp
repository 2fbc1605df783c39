#include "daemon/ctl_view.h"
#include "daemon/groups_json.h"
#include "daemon/groups_view.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using Json = nlohmann::ordered_json;

namespace {

Json first(const Snapshot& snapshot) { return groups_json(snapshot)["groups"][0]; }

std::string shown(const Snapshot& snapshot) {
    return render_groups({Verb::groups, {}}, groups_json(snapshot), false);
}

} // namespace

TEST_CASE("A group that is served, as JSON", "[daemon]") {
    CHECK(groups_json(served_group_snapshot()).dump(2) == R"({
  "groups": [
    {
      "group": "sites",
      "serves": true,
      "state": "rollover",
      "spi": "0xf0000002",
      "generation": 2,
      "suite": "aes256-sha256-prfsha256",
      "age_s": 20.0,
      "expires_s": 3580.0,
      "old_spi": "0xf0000001",
      "switch_s": 40.0,
      "rekey_wanted": false,
      "behind": 1,
      "members": [
        {
          "name": "sites",
          "peer_id": "alice.example.org",
          "peer": "192.0.2.5:500",
          "spi": "00000000000000aa",
          "state": "current",
          "generation": 2
        },
        {
          "name": "sites",
          "peer_id": "bob.example.org",
          "peer": "192.0.2.6:500",
          "spi": "00000000000000bb",
          "state": "asked",
          "generation": 1
        }
      ]
    }
  ]
})");
    CHECK(groups_json({}).dump() == R"({"groups":[]})");
}

TEST_CASE("How a served group and its members stand", "[daemon]") {
    auto snapshot = served_group_snapshot();
    auto& group = snapshot.status.groups.front();
    group.standing.old_spi.reset();
    CHECK(first(snapshot)["state"] == "settled");
    CHECK_FALSE(first(snapshot).contains("old_spi"));
    CHECK_FALSE(first(snapshot).contains("switch_s"));
    group.standing.stored = false;
    CHECK(first(snapshot)["state"] == "unstored");
    auto& member = group.members.back();
    member.asked = false;
    CHECK(first(snapshot)["members"][1]["state"] == "behind");
    member.refused = true;
    CHECK(first(snapshot)["members"][1]["state"] == "refused");
    // What it refused was an earlier one.
    member.generation = 2;
    CHECK(first(snapshot)["members"][1]["state"] == "current");
}

TEST_CASE("A group that is joined, as JSON", "[daemon]") {
    CHECK(groups_json(joined_group_snapshot()).dump(2) == R"({
  "groups": [
    {
      "group": "sites",
      "serves": false,
      "state": "up",
      "interface": "sheaf-sites",
      "link": "0x53000003",
      "name": "gateway",
      "connected": true,
      "sas": [
        {
          "spi": "0xf0000001",
          "suite": "aes256-sha256-prfsha256",
          "sending": true,
          "age_s": 600.0,
          "expires_s": 3000.0
        },
        {
          "spi": "0xf0000002",
          "suite": "aes256-sha256-prfsha256",
          "sending": false,
          "age_s": 10.0,
          "expires_s": 3590.0
        }
      ],
      "sites": [
        {
          "endpoint": "192.0.2.2",
          "networks": [
            {
              "prefix": "10.2.0.0/16",
              "from": "configuration"
            },
            {
              "prefix": "10.22.0.0/16",
              "from": "route"
            }
          ],
          "bytes_in": 3000,
          "bytes_out": 700,
          "packets_in": 30,
          "packets_out": 7,
          "replayed": 2,
          "forged": 1
        },
        {
          "endpoint": "2001:db8:14::2",
          "networks": [
            {
              "prefix": "10.3.0.0/16",
              "from": "route"
            }
          ],
          "bytes_in": 0,
          "bytes_out": 0,
          "packets_in": 0,
          "packets_out": 0,
          "replayed": 0,
          "forged": 0
        }
      ]
    }
  ]
})");
}

TEST_CASE("How a joined group stands, and what the kernel has not told", "[daemon]") {
    auto snapshot = joined_group_snapshot();
    snapshot.usage.reset();
    CHECK_FALSE(first(snapshot)["sites"][0].contains("bytes_in"));
    CHECK_FALSE(first(snapshot)["sites"][0].contains("replayed"));
    snapshot.group_routes.clear();
    CHECK(first(snapshot)["sites"].empty());
    auto& group = snapshot.status.groups.front();
    group.sas.erase(group.sas.begin());
    CHECK(first(snapshot)["state"] == "receiving");
    group.sas.clear();
    CHECK(first(snapshot)["state"] == "down");
}

TEST_CASE("Groups are found by their name, a connection's or a member's", "[daemon]") {
    const auto served = served_group_snapshot();
    for (const auto* name : {"sites", "alice.example.org", "bob.example.org", ""})
        CHECK(groups_json(served, name)["groups"].size() == 1);
    CHECK(groups_json(served, "carol.example.org")["groups"].empty());
    CHECK(groups_json(joined_group_snapshot(), "gateway")["groups"].size() == 1);
    CHECK(groups_json(joined_group_snapshot(), "alice.example.org")["groups"].empty());
}

TEST_CASE("Groups that are not well are explained", "[daemon]") {
    auto status = joined_group_snapshot().status;
    const auto sentence = [&]() -> std::string {
        const auto unwell = unwell_groups_json(status, "sites");
        return unwell.empty() ? "" : unwell[0]["sentence"].get<std::string>();
    };
    CHECK(sentence().empty());
    auto& group = status.groups.front();
    group.connected = false;
    CHECK(sentence() == "goes on with the SA that it has until that expires, for its gateway is away");
    group.sas.clear();
    CHECK(sentence() == "has no SA and carries nothing, for its gateway is away");
    group.connected = true;
    CHECK(sentence() == "has no SA and carries nothing, for its gateway has told none");
    CHECK(unwell_groups_json(status, "elsewhere").empty());
    CHECK(unwell_groups_json(served_group_snapshot().status, "").empty());
    Json answer{{"groups", unwell_groups_json(status, "")}, {"entries", Json::array()}};
    CHECK(render({Verb::explain, "sites"}, answer, false)
              .starts_with(
                  "now\n  The group \"sites\" has no SA and carries nothing, for its gateway has told none.\n"
                  "  To do: see whether the gateway's connection for us names a group"));
}

TEST_CASE("Groups as tables", "[daemon]") {
    CHECK(
        shown(served_group_snapshot()) ==
        "GROUP  SPI         GENERATION  STATE      AGE   EXPIRES IN  OLD SPI     SWITCH IN  MEMBERS  BEHIND "
        " "
        "SUITE\n"
        "sites  0xf0000002           2  rollover  20 s  59 min 40 s  0xf0000001       40 s        2       1  "
        "aes256-sha256-prfsha256\n"
        "\n"
        "GROUP  MEMBER             PEER           CONNECTION  STATE    GENERATION\n"
        "sites  alice.example.org  192.0.2.5:500  sites       current           2\n"
        "sites  bob.example.org    192.0.2.6:500  sites       asked             1\n");
    CHECK(shown(joined_group_snapshot()) ==
          "GROUP  INTERFACE    CONNECTION  GATEWAY    SPI         USE               AGE   EXPIRES IN  SUITE\n"
          "sites  sheaf-sites  gateway     connected  0xf0000001  both ways  10 min 0 s   50 min 0 s  "
          "aes256-sha256-prfsha256\n"
          "sites  sheaf-sites  gateway     connected  0xf0000002  receiving        10 s  59 min 50 s  "
          "aes256-sha256-prfsha256\n"
          "\n"
          "GROUP  ENDPOINT        CONFIGURED   ROUTED        BYTES IN  BYTES OUT  PACKETS IN  PACKETS OUT  "
          "REPLAYED  "
          "FORGED\n"
          "sites  192.0.2.2       10.2.0.0/16  10.22.0.0/16   2.9 KiB      700 B          30            7    "
          "     2  "
          "     1\n"
          "sites  2001:db8:14::2  -            10.3.0.0/16        0 B        0 B           0            0    "
          "     0  "
          "     0\n");
    auto empty = joined_group_snapshot();
    empty.status.groups.front().sas.clear();
    empty.status.groups.front().connected = false;
    empty.group_routes.clear();
    CHECK(shown(empty) == "GROUP  INTERFACE    CONNECTION  GATEWAY  SPI  USE    AGE  EXPIRES IN  SUITE\n"
                          "sites  sheaf-sites  gateway     away     -    no SA    -           -\n");
    CHECK(shown({}) == "no group is configured\n");
    CHECK(render_groups({Verb::groups, "x\n"}, groups_json({}), false) ==
          "no group or member is of that name: x\\n\n");
}

TEST_CASE("An answer of another make does no harm to the tables of groups", "[daemon]") {
    CHECK_FALSE(render_groups({Verb::groups, {}},
                              Json::parse(R"({"groups":[{"serves":1,"sas":7,"sites":[{"networks":[3]}]},
                                              {"serves":true,"members":[{}]}]})"),
                              false)
                    .empty());
}

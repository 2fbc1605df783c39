#include "daemon/clients_json.h"
#include "daemon/ctl_view.h"
#include "daemon/event_json.h"
#include "daemon/paths_json.h"
#include "daemon/status_json.h"
#include "daemon/view_words.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using Json = nlohmann::ordered_json;

namespace {

Json answer(const Snapshot& snapshot) {
    Json out = success();
    out["version"] = "0.1.0";
    out["uptime_s"] = 192;
    out.update(status_json(snapshot));
    return out;
}

Json clients(const Snapshot& snapshot, std::string_view name = {}) {
    Json out = success();
    out.update(clients_json(snapshot, name));
    return out;
}

} // namespace

TEST_CASE("Times as people say them", "[daemon]") {
    CHECK(human_time(-3) == "0 s");
    CHECK(human_time(0.85) == "850 ms");
    CHECK(human_time(12.9) == "12 s");
    CHECK(human_time(200) == "3 min 20 s");
    CHECK(human_time(7500) == "2 h 5 min");
    CHECK(human_time(3 * 86400 + 4 * 3600 + 59) == "3 d 4 h");
    CHECK(human_time(1e300) == human_time(1e15));
}

TEST_CASE("Amounts as people say them", "[daemon]") {
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(1023) == "1023 B");
    CHECK(human_bytes(1024) == "1.0 KiB");
    CHECK(human_bytes(340 << 20) == "340 MiB");
    CHECK(human_bytes(UINT64_MAX) == "16 EiB");
}

TEST_CASE("Clients are listed with what they have and how they come", "[daemon]") {
    CHECK(render({Verb::clients, {}}, clients(gateway_snapshot()), false) ==
          "CONNECTION  CLIENT             PREFIXES AND ADDRESSES                 FOR  BYTES IN  BYTES OUT "
          " LINK     "
          "   PATH\n"
          "clients     alice.example.org  2001:db8:100:1::/64, 10.77.0.1/32  1 d 2 h   1.5 KiB    1.9 MiB  "
          "0x53000001  [2001:db8:7:1::2]:500 (in UDP, NAT there)\n");
    auto uncounted = gateway_snapshot();
    uncounted.usage.reset();
    CHECK(render({Verb::clients, {}}, clients(uncounted), false).find("  1 d 2 h         -          -  0x") !=
          std::string::npos);
    CHECK(render({Verb::clients, {}}, clients({}), false) == "no client is connected\n");
    CHECK(render({Verb::clients, "bob"}, clients(gateway_snapshot(), "bob"), false) ==
          "no client of that name or address is connected: bob\n");
}

TEST_CASE("Paths are listed with their state, delay and loss", "[daemon]") {
    CHECK(render({Verb::paths, {}}, paths_json(paths_snapshot()), false) ==
          "CONNECTION  PEER ID         UPLINK  GATEWAY          STATE         FOR  USED  LOCAL "
          "                PEER                   NAT   ROUND TRIP   LOSS  BYTES IN  BYTES OUT\n"
          "home        gw.example.org  eth0    2001:db8:7:1::2  up     1 min 30 s  yes   [2001:"
          "db8:13::2]:500  [2001:db8:7:1::2]:500  here       12 ms  0.2 %   1.5 KiB    1.9 MiB\n"
          "home        gw.example.org  wwan0   192.0.2.2        down          3 s  no          "
          "                                       -              -      -         -          -\n"
          "home        gw.example.org  sat0    2001:db8:7:1::2  up     1 min 30 s  no    [2001:"
          "db8:13::2]:500  [2001:db8:7:1::2]:500  no        0.6 ms      -         -          -\n");
    CHECK(render({Verb::paths, {}}, paths_json({}), false) ==
          "there is no path: no connection has \"uplinks\", and no client several paths\n");
    CHECK(render({Verb::paths, "bob"}, paths_json({}), false) == "no path is of that name or address: bob\n");
}

TEST_CASE("An explanation begins with the paths that are not used", "[daemon]") {
    Json answer = success();
    answer["entries"] = {{{"event", "path_changed"},
                          {"age_s", 70},
                          {"count", 2},
                          {"first_s", 3600},
                          {"name", "home"},
                          {"uplink", "wwan0"},
                          {"gateway", "192.0.2.2"},
                          {"state", "away"},
                          {"detail", "nothing answered for 500 ms"}}};
    answer["paths"] = unused_paths_json(paths_snapshot().status, "home", kNow);
    CHECK(render({Verb::explain, "home"}, answer, false) ==
          "now\n"
          "  home: the path over wwan0 to 192.0.2.2 is down: wwan0 has no carrier.\n"
          "  To do: see whether the uplink has a carrier, an address and a route to the gateway, and whether "
          "UDP port "
          "4500 is open on the way.\n"
          "now\n"
          "  home: the path over sat0 to 2001:db8:7:1::2 stands by: it takes over when those before it are "
          "gone, or "
          "what has its mark.\n"
          "1 min 10 s ago, 2 times since 1 h 0 min ago\n"
          "  home: the path over wwan0 to 192.0.2.2 was away: nothing answered for 500 ms.\n");
    answer["entries"] = Json::array();
    answer["paths"] = {{{"gateway", "192.0.2.2"}, {"sentence", "is down"}}};
    CHECK(render({Verb::explain, "home"}, answer, false) ==
          "now\n  The path to 192.0.2.2 is down.\nnothing of home was refused, and none of its IKE SAs has "
          "ended\n");
}

TEST_CASE("Pools are listed with what is left of them", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.pools.push_back(snapshot.pools.front());
    auto& full = snapshot.pools.back();
    full.spec.name = "v4";
    full.spec.prefix = *Prefix::parse("10.77.0.0/24");
    full.spec.delegate = 32;
    full.size = full.used = 256;
    full.kept = 0;
    full.next_free.reset();
    full.exhausted_at.reset();
    CHECK(render({Verb::pools, {}}, pools_json(snapshot), false) ==
          "POOL  PREFIX             EACH   SIZE  USED  KEPT  STATE  NEXT FREE IN  USED UP IN\n"
          "v6    2001:db8:100::/48   /64  65536     1     2  ok       20 h 0 min    30 d 0 h\n"
          "v4    10.77.0.0/24        /32    256   256     0  full              -           -\n");
    CHECK(render({Verb::pools, {}}, pools_json({}), false) == "no pool is configured\n");
}

TEST_CASE("The status is drawn from its JSON", "[daemon]") {
    CHECK(render({Verb::status, {}}, answer(gateway_snapshot()), false) ==
          "sheafd 0.1.0, up for 3 min 12 s: 1 IKE SA, 2 half-open, 1 handshake so far\n"
          "\n"
          "CONNECTION  PEER ID            PEER                   STATE         FOR   REKEY IN  NAT    IKE "
          "SUITE   "
          "                  "
          "ADDRESSES\n"
          "clients     alice.example.org  [2001:db8:7:1::2]:500  established  12 s  3 h 0 min  there  "
          "aes256gcm16-prfsha256-x25519  "
          "2001:db8:100:1::/64, 10.77.0.1/32\n"
          "\n"
          "CONNECTION  PEER ID            CHILD    STATE  ESP IN      ESP OUT     ESP SUITE    MODE          "
          "   REKEY IN  BYTES IN  BYTES OUT  LINK           "
          "    OURS  "
          "PEER'S\n"
          "clients     alice.example.org  clients  live   0xc0ffee01  0x00000abc  aes256gcm16  tunnel in UDP "
          " 50 min 0 s   1.5 KiB    1.9 MiB  sheaf0 "
          "0x53000001  ::/0  "
          "2001:db8:100:1::/64\n"
          "\n"
          "REFUSED  RULE\n"
          "      3  integrity_check\n");
}

TEST_CASE("Connections and pools are listed", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.connections.push_back(waiting_status().connections.front());
    CHECK(render({Verb::list, {}}, answer(snapshot), false) ==
          "CONNECTION  ROLE     STATE    IKE SAS  NOTE\n"
          "clients     gateway  serving        1\n"
          "home        client   waiting        0  the peer did not answer; next attempt in 4 s\n"
          "\n"
          "POOL  PREFIX             EACH  USED     OF\n"
          "v6    2001:db8:100::/48   /64     1  65536\n");
}

TEST_CASE("Changes are confirmed in one line", "[daemon]") {
    Json up = success();
    up["ike_sa"] = {
        {"peer_id", "gw.example.org"}, {"peer", "192.0.2.1:500"}, {"link", to_json(client_link())}};
    CHECK(render({Verb::up, "home"}, up, false) ==
          "home is up: gw.example.org at 192.0.2.1:500, sheaf0 has 2001:db8:100:1::1/64\n");
    CHECK(render({Verb::down, "home"}, success(), false) == "home is down\n");
    CHECK(render({Verb::down, "b", "office"}, success(), false) == "b office is down\n");
    CHECK(render({Verb::rekey, "b"}, success(), false) == "b: keys of the Child SAs are being replaced\n");
    CHECK(render({Verb::rekey, "b", {}, Rekeyed::ike}, success(), false) ==
          "b: keys of the IKE SAs are being replaced\n");
    CHECK(render({Verb::rekey, "g", {}, Rekeyed::group}, success(), false) ==
          "g: the SA of the group is being replaced\n");
    CHECK(render({Verb::reauth, "b"}, success(), false) == "b: authenticating anew\n");
    CHECK(render({Verb::clone, "b"}, success(), false) == "b: an IKE SA is being cloned\n");
    up["ike_sa"].erase("link");
    CHECK(render({Verb::up, "b"}, up, false) == "b is up: gw.example.org at 192.0.2.1:500\n");
    Json reloaded = success();
    reloaded["notes"] = {"\"listen\" has changed"};
    CHECK(render({Verb::reload, {}}, reloaded, false) == "reloaded\nnote: \"listen\" has changed\n");
}

TEST_CASE("A failed reload shows each mistake with its caret", "[daemon]") {
    Json failed = failure("sheafd.json has mistakes; the configuration stays as it was");
    failed["diagnostics"] = {{{"text", "sheafd.json:1:2: unknown key\n   1 | {x\n     |  ^\n"}}};
    CHECK(render_failure(failed) == "sheafctl: sheafd.json has mistakes; the configuration stays as it was\n"
                                    "sheafd.json:1:2: unknown key\n   1 | {x\n     |  ^\n");
}

TEST_CASE("Events are lines of time, name and facts", "[daemon]") {
    CHECK(
        render_event(to_json(child_up(), "T"), false) ==
        "T  child_up   name clients spi 00000000000000ff peer 192.0.2.1:500 peer_id alice.example.org spi_in "
        "0x00000100 spi_out 0x00000200 suite aes256gcm16 link 2001:db8:100:1::1/64, fe80::1/64 local_ts "
        "2001:db8:100:1::/64 remote_ts ::/0\n");
    CHECK(render_event(to_json(leased(ike::Leased::What::released), "T"), false) ==
          "T  lease_released name clients spi 00000000000000ff peer 192.0.2.1:500 peer_id alice.example.org "
          "blocks "
          "2001:db8:100:1::/64, 10.77.0.1/32\n");
    CHECK(render_event(to_json(pool_low(true), "T"), false) ==
          "T  pool_low   pool v4 used 256 size 256 exhausted true\n");
    CHECK(render_event(to_json(path_down(), "T"), false) ==
          "T  path_changed name home peer_id gw.example.org uplink wwan0 gateway 192.0.2.2 state down why "
          "wwan0 has no "
          "carrier\n");
    CHECK(render_event(held_back_json(7, "T"), false) == "T  refused_held_back count 7\n");
}

TEST_CASE("An answer of another version is drawn as far as it goes", "[daemon]") {
    CHECK(render({Verb::status, {}},
                 Json::parse(R"({"ok":true,"ike_sas":[{"name":7,"children":[{}]}],"pools":3})"), false) ==
          "sheafd , up for -: 1 IKE SA,  half-open,  handshakes so far\n"
          "\n"
          "CONNECTION  PEER ID  PEER  STATE  FOR  REKEY IN  NAT  IKE SUITE  ADDRESSES\n"
          "7                                   -         -  no\n"
          "\n"
          "CONNECTION  PEER ID  CHILD  STATE  ESP IN  ESP OUT  ESP SUITE  MODE  REKEY IN  BYTES IN  BYTES "
          "OUT  LINK  OURS  PEER'S\n"
          "7                                                                           -         -          "
          "-\n");
}

TEST_CASE("What a peer chose cannot control the terminal", "[daemon]") {
    auto snapshot = gateway_snapshot();
    snapshot.status.ike_sas.front().peer_id = "\x1b[2J";
    for (const auto& text : {render({Verb::status, {}}, answer(snapshot), false),
                             render({Verb::clients, {}}, clients(snapshot), false)}) {
        CHECK(text.find('\x1b') == std::string::npos);
        CHECK(text.find("\\x1b[2J") != std::string::npos);
    }
    CHECK(render({Verb::clients, "\x1b[2J"}, success(), false) ==
          "no client of that name or address is connected: \\x1b[2J\n");
}

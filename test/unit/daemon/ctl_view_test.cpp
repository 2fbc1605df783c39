#include "daemon/ctl_view.h"
#include "daemon/event_json.h"
#include "daemon/status_json.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using Json = nlohmann::ordered_json;

namespace {

Json answer(const ike::Status& status) {
    Json out = success();
    out["version"] = "0.1.0";
    out["uptime_s"] = 192;
    out.update(to_json(status, kNow));
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

TEST_CASE("The status is drawn from its JSON", "[daemon]") {
    CHECK(render({Verb::status, {}}, answer(gateway_status()), false) ==
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
          "   REKEY IN  LINK           "
          "    OURS  "
          "PEER'S\n"
          "clients     alice.example.org  clients  live   0xc0ffee01  0x00000abc  aes256gcm16  tunnel in UDP "
          " 50 min 0 s  sheaf0 "
          "0x53000001  ::/0  "
          "2001:db8:100:1::/64\n"
          "\n"
          "REFUSED  RULE\n"
          "      3  integrity_check\n");
}

TEST_CASE("Connections and pools are listed", "[daemon]") {
    auto status = gateway_status();
    status.connections.push_back(waiting_status().connections.front());
    CHECK(render({Verb::list, {}}, answer(status), false) ==
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
          "home is up: gw.example.org at 192.0.2.1:500, sheaf0 has 2001:db8:100:1::1/64, fe80::1/64\n");
    CHECK(render({Verb::down, "home"}, success(), false) == "home is down\n");
    CHECK(render({Verb::down, "b", "office"}, success(), false) == "b office is down\n");
    CHECK(render({Verb::rekey, "b"}, success(), false) == "b: keys of the Child SAs are being replaced\n");
    CHECK(render({Verb::rekey, "b", {}, true}, success(), false) ==
          "b: keys of the IKE SAs are being replaced\n");
    CHECK(render({Verb::reauth, "b"}, success(), false) == "b: authenticating anew\n");
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
    CHECK(render_event(held_back_json(7, "T"), false) == "T  refused_held_back count 7\n");
}

TEST_CASE("An answer of another version is drawn as far as it goes", "[daemon]") {
    CHECK(
        render({Verb::status, {}},
               Json::parse(R"({"ok":true,"ike_sas":[{"name":7,"children":[{}]}],"pools":3})"), false) ==
        "sheafd , up for -: 1 IKE SA,  half-open,  handshakes so far\n"
        "\n"
        "CONNECTION  PEER ID  PEER  STATE  FOR  REKEY IN  NAT  IKE SUITE  ADDRESSES\n"
        "7                                   -         -  no\n"
        "\n"
        "CONNECTION  PEER ID  CHILD  STATE  ESP IN  ESP OUT  ESP SUITE  MODE  REKEY IN  LINK  OURS  PEER'S\n"
        "7                                                                           -\n");
}

TEST_CASE("What a peer chose cannot control the terminal", "[daemon]") {
    auto status = gateway_status();
    status.ike_sas.front().peer_id = "\x1b[2J";
    const std::string text = render({Verb::status, {}}, answer(status), false);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("\\x1b[2J") != std::string::npos);
}

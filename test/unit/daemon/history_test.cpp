#include "daemon/ctl_view.h"
#include "daemon/history.h"
#include "test/unit/daemon/samples.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

namespace {

ike::Refused refusal(Rule rule, std::string_view peer, std::string detail = {}, wire::Spi spi = 0) {
    return {rule, {*IpAddress::parse(peer), 500}, spi, std::move(detail)};
}

std::string shown(const History& history, const std::string& name, Instant now) {
    Json answer = success();
    answer["entries"] = history.explain(name, now);
    return render({Verb::explain, name}, answer, false);
}

} // namespace

TEST_CASE("Nothing to explain is said", "[daemon]") {
    const History history;
    CHECK(history.explain("", kNow) == Json::array());
    CHECK(shown(history, "", kNow) == "nothing was refused, and no IKE SA has ended\n");
    CHECK(shown(history, "home", kNow) == "nothing of home was refused, and none of its IKE SAs has ended\n");
}

TEST_CASE("What went wrong is explained in sentences, newest first", "[daemon]") {
    History history;
    history.note(refusal(Rule::authentication_failed, "192.0.2.1", "the secrets differ", 0xff), kNow);
    auto down = ike_down();
    history.note(down, kNow + 1s);
    CHECK(shown(history, "", kNow + 13s) == "12 s ago\n"
                                            "  The IKE SA of \"clients\" with alice.example.org at "
                                            "192.0.2.1:500 ended because it failed: no proposal; "
                                            "sheafd tries again.\n"
                                            "13 s ago\n"
                                            "  alice.example.org at 192.0.2.1:500 of \"clients\" was "
                                            "refused: the peer's authentication does not match "
                                            "what it signs (authentication_failed): the secrets differ.\n"
                                            "  To do: compare the secrets, or the keys, of both sides.\n");
}

TEST_CASE("An explanation as JSON", "[daemon]") {
    History history;
    history.note(refusal(Rule::no_proposal_chosen, "192.0.2.1"), kNow);
    history.note(refusal(Rule::no_proposal_chosen, "192.0.2.1"), kNow + 2s);
    CHECK(history.explain("", kNow + 3s).dump() ==
          R"([{"event":"refused","age_s":1.0,"count":2,"first_s":3.0,"peer":"192.0.2.1:500",)"
          R"("rule":"no_proposal_chosen","sentence":"no proposal of the peer is one that we accept",)"
          R"("remedy":"compare \"ike\" and \"esp\" on both sides"}])");
    auto down = ike_down();
    down.reason = ike::DownReason::peer_silent;
    down.detail.clear();
    down.retrying = false;
    History other;
    other.note(down, kNow);
    CHECK(
        other.explain("", kNow).dump() ==
        R"([{"event":"ike_down","age_s":0.0,"count":1,"name":"clients","peer_id":"alice.example.org",)"
        R"("peer":"192.0.2.1:500","spi":"00000000000000ff","reason":"peer_silent",)"
        R"("sentence":"the peer did not answer","retrying":false,)"
        R"("remedy":"see whether UDP ports 500 and 4500 are open on the way, and whether the peer runs"}])");
}

TEST_CASE("A pool that runs low is explained with what helps", "[daemon]") {
    History history;
    history.note(pool_low(false), kNow);
    auto more = pool_low(false);
    more.used = 240;
    history.note(more, kNow + 60s);
    CHECK(shown(history, "v4", kNow + 61s) ==
          "1 s ago, 2 times since 1 min 1 s ago\n"
          "  The pool \"v4\" is nearly used up: 240 of 256.\n"
          "  To do: give it a shorter prefix, name another pool beside it in \"pools\" of its connections, "
          "or shorten its \"lease\"; sheafctl pools shows when the next block falls free.\n");
    history.note(pool_low(true), kNow + 70s);
    const auto entries = history.explain("v4", kNow + 70s);
    REQUIRE(entries.size() == 2);
    CHECK(entries[0]["event"] == "pool_low");
    CHECK(entries[0]["pool"] == "v4");
    CHECK(entries[0]["sentence"] == "is used up: 256 of 256, and a client was sent away");
    CHECK(history.explain("v6", kNow).empty());
    CHECK(history.explain("", kNow).size() == 2);
}

TEST_CASE("The same again is one entry that counts", "[daemon]") {
    History history;
    history.note(refusal(Rule::unknown_identity, "192.0.2.1", "bob"), kNow);
    history.note(refusal(Rule::unknown_identity, "192.0.2.2", "bob"), kNow + 1s);
    history.note(refusal(Rule::unknown_identity, "192.0.2.1", "bob"), kNow + 60s);
    CHECK(history.explain("", kNow + 60s).size() == 2);
    CHECK(shown(history, "192.0.2.1", kNow + 61s).starts_with("1 s ago, 2 times since 1 min 1 s ago\n"));
    history.note(refusal(Rule::unknown_identity, "192.0.2.1", "carol"), kNow + 62s);
    CHECK(history.explain("", kNow + 62s).size() == 3);
}

TEST_CASE("What concerns one name is found by connection, identity and address", "[daemon]") {
    History history;
    history.note(ike_down(), kNow); // clients, alice.example.org, 192.0.2.1
    history.note(refusal(Rule::no_connection, "192.0.2.2"), kNow);
    history.note(ike::Refused{Rule::kernel_refused, {}, 0, "SAD: no"}, kNow);
    for (const auto* name : {"clients", "alice.example.org", "192.0.2.1", "192.0.2.1:500", "192.0.2.2"}) {
        CAPTURE(name);
        CHECK(history.explain(name, kNow).size() == 1);
    }
    CHECK(history.explain("0.0.0.0", kNow).empty());
    CHECK(history.explain("bob", kNow).empty());
    CHECK(history.explain("", kNow).size() == 3);
}

TEST_CASE("A flood of strangers does not push out what peers did", "[daemon]") {
    History history;
    history.note(refusal(Rule::authentication_failed, "192.0.2.1"), kNow);
    for (unsigned i = 0; i < 100'000; ++i)
        history.note(ike::Refused{Rule::length_mismatch,
                                  {*IpAddress::from_bytes(Bytes{10, static_cast<std::uint8_t>(i >> 16),
                                                                static_cast<std::uint8_t>(i >> 8),
                                                                static_cast<std::uint8_t>(i)}),
                                   500},
                                  0,
                                  {}},
                     kNow + 1s);
    CHECK(history.explain("", kNow + 2s).size() == History::kMostOfStrangers + 1);
    CHECK(history.explain("192.0.2.1", kNow + 2s).size() == 1);
    for (unsigned i = 0; i < 1000; ++i)
        history.note(refusal(Rule::unknown_identity, "192.0.2.3", std::to_string(i)), kNow + 3s);
    CHECK(history.explain("", kNow + 4s).size() == History::kMostOfStrangers + History::kMostOfPeers);
}

TEST_CASE("What a peer chose cannot control the terminal by an explanation", "[daemon]") {
    History history;
    auto down = ike_down();
    down.sa.peer_id = "\x1b[2J";
    down.detail = "a\nb";
    history.note(down, kNow);
    const auto text = shown(history, "", kNow);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("a\\nb") != std::string::npos);
}

TEST_CASE("What the kernel refuses of a group is explained", "[daemon]") {
    History history;
    history.note(group_unfit(), kNow);
    CHECK(shown(history, "sites", kNow + 2s) ==
          "2 s ago\n"
          "  The group \"sites\": the kernel refuses something that the group needs, so some of it carries "
          "nothing: SPD: no room.\n"
          "  To do: what the detail says; it is tried again each second.\n");
}

TEST_CASE("Group SAs that were not taken are explained, other changes of groups are not", "[daemon]") {
    History history;
    history.note(member_failed(), kNow);
    history.note(group_made(), kNow);
    history.note(member_failed(), kNow + 1s);
    CHECK(
        history.explain("sites", kNow + 2s).dump() ==
        R"([{"event":"group_changed","age_s":1.0,"count":2,"first_s":2.0,"name":"clients",)"
        R"("peer_id":"alice.example.org","peer":"192.0.2.1:500","group":"sites","what":"member_failed",)"
        R"("sentence":"a member is not told the SA, or does not take it","detail":"NO_PROPOSAL_CHOSEN","remedy":"what )"
        R"(the detail says; if the member has refused it, its own log says why"}])");
    for (const std::string name : {"", "clients", "alice.example.org", "192.0.2.1"})
        CHECK(history.explain(name, kNow).size() == 1);
    CHECK(shown(history, "sites", kNow + 2s) ==
          "1 s ago, 2 times since 2 s ago\n"
          "  The group \"sites\": a member is not told the SA, or does not take it, alice.example.org at "
          "192.0.2.1:500: "
          "NO_PROPOSAL_CHOSEN.\n"
          "  To do: what the detail says; if the member has refused it, its own log says why.\n");
}

TEST_CASE("Paths that were lost are explained, those that came are not", "[daemon]") {
    History history;
    history.note(path_down(), kNow);
    auto back = path_down();
    back.state = "up";
    back.why.clear();
    history.note(back, kNow + 1s);
    back.state = "opening";
    history.note(back, kNow + 1s);
    history.note(path_down(), kNow + 2s);
    auto other = path_down();
    other.gateway = *IpAddress::parse("192.0.2.3");
    history.note(other, kNow + 2s);
    CHECK(
        history.explain("192.0.2.2", kNow + 3s).dump() ==
        R"([{"event":"path_changed","age_s":1.0,"count":2,"first_s":3.0,"name":"home",)"
        R"("peer_id":"gw.example.org","uplink":"wwan0","gateway":"192.0.2.2","state":"down",)"
        R"("sentence":"is down","detail":"wwan0 has no carrier","remedy":"see whether the uplink has a carrier, an )"
        R"(address and a route to the gateway, and whether UDP port 4500 is open on the way"}])");
    for (const std::string name : {"", "home", "wwan0", "gw.example.org"})
        CHECK(history.explain(name, kNow).size() == 2);
    CHECK(history.explain("eth0", kNow).empty());
}

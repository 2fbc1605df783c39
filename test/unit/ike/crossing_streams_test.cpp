// What both sides begin at once, and messages that overtake each other.
//
// The first scenarios are those of libreswan's tests with "crossing-streams" in their names; the last are our
// own.
//
//   crossing-streams-01                      both sides initiate, and both answer
//   crossing-streams-04 initiator-ike-rekey-responder-child-up  one side rekeys the IKE SA, the other makes a Child SA
//   crossing-streams-11 permanent-ike-auth-east, -west  both sides initiate; one IKE_AUTH arrives first
//   crossing-streams-20 peer-restarts        one side starts anew while the other still believes in the old IKE SA
//
// crossing-streams-24 is about which of several connections an IKE_AUTH ends in, not about messages that
// cross.

#include "lib/child/selector.h"
#include "test/support/pipe.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

ike::Config with_second_child(bool first) {
    auto config = peer_config(first);
    auto& children = config.connections[0].children;
    ike::ChildConfig more = children[0];
    more.name = "more";
    const auto left = child::selector(*Prefix::parse("2001:db8:1a::/48"));
    const auto right = child::selector(*Prefix::parse("2001:db8:1b::/48"));
    more.local = {first ? left : right};
    more.remote = {first ? right : left};
    children.push_back(more);
    return config;
}

ike::Config permanent(bool first) {
    auto config = peer_config(first);
    config.connections[0].children[0].start = ike::Start::now;
    config.connections[0].children[0].clear_without_sa = true; // only what belongs to SAs is in the kernel
    return config;
}

} // namespace

TEST_CASE("crossing-streams-01: both sides initiate") {
    Pipe pipe(peer_config(true), peer_config(false), false);
    REQUIRE(pipe.command(pipe.a(), ike::Up{"tunnel"}));
    REQUIRE(pipe.command(pipe.b(), ike::Up{"tunnel"}));
    // In step: each message crosses its counterpart.
    for (int step = 0; step < 6; ++step) {
        pipe.pass(pipe.a());
        pipe.pass(pipe.b());
    }
    pipe.settle();
    pipe.run(1min);
    CHECK(pipe.wrong() == "");
    CHECK(pipe.unusable() == "");
}

TEST_CASE("crossing-streams-04: initiator-ike-rekey-responder-child-up") {
    for (const bool rekey_arrives_first : {true, false}) {
        Pipe pipe(with_second_child(true), with_second_child(false));
        REQUIRE(pipe.wrong(2) == "");
        REQUIRE(pipe.command(pipe.b(), ike::DownChild{"tunnel", "more"}));
        pipe.run(6s);
        REQUIRE(pipe.wrong(1) == "");
        const auto old = pipe.ike_spi(pipe.a());
        REQUIRE(pipe.rekey_ike(pipe.a()));
        REQUIRE(pipe.command(pipe.b(), ike::Up{"tunnel"}));
        Host& first = rekey_arrives_first ? pipe.b() : pipe.a();
        Host& second = rekey_arrives_first ? pipe.a() : pipe.b();
        CHECK(pipe.pass(first) == (rekey_arrives_first ? "rekey ike" : "create child"));
        CHECK(pipe.pass(second) == (rekey_arrives_first ? "create child" : "rekey ike"));
        CHECK(pipe.pass(pipe.a()) == "TEMPORARY_FAILURE");
        CHECK(pipe.pass(pipe.b()) == "TEMPORARY_FAILURE");
        pipe.run(1min);
        CHECK(pipe.wrong(2) == "");
        CHECK(pipe.ike_spi(pipe.a()) != old);
    }
}

TEST_CASE("crossing-streams-11: permanent-ike-auth") {
    for (const bool from_first : {true, false}) {
        CAPTURE(from_first);
        Pipe pipe(permanent(true), permanent(false), false);
        pipe.a().engine.on_timeout(pipe.now);
        pipe.b().engine.on_timeout(pipe.now);
        pipe.collect();
        CHECK(pipe.pass(pipe.b()) == "IKE_SA_INIT");
        CHECK(pipe.pass(pipe.a()) == "IKE_SA_INIT");
        CHECK(pipe.pass(pipe.b()) == "IKE_SA_INIT answer");
        CHECK(pipe.pass(pipe.a()) == "IKE_SA_INIT answer");
        Host& hears = from_first ? pipe.b() : pipe.a();
        Host& waits = from_first ? pipe.a() : pipe.b();
        const Flight late = pipe.hold(waits);
        CHECK(late.what() == "IKE_AUTH");
        CHECK(pipe.pass(hears) == "IKE_AUTH");
        pipe.settle();
        pipe.deliver(waits, late);
        pipe.settle();
        pipe.run(1min);
        CHECK(pipe.wrong() == "");
        for (Host* host : {&pipe.a(), &pipe.b()}) {
            REQUIRE(pipe.rekey_child(*host));
            pipe.run(6s);
            REQUIRE(pipe.rekey_ike(*host));
            pipe.run(6s);
            CHECK(pipe.wrong() == "");
        }
    }
}

TEST_CASE("crossing-streams-20: peer-restarts") {
    Pipe pipe(permanent(true), permanent(false));
    REQUIRE(pipe.wrong() == "");
    // b forgets everything without a word: what it says is lost, and so is what a's kernel might notice.
    REQUIRE(pipe.command(pipe.b(), ike::Down{"tunnel"}));
    const Flight request = pipe.hold(pipe.a());
    pipe.deliver(pipe.b(), pipe.forged_answer(request, {}));
    REQUIRE(pipe.b().engine.idle());
    REQUIRE(pipe.command(pipe.b(), ike::Up{"tunnel"}));
    // Meanwhile a works on with what it believes in.
    REQUIRE(pipe.rekey_child(pipe.a()));
    pipe.settle();
    pipe.run(1min);
    CHECK(pipe.wrong() == "");
}

TEST_CASE("a peer that uses its new IKE SA at once decides for it before its DELETE of the old one arrives") {
    Pipe pipe;
    const auto child = pipe.child_spi(pipe.a());
    REQUIRE(pipe.rekey_ike(pipe.a(), 0x00));
    REQUIRE(pipe.rekey_ike(pipe.b(), 0xff));
    CHECK(pipe.pass(pipe.b(), 0xff) == "rekey ike");
    CHECK(pipe.pass(pipe.a(), 0xff) == "rekey ike");
    const Flight late = pipe.hold(pipe.a());
    CHECK(pipe.pass(pipe.b()) == "ike");
    const Flight late_delete = pipe.hold(pipe.a());
    CHECK(late_delete.what() == "delete ike");
    REQUIRE(pipe.rekey_child(pipe.b()));
    CHECK(pipe.pass(pipe.a()) == "rekey child");
    CHECK(pipe.pass(pipe.b()) == "child");
    pipe.deliver(pipe.a(), late);
    pipe.deliver(pipe.a(), late_delete);
    pipe.settle();
    pipe.run(2min);
    CHECK(pipe.wrong() == "");
    CHECK(pipe.child_spi(pipe.a()) != child);
    CHECK(pipe.a().count<ike::IkeDown>() == 0);
    CHECK(pipe.unusable() == "");
}

TEST_CASE("what two simultaneous rekeyings of the IKE SA have left over ends with it, told once") {
    for (const int steps : {2, 3, 4, 5, 6}) {
        CAPTURE(steps);
        Pipe pipe;
        REQUIRE(pipe.rekey_ike(pipe.a(), 0x00));
        REQUIRE(pipe.rekey_ike(pipe.b(), 0xff));
        for (int i = 0; i < steps; ++i)
            pipe.pass(i % 2 ? pipe.a() : pipe.b(), 0xff);
        REQUIRE(pipe.command(pipe.a(), ike::Down{"tunnel"}));
        pipe.run(3min);
        for (Host* host : {&pipe.a(), &pipe.b()}) {
            CHECK(host->engine.idle());
            CHECK(host->kernel.empty());
            CHECK(host->count<ike::IkeDown>() == 1);
            CHECK(host->count<ike::ChildDown>() == 1);
        }
    }
}

TEST_CASE("a DELETE that is repeated gets the same answer and ends nothing else") {
    Pipe pipe;
    REQUIRE(pipe.rekey_child(pipe.a()));
    CHECK(pipe.pass(pipe.b()) == "rekey child");
    CHECK(pipe.pass(pipe.a()) == "child");
    const Flight request = pipe.hold(pipe.b());
    CHECK(request.what() == "delete child");
    pipe.deliver(pipe.b(), request);
    const Flight answer = pipe.hold(pipe.a());
    pipe.deliver(pipe.b(), request);
    CHECK(pipe.to(pipe.a()).front().datagram.bytes == answer.datagram.bytes);
    pipe.deliver(pipe.a(), answer);
    CHECK(pipe.pass(pipe.a()) == "deleted child");
    pipe.run(6s);
    CHECK(pipe.wrong() == "");
    CHECK(pipe.unusable() == "");
}

TEST_CASE("rekeyings of both SAs by both sides end well in whatever order their messages arrive") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        SeededRandom dice(seed);
        Pipe pipe;
        for (int step = 0; step < 40; ++step) {
            Host& host = dice.below(2) == 0 ? pipe.a() : pipe.b();
            const auto nonce = static_cast<std::uint8_t>(dice.below(256));
            const auto what = dice.below(16);
            auto& queue = pipe.to(host);
            if (what == 0) {
                REQUIRE(pipe.rekey_child(host, nonce));
            } else if (what == 1) {
                REQUIRE(pipe.rekey_ike(host, nonce));
            } else if (!queue.empty()) {
                const auto at = static_cast<std::ptrdiff_t>(dice.below(queue.size()));
                const Flight flight = queue[static_cast<std::size_t>(at)];
                if (what != 2) queue.erase(queue.begin() + at);   // else it will come once more
                if (what != 3) pipe.deliver(host, flight, nonce); // else it is lost
            }
        }
        pipe.run(5min);
        CHECK(pipe.wrong() == "");
        for (Host* host : {&pipe.a(), &pipe.b()}) {
            CHECK(host->count<ike::IkeDown>() == 0);
            CHECK(host->count<ike::ChildDown>() == 0);
        }
    }
}

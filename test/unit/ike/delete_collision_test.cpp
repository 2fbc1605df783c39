// Deletion of either SA by one side or by both at once (RFC 7296 1.4.1, 2.25).
//
// The orderings are those of strongSwan's exchange tests of deletion, of which there are 5; the tests have
// their names.
//
//   child delete: regular         either side
//   child delete: collision       both at once: neither answer names it again
//   child delete: collision_drop  likewise, and one DELETE comes after the answer to the other
//   ike delete: regular           either side
//   ike delete: collision         both at once: each answers and forgets its own request

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

const ike::DownChild kDownChild{"tunnel", "net"};
const ike::Down kDown{"tunnel"};

void check_child_ended(Pipe& pipe) {
    pipe.run(1min);
    CHECK(pipe.wrong(0) == "");
    for (Host* host : {&pipe.a(), &pipe.b()}) {
        CHECK(host->count<ike::ChildDown>() == 1);
        CHECK(host->count<ike::IkeDown>() == 0);
    }
    REQUIRE(pipe.command(pipe.b(), ike::Up{"tunnel"}));
    pipe.settle();
    CHECK(pipe.wrong() == "");
    CHECK(pipe.unusable() == "");
}

void check_all_ended(Pipe& pipe) {
    for (Host* host : {&pipe.a(), &pipe.b()}) {
        CHECK(host->engine.idle());
        CHECK(host->kernel.empty());
        CHECK(host->kernel.breaches.empty());
        CHECK(host->count<ike::ChildDown>() == 1);
        CHECK(host->count<ike::IkeDown>() == 1);
    }
}

} // namespace

TEST_CASE("child delete: regular") {
    for (const bool by_first : {true, false}) {
        Pipe pipe;
        Host& asks = by_first ? pipe.a() : pipe.b();
        Host& answers = by_first ? pipe.b() : pipe.a();
        const auto theirs = pipe.child_spi(answers);
        REQUIRE(pipe.command(asks, kDownChild));
        CHECK(asks.kernel.pairs() == 0); // it only listens
        CHECK(asks.count<ike::ChildDown>() == 0);
        CHECK(pipe.pass(answers) == "delete child");
        CHECK(answers.kernel.empty());
        CHECK(pipe.to(asks).front().deleted() == std::vector{theirs});
        CHECK(pipe.pass(asks) == "deleted child");
        CHECK(asks.kernel.empty());
        check_child_ended(pipe);
    }
}

TEST_CASE("child delete: collision") {
    Pipe pipe;
    REQUIRE(pipe.command(pipe.a(), kDownChild));
    REQUIRE(pipe.command(pipe.b(), kDownChild));
    CHECK(pipe.pass(pipe.b()) == "delete child");
    CHECK(pipe.pass(pipe.a()) == "delete child");
    CHECK(pipe.pass(pipe.a()) == "empty");
    CHECK(pipe.pass(pipe.b()) == "empty");
    check_child_ended(pipe);
}

TEST_CASE("child delete: collision_drop") {
    Pipe pipe;
    REQUIRE(pipe.command(pipe.a(), kDownChild));
    REQUIRE(pipe.command(pipe.b(), kDownChild));
    const Flight late = pipe.hold(pipe.a());
    CHECK(late.what() == "delete child");
    CHECK(pipe.pass(pipe.b()) == "delete child");
    CHECK(pipe.pass(pipe.a()) == "empty");
    CHECK(pipe.a().kernel.empty());
    CHECK(pipe.a().count<ike::ChildDown>() == 1);
    pipe.deliver(pipe.a(), late);
    CHECK(pipe.pass(pipe.b()) == "empty");
    CHECK(pipe.b().kernel.empty());
    check_child_ended(pipe);
}

TEST_CASE("ike delete: regular") {
    for (const bool by_first : {true, false}) {
        Pipe pipe;
        Host& asks = by_first ? pipe.a() : pipe.b();
        Host& answers = by_first ? pipe.b() : pipe.a();
        REQUIRE(pipe.command(asks, kDown));
        CHECK(pipe.pass(answers) == "delete ike");
        CHECK(answers.engine.idle());
        CHECK(pipe.pass(asks) == "empty");
        check_all_ended(pipe);
        CHECK(asks.last<ike::IkeDown>()->reason == ike::DownReason::command);
        CHECK(answers.last<ike::IkeDown>()->reason == ike::DownReason::deleted_by_peer);
    }
}

TEST_CASE("ike delete: collision") {
    Pipe pipe;
    REQUIRE(pipe.command(pipe.a(), kDown));
    REQUIRE(pipe.command(pipe.b(), kDown));
    CHECK(pipe.pass(pipe.b()) == "delete ike");
    CHECK(pipe.pass(pipe.a()) == "delete ike");
    // Nobody waits for an answer any more.
    check_all_ended(pipe);
    pipe.settle();
    pipe.run(1min);
    check_all_ended(pipe);
}

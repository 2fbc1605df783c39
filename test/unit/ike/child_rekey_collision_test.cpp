// Longer than other sources: one table of scenarios, which is read as a whole.
//
// Rekeying a Child SA while messages cross, are late or are lost (RFC 7296 2.8.1, 2.25.1).
//
// The scenarios are those of strongSwan's exchange tests of Child SA rekeying, rebuilt for our engine; the
// tests have their names. a and b are two peers; a has begun the IKE SA.
//
//   regular                              either side
//   regular_ke_invalid                   likewise; the first request has a group that the other does not take
//   regular_responder_ignore_soft_expire the responder does not rekey what has a successor
//   regular_responder_handle_hard_expire likewise; but it ends it when the initiator does not
//   regular_responder_delete             the responder ends the successor before the old one is deleted
//   regular_responder_lost_sa            the responder does not have what is to be rekeyed
//   regular_responder_incorrect_delete   the responder deletes the old one, and that overtakes its answer
//   collision                            both ask, both answer; each of the four nonces is the lowest once
//   collision_delayed_response           one answer comes after the other side has deleted what it deletes
//   collision_delayed_response_delete    likewise, and after the other side has ended the successor, too
//   collision_delayed_request            one comes when the other side has rekeyed; refusal and DELETE in either order
//   collision_delayed_request_more       one comes when the other side has deleted the old one
//   collision_delayed_request_more_delete  likewise, and the successor
//   collision_ke_invalid                 both ask again after both requests were refused for their group
//   collision_ke_invalid_delayed_retry   likewise, but one of the second requests is late
//   collision_responder_incorrect_delete the loser deletes the old one, and that overtakes its answer
//   collision_delete                     one side rekeys what the other deletes
//   collision_delete_drop_delete         likewise, and the DELETE comes after the refusal
//   collision_delete_drop_rekey          likewise, and the request comes after the DELETE
//   collision_delete_delayed_response    the responder deletes the successor, and that overtakes its answer
//   collision_ike_rekey                  one side rekeys the Child SA, the other its IKE SA
//   collision_ike_delete                 one side rekeys the Child SA, the other deletes its IKE SA
//
// The other seven (regular_multi_ke, regular_ke_invalid_multi_ke, collision_multi_ke, collision_mixed,
// collision_delayed_response_multi_ke, collision_delayed_request_multi_ke, collision_delete_multi_ke) need
// the additional key exchanges of RFC 9370, which we do not have.

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

// What the four nonces begin with: a's, b's, b's answer, a's answer. One is the lowest.
std::array<std::uint8_t, 4> nonces(unsigned lowest) {
    std::array<std::uint8_t, 4> out{0xff, 0xff, 0xff, 0xff};
    if (lowest < 4) out.at(lowest) = 0;
    return out;
}

// The SA with the lowest nonce goes: a's is made of the first and the third.
bool first_wins(unsigned lowest) { return lowest == 1 || lowest == 3; }

const ike::DownChild kDown{"tunnel", "net"};

// Peers whose first choices for a fresh key exchange differ, neither of which the other takes.
ike::Config with_groups(bool first) {
    using crypto::KeId;
    auto config = peer_config(first);
    for (auto& proposal : config.connections[0].children[0].terms.esp)
        proposal.key_exchange = {first ? KeId::ecp384 : KeId::ecp521, KeId::x25519};
    return config;
}

struct Pair {
    Pipe pipe;
    Host& a = pipe.a();
    Host& b = pipe.b();
    wire::ChildSpi old_a = pipe.child_spi(a);
    wire::ChildSpi old_b = pipe.child_spi(b);

    Pair() = default;
    Pair(ike::Config first, ike::Config second) : pipe(std::move(first), std::move(second)) {}

    // When what is replaced has drained there is one successor, and nobody was told of an end.
    void check_rekeyed() {
        pipe.run(6s);
        CHECK(pipe.wrong() == "");
        CHECK(pipe.child_spi(a) != old_a);
        CHECK(pipe.child_spi(b) != old_b);
        for (const Host* host : {&a, &b}) {
            CHECK(host->count<ike::ChildRekeyed>() >= 1);
            CHECK(host->count<ike::ChildDown>() == 0);
            CHECK(host->count<ike::ChildUp>() == 1);
            CHECK(host->count<ike::IkeDown>() == 0);
        }
    }
    // Nothing is left of it, both were told once, and it can be made again.
    void check_ended() {
        pipe.run(1min);
        CHECK(pipe.wrong(0) == "");
        for (const Host* host : {&a, &b}) {
            CHECK(host->count<ike::ChildDown>() == 1);
            CHECK(host->count<ike::IkeDown>() == 0);
        }
        REQUIRE(pipe.command(a, ike::Up{"tunnel"}));
        pipe.settle();
        CHECK(pipe.wrong() == "");
        check_usable();
    }
    void check_usable() { CHECK(pipe.unusable() == ""); }
};

// A question for liveness that carries a DELETE, which the engine of its sender knows nothing of.
Flight stray_delete(Pipe& pipe, Host& sender, Host& receiver, wire::ChildSpi spi) {
    pipe.now += 31s; // of silence
    sender.engine.on_timeout(pipe.now);
    pipe.collect();
    const Flight question = pipe.hold(receiver);
    REQUIRE(question.what() == "alive?");
    return pipe.with_payloads(question, {wire::Delete{wire::Protocol::esp, {spi}}});
}

} // namespace

TEST_CASE("child rekey: regular") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& asks = by_first ? p.a : p.b;
        Host& answers = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(asks));
        CHECK(p.pipe.pass(answers) == "rekey child");
        // RFC 7296 2.8: it receives on both and sends on the old one.
        CHECK(answers.kernel.sas.size() == 2);
        CHECK(answers.kernel.pairs() == 1);
        CHECK(p.pipe.pass(asks) == "child");
        CHECK(p.pipe.pass(answers) == "delete child");
        CHECK(answers.kernel.pairs() == 1);
        CHECK(p.pipe.pass(asks) == "deleted child");
        CHECK(asks.kernel.pairs() == 1);
        p.check_rekeyed();
        p.check_usable();
    }
}

TEST_CASE("child rekey: regular_ke_invalid") {
    for (const bool by_first : {true, false}) {
        Pair p(with_groups(true), with_groups(false));
        Host& asks = by_first ? p.a : p.b;
        Host& answers = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(asks));
        CHECK(p.pipe.pass(answers) == "rekey child");
        CHECK(answers.kernel.sas.size() == 1);
        CHECK(p.pipe.pass(asks) == "INVALID_KE_PAYLOAD");
        CHECK(p.pipe.pass(answers) == "rekey child");
        CHECK(p.pipe.pass(asks) == "child");
        CHECK(p.pipe.pass(answers) == "delete child");
        CHECK(p.pipe.pass(asks) == "deleted child");
        p.check_rekeyed();
        p.check_usable();
    }
}

TEST_CASE("child rekey: regular_responder_ignore_soft_expire") {
    Pair p;
    REQUIRE(p.pipe.rekey_child(p.a));
    CHECK(p.pipe.pass(p.b) == "rekey child");
    CHECK(p.pipe.pass(p.a) == "child");
    p.pipe.kernel_event(p.b, child::SaGone{p.b.address, p.old_b, false});
    CHECK(p.pipe.to(p.a).empty());
    CHECK(p.pipe.pass(p.b) == "delete child");
    CHECK(p.pipe.pass(p.a) == "deleted child");
    p.check_rekeyed();
    p.check_usable();
}

TEST_CASE("child rekey: regular_responder_handle_hard_expire") {
    Pair p;
    REQUIRE(p.pipe.rekey_child(p.a));
    CHECK(p.pipe.pass(p.b) == "rekey child");
    CHECK(p.pipe.pass(p.a) == "child");
    p.b.kernel.sas.erase(p.old_b);
    p.pipe.kernel_event(p.b, child::SaGone{p.b.address, p.old_b, true});
    // Both delete it now.
    CHECK(p.pipe.pass(p.b) == "delete child");
    CHECK(p.pipe.pass(p.a) == "delete child");
    CHECK(p.pipe.pass(p.a) == "empty");
    CHECK(p.pipe.pass(p.b) == "empty");
    p.check_rekeyed();
    p.check_usable();
}

TEST_CASE("child rekey: regular_responder_delete") {
    Pair p;
    REQUIRE(p.pipe.rekey_child(p.a));
    CHECK(p.pipe.pass(p.b) == "rekey child");
    CHECK(p.pipe.pass(p.a) == "child");
    REQUIRE(p.pipe.command(p.b, kDown));
    CHECK(p.pipe.pass(p.b) == "delete child");
    p.pipe.settle();
    p.check_ended();
}

TEST_CASE("child rekey: regular_responder_lost_sa") {
    Pair p;
    // b deletes it and takes an answer that a has never given.
    REQUIRE(p.pipe.command(p.b, kDown));
    const Flight request = p.pipe.hold(p.a);
    p.pipe.deliver(p.b, p.pipe.forged_answer(request, {}));
    CHECK(p.pipe.child_spi(p.b) == 0);
    REQUIRE(p.pipe.rekey_child(p.a));
    CHECK(p.pipe.pass(p.b) == "rekey child");
    CHECK(p.pipe.pass(p.a) == "CHILD_SA_NOT_FOUND");
    CHECK(p.a.count<ike::ChildDown>() == 1);
    CHECK(p.pipe.pass(p.b) == "create child");
    CHECK(p.pipe.pass(p.a) == "child");
    p.pipe.run(6s);
    CHECK(p.pipe.wrong() == "");
    CHECK(p.a.count<ike::ChildUp>() == 2);
}

TEST_CASE("child rekey: regular_responder_incorrect_delete") {
    Pair p;
    const Flight stray = stray_delete(p.pipe, p.b, p.a, p.old_b);
    p.pipe.to(p.b).clear();
    REQUIRE(p.pipe.rekey_child(p.a));
    CHECK(p.pipe.pass(p.b) == "rekey child");
    const Flight late = p.pipe.hold(p.a);
    p.pipe.deliver(p.a, stray);
    CHECK(p.a.count<ike::ChildDown>() == 0);
    CHECK(p.pipe.pass(p.b) == "deleted child");
    p.pipe.deliver(p.a, late);
    CHECK(p.a.kernel.pairs() == 1);
    CHECK(p.a.count<ike::ChildRekeyed>() == 1);
    // b was told by nobody, and ends the old one by itself.
    p.pipe.run(5min);
    p.check_rekeyed();
    p.check_usable();
}

TEST_CASE("child rekey: collision") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Pair p;
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a, n[0]));
        REQUIRE(p.pipe.rekey_child(p.b, n[1]));
        const auto by_a = p.pipe.to(p.b).front().spi(), by_b = p.pipe.to(p.a).front().spi();
        CHECK(p.pipe.pass(p.b, n[2]) == "rekey child");
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        CHECK(p.pipe.pass(p.a) == "child");
        CHECK(p.pipe.pass(p.b) == "child");
        for (const Host* host : {&p.a, &p.b})
            CHECK(host->kernel.pairs() >= 1);
        CHECK(p.pipe.pass(p.b) == "delete child");
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.a) == "deleted child");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        for (const Host* host : {&p.a, &p.b})
            CHECK(host->kernel.pairs() == 1);
        p.check_rekeyed();
        CHECK((p.pipe.child_spi(p.a) == by_a) == first_wins(lowest));
        CHECK((p.pipe.child_spi(p.b) == by_b) != first_wins(lowest));
        p.check_usable();
    }
}

TEST_CASE("child rekey: collision_delayed_response") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        for (const Duration late_by : {Duration(0s), Duration(8s)}) {
            CAPTURE(lowest, late_by.count());
            Pair p;
            const auto n = nonces(lowest);
            REQUIRE(p.pipe.rekey_child(p.a, n[0]));
            REQUIRE(p.pipe.rekey_child(p.b, n[1]));
            const auto by_a = p.pipe.to(p.b).front().spi(), by_b = p.pipe.to(p.a).front().spi();
            CHECK(p.pipe.pass(p.b, n[2]) == "rekey child");
            CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
            const Flight late = p.pipe.hold(p.a);
            CHECK(late.what() == "child");
            CHECK(p.pipe.pass(p.b) == "child");
            CHECK(p.pipe.pass(p.a) == "delete child");
            CHECK(p.a.kernel.pairs() == 1);
            CHECK(p.pipe.pass(p.b) == "deleted child");
            CHECK(p.b.kernel.pairs() == 1);
            // Longer than what was replaced drains, without repeating the request, which would bring the
            // answer.
            p.pipe.now += late_by;
            if (late_by > 0s) p.a.engine.on_timeout(p.pipe.now);
            p.pipe.deliver(p.a, late);
            p.pipe.settle();
            p.check_rekeyed();
            CHECK((p.pipe.child_spi(p.a) == by_a) == first_wins(lowest));
            CHECK((p.pipe.child_spi(p.b) == by_b) != first_wins(lowest));
            p.check_usable();
        }
    }
}

TEST_CASE("child rekey: collision_delayed_response_delete") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Pair p;
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a, n[0]));
        REQUIRE(p.pipe.rekey_child(p.b, n[1]));
        CHECK(p.pipe.pass(p.b, n[2]) == "rekey child");
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        const Flight late = p.pipe.hold(p.a);
        CHECK(p.pipe.pass(p.b) == "child");
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        REQUIRE(p.pipe.command(p.b, kDown));
        p.pipe.settle();
        p.pipe.deliver(p.a, late);
        p.pipe.settle();
        p.check_ended();
    }
}

TEST_CASE("child rekey: collision_delayed_request") {
    for (const unsigned lowest : {0U, 1U, 3U}) {
        for (const bool refusal_first : {true, false}) {
            CAPTURE(lowest, refusal_first);
            Pair p;
            const auto n = nonces(lowest);
            REQUIRE(p.pipe.rekey_child(p.a, n[0]));
            REQUIRE(p.pipe.rekey_child(p.b, n[1]));
            const Flight late = p.pipe.hold(p.b);
            const auto by_b = p.pipe.to(p.a).front().spi();
            CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
            CHECK(p.pipe.pass(p.b) == "child");
            p.pipe.deliver(p.b, late);
            const Flight del = p.pipe.hold(p.a);
            CHECK(del.what() == "delete child");
            if (!refusal_first) p.pipe.deliver(p.a, del);
            CHECK(p.pipe.pass(p.a) == "TEMPORARY_FAILURE");
            if (refusal_first) p.pipe.deliver(p.a, del);
            CHECK(p.pipe.pass(p.b) == "deleted child");
            p.pipe.run(20s); // nothing is asked again
            p.check_rekeyed();
            CHECK(p.pipe.child_spi(p.b) == by_b);
            CHECK(p.a.count<ike::ChildRekeyed>() == 1);
            p.check_usable();
        }
    }
}

TEST_CASE("child rekey: collision_delayed_request_more") {
    for (const unsigned lowest : {0U, 1U, 3U}) {
        CAPTURE(lowest);
        Pair p;
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a, n[0]));
        REQUIRE(p.pipe.rekey_child(p.b, n[1]));
        const Flight late = p.pipe.hold(p.b);
        const auto by_b = p.pipe.to(p.a).front().spi();
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        CHECK(p.pipe.pass(p.b) == "child");
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        p.pipe.deliver(p.b, late);
        CHECK(p.pipe.pass(p.a) == "CHILD_SA_NOT_FOUND");
        p.pipe.run(20s);
        p.check_rekeyed();
        CHECK(p.pipe.child_spi(p.b) == by_b);
        CHECK(p.a.count<ike::ChildRekeyed>() == 1);
        p.check_usable();
    }
}

TEST_CASE("child rekey: collision_delayed_request_more_delete") {
    for (const unsigned lowest : {0U, 1U, 3U}) {
        CAPTURE(lowest);
        Pair p;
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a, n[0]));
        REQUIRE(p.pipe.rekey_child(p.b, n[1]));
        const Flight late = p.pipe.hold(p.b);
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        CHECK(p.pipe.pass(p.b) == "child");
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        REQUIRE(p.pipe.command(p.b, kDown));
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        p.pipe.deliver(p.b, late);
        CHECK(p.pipe.pass(p.a) == "CHILD_SA_NOT_FOUND");
        p.check_ended();
    }
}

TEST_CASE("child rekey: collision_ke_invalid") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Pair p(with_groups(true), with_groups(false));
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a, n[1]));
        REQUIRE(p.pipe.rekey_child(p.b, n[0]));
        CHECK(p.pipe.pass(p.b) == "rekey child");
        CHECK(p.pipe.pass(p.a) == "rekey child");
        CHECK(p.pipe.pass(p.a, n[0]) == "INVALID_KE_PAYLOAD");
        CHECK(p.pipe.pass(p.b, n[1]) == "INVALID_KE_PAYLOAD");
        const auto by_a = p.pipe.to(p.b).front().spi(), by_b = p.pipe.to(p.a).front().spi();
        CHECK(p.pipe.pass(p.b, n[2]) == "rekey child");
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        CHECK(p.pipe.pass(p.a) == "child");
        CHECK(p.pipe.pass(p.b) == "child");
        p.pipe.settle();
        p.check_rekeyed();
        CHECK((p.pipe.child_spi(p.a) == by_a) == first_wins(lowest));
        CHECK((p.pipe.child_spi(p.b) == by_b) != first_wins(lowest));
        p.check_usable();
    }
}

TEST_CASE("child rekey: collision_ke_invalid_delayed_retry") {
    for (const unsigned lowest : {0U, 1U, 3U}) {
        CAPTURE(lowest);
        Pair p(with_groups(true), with_groups(false));
        const auto n = nonces(lowest);
        REQUIRE(p.pipe.rekey_child(p.a));
        REQUIRE(p.pipe.rekey_child(p.b));
        CHECK(p.pipe.pass(p.b) == "rekey child");
        CHECK(p.pipe.pass(p.a) == "rekey child");
        CHECK(p.pipe.pass(p.a, n[0]) == "INVALID_KE_PAYLOAD");
        CHECK(p.pipe.pass(p.b, n[1]) == "INVALID_KE_PAYLOAD");
        const Flight late = p.pipe.hold(p.b);
        const auto by_b = p.pipe.to(p.a).front().spi();
        CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
        CHECK(p.pipe.pass(p.b) == "child");
        p.pipe.deliver(p.b, late);
        CHECK(p.pipe.pass(p.a) == "delete child");
        CHECK(p.pipe.pass(p.a) == "TEMPORARY_FAILURE");
        CHECK(p.pipe.pass(p.b) == "deleted child");
        p.pipe.run(20s);
        p.check_rekeyed();
        CHECK(p.pipe.child_spi(p.b) == by_b);
        p.check_usable();
    }
}

TEST_CASE("child rekey: collision_responder_incorrect_delete") {
    Pair p;
    const Flight stray = stray_delete(p.pipe, p.b, p.a, p.old_b);
    p.pipe.to(p.b).clear();
    const auto n = nonces(1);
    REQUIRE(p.pipe.rekey_child(p.a, n[0]));
    REQUIRE(p.pipe.rekey_child(p.b, n[1]));
    const auto by_a = p.pipe.to(p.b).front().spi();
    CHECK(p.pipe.pass(p.b, n[2]) == "rekey child");
    CHECK(p.pipe.pass(p.a, n[3]) == "rekey child");
    const Flight late = p.pipe.hold(p.a);
    CHECK(p.pipe.pass(p.b) == "child");
    CHECK(p.pipe.pass(p.a) == "delete child"); // its own one, which has lost
    CHECK(p.pipe.pass(p.b) == "deleted child");
    p.pipe.deliver(p.a, stray);
    CHECK(p.pipe.pass(p.b) == "deleted child");
    CHECK(p.a.count<ike::ChildDown>() == 0);
    p.pipe.deliver(p.a, late);
    CHECK(p.pipe.child_spi(p.a) == by_a);
    p.pipe.run(5min);
    p.check_rekeyed();
    CHECK(p.pipe.child_spi(p.a) == by_a);
    p.check_usable();
}

TEST_CASE("child rekey: collision_delete") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& rekeys = by_first ? p.a : p.b;
        Host& deletes = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(rekeys));
        REQUIRE(p.pipe.command(deletes, kDown));
        CHECK(p.pipe.pass(deletes) == "rekey child");
        CHECK(p.pipe.pass(rekeys) == "delete child");
        CHECK(p.pipe.pass(rekeys) == "TEMPORARY_FAILURE");
        CHECK(p.pipe.pass(deletes) == "deleted child");
        p.check_ended();
        CHECK(rekeys.count<ike::ChildRekeyed>() == 2); // by what was tried at the end
    }
}

TEST_CASE("child rekey: collision_delete_drop_delete") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& rekeys = by_first ? p.a : p.b;
        Host& deletes = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(rekeys));
        REQUIRE(p.pipe.command(deletes, kDown));
        CHECK(p.pipe.pass(deletes) == "rekey child");
        const Flight late = p.pipe.hold(rekeys);
        CHECK(p.pipe.pass(rekeys) == "TEMPORARY_FAILURE");
        CHECK(rekeys.count<ike::ChildDown>() == 0);
        p.pipe.deliver(rekeys, late);
        CHECK(p.pipe.pass(deletes) == "deleted child");
        p.check_ended();
    }
}

TEST_CASE("child rekey: collision_delete_drop_rekey") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& rekeys = by_first ? p.a : p.b;
        Host& deletes = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(rekeys));
        REQUIRE(p.pipe.command(deletes, kDown));
        const Flight late = p.pipe.hold(deletes);
        CHECK(p.pipe.pass(rekeys) == "delete child");
        CHECK(p.pipe.pass(deletes) == "deleted child");
        p.pipe.deliver(deletes, late);
        CHECK(p.pipe.pass(rekeys) == "CHILD_SA_NOT_FOUND");
        CHECK(p.pipe.to(deletes).empty());
        p.check_ended();
    }
}

TEST_CASE("child rekey: collision_delete_delayed_response") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& rekeys = by_first ? p.a : p.b;
        Host& deletes = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(rekeys));
        CHECK(p.pipe.pass(deletes) == "rekey child");
        const Flight late = p.pipe.hold(rekeys);
        REQUIRE(p.pipe.command(deletes, kDown));
        p.pipe.settle();
        p.pipe.deliver(rekeys, late);
        p.pipe.settle();
        CHECK(rekeys.kernel.pairs() == 0);
        p.check_ended();
    }
}

TEST_CASE("child rekey: collision_ike_rekey") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& child = by_first ? p.a : p.b;
        Host& ike = by_first ? p.b : p.a;
        const auto old = p.pipe.ike_spi(p.a);
        REQUIRE(p.pipe.rekey_child(child));
        REQUIRE(p.pipe.rekey_ike(ike));
        CHECK(p.pipe.pass(ike) == "rekey child");
        CHECK(p.pipe.pass(child) == "rekey ike");
        CHECK(p.pipe.pass(child) == "TEMPORARY_FAILURE");
        CHECK(p.pipe.pass(ike) == "TEMPORARY_FAILURE");
        CHECK(p.pipe.wrong() != ""); // the Child SA is still to be rekeyed
        CHECK(p.pipe.child_spi(p.a) == p.old_a);
        p.pipe.run(1min); // both ask again
        p.check_rekeyed();
        CHECK(p.pipe.ike_spi(p.a) != old);
        p.check_usable();
    }
}

TEST_CASE("child rekey: collision_ike_delete") {
    for (const bool by_first : {true, false}) {
        Pair p;
        Host& rekeys = by_first ? p.a : p.b;
        Host& deletes = by_first ? p.b : p.a;
        REQUIRE(p.pipe.rekey_child(rekeys));
        REQUIRE(p.pipe.command(deletes, ike::Down{"tunnel"}));
        CHECK(p.pipe.pass(deletes) == "rekey child");
        CHECK(p.pipe.pass(rekeys) == "delete ike");
        CHECK(p.pipe.pass(rekeys) == "TEMPORARY_FAILURE");
        CHECK(p.pipe.pass(deletes) == "empty");
        p.pipe.run(1min);
        for (const Host* host : {&p.a, &p.b}) {
            CHECK(host->engine.idle());
            CHECK(host->kernel.empty());
            CHECK(host->kernel.breaches.empty());
            CHECK(host->count<ike::ChildRekeyed>() == 0);
            CHECK(host->count<ike::ChildDown>() == 1);
            CHECK(host->count<ike::IkeDown>() == 1);
        }
    }
}

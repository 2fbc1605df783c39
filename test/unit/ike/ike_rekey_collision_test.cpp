// Rekeying the IKE SA while messages cross, are late or are lost (RFC 7296 2.8.1, 2.25.2).
//
// The scenarios are those of strongSwan's exchange tests of IKE rekeying, of which there are 18, rebuilt for
// our engine; the tests have their names. a and b are two peers; a has begun the IKE SA.
//
//   regular                            either side
//   regular_ke_invalid                 likewise; the first request has a group that the other does not take
//   collision                          both ask, both answer; each of the four nonces is the lowest once
//   collision_ke_invalid               likewise, after both requests were refused for their group
//   collision_ke_invalid_delayed_retry likewise, but one of the second requests is late
//   collision_delayed_response         one answer comes after the other side has deleted what it deletes
//   collision_dropped_request          one of the two requests is lost
//   collision_delayed_request          one comes when the other side has finished its own rekeying
//   collision_delayed_request_and_delete  likewise, and the DELETE is late, too
//   collision_delete                   one side rekeys what the other deletes
//   collision_delete_drop_delete       likewise, and the DELETE comes after the refusal
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

// Without the group that its KE payload is of, so that the receiver asks for another one.
Flight in_wrong_group(Pipe& pipe, const Flight& request) {
    auto payloads = request.payloads;
    std::uint16_t group = 0;
    for (const auto& payload : payloads) {
        if (const auto* ke = std::get_if<wire::KeyExchange>(&payload)) group = ke->group;
    }
    for (auto& payload : payloads) {
        auto* sa = std::get_if<wire::Sa>(&payload);
        if (!sa) continue;
        for (auto& proposal : sa->proposals)
            std::erase_if(proposal.transforms, [group](const wire::Transform& t) {
                return t.type == wire::TransformType::ke && t.id == group;
            });
    }
    return pipe.with_payloads(request, std::move(payloads));
}

// One rekeying, nothing lost, and the Child SA goes on.
struct Rekeyed {
    Pipe pipe;
    Host& a = pipe.a();
    Host& b = pipe.b();
    wire::Spi old = pipe.ike_spi(a);
    wire::ChildSpi child = pipe.child_spi(a);

    void check_rekeyed() {
        for (const Host* host : {&a, &b}) {
            CHECK(host->count<ike::IkeRekeyed>() == 1);
            CHECK(host->count<ike::IkeDown>() == 0);
            CHECK(host->count<ike::ChildDown>() == 0);
            CHECK(host->count<ike::ChildUp>() == 1);
        }
        CHECK(pipe.wrong().empty());
        CHECK(pipe.ike_spi(a) != old);
        CHECK(pipe.child_spi(a) == child);
    }
    void check_end() {
        CHECK(pipe.unusable() == "");
        CHECK(a.count<ike::ChildDown>() <= 1);
    }
};

} // namespace

TEST_CASE("ike rekey: regular") {
    for (const bool by_first : {true, false}) {
        Rekeyed r;
        Host& asks = by_first ? r.a : r.b;
        Host& answers = by_first ? r.b : r.a;
        REQUIRE(r.pipe.rekey_ike(asks));
        CHECK(r.pipe.pass(answers) == "rekey ike");
        CHECK(answers.kernel.sas.size() == 1);
        CHECK(r.pipe.pass(asks) == "ike");
        CHECK(r.pipe.pass(answers) == "delete ike");
        CHECK(r.pipe.pass(asks) == "empty");
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: regular_ke_invalid") {
    for (const bool by_first : {true, false}) {
        Rekeyed r;
        Host& asks = by_first ? r.a : r.b;
        Host& answers = by_first ? r.b : r.a;
        REQUIRE(r.pipe.rekey_ike(asks));
        r.pipe.deliver(answers, in_wrong_group(r.pipe, r.pipe.hold(answers)));
        CHECK(r.pipe.pass(asks) == "INVALID_KE_PAYLOAD");
        CHECK(r.pipe.pass(answers) == "rekey ike");
        CHECK(r.pipe.pass(asks) == "ike");
        CHECK(r.pipe.pass(answers) == "delete ike");
        CHECK(r.pipe.pass(asks) == "empty");
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        const auto by_a = r.pipe.to(r.b).front().spi(), by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.b, n[2]) == "rekey ike");
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        // Nothing is decided, so nothing has changed.
        for (Host* host : {&r.a, &r.b}) {
            CHECK(host->established() == 1);
            CHECK(host->count<ike::IkeRekeyed>() == 0);
        }
        CHECK(r.pipe.ike_spi(r.a) == r.old);
        CHECK(r.pipe.pass(r.a) == "ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        CHECK(r.pipe.pass(r.b) == "delete ike");
        CHECK(r.pipe.pass(r.a) == "delete ike");
        CHECK(r.pipe.pass(r.a) == "empty");
        CHECK(r.pipe.pass(r.b) == "empty");
        CHECK((r.pipe.ike_spi(r.a) == by_a) == first_wins(lowest));
        CHECK((r.pipe.ike_spi(r.b) == by_b) != first_wins(lowest));
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_ke_invalid") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[1]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[0]));
        r.pipe.deliver(r.b, in_wrong_group(r.pipe, r.pipe.hold(r.b)));
        r.pipe.deliver(r.a, in_wrong_group(r.pipe, r.pipe.hold(r.a)));
        CHECK(r.pipe.pass(r.a, n[0]) == "INVALID_KE_PAYLOAD");
        CHECK(r.pipe.pass(r.b, n[1]) == "INVALID_KE_PAYLOAD");
        const auto by_a = r.pipe.to(r.b).front().spi(), by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.b, n[2]) == "rekey ike");
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        CHECK(r.pipe.pass(r.a) == "ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        r.pipe.settle();
        CHECK((r.pipe.ike_spi(r.a) == by_a) == first_wins(lowest));
        CHECK((r.pipe.ike_spi(r.b) == by_b) != first_wins(lowest));
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_ke_invalid_delayed_retry") {
    for (const unsigned lowest : {0U, 1U, 3U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        r.pipe.deliver(r.b, in_wrong_group(r.pipe, r.pipe.hold(r.b)));
        r.pipe.deliver(r.a, in_wrong_group(r.pipe, r.pipe.hold(r.a)));
        CHECK(r.pipe.pass(r.a, n[0]) == "INVALID_KE_PAYLOAD");
        CHECK(r.pipe.pass(r.b, n[1]) == "INVALID_KE_PAYLOAD");
        const Flight late = r.pipe.hold(r.b);
        CHECK(late.what() == "rekey ike");
        const auto by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        r.pipe.deliver(r.b, late);
        CHECK(r.pipe.pass(r.a) == "delete ike");
        CHECK(r.pipe.pass(r.a) == "TEMPORARY_FAILURE");
        CHECK(r.pipe.pass(r.b) == "empty");
        CHECK(r.pipe.ike_spi(r.b) == by_b);
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_delayed_response") {
    for (const unsigned lowest : {0U, 1U, 2U, 3U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        const auto by_a = r.pipe.to(r.b).front().spi(), by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.b, n[2]) == "rekey ike");
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        const Flight late = r.pipe.hold(r.a);
        CHECK(late.what() == "ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        CHECK(r.pipe.pass(r.a) == "delete ike");
        CHECK(r.pipe.pass(r.b) == "empty");
        if (first_wins(lowest)) {
            // b has deleted its own one, and a waits for its answer as before.
            CHECK(r.pipe.ike_spi(r.a) == r.old);
            CHECK(r.a.established() == 1);
            CHECK(r.a.count<ike::IkeDown>() == 0);
            r.pipe.deliver(r.a, late);
            CHECK(r.pipe.pass(r.b) == "delete ike");
            CHECK(r.pipe.pass(r.a) == "empty");
            CHECK(r.pipe.ike_spi(r.a) == by_a);
        } else {
            // b has deleted the old one, with which a's own request is gone.
            CHECK(r.pipe.ike_spi(r.b) == by_b);
            r.pipe.deliver(r.a, late);
        }
        r.check_rekeyed();
        r.pipe.run(3min); // what b still waits for it gives up
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_dropped_request") {
    for (const unsigned lowest : {0U, 1U, 3U, 4U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        CHECK(r.pipe.hold(r.b).what() == "rekey ike");
        const auto by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        CHECK(r.pipe.pass(r.a) == "delete ike");
        CHECK(r.pipe.pass(r.b) == "empty");
        CHECK(r.pipe.ike_spi(r.b) == by_b);
        r.check_rekeyed();
        r.pipe.run(1min);
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_delayed_request") {
    for (const unsigned lowest : {0U, 1U, 3U, 4U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        const Flight late = r.pipe.hold(r.b);
        const auto by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        r.pipe.deliver(r.b, late);
        CHECK(r.pipe.pass(r.a) == "delete ike");
        CHECK(r.pipe.pass(r.a) == "TEMPORARY_FAILURE");
        CHECK(r.pipe.pass(r.b) == "empty");
        CHECK(r.pipe.ike_spi(r.b) == by_b);
        r.check_rekeyed();
        r.pipe.run(1min);
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_delayed_request_and_delete") {
    for (const unsigned lowest : {0U, 1U, 3U, 4U}) {
        CAPTURE(lowest);
        Rekeyed r;
        const auto n = nonces(lowest);
        REQUIRE(r.pipe.rekey_ike(r.a, n[0]));
        REQUIRE(r.pipe.rekey_ike(r.b, n[1]));
        const Flight late = r.pipe.hold(r.b);
        const auto by_b = r.pipe.to(r.a).front().spi();
        CHECK(r.pipe.pass(r.a, n[3]) == "rekey ike");
        CHECK(r.pipe.pass(r.b) == "ike");
        r.pipe.deliver(r.b, late);
        const Flight late_delete = r.pipe.hold(r.a);
        CHECK(late_delete.what() == "delete ike");
        CHECK(r.pipe.pass(r.a) == "TEMPORARY_FAILURE");
        CHECK(r.pipe.ike_spi(r.b) == by_b);
        CHECK(r.a.count<ike::IkeRekeyed>() == 1);
        r.pipe.deliver(r.a, late_delete);
        CHECK(r.pipe.pass(r.b) == "empty");
        r.check_rekeyed();
        r.pipe.run(1min); // nothing is asked again
        r.check_rekeyed();
        r.check_end();
    }
}

TEST_CASE("ike rekey: collision_delete") {
    for (const bool by_first : {true, false}) {
        Rekeyed r;
        Host& rekeys = by_first ? r.a : r.b;
        Host& deletes = by_first ? r.b : r.a;
        REQUIRE(r.pipe.rekey_ike(rekeys));
        REQUIRE(r.pipe.command(deletes, ike::Down{"tunnel"}));
        CHECK(r.pipe.pass(deletes) == "rekey ike");
        CHECK(r.pipe.pass(rekeys) == "delete ike");
        CHECK(r.pipe.pass(rekeys) == "TEMPORARY_FAILURE");
        CHECK(r.pipe.pass(deletes) == "empty");
        r.pipe.run(1min);
        for (const Host* host : {&r.a, &r.b}) {
            CHECK(host->engine.idle());
            CHECK(host->kernel.empty());
            CHECK(host->kernel.breaches.empty());
            CHECK(host->count<ike::IkeRekeyed>() == 0);
            CHECK(host->count<ike::IkeDown>() == 1);
            CHECK(host->count<ike::ChildDown>() == 1);
        }
        CHECK(rekeys.last<ike::IkeDown>()->reason == ike::DownReason::deleted_by_peer);
    }
}

TEST_CASE("ike rekey: collision_delete_drop_delete") {
    for (const bool by_first : {true, false}) {
        Rekeyed r;
        Host& rekeys = by_first ? r.a : r.b;
        Host& deletes = by_first ? r.b : r.a;
        REQUIRE(r.pipe.rekey_ike(rekeys));
        REQUIRE(r.pipe.command(deletes, ike::Down{"tunnel"}));
        CHECK(r.pipe.pass(deletes) == "rekey ike");
        const Flight late = r.pipe.hold(rekeys);
        CHECK(r.pipe.pass(rekeys) == "TEMPORARY_FAILURE");
        CHECK(rekeys.established() == 1); // it tries again later
        r.pipe.deliver(rekeys, late);
        CHECK(r.pipe.pass(deletes) == "empty");
        r.pipe.run(1min);
        for (const Host* host : {&r.a, &r.b}) {
            CHECK(host->engine.idle());
            CHECK(host->kernel.empty());
            CHECK(host->kernel.breaches.empty());
            CHECK(host->count<ike::IkeRekeyed>() == 0);
            CHECK(host->count<ike::IkeDown>() == 1);
            CHECK(host->count<ike::ChildDown>() == 1);
        }
    }
}

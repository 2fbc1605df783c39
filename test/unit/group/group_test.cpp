#include "lib/group/group.h"
#include "test/support/seeded_random.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::group;
using namespace sheaf::test;
using std::chrono::seconds;

namespace {

constexpr WallTime kWall{seconds(1'700'000'000)};

Instant at(std::int64_t s) { return Instant(seconds(s)); }
WallTime wall(std::int64_t s) { return kWall + seconds(s); }

Terms some_terms() {
    Terms terms;
    terms.lifetime = seconds(1000);
    return terms; // delivery 32, rollover 60 and 120
}

struct Told {
    std::uint64_t generation = 0;
    wire::ChildSpi spi = 0;
    std::int64_t life = 0, rollover1 = 0, rollover2 = 0;
    friend bool operator==(const Told&, const Told&) = default;
};

// A gateway whose store and members answer at once, unless a test says otherwise.
struct Gateway {
    SeededRandom random{7};
    Group group;
    explicit Gateway(Terms terms = some_terms()) : group(terms, random, at(0)) { store(0); }
    Gateway(Terms terms, const Record& record, std::int64_t now, std::int64_t now_wall)
        : group(terms, record, at(now), wall(now_wall)) {}

    void store(std::int64_t now) {
        while (const auto change = group.unsaved())
            group.stored(*change, at(now));
    }
    void time(std::int64_t now) {
        group.on_timeout(at(now), random);
        store(now);
        REQUIRE(group.next_timeout() > at(now));
    }
    std::optional<Told> push(MemberKey member, std::int64_t now) {
        const auto push = group.next_push(member, at(now));
        if (!push) return std::nullopt;
        const auto put = read_put(push->notify, {});
        REQUIRE(put.has_value());
        return Told{push->generation, put->sa.spi, put->life.count(), put->rollover1.count(),
                    put->rollover2.count()};
    }
    // All that is due to the member, acknowledged.
    std::vector<std::uint64_t> serve(MemberKey member, std::int64_t now) {
        std::vector<std::uint64_t> out;
        while (const auto told = push(member, now)) {
            out.push_back(told->generation);
            group.acknowledged(member, at(now));
        }
        return out;
    }
};

using Generations = std::vector<std::uint64_t>;

} // namespace

TEST_CASE("a group tells nobody an SA that is not stored") {
    SeededRandom random(1);
    Group group(some_terms(), random, at(0));
    group.join(1, at(1));
    CHECK(group.take_due().empty());
    CHECK_FALSE(group.next_push(1, at(1)).has_value());
    const auto change = group.unsaved();
    REQUIRE(change.has_value());
    group.stored(*change - 1, at(1));
    CHECK(group.take_due().empty());
    group.stored(*change, at(2));
    CHECK_FALSE(group.unsaved().has_value());
    CHECK(group.take_due() == std::vector<MemberKey>{1});
    CHECK(group.next_push(1, at(2)).has_value());
    CHECK_FALSE(group.next_push(1, at(2)).has_value()); // one at a time
}

TEST_CASE("a store that takes long moves the rollover, once") {
    SeededRandom random(1);
    Group group(some_terms(), random, at(0));
    group.stored(*group.unsaved(), at(15)); // 14 s are to spare
    REQUIRE(group.unsaved().has_value());
    CHECK(group.standing().switch_at == at(75));
    CHECK_FALSE(group.standing().stored);
    group.stored(*group.unsaved(), at(40));
    CHECK_FALSE(group.unsaved().has_value());
    CHECK(group.standing().stored);
    CHECK(group.standing().expires == at(1000));
}

TEST_CASE("who joins is told what is left of the SA") {
    Gateway gateway;
    gateway.group.join(1, at(10));
    gateway.group.join(2, at(10));
    gateway.group.join(1, at(11)); // known
    CHECK(gateway.group.take_due() == std::vector<MemberKey>{1, 2});
    CHECK(gateway.group.take_due().empty());
    const auto first = gateway.push(1, 100);
    REQUIRE(first.has_value());
    CHECK(*first == Told{1, first->spi, 900, 0, 20});
    CHECK(first->spi >= kFirstGroupSpi);
    CHECK(gateway.push(2, 300) == Told{1, first->spi, 700, 0, 0});
    gateway.group.acknowledged(1, at(301));
    CHECK_FALSE(gateway.push(1, 302).has_value());
    CHECK(gateway.group.member(1)->acknowledged == 1);
    CHECK(gateway.group.member(2)->asked);
    CHECK(gateway.group.standing().members == 2);
    CHECK(gateway.group.standing().behind == 1);
}

TEST_CASE("a group rekeys in time, and nobody is waited for") {
    Gateway gateway;
    for (MemberKey m = 1; m <= 3; ++m) {
        gateway.group.join(m, at(1));
        gateway.serve(m, 1);
    }
    (void)gateway.group.take_due();
    CHECK(gateway.group.next_timeout() == at(760)); // twice rollover 2 before the end
    gateway.time(759);
    CHECK(gateway.group.take_due().empty());
    gateway.time(760);
    auto due = gateway.group.take_due();
    std::ranges::sort(due);
    CHECK(due == std::vector<MemberKey>{1, 2, 3});
    const auto told = gateway.push(1, 760);
    REQUIRE(told.has_value());
    CHECK(*told == Told{2, told->spi, 1000, 60, 120});
    gateway.group.acknowledged(1, at(761));
    CHECK(gateway.push(2, 790) == Told{2, told->spi, 970, 30, 90}); // its window was not free before
    // 3 is silent.
    CHECK(gateway.group.next_timeout() == at(760 + 60));
    gateway.time(820);
    CHECK(gateway.group.next_timeout() == at(760 + 60 + 32));
    gateway.time(852);
    gateway.time(760 + 120 + 32);
    const auto standing = gateway.group.standing();
    CHECK(standing.generation == 2);
    CHECK_FALSE(standing.old_spi.has_value());
    CHECK(standing.behind == 2);
    CHECK(gateway.group.next_timeout() == at(760 + 760));
    std::vector<Notice::Kind> kinds;
    for (const Notice& notice : gateway.group.take_notices())
        kinds.push_back(notice.kind);
    using enum Notice::Kind;
    CHECK(kinds == std::vector<Notice::Kind>{made, made, settled, retired});
}

TEST_CASE("who joins during a rollover is told the old SA first") {
    Gateway gateway;
    gateway.group.join(1, at(0));
    gateway.serve(1, 0);
    gateway.time(760);
    gateway.serve(1, 760);

    gateway.group.join(2, at(780));
    const auto old = gateway.push(2, 780);
    REQUIRE(old.has_value());
    CHECK(*old == Told{1, old->spi, 220, 0, 0});
    CHECK_FALSE(gateway.push(2, 780).has_value());
    gateway.group.acknowledged(2, at(781));
    const auto next = gateway.push(2, 781);
    REQUIRE(next.has_value());
    CHECK(*next == Told{2, next->spi, 979, 39, 99});
    CHECK(next->spi > old->spi);

    gateway.group.join(3, at(840)); // the others begin to send with the new one, not all of them yet
    CHECK(gateway.push(3, 840)->generation == 1);
    gateway.group.acknowledged(3, at(840));
    CHECK(gateway.push(3, 840) == Told{2, next->spi, 920, 0, 40});

    gateway.time(852); // by now nobody sends with the old one
    gateway.group.join(4, at(853));
    CHECK(gateway.push(4, 853) == Told{2, next->spi, 907, 0, 27});
}

TEST_CASE("a leave is followed by a rekeying, several by one after the rollover") {
    Gateway gateway;
    for (MemberKey m = 1; m <= 5; ++m)
        gateway.group.join(m, at(0));
    gateway.group.leave(5, Leave::left); // was told nothing, as nobody was
    CHECK_FALSE(gateway.group.standing().rekey_wanted);
    for (MemberKey m = 1; m <= 4; ++m)
        gateway.serve(m, 0);
    gateway.group.leave(1, Leave::lost);
    CHECK_FALSE(gateway.group.standing().rekey_wanted);
    gateway.group.leave(2, Leave::left);
    gateway.group.leave(77, Leave::left); // nobody
    CHECK(gateway.group.next_timeout() <= at(10));
    CHECK(gateway.group.unsaved().has_value()); // that a rekeying is wanted is on record
    CHECK(gateway.group.record(at(10), wall(10)).rekey_wanted);
    gateway.time(10);
    CHECK(gateway.group.standing().generation == 2);
    CHECK_FALSE(gateway.group.standing().rekey_wanted);
    CHECK(gateway.serve(3, 11) == Generations{2});

    gateway.group.leave(3, Leave::left); // knows the second
    gateway.time(12);
    CHECK(gateway.group.standing().generation == 2); // there are never three
    CHECK(gateway.group.standing().rekey_wanted);
    gateway.time(10 + 120 + 32);
    CHECK(gateway.group.standing().generation == 3);
    gateway.group.rekey();
    gateway.time(10 + 2 * (120 + 32));
    CHECK(gateway.group.standing().generation == 4);

    Terms terms = some_terms();
    terms.rekey_on_leave = false;
    gateway.group.update(terms);
    gateway.time(470);
    gateway.serve(4, 470);
    gateway.group.leave(4, Leave::left);
    CHECK_FALSE(gateway.group.standing().rekey_wanted);
}

TEST_CASE("rekeying on join: who joins cannot read what was sent before") {
    Terms terms = some_terms();
    terms.rekey_on_join = true;
    Gateway gateway(terms);
    gateway.group.join(1, at(5));
    CHECK(gateway.serve(1, 5) == Generations{1}); // nobody has sent yet
    gateway.group.join(2, at(200));
    CHECK(gateway.serve(2, 200).empty());
    gateway.time(200);
    CHECK(gateway.serve(1, 200) == Generations{2});
    CHECK(gateway.serve(2, 200).empty());
    gateway.group.join(3, at(230)); // the second is not in use yet, and will do
    gateway.group.join(4, at(270)); // for this one it will not
    gateway.time(259);
    CHECK(gateway.serve(2, 259).empty());
    (void)gateway.group.take_due();
    CHECK(gateway.group.next_timeout() == at(260));
    gateway.time(260); // the others begin to send with it
    auto due = gateway.group.take_due();
    std::ranges::sort(due);
    CHECK(due == std::vector<MemberKey>{2, 3});
    CHECK(gateway.serve(2, 260) == Generations{2});
    CHECK(gateway.serve(3, 260) == Generations{2});
    CHECK(gateway.serve(4, 270).empty());
    gateway.time(200 + 120 + 32);
    CHECK(gateway.group.standing().generation == 3);
    gateway.time(352 + 60);
    CHECK(gateway.serve(4, 412) == Generations{3});
}

TEST_CASE("rekeying on join: who comes again under another key is no stranger") {
    Terms terms = some_terms();
    terms.rekey_on_join = true;
    Gateway gateway(terms);
    gateway.group.join(1, at(5));
    gateway.group.join(2, at(5));
    gateway.serve(1, 5);
    gateway.serve(2, 5);
    const auto quiet = [&] {
        return !gateway.group.standing().rekey_wanted && gateway.group.standing().generation == 1;
    };
    SECTION("while it is there") {
        gateway.group.join(3, at(100), 1);
        gateway.group.leave(1, Leave::lost);
        CHECK(quiet());
        CHECK(gateway.serve(3, 100) == Generations{1});
    }
    SECTION("when it was lost") {
        gateway.group.leave(1, Leave::lost);
        CHECK(gateway.group.remembers(1));
        gateway.group.join(3, at(200), 1);
        CHECK(quiet());
        CHECK(gateway.serve(3, 200) == Generations{1});
    }
    SECTION("but not when it has left") {
        gateway.group.leave(1, Leave::left);
        CHECK_FALSE(gateway.group.remembers(1));
        gateway.group.join(3, at(200), 1);
        CHECK(gateway.serve(3, 200).empty());
    }
    SECTION("nor when what it knew is over") {
        gateway.group.leave(1, Leave::lost);
        gateway.group.rekey();
        gateway.time(100);
        gateway.serve(2, 100);
        CHECK(gateway.group.remembers(1)); // the others may still send with it
        gateway.time(252);
        CHECK_FALSE(gateway.group.remembers(1));
        gateway.group.join(3, at(253), 1);
        CHECK(gateway.serve(3, 253).empty());
        CHECK(gateway.group.standing().rekey_wanted);
    }
    SECTION("nor is it told more than it waits for") {
        gateway.group.join(3, at(200));
        gateway.group.join(4, at(200), 3);
        CHECK(gateway.serve(4, 200).empty());
    }
    SECTION("after a restart nobody is, until there is another SA") {
        Gateway after(terms, gateway.group.record(at(300), wall(300)), 7, 310);
        after.group.join(3, at(7));
        CHECK_FALSE(after.group.standing().rekey_wanted);
        CHECK(after.serve(3, 7) == Generations{1});
        after.group.rekey();
        after.time(8);
        after.serve(3, 8);
        after.time(8 + 60);
        after.group.join(4, at(8 + 60));
        CHECK(after.serve(4, 8 + 60).empty());
        CHECK(after.group.standing().rekey_wanted);
    }
}

TEST_CASE("after a restart a rekeying waits until members have noticed it, but not too long") {
    Gateway before;
    before.group.join(1, at(0));
    before.serve(1, 0);
    const auto begins = [&](std::int64_t recorded, bool leaves) {
        if (leaves)
            before.group.join(2, at(recorded)), before.serve(2, recorded), before.group.leave(2, Leave::left);
        Gateway after(some_terms(), before.group.record(at(recorded), wall(recorded)), 5, recorded);
        return std::chrono::duration_cast<seconds>(after.group.next_timeout() - at(5)).count();
    };
    CHECK(begins(100, false) == 759 - 100);
    CHECK(begins(830, false) == 999 - 830 - 120 - 32); // while there is time for a rollover
    CHECK(begins(500, true) == 60 + 32);
    Gateway after(some_terms(), before.group.record(at(500), wall(500)), 5, 500);
    CHECK(after.group.standing().rekey_wanted);
}

TEST_CASE("a refusal is not repeated, a request for patience is answered with patience") {
    Gateway gateway;
    gateway.group.join(1, at(0));
    gateway.group.join(2, at(0));
    (void)gateway.group.take_due();
    REQUIRE(gateway.push(1, 0).has_value());
    gateway.group.refused(1, wire::NotifyType::no_proposal_chosen, at(1));
    CHECK_FALSE(gateway.push(1, 500).has_value());
    CHECK(gateway.group.member(1)->refused == 1);

    REQUIRE(gateway.push(2, 0).has_value());
    gateway.group.refused(2, wire::NotifyType::temporary_failure, at(1));
    CHECK_FALSE(gateway.push(2, 10).has_value());
    CHECK(gateway.group.next_timeout() == at(11));
    gateway.time(11);
    CHECK(gateway.group.take_due() == std::vector<MemberKey>{2});
    REQUIRE(gateway.push(2, 11).has_value());
    gateway.group.refused(2, wire::NotifyType::temporary_failure, at(12));
    CHECK(gateway.group.next_timeout() == at(32)); // twice as long
    gateway.time(32);
    REQUIRE(gateway.push(2, 32).has_value());
    gateway.group.not_sent(2, at(33));
    CHECK(gateway.serve(2, 33) == Generations{1});

    gateway.time(760);
    CHECK(gateway.serve(2, 760) == Generations{2});
    // Without the first, the second would be used at once; so it comes when everybody sends with it.
    CHECK(gateway.serve(1, 760).empty());
    gateway.time(852);
    CHECK(gateway.serve(1, 852) == Generations{2});
}

TEST_CASE("another suite is taken up by a rekeying") {
    Gateway gateway;
    gateway.group.join(1, at(0));
    gateway.serve(1, 0);
    Terms terms = some_terms();
    gateway.group.update(terms);
    CHECK_FALSE(gateway.group.standing().rekey_wanted);
    terms.suite.encr.key_bits = 128;
    gateway.group.update(terms);
    gateway.time(1);
    const auto push = gateway.group.next_push(1, at(1));
    REQUIRE(push.has_value());
    CHECK(read_put(push->notify, {})->sa.suite.encr.key_bits == 128);
}

TEST_CASE("a restart goes on with the generations on record") {
    Gateway before;
    before.group.join(1, at(0));
    before.serve(1, 0);
    before.time(760);
    before.serve(1, 760);
    const auto old_spi = *before.group.standing().old_spi;
    const auto spi = before.group.standing().spi;
    const auto record = record_from(to_octets(before.group.record(at(765), wall(765))).view());
    REQUIRE(record.has_value());

    SECTION("within the rollover") {
        Gateway after(some_terms(), *record, 5, 780); // the engine's clock began anew
        after.group.join(9, at(5));
        const auto old = after.push(9, 5);
        REQUIRE(old.has_value());
        CHECK(old->spi == old_spi);
        CHECK(old->life <= 220); // never longer than the truth
        CHECK(old->life >= 217);
        after.group.acknowledged(9, at(5));
        const auto next = after.push(9, 5);
        REQUIRE(next.has_value());
        CHECK(next->spi == spi);
        CHECK(next->generation == 2);
        CHECK(next->rollover1 >= 40); // never shorter
        CHECK(next->rollover1 <= 43);
        CHECK(next->rollover2 - next->rollover1 == 60);
        CHECK(next->life <= 980);
        CHECK_FALSE(after.group.unsaved().has_value());
    }
    SECTION("after it") {
        Gateway after(some_terms(), *record, 5, 1100);
        CHECK(after.group.next_timeout() <= at(5));
        after.time(5);
        after.group.join(9, at(5));
        CHECK(after.push(9, 5)->spi == spi);
        CHECK_FALSE(after.group.standing().old_spi.has_value());
    }
    SECTION("when all has ended: another, under the next number") {
        Gateway after(some_terms(), *record, 5, 5000);
        after.group.join(9, at(5));
        CHECK(after.serve(9, 5).empty());
        after.time(5);
        const auto told = after.push(9, 5);
        REQUIRE(told.has_value());
        CHECK(told->generation == 3);
        CHECK(told->spi > spi);
        CHECK(told->rollover1 == 60); // who comes with something older is to roll over
    }
    SECTION("with a clock that was set back: what is there is to be replaced") {
        Gateway after(some_terms(), *record, 5, 100);
        CHECK(after.group.standing().rekey_wanted);
        after.group.join(9, at(5));
        const auto old = after.push(9, 5);
        REQUIRE(old.has_value());
        CHECK(old->life <= 235);
        after.time(5);
        after.time(5 + 60 + 32);
        after.time(5 + 120 + 32);
        CHECK(after.group.standing().generation == 3);
    }
    SECTION("under another suite") {
        Terms terms = some_terms();
        terms.suite.encr.key_bits = 128;
        Gateway after(terms, *record, 5, 780);
        CHECK(after.group.standing().rekey_wanted);
    }
}

TEST_CASE("a record is read as it was written, and nothing else is one") {
    Gateway gateway;
    gateway.group.join(1, at(0));
    gateway.serve(1, 0);
    gateway.group.leave(1, Leave::left);
    const Record plain = gateway.group.record(at(10), wall(10));
    gateway.time(10);
    const Record rolling = gateway.group.record(at(11), wall(11));
    REQUIRE(rolling.old.has_value());
    CHECK(plain.rekey_wanted);
    CHECK_FALSE(plain.old.has_value());
    for (const Record* record : {&plain, &rolling}) {
        const Secret octets = to_octets(*record);
        const auto read = record_from(octets.view());
        REQUIRE(read.has_value());
        CHECK(equal(to_octets(*read).view(), octets.view()));
        CHECK(same(read->newest.sa, record->newest.sa));
        CHECK(read->newest.expires == record->newest.expires);
        CHECK(read->rekey_wanted == record->rekey_wanted);
        for (std::size_t size = 0; size < octets.size(); ++size)
            REQUIRE_FALSE(record_from(octets.view().first(size)).has_value());
        Bytes longer(octets.view().begin(), octets.view().end());
        longer.push_back(0);
        CHECK_FALSE(record_from(longer).has_value());
    }
}

TEST_CASE("a thousand leaves and joins cost two rekeyings, and no SA is made for each") {
    Gateway gateway;
    for (MemberKey m = 1; m <= 1000; ++m)
        gateway.group.join(m, at(1));
    for (MemberKey m = 1; m <= 1000; ++m)
        gateway.serve(m, 1);
    for (MemberKey m = 1; m <= 500; ++m)
        gateway.group.leave(m, Leave::left);
    gateway.time(2);
    gateway.serve(600, 2);
    for (MemberKey m = 501; m <= 700; ++m)
        gateway.group.leave(m, Leave::left);
    for (std::int64_t now = 3; now < 400; ++now)
        gateway.time(now);
    CHECK(gateway.group.standing().generation == 3);
    CHECK(gateway.group.standing().members == 300);
}

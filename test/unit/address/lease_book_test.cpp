#include "lib/address/lease_book.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace sheaf;
using namespace sheaf::address;
using namespace std::chrono_literals;

namespace {

const WallTime kStart{std::chrono::seconds(1'700'000'000)};

Holder holder(std::string name) { return {2, Bytes(name.begin(), name.end()), name}; }

PoolSpec spec(std::string name, std::string_view prefix, unsigned delegate) {
    PoolSpec out{std::move(name), *Prefix::parse(prefix), delegate};
    out.lease = 1h;
    out.warn_at = 0;
    return out;
}

// Asks for blocks by the names of pools, and answers what was granted.
struct Desk {
    LeaseBook book;
    WallTime now = kStart;

    explicit Desk(std::vector<PoolSpec> specs) : book(specs) {}

    Assigned ask(const std::string& who, LinkId link, std::vector<Want> wants) {
        return book.assign({1, holder(who), link, "clients", std::move(wants)}, now);
    }
    std::optional<Grant> one(const std::string& who, LinkId link, std::string pool = "p") {
        return ask(who, link, {{{std::move(pool)}}}).grants.at(0);
    }
    void release(const std::string& who, LinkId link, std::vector<Grant> grants) {
        book.release({holder(who), link, std::move(grants)}, now);
    }
    PoolUsage usage(std::size_t pool = 0) { return book.usage(now).at(pool); }
};

Prefix prefix(std::string_view text) { return *Prefix::parse(text); }

} // namespace

TEST_CASE("all of a pool can be given away, each block once") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    std::set<Prefix> seen;
    for (int i = 0; i < 256; ++i) {
        const auto grant = desk.one("client" + std::to_string(i), 1);
        REQUIRE(grant);
        CHECK(grant->pool == "p");
        CHECK_FALSE(grant->renewed);
        CHECK(grant->block.length() == 64);
        CHECK(prefix("2001:db8::/56").contains(grant->block));
        CHECK(seen.insert(grant->block).second);
    }
    const auto answer = desk.ask("late", 1, {{{"p"}}});
    CHECK(answer.grants == std::vector<std::optional<Grant>>{std::nullopt});
    CHECK(answer.error ==
          "pool p (2001:db8::/56) is used up: 256 of 256 blocks in use; give it a shorter prefix, or the "
          "connection a second pool");
}

TEST_CASE("a new holder's block follows from its octets") {
    Desk first({spec("p", "2001:db8::/48", 64)});
    Desk second({spec("p", "2001:db8::/48", 64)});
    (void)second.one("another", 1);
    const auto block = first.one("alice", 7)->block;
    CHECK(second.one("alice", 3)->block == block);
    CHECK(first.one("bob", 7)->block != block);
}

TEST_CASE("a link that asks again has what it holds, in the same order") {
    Desk desk({spec("p", "2001:db8::/56", 64), spec("q", "192.0.2.0/24", 32)});
    const std::vector<Want> wants{{{"p"}}, {{"q"}}, {{"p"}}, {{"q", "p"}}};
    const auto before = desk.ask("alice", 1, wants);
    (void)desk.book.take_changes();
    const auto again = desk.ask("alice", 1, wants);
    CHECK(again.grants == before.grants);
    for (const auto& grant : again.grants)
        CHECK(grant->renewed);
    CHECK(desk.book.take_changes().empty()); // nothing to be put on record
    CHECK(desk.usage().used == 2);
}

TEST_CASE("a link that wants more keeps what it holds") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    const auto one = desk.one("alice", 1);
    const auto two = desk.ask("alice", 1, {{{"p"}}, {{"p"}}}).grants;
    CHECK(two.at(0) == one);
    CHECK(two.at(1)->block != one->block);
}

TEST_CASE("several wants have distinct blocks") {
    Desk desk({spec("p", "2001:db8::/62", 64)});
    std::set<Prefix> seen;
    for (const auto& grant : desk.ask("alice", 1, {{{"p"}}, {{"p"}}, {{"p"}}, {{"p"}}}).grants)
        CHECK(seen.insert(grant.value().block).second);
    CHECK(seen.size() == 4);
}

TEST_CASE("a second link of the same holder has another block") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    const auto first = desk.one("alice", 1);
    const auto second = desk.one("alice", 2);
    CHECK(first->block != second->block);
    CHECK_FALSE(second->renewed);
    CHECK(desk.one("alice", 1) == first);
    CHECK(desk.one("alice", 2) == second);
}

TEST_CASE("a holder who comes back has the block that was kept") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    const auto block = desk.one("alice", 1);
    desk.release("alice", 1, {*block});
    CHECK(desk.usage().used == 0);
    CHECK(desk.usage().kept == 1);
    CHECK(desk.usage().next_free == kStart + 1h);
    desk.now += 10min;
    (void)desk.book.take_changes();
    const auto back = desk.one("alice", 2);
    CHECK(back == block);
    CHECK(back->renewed);
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].kind == LeaseChange::Kind::put);
    CHECK(changes[0].lease.link == 2);
    CHECK(changes[0].lease.since == kStart);
}

TEST_CASE("what is kept goes to others only after its time, oldest first, and when nothing is free") {
    Desk desk({spec("p", "2001:db8::/62", 64)});
    std::vector<Grant> held;
    for (const auto* who : {"a", "b", "c"})
        held.push_back(desk.one(who, 1).value());
    desk.release("b", 1, {held[1]});
    desk.now += 1min;
    desk.release("a", 1, {held[0]});
    desk.now += 2h;
    const auto free = desk.one("d", 1); // one block was never used
    CHECK(free->block != held[0].block);
    CHECK(free->block != held[1].block);
    CHECK(desk.usage().kept == 0); // lapsed
    (void)desk.book.take_changes();
    CHECK(desk.one("e", 1)->block == held[1].block);
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 2);
    CHECK(changes[0].kind == LeaseChange::Kind::remove);
    CHECK(changes[0].lease.holder == holder("b"));
    CHECK(changes[1].kind == LeaseChange::Kind::put);
    CHECK(changes[1].lease.holder == holder("e"));
    CHECK(desk.one("a", 2)->renewed); // whose block nobody has taken
    CHECK_FALSE(desk.one("b", 2));
}

TEST_CASE("within its time what is kept goes to nobody else") {
    Desk desk({spec("p", "192.0.2.4/32", 32)});
    const auto block = desk.one("alice", 1);
    desk.release("alice", 1, {*block});
    desk.now += 59min + 59s;
    const auto answer = desk.ask("bob", 1, {{{"p"}}});
    CHECK_FALSE(answer.grants.at(0));
    CHECK(answer.error ==
          "pool p (192.0.2.4/32) is used up: 0 of 1 blocks in use, 1 kept for holders who are "
          "away; give it a shorter prefix or a shorter lease, or the connection a second pool");
    desk.now += 1s;
    CHECK(desk.one("bob", 1)->block == block->block);
}

TEST_CASE("only who holds a block can release it") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    const auto block = desk.one("alice", 1);
    desk.release("bob", 1, {*block});
    desk.release("alice", 2, {*block});
    desk.release("alice", 1, {{"q", block->block}, {"p", prefix("2001:db9::/64")}});
    CHECK(desk.usage().used == 1);
    desk.release("alice", 1, {*block, *block});
    CHECK(desk.usage().used == 0);
    CHECK(desk.usage().kept == 1);
}

TEST_CASE("a reservation is its holder's, on their first link, and never another's") {
    auto pool = spec("p", "2001:db8::/62", 64);
    pool.reserved = {{holder("alice"), prefix("2001:db8:0:1::/64")}};
    Desk desk({pool});
    CHECK(desk.usage().kept == 1);
    for (const auto* who : {"b", "c", "d"})
        CHECK(desk.one(who, 1)->block != prefix("2001:db8:0:1::/64"));
    CHECK_FALSE(desk.one("e", 1));
    const auto mine = desk.one("alice", 1);
    CHECK(mine->block == prefix("2001:db8:0:1::/64"));
    CHECK_FALSE(desk.one("alice", 2));
    desk.release("alice", 1, {*mine});
    desk.now += std::chrono::hours(24 * 365);
    CHECK_FALSE(desk.one("e", 1));
    CHECK(desk.one("alice", 2) == mine);
}

TEST_CASE("a block that is reserved for another while it is used goes to them when it is let go of") {
    Desk desk({spec("p", "192.0.2.4/32", 32)});
    const auto block = desk.one("bob", 1);
    auto pool = spec("p", "192.0.2.4/32", 32);
    pool.reserved = {{holder("alice"), block->block}};
    desk.book.update(std::vector{pool}, desk.now);
    CHECK(desk.one("bob", 1) == block);
    CHECK_FALSE(desk.one("alice", 1));
    (void)desk.book.take_changes();
    desk.release("bob", 1, {*block});
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].kind == LeaseChange::Kind::remove);
    CHECK_FALSE(desk.one("bob", 2));
    CHECK(desk.one("alice", 1)->block == block->block);
}

TEST_CASE("a want takes the first of its pools that has a block, unless the holder has one already") {
    Desk desk({spec("p", "192.0.2.4/32", 32), spec("q", "192.0.2.9/32", 32)});
    const std::vector<Want> wants{{{"p", "q"}}};
    const auto first = desk.ask("alice", 1, wants).grants.at(0);
    const auto second = desk.ask("bob", 1, wants).grants.at(0);
    CHECK(first->pool == "p");
    CHECK(second->pool == "q");
    desk.release("alice", 1, {*first});
    desk.release("bob", 1, {*second});
    desk.now += 2h;
    CHECK(desk.ask("bob", 2, wants).grants.at(0) == second);
}

TEST_CASE("a want that cannot be met does not keep the others from being met") {
    Desk desk({spec("p", "192.0.2.4/32", 32), spec("q", "2001:db8::/56", 64)});
    (void)desk.one("bob", 1);
    const auto answer = desk.ask("alice", 1, {{{"p"}}, {{"q"}}, {{"r"}}, {}});
    REQUIRE(answer.grants.size() == 4);
    CHECK_FALSE(answer.grants[0]);
    CHECK(answer.grants[1]);
    CHECK_FALSE(answer.grants[2]);
    CHECK_FALSE(answer.grants[3]);
    CHECK(answer.error.find("pool p (192.0.2.4/32) is used up") == 0);
    CHECK(answer.error.find("; pool r is not configured") != std::string::npos);
    CHECK(answer.error.find("; no pool is configured") != std::string::npos);
}

TEST_CASE("single addresses: neither network, broadcast nor subnet-router anycast address") {
    Desk desk(
        {spec("p", "192.0.2.0/29", 32), spec("q", "2001:db8::/125", 128), spec("r", "192.0.2.8/32", 32)});
    std::set<Prefix> v4;
    std::set<Prefix> v6;
    for (int i = 0; i < 8; ++i) {
        if (const auto grant = desk.one(std::to_string(i), 1, "p")) v4.insert(grant->block);
        if (const auto grant = desk.one(std::to_string(i), 1, "q")) v6.insert(grant->block);
    }
    CHECK(v4.size() == 6);
    CHECK_FALSE(v4.contains(prefix("192.0.2.0/32")));
    CHECK_FALSE(v4.contains(prefix("192.0.2.7/32")));
    CHECK(v6.size() == 7);
    CHECK_FALSE(v6.contains(prefix("2001:db8::/128")));
    CHECK(desk.one("a", 1, "r")->block == prefix("192.0.2.8/32"));
}

TEST_CASE("a pool may be as large as there are addresses") {
    Desk desk({spec("p", "::/0", 128), spec("q", "2000::/3", 64)});
    CHECK(desk.one("alice", 1, "p"));
    const auto block = desk.one("alice", 1, "q");
    CHECK(prefix("2000::/3").contains(block.value().block));
    desk.release("alice", 1, {*block});
    CHECK(desk.one("alice", 2, "q") == block);
}

TEST_CASE("a pool that is nearly full says so once, and an exhausted one until a block is free") {
    auto pool = spec("p", "2001:db8::/60", 64);
    pool.warn_at = 75;
    Desk desk({pool});
    std::vector<Grant> held;
    for (int i = 0; i < 11; ++i)
        held.push_back(desk.one(std::to_string(i), 1).value());
    CHECK(desk.book.take_notices().empty());
    for (int i = 11; i < 16; ++i)
        held.push_back(desk.one(std::to_string(i), 1).value());
    auto notices = desk.book.take_notices();
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].pool == "p");
    CHECK(notices[0].used == 12);
    CHECK(notices[0].size == 16);
    CHECK_FALSE(notices[0].exhausted);
    CHECK_FALSE(desk.one("late", 1));
    CHECK_FALSE(desk.one("later", 1));
    notices = desk.book.take_notices();
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].exhausted);
    desk.release("0", 1, {held[0]});
    desk.now += 2h; // what is kept lapses
    CHECK(desk.one("late", 1));
    CHECK_FALSE(desk.one("later", 1));
    notices = desk.book.take_notices();
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].exhausted);
}

TEST_CASE("usage forecasts when a pool will be used up") {
    Desk desk({spec("p", "2001:db8::/56", 64)});
    for (int i = 0; i < 30; ++i, desk.now += 1min)
        (void)desk.one(std::to_string(i), 1);
    const auto usage = desk.usage();
    CHECK(usage.size == 256);
    CHECK(usage.used == 30);
    REQUIRE(usage.exhausted_at);
    CHECK(*usage.exhausted_at == desk.now + std::chrono::minutes(226));
}

TEST_CASE("an update keeps the leases whose block still fits, and drops the others") {
    Desk desk({spec("p", "192.0.2.0/24", 32), spec("q", "2001:db8::/48", 64)});
    const auto stays = desk.one("alice", 1, "p");
    const auto goes = desk.one("alice", 1, "q");
    desk.release("alice", 1, {*goes});
    (void)desk.book.take_changes();
    desk.book.update(std::vector{spec("p", "192.0.2.0/23", 32), spec("r", "2001:db8::/48", 64)}, desk.now);
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].kind == LeaseChange::Kind::remove);
    CHECK(changes[0].lease.pool == "q");
    CHECK(changes[0].lease.block == goes->block);
    CHECK(desk.one("alice", 1, "p") == stays);
    CHECK(desk.usage().size == 510);
    CHECK(desk.one("bob", 1, "r"));
}

TEST_CASE("what a link uses is nobody else's, whatever becomes of its pool") {
    Desk desk({spec("p", "2001:db8::/60", 64)});
    std::vector<Grant> held;
    for (int i = 0; i < 4; ++i)
        held.push_back(desk.one("client" + std::to_string(i), 1).value());
    (void)desk.book.take_changes();
    const auto overlaps = [&](const Prefix& block) {
        return std::ranges::any_of(held, [&](const Grant& grant) { return grant.block.overlaps(block); });
    };
    // Renamed, and blocks that are larger, as large and smaller.
    for (const unsigned delegate : {62U, 64U, 66U}) {
        auto pool = spec("q", "2001:db8::/60", delegate);
        pool.reserved = {{holder("other0"), Prefix(held[0].block.address(), delegate)}};
        desk.book.update(std::vector{pool}, desk.now);
        CHECK(desk.book.take_changes().empty());
        bool distinct = true;
        for (int i = 0; i < 64; ++i)
            if (const auto grant = desk.one("other" + std::to_string(i), 1, "q")) {
                distinct = distinct && !overlaps(grant->block);
                desk.release("other" + std::to_string(i), 1, {*grant});
            }
        CHECK(distinct);
        desk.book.update({}, desk.now);
        (void)desk.book.take_changes();
    }
    // Its pool is there again: as if nothing had been.
    desk.book.update(std::vector{spec("p", "2001:db8::/60", 64)}, desk.now);
    CHECK(desk.book.take_changes().empty());
    CHECK(desk.usage().used == 4);
    CHECK(desk.one("client2", 1) == held[2]);
    // Once it is let go of without a pool, it is forgotten, and anybody's.
    desk.book.update(std::vector{spec("q", held[1].block.to_string(), 64)}, desk.now);
    CHECK_FALSE(desk.one("other", 1, "q"));
    desk.release("client1", 2, {held[1]});
    CHECK_FALSE(desk.one("other", 1, "q"));
    desk.release("client1", 1, {held[1]});
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].kind == LeaseChange::Kind::remove);
    CHECK(desk.one("other", 1, "q")->block == held[1].block);
}

TEST_CASE("after a restart all blocks are kept for their holders") {
    Desk before({spec("p", "2001:db8::/62", 64)});
    const auto one = before.one("alice", 1);
    const auto two = before.one("alice", 2);
    const auto away = before.one("bob", 3);
    before.release("bob", 3, {*away});
    std::vector<Lease> leases;
    for (const auto& change : before.book.take_changes()) {
        std::erase_if(leases, [&](const Lease& lease) { return lease.block == change.lease.block; });
        leases.push_back(change.lease);
    }
    REQUIRE(leases.size() == 3);

    Desk desk({spec("p", "2001:db8::/62", 64)});
    desk.now += 30min;
    CHECK(desk.book.restore(leases, desk.now).empty());
    CHECK(desk.usage().used == 0);
    CHECK(desk.usage().kept == 3);
    CHECK(desk.usage().next_free == kStart + 1h); // bob's
    for (const auto& change : desk.book.take_changes()) {
        CHECK(change.lease.holder == holder("alice"));
        CHECK(change.lease.link == 0);
        CHECK(change.lease.until == desk.now + 1h);
    }
    CHECK_FALSE(desk.ask("carol", 1, {{{"p"}}, {{"p"}}}).grants.at(1));
    CHECK(desk.one("alice", 1) == one);
    CHECK(desk.one("alice", 2) == two);
    CHECK(desk.one("bob", 1) == away);
}

TEST_CASE("a restart leaves out what is in no pool, is another's already, or is reserved for another") {
    auto pool = spec("p", "2001:db8::/56", 64);
    pool.reserved = {{holder("carol"), prefix("2001:db8:0:2::/64")}};
    LeaseBook book(std::vector{pool});
    const auto lease = [](const std::string& who, std::string from, std::string_view block) {
        return Lease{std::move(from), prefix(block), holder(who), 0, kStart, kStart + 1h};
    };
    const auto left_out =
        book.restore({lease("alice", "p", "2001:db8:0:1::/64"), lease("alice", "q", "192.0.2.1/32"),
                      lease("bob", "p", "2001:db8:0:1::/64"), lease("bob", "p", "2001:db8:0:2::/64"),
                      lease("dave", "p", "2001:db8:1::/64"), lease("dave", "p", "2001:db8::/60")},
                     kStart);
    REQUIRE(left_out.size() == 5);
    CHECK(left_out[0].pool == "q");
    CHECK(left_out[1].holder == holder("bob"));
    CHECK(left_out[2].holder == holder("bob"));
    CHECK(left_out[3].holder == holder("dave"));
    CHECK(book.usage(kStart).at(0).kept == 2);
}

TEST_CASE("a clock that was put back keeps no block for longer than the pool's time") {
    Desk desk({spec("p", "192.0.2.4/32", 32)});
    const Lease lease{"p",    prefix("192.0.2.4/32"),           holder("alice"), 0,
                      kStart, kStart + std::chrono::hours(9999)};
    CHECK(desk.book.restore({lease}, kStart).empty());
    CHECK(desk.usage().next_free == kStart + 1h);
    CHECK(desk.book.take_changes().size() == 1);
}

TEST_CASE("a clock that is wrong for a while costs nobody their block, and keeps none for longer") {
    Desk desk({spec("p", "192.0.2.4/30", 32)});
    const auto alice = desk.one("alice", 1);
    const auto bob = desk.one("bob", 1);
    REQUIRE(alice);
    REQUIRE(bob);
    desk.release("alice", 1, {*alice});
    desk.now += std::chrono::hours(9999);
    desk.release("bob", 1, {*bob}); // by then alice's has lapsed
    CHECK(desk.usage().kept == 1);
    (void)desk.book.take_changes();
    desk.now = kStart + 10min;
    CHECK_FALSE(desk.one("carol", 1));
    CHECK(desk.usage().kept == 2);
    const auto changes = desk.book.take_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].kind == LeaseChange::Kind::put);
    CHECK(changes[0].lease.holder == holder("bob"));
    CHECK(changes[0].lease.until == desk.now + 1h);
    desk.now = kStart + 1h;
    CHECK(desk.one("carol", 1)); // that was alice's
    CHECK_FALSE(desk.one("dave", 1));
    desk.now = kStart + 70min;
    CHECK(desk.one("dave", 1)->block == bob->block);
}

TEST_CASE("nobody's link holds nothing") {
    Desk desk({spec("p", "192.0.2.0/24", 32)});
    CHECK_FALSE(desk.one("alice", 0));
    CHECK(desk.usage().used == 0);
}

TEST_CASE("a hundred thousand leases: the cost of one does not depend on the others") {
    Desk desk({spec("p", "2001:db8::/47", 64)}); // 131072, so that the end is a crowd
    std::vector<Grant> held;
    const auto fill = [&](int from, int to) {
        const auto begun = std::chrono::steady_clock::now();
        for (int i = from; i < to; ++i)
            held.push_back(desk.one("client" + std::to_string(i), 1).value());
        return std::chrono::steady_clock::now() - begun;
    };
    const auto first = fill(0, 10'000);
    (void)fill(10'000, 120'000);
    const auto last = fill(120'000, 130'000);
    CHECK(last < first * 50); // a scan would take some thousand times as long
    for (int i = 0; i < 130'000; ++i)
        desk.release("client" + std::to_string(i), 1, {held[static_cast<std::size_t>(i)]});
    CHECK(desk.usage().used == 0);
    CHECK(desk.usage().kept == 130'000);
}

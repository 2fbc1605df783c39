#include "daemon/pool_source.h"
#include "test/unit/daemon/scratch_folder.h"
#include "test/unit/daemon/small_disk.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace sheaf;
using namespace sheaf::address;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;

namespace {

PoolSpec spec(std::string name, std::string_view prefix, unsigned delegate) {
    PoolSpec out{std::move(name), *Prefix::parse(prefix), delegate};
    out.lease = 1h;
    return out;
}

Holder holder(const std::string& name) { return {2, Bytes(name.begin(), name.end()), name}; }

struct Desk {
    ScratchFolder folder;
    std::string path = folder.file("leases.db");
    std::vector<PoolSpec> specs{spec("v6", "2001:db8::/48", 64)};
    WallTime wall{1'700'000'000s};
    Instant now{1s};
    std::unique_ptr<PoolSource> source;

    void open() {
        source.reset(); // whose lock would be in the way
        auto opened = PoolSource::open(path, specs, [this] { return wall; });
        REQUIRE(opened);
        source = std::move(*opened);
    }
    void ask(DemandId id, const std::string& who, LinkId link, std::string pool = "v6") {
        source->ask(Assign{id, holder(who), link, "clients", {{{std::move(pool)}}}}, now);
    }
    AddressSource::Supplied take() { return source->take(now); }
    std::optional<Grant> one(const std::string& who, LinkId link) {
        ask(1, who, link);
        return take().answers.at(0).grants.at(0);
    }
    // What a restart would find, as the file is now.
    std::vector<Lease> on_record() {
        const auto copy = folder.file("copy.db");
        for (const std::string suffix : {"", "-wal"}) {
            std::filesystem::remove(copy + suffix);
            if (std::filesystem::exists(path + suffix))
                std::filesystem::copy_file(path + suffix, copy + suffix);
        }
        auto opened = LeaseStore::open(copy);
        REQUIRE(opened);
        return std::move(opened->leases);
    }
};

bool told(const AddressSource::Supplied& supplied, LogLevel level, std::string_view part) {
    return std::ranges::any_of(supplied.remarks, [&](const auto& remark) {
        return remark.level == level && remark.text.find(part) != std::string::npos;
    });
}

} // namespace

TEST_CASE("what is answered is on record by then, and is written once for all that was asked") {
    Desk desk;
    desk.open();
    desk.ask(7, "alice", 1);
    desk.ask(8, "bob", 1);
    CHECK(desk.on_record().empty());
    const auto supplied = desk.take();
    REQUIRE(supplied.answers.size() == 2);
    CHECK(supplied.answers[0].id == 7);
    CHECK(supplied.answers[1].id == 8);
    const auto leases = desk.on_record();
    REQUIRE(leases.size() == 2);
    for (const auto& answer : supplied.answers)
        CHECK(std::ranges::any_of(
            leases, [&](const Lease& lease) { return lease.block == answer.grants[0]->block; }));
    CHECK(desk.take().answers.empty());
}

TEST_CASE("a missing lease file is told, with what follows from it") {
    Desk desk;
    desk.open();
    CHECK(told(
        desk.take(), LogLevel::warning,
        "leases.db: was missing and has been made: who had which prefix before is not known, so clients may "
        "get other ones"));
    desk.open();
    CHECK(desk.take().remarks.size() == 1);
}

TEST_CASE("after a restart a holder has its block again, and nobody else gets it") {
    Desk desk;
    desk.specs = {spec("v6", "2001:db8::/64", 64)};
    desk.open();
    const auto block = desk.one("alice", 1);
    REQUIRE(block);
    desk.open();
    desk.wall += 59min;
    CHECK_FALSE(desk.one("bob", 1));
    CHECK(desk.one("alice", 1) == block);
}

TEST_CASE("leases that are in no pool any more are told and forgotten, at a restart and at a reload") {
    Desk desk;
    desk.open();
    (void)desk.one("alice", 1);
    desk.specs = {spec("other", "2001:db8:1::/48", 64)};
    desk.open();
    const auto supplied = desk.take();
    CHECK(told(supplied, LogLevel::warning,
               "1 leases are in no pool of the configuration any more, or reserved for "
               "somebody else, and are forgotten: 2001:db8:"));
    CHECK(told(supplied, LogLevel::warning, " of alice in pool v6"));
    CHECK(desk.on_record().empty());

    desk.ask(1, "alice", 1, "other");
    const auto in_use = desk.take().answers.at(0).grants.at(0);
    REQUIRE(in_use);
    REQUIRE(desk.source->update(std::vector{spec("third", "2001:db8:2::/48", 64)}, desk.now));
    CHECK(desk.take().remarks.empty());
    CHECK(desk.on_record().size() == 1); // alice still has it
    REQUIRE(desk.source->update(desk.specs, desk.now));
    desk.source->ask(Release{holder("alice"), 1, {*in_use}}, desk.now);
    (void)desk.take();
    CHECK(desk.on_record().size() == 1);
    REQUIRE(desk.source->update(std::vector{spec("third", "2001:db8:2::/48", 64)}, desk.now));
    CHECK(told(desk.take(), LogLevel::warning, "1 leases are in no pool"));
    CHECK(desk.on_record().empty());
    CHECK(desk.source->usage().at(0).spec.name == "third");
}

TEST_CASE("while the file cannot be written nobody is told of anything new, and links keep what they have") {
    Desk desk;
    desk.open();
    const auto before = desk.one("alice", 1);
    REQUIRE(before);
    {
        const SmallDisk disk(16);
        desk.ask(1, "alice", 1);
        desk.ask(2, "bob", 1);
        const auto supplied = desk.take();
        REQUIRE(supplied.answers.size() == 2);
        CHECK(supplied.answers[0].grants[0] == before);
        CHECK_FALSE(supplied.answers[1].grants[0]);
        CHECK(supplied.answers[1].error.find("lease file " + desk.path) == 0);
        CHECK(told(supplied, LogLevel::error,
                   "; until then no client is given an address that it does not have"));
        REQUIRE(desk.source->next_timeout());
        CHECK(*desk.source->next_timeout() == desk.now + PoolSource::kRetry);
        desk.ask(3, "carol", 1);
        const auto again = desk.take();
        CHECK_FALSE(again.answers.at(0).grants[0]);
        CHECK(again.remarks.empty()); // it was told
    }
    CHECK(desk.on_record().size() == 1);
    CHECK(desk.source->usage().at(0).used == 1);
    CHECK(desk.take().remarks.empty()); // not yet time to try again
    desk.now += PoolSource::kRetry;
    CHECK(told(desk.take(), LogLevel::warning, "is written again"));
    CHECK_FALSE(desk.source->next_timeout());
    CHECK(desk.on_record().size() == 3); // bob's and carol's are kept for them
    CHECK(desk.one("bob", 2));
}

TEST_CASE("a holder whose block is on record comes back while the file cannot be written") {
    Desk desk;
    desk.specs = {spec("v6", "2001:db8::/63", 64)};
    desk.open();
    const auto alice = desk.one("alice", 1);
    const auto bob = desk.one("bob", 1);
    desk.source->ask(Release{holder("alice"), 1, {*alice}}, desk.now);
    desk.source->ask(Release{holder("bob"), 1, {*bob}}, desk.now);
    (void)desk.take();
    desk.wall += 2h;
    {
        const SmallDisk disk(16);
        CHECK(desk.one("alice", 2) == alice);
        CHECK_FALSE(desk.one("carol", 1)); // it would be bob's, who is on record for it
        CHECK(desk.source->usage().at(0).used == 1);
    }
    CHECK(desk.on_record().size() == 2);
}

TEST_CASE("after a failure nothing is written before its time, whoever asks") {
    Desk desk;
    desk.open();
    const auto alice = desk.one("alice", 1);
    {
        const SmallDisk disk(16);
        CHECK_FALSE(desk.one("bob", 1));
    }
    CHECK_FALSE(desk.one("carol", 1)); // though it could be
    CHECK(desk.one("alice", 1) == alice);
    CHECK(desk.on_record().size() == 1);
    desk.now += PoolSource::kRetry;
    CHECK(desk.one("bob", 1));
    CHECK(desk.on_record().size() == 3);
}

TEST_CASE("what is let go of while the file cannot be written is written later") {
    Desk desk;
    desk.open();
    const auto block = desk.one("alice", 1);
    {
        const SmallDisk disk(16);
        desk.source->ask(Release{holder("alice"), 1, {*block}}, desk.now);
        CHECK(told(desk.take(), LogLevel::error, "lease file"));
    }
    CHECK(desk.on_record().at(0).link == 1);
    desk.now += PoolSource::kRetry;
    (void)desk.take();
    CHECK(desk.on_record().at(0).link == 0);
}

TEST_CASE(
    "the file is opened when there is a pool, and one that cannot be used leaves the pools as they were") {
    Desk desk;
    const auto pools = std::exchange(desk.specs, {});
    desk.open();
    CHECK_FALSE(std::filesystem::exists(desk.path));
    std::ofstream(desk.path) << "this is none";
    const auto done = desk.source->update(pools, desk.now);
    REQUIRE_FALSE(done);
    CHECK(done.error().find("lease file " + desk.path + ": is damaged") == 0);
    CHECK(desk.source->usage().empty());
    std::filesystem::remove(desk.path);
    REQUIRE(desk.source->update(pools, desk.now));
    CHECK(desk.one("alice", 1));
    CHECK(desk.on_record().size() == 1);
}

TEST_CASE("without a file pools forget with their process") {
    Desk desk;
    desk.path.clear();
    desk.open();
    CHECK(desk.one("alice", 1));
    CHECK(desk.take().remarks.empty());
    REQUIRE(desk.source->update(std::vector{spec("v6", "2001:db8::/47", 64)}, desk.now));
    CHECK(desk.source->usage().at(0).used == 1);
}

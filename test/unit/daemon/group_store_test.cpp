#include "daemon/group_keeper.h"
#include "daemon/group_store.h"
#include "test/unit/daemon/scratch_folder.h"
#include "test/unit/daemon/small_disk.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/stat.h>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;

namespace {

const Instant kNow{1000s};

ike::GroupRecord record(const std::string& group, std::uint64_t change, std::string_view octets) {
    return {group, change, Secret::copy_of(Bytes(octets.begin(), octets.end()))};
}
std::string text(const Secret& secret) {
    const auto view = secret.view();
    return {view.begin(), view.end()};
}
ike::GroupService service(const std::string& name) { return {name, {}}; }

std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

std::expected<void, std::string> put(GroupStore& store, const ike::GroupRecord& record) {
    const auto* one = &record;
    return store.apply({&one, 1});
}

// What is in the file: "sites=record".
std::vector<std::string> stored(const std::string& path) {
    auto opened = GroupStore::open(path);
    INFO((opened ? "" : opened.error()));
    REQUIRE(opened);
    std::vector<std::string> out;
    for (const auto& entry : opened->groups)
        out.push_back(entry.group + "=" + text(entry.octets));
    return out;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("Records of groups are there again", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    {
        auto opened = GroupStore::open(path);
        REQUIRE(opened);
        CHECK(opened->created);
        CHECK(opened->groups.empty());
        REQUIRE(put(opened->store, record("sites", 1, "one")));
        REQUIRE(put(opened->store, record("labs", 1, std::string_view("a\0b", 3))));
        REQUIRE(put(opened->store, record("sites", 2, "two")));
    }
    CHECK(stored(path) == Texts{std::string("labs=a\0b", 8), "sites=two"});
    CHECK_FALSE(GroupStore::open(path)->created);
    {
        auto opened = GroupStore::open(path);
        REQUIRE(opened);
        REQUIRE(put(opened->store, record("labs", 3, "")));
        REQUIRE(put(opened->store, record("unknown", 1, "")));
    }
    CHECK(stored(path) == Texts{"sites=two"});
}

TEST_CASE("Nobody else reads the records, and old ones are not left in the file", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    const std::string old_key(64, 'k');
    {
        auto opened = GroupStore::open(path);
        REQUIRE(opened);
        REQUIRE(put(opened->store, record("sites", 1, old_key)));
        CHECK(content(path).find(old_key) != std::string::npos); // it is in clear
        REQUIRE(put(opened->store, record("sites", 2, "new")));
        for (const auto* beside : {"", "-journal", "-wal"})
            CHECK(content(path + beside).find(old_key) == std::string::npos);
    }
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("A group file that cannot be used is told, and stays as it is", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    SECTION("no database") {
        (void)folder.write("groups.db", std::string(200, 'x'));
        const auto opened = GroupStore::open(path);
        REQUIRE_FALSE(opened);
        CHECK(opened.error() == "group file " + path +
                                    ": is no SQLite database, so it is damaged or not a group file: if it is "
                                    "another program's, name "
                                    "another with \"group_file\"; else put a copy of it back, or, if the "
                                    "members may change to new SAs at "
                                    "once, move it away, and with it " +
                                    path + "-wal and " + path + "-journal if they are there");
        CHECK(content(path) == std::string(200, 'x'));
    }
    SECTION("a lease file") {
        REQUIRE(GroupStore::open(path));
        auto database = sqlite::Database::open(path);
        REQUIRE(database);
        REQUIRE(database->run("PRAGMA application_id = 1399352422"));
        const auto opened = GroupStore::open(path);
        REQUIRE_FALSE(opened);
        CHECK(opened.error() ==
              "group file " + path +
                  ": is another program's database (application 0x53686c66, not 0x53686770): name "
                  "another with \"group_file\"");
    }
    SECTION("in use") {
        const auto first = GroupStore::open(path);
        REQUIRE(first);
        const auto second = GroupStore::open(path);
        REQUIRE_FALSE(second);
        CHECK(second.error().find("is in use, by another sheafd") != std::string::npos);
    }
    SECTION("damaged within") {
        REQUIRE(GroupStore::open(path));
        auto whole = content(path);
        whole.replace(4096, 64, std::string(64, 'x'));
        (void)folder.write("groups.db", whole);
        const auto opened = GroupStore::open(path);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().starts_with("group file " + path + ": is damaged: "));
        CHECK(content(path) == whole);
    }
}

TEST_CASE("What is stored is told, once", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    GroupKeeper keeper(path);
    const std::vector services{service("sites"), service("labs")};
    REQUIRE(keeper.serve(services));
    keeper.put(record("sites", 1, "one"));
    keeper.put(record("labs", 7, "seven"));
    keeper.put(record("sites", 2, "two"));
    const auto taken = keeper.take(kNow);
    REQUIRE(taken.stored.size() == 2);
    CHECK(taken.stored[0].group == "labs");
    CHECK(taken.stored[0].change == 7);
    CHECK(taken.stored[1].group == "sites");
    CHECK(taken.stored[1].change == 2);
    CHECK(keeper.take(kNow).stored.empty());
    CHECK_FALSE(keeper.next_timeout());
    CHECK(keeper.recalled().empty());
}

TEST_CASE("An earlier life's groups are recalled if they are served, and else forgotten", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    const std::vector services{service("sites"), service("labs")};
    {
        GroupKeeper keeper(path);
        REQUIRE(keeper.serve(services));
        keeper.put(record("sites", 1, "one"));
        keeper.put(record("labs", 1, "two"));
        CHECK(keeper.take(kNow).stored.size() == 2);
    }
    {
        GroupKeeper keeper(path);
        REQUIRE(keeper.serve(std::span(services).first(1)));
        const auto recalled = keeper.recalled();
        REQUIRE(recalled.size() == 1);
        CHECK(recalled[0].group == "sites");
        CHECK(text(recalled[0].octets) == "one");
        const auto taken = keeper.take(kNow);
        CHECK(taken.stored.empty()); // nobody waits for that
        REQUIRE(taken.remarks.size() == 1);
        CHECK(taken.remarks[0].text ==
              "group file " + path + ": group \"labs\" is not served any more, and its SA is forgotten");
    }
    CHECK(stored(path) == Texts{"sites=one"});
}

TEST_CASE("Without a group there is no file, and without a file all is stored at once", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    GroupKeeper idle(path);
    REQUIRE(idle.serve({}));
    struct stat info {};
    CHECK(::stat(path.c_str(), &info) != 0);
    GroupKeeper forgetful("");
    const std::vector services{service("sites")};
    REQUIRE(forgetful.serve(services));
    forgetful.put(record("sites", 3, "three"));
    REQUIRE(forgetful.take(kNow).stored.size() == 1);
}

TEST_CASE("A full disk is told once, and tried again", "[daemon]") {
    const ScratchFolder folder;
    const auto path = folder.file("groups.db");
    GroupKeeper keeper(path);
    const std::vector services{service("sites")};
    REQUIRE(keeper.serve(services));
    (void)keeper.take(kNow);
    const std::string large(1 << 16, 'r');
    {
        const SmallDisk small(1 << 14);
        keeper.put(record("sites", 1, large));
        const auto taken = keeper.take(kNow);
        CHECK(taken.stored.empty());
        REQUIRE(taken.remarks.size() == 1);
        CHECK(taken.remarks[0].level == LogLevel::error);
        CHECK(taken.remarks[0].text.starts_with("group file " + path + ": cannot be "));
        CHECK(taken.remarks[0].text.ends_with("; until then no member is told a new SA"));
        REQUIRE(keeper.next_timeout());
        CHECK(*keeper.next_timeout() == kNow + GroupKeeper::kRetry);
        CHECK(keeper.take(kNow + GroupKeeper::kRetry).remarks.empty());
    }
    keeper.put(record("sites", 2, "two"));
    CHECK(keeper.take(kNow + GroupKeeper::kRetry + 1s).stored.empty());
    const auto again = keeper.take(kNow + 2 * GroupKeeper::kRetry);
    REQUIRE(again.stored.size() == 1);
    CHECK(again.stored[0].change == 2);
    REQUIRE(again.remarks.size() == 1);
    CHECK(again.remarks[0].text == "group file " + path + ": is written again");
    CHECK_FALSE(keeper.next_timeout());
}

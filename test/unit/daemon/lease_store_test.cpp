#include "daemon/lease_store.h"
#include "test/unit/daemon/scratch_folder.h"
#include "test/unit/daemon/small_disk.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sheaf;
using namespace sheaf::address;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

namespace {

const WallTime kStart{std::chrono::seconds(1'700'000'000)};

Lease lease(std::string_view block, const std::string& who, LinkId link = 0) {
    return {"v6", *Prefix::parse(block), {2, Bytes(who.begin(), who.end()), who}, link, kStart, kStart};
}
LeaseChange put(Lease lease) { return {LeaseChange::Kind::put, std::move(lease)}; }

std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}
void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::string fails(const std::string& path) {
    const auto opened = LeaseStore::open(path);
    return opened ? "opened" : opened.error();
}

bool says(const std::string& text, std::initializer_list<std::string_view> parts) {
    return std::ranges::all_of(parts, [&](auto part) { return text.find(part) != std::string::npos; });
}

// A lease file with two leases, closed.
struct Sample {
    ScratchFolder folder;
    std::string path = folder.file("leases.db");

    Sample() {
        auto opened = LeaseStore::open(path);
        REQUIRE(opened);
        REQUIRE(opened->store.apply(
            std::vector{put(lease("2001:db8:1::/64", "alice")), put(lease("2001:db8:2::/64", "bob"))}));
    }
    void alter(const std::string& sql) const {
        auto database = sqlite::Database::open(path);
        REQUIRE(database);
        REQUIRE(database->run(sql));
    }
};

// Whom file permissions hold for: root is nobody in particular meanwhile.
class Unprivileged {
  public:
    Unprivileged() {
        constexpr uid_t kNobody = 65534;
        if (root_) REQUIRE(::seteuid(kNobody) == 0);
    }
    ~Unprivileged() {
        if (root_ && ::seteuid(0) != 0) std::abort();
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

  private:
    bool root_ = ::geteuid() == 0;
};

} // namespace

TEST_CASE("a lease file that is missing is made, for its owner only, with its folder") {
    const ScratchFolder folder;
    const auto path = folder.file("state/leases.db");
    {
        const auto opened = LeaseStore::open(path);
        REQUIRE(opened);
        CHECK(opened->created);
        CHECK(opened->leases.empty());
    }
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    REQUIRE(::stat(folder.file("state").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    const auto header = content(path).substr(0, 100);
    CHECK(header.substr(60, 4) == std::string("\0\0\0\1", 4)); // user_version
    CHECK(header.substr(68, 4) == "Shlf");                     // application_id
    const auto again = LeaseStore::open(path);
    REQUIRE(again);
    CHECK_FALSE(again->created);
}

TEST_CASE("what was put on record is there in the next life, as it was") {
    const ScratchFolder folder;
    const auto path = folder.file("leases.db");
    const Lease v4{
        "v4 \"odd\"", *Prefix::parse("192.0.2.1/32"), {11, {0, 0xff, '\''}, "0x00ff27"}, 4'000'000'000,
        kStart,       kStart + std::chrono::hours(24)};
    const Lease nobody{"v6", *Prefix::parse("2001:db8::/64"),  {13, {}, ""},
                       0,    kStart + std::chrono::seconds(1), kStart};
    {
        auto opened = LeaseStore::open(path);
        REQUIRE(opened);
        auto& store = opened->store;
        REQUIRE(store.apply(std::vector{put(nobody), put(v4), put(lease("2001:db8:1::/64", "alice", 3))}));
        REQUIRE(store.apply(std::vector{put(lease("2001:db8:1::/64", "bob")), // in her place
                                        put(lease("2001:db8:2::/64", "carol"))}));
        REQUIRE(store.apply(
            std::vector<LeaseChange>{{LeaseChange::Kind::remove, lease("2001:db8:2::/64", "carol")}}));
    }
    const auto opened = LeaseStore::open(path);
    REQUIRE(opened);
    const auto& leases = opened->leases;
    REQUIRE(leases.size() == 3); // those of the longest standing first
    CHECK(leases[0].block == v4.block);
    CHECK(leases[0].pool == v4.pool);
    CHECK(leases[0].holder == v4.holder);
    CHECK(leases[0].holder.text == v4.holder.text);
    CHECK(leases[0].link == v4.link);
    CHECK(leases[0].since == v4.since);
    CHECK(leases[0].until == v4.until);
    CHECK(leases[1].holder.text == "bob");
    CHECK(leases[2].holder == nobody.holder);
}

TEST_CASE("what apply() has answered is there when the process is killed right after") {
    const ScratchFolder folder;
    auto opened = LeaseStore::open(folder.file("leases.db"));
    REQUIRE(opened);
    REQUIRE(opened->store.apply(std::vector{put(lease("2001:db8:1::/64", "alice"))}));
    for (const std::string suffix : {"", "-wal"}) // as a killed process leaves them
        write(folder.file("copy.db") + suffix, content(folder.file("leases.db") + suffix));
    const auto copy = LeaseStore::open(folder.file("copy.db"));
    REQUIRE(copy);
    REQUIRE(copy->leases.size() == 1);
    CHECK(copy->leases[0].holder.text == "alice");
}

TEST_CASE("a batch that does not fit on the disk leaves nothing behind, and later ones do") {
    const ScratchFolder folder;
    const auto path = folder.file("leases.db");
    std::vector<LeaseChange> many;
    for (int i = 0; i < 2000; ++i)
        many.push_back(put(lease("2001:db8:" + std::to_string(i) + "::/64", "alice")));
    {
        auto opened = LeaseStore::open(path);
        REQUIRE(opened);
        REQUIRE(opened->store.apply(std::vector{put(lease("2001:db9::/64", "bob"))}));
        {
            const SmallDisk disk(64 * 1024);
            const auto done = opened->store.apply(many);
            REQUIRE_FALSE(done);
            CHECK(says(done.error(), {"lease file " + path, "look at its disk"}));
        }
        REQUIRE(opened->store.apply(std::vector{put(lease("2001:db9:1::/64", "carol"))}));
    }
    const auto opened = LeaseStore::open(path);
    REQUIRE(opened);
    CHECK(opened->leases.size() == 2);
}

TEST_CASE("a lease file that is damaged or another's is told, and stays as it is") {
    const Sample sample;
    const auto& path = sample.path;
    const std::string sound = content(path);
    const auto is_told = [&](std::string_view expected) {
        const std::string before = content(path);
        const auto error = fails(path);
        INFO(error);
        CHECK(says(error, {"lease file " + path + ": " + std::string(expected)}));
        CHECK(content(path) == before);
    };
    REQUIRE(sound.size() >= 2 * 4096);

    SECTION("empty") {
        write(path, "");
        is_told("is damaged: of its header 0 of 100 octets are there: put a copy of it back");
    }
    SECTION("cut in its header") {
        write(path, sound.substr(0, 60));
        is_told("is damaged: of its header 60 of 100 octets are there");
    }
    SECTION("cut after its header") {
        write(path, sound.substr(0, 4096));
        is_told("is damaged: ");
    }
    SECTION("cut in its middle") {
        write(path, sound.substr(0, 4096 + 100));
        is_told("is damaged: ");
    }
    SECTION("garbage") {
        write(path, std::string(5000, 'x'));
        is_told(
            "is no SQLite database, so it is damaged or not a lease file: if it is another program's, name "
            "another with \"lease_file\"; else put a copy of it back");
    }
    SECTION("garbage in the leases") {
        write(path, sound.substr(0, 4096) + std::string(sound.size() - 4096, '\x5a'));
        is_told("is damaged: ");
    }
    SECTION("another program's database") {
        sample.alter("PRAGMA application_id = 252006674");
        is_told("is another program's database (application 0x0f055112, not 0x53686c66): name another with "
                "\"lease_file\"");
    }
    SECTION("a newer schema") {
        sample.alter("PRAGMA user_version = 2");
        is_told(
            "is of a newer Sheaf: it has version 2, and this sheafd knows 1: install the newer one again, or "
            "name another file with \"lease_file\"");
    }
    SECTION("a schema that never was") {
        sample.alter("PRAGMA user_version = 0");
        is_told("is damaged: there is no version 0 of it");
    }
    SECTION("without its table") {
        sample.alter("DROP TABLE lease");
        is_told("is damaged: no such table: lease");
    }
    SECTION("a row that we have not written") {
        sample.alter("UPDATE lease SET block = '2001:db8:1::7/64' WHERE holder_text = 'alice'");
        is_told("is damaged: the row of block '2001:db8:1::7/64' is none that sheafd has written");
    }
    SECTION("a time that cannot be") {
        sample.alter("UPDATE lease SET until = 9223372036854775807");
        is_told("is damaged: the row of block '2001:db8:1::/64' is none");
    }
}

TEST_CASE("a lease file that sheafd may not read or write is told") {
    const Sample sample;
    REQUIRE(::chmod(sample.folder.file("").c_str(), 0755) == 0);
    REQUIRE(::chmod(sample.path.c_str(), 0444) == 0);
    {
        const Unprivileged unprivileged;
        CHECK(says(fails(sample.path),
                   {"lease file " + sample.path + ": cannot be written: ",
                    ": let sheafd's user read and write it and its folder, or name another with "
                    "\"lease_file\""}));
    }
    REQUIRE(::chmod(sample.path.c_str(), 0000) == 0);
    {
        const Unprivileged unprivileged;
        CHECK(says(fails(sample.path),
                   {": cannot be read: Permission denied: let sheafd's user read and write"}));
    }
    REQUIRE(::chmod(sample.folder.file("").c_str(), 0555) == 0);
    {
        const Unprivileged unprivileged;
        CHECK(
            says(fails(sample.folder.file("none.db")), {"none.db: cannot be made: Permission denied: let"}));
        CHECK(says(fails(sample.folder.file("a/none.db")),
                   {"the folder " + sample.folder.file("a") +
                    " is not there and cannot be made: Permission denied: "
                    "make it for sheafd's user"}));
    }
    CHECK(says(fails(sample.folder.file("a/b/none.db")), {"cannot be made: No such file or directory"}));
    CHECK(says(fails(sample.folder.file("")), {"is no regular file: name another"}));
    REQUIRE(::chmod(sample.folder.file("").c_str(), 0755) == 0);
}

TEST_CASE("a lease file that another sheafd has is told, and not waited for") {
    const Sample sample;
    int ready[2];
    int end[2];
    REQUIRE((::pipe(ready) == 0 && ::pipe(end) == 0));
    const pid_t other = ::fork();
    REQUIRE(other >= 0);
    if (other == 0) {
        const auto opened = LeaseStore::open(sample.path);
        char octet = opened ? 'y' : 'n';
        if (::write(ready[1], &octet, 1) != 1) ::_exit(1);
        ::close(end[1]);
        (void)!::read(end[0], &octet, 1);
        ::_exit(0);
    }
    char octet = 0;
    CHECK((::read(ready[0], &octet, 1) == 1 && octet == 'y'));
    CHECK(fails(sample.path) ==
          "lease file " + sample.path +
              ": is in use, by another sheafd or by whoever looks into it: end that one, or "
              "name another file with \"lease_file\"");
    for (const int fd : {ready[0], ready[1], end[0], end[1]})
        ::close(fd);
    int status = 1;
    ::waitpid(other, &status, 0);
    CHECK(status == 0);
    CHECK(LeaseStore::open(sample.path)); // a lock ends with its process
}

TEST_CASE("what SQLite kept beside a lease file that is gone is not mistaken for a new file's") {
    const Sample sample;
    REQUIRE(::unlink(sample.path.c_str()) == 0);
    write(sample.path + "-wal", "the last leases");
    CHECK(says(fails(sample.path),
               {"lease file " + sample.path + ": is missing, but " + sample.path +
                    "-wal is there, which is a part of it: put the file back from where it went",
                "remove " + sample.path + "-wal as well"}));
    CHECK(::access(sample.path.c_str(), F_OK) != 0);
}

TEST_CASE("a life that ended while it made the file does not keep the next one from it") {
    const ScratchFolder folder;
    write(folder.file("leases.db.new"), "half of it");
    const auto opened = LeaseStore::open(folder.file("leases.db"));
    REQUIRE(opened);
    CHECK(opened->created);
    CHECK(::access(folder.file("leases.db.new").c_str(), F_OK) != 0);
}

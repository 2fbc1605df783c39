#include "daemon/lease_file.h"

#include "daemon/file_descriptor.h"
#include "daemon/lease_store.h"
#include "daemon/sqlite.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace sheaf::daemon {
namespace {

// SQLite's file format: 100 octets of header, with these at the beginning and the application's number at 68.
constexpr std::size_t kHeader = 100;
constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::size_t kApplicationAt = 68;

using Header = std::array<std::uint8_t, kHeader>;

std::uint32_t application_of(const Header& header) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i)
        out = out << 8 | header.at(kApplicationAt + i);
    return out;
}

std::string folder_of(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

std::unexpected<std::string> trouble(const std::string& path, std::string_view what) {
    return std::unexpected(fmt::format("lease file {}: {}", path, what));
}

std::unexpected<std::string> denied(const std::string& path, std::string_view doing, int error) {
    return trouble(path,
                   fmt::format("cannot be {}: {}: let sheafd's user read and write it and its folder, or "
                               "name another with \"lease_file\"",
                               doing, std::strerror(error)));
}

// What SQLite keeps beside a database while it is written to. Without the database it holds what was last
// given away, and would be read into a new one.
std::expected<void, std::string> check_no_leftovers(const std::string& path) {
    for (const auto* suffix : {"-wal", "-journal"}) {
        const auto beside = path + suffix;
        struct stat info {};
        if (::lstat(beside.c_str(), &info) != 0) continue;
        return trouble(path,
                       fmt::format("is missing, but {} is there, which is a part of it: put the file back "
                                   "from where it went, or, if clients may get other prefixes than "
                                   "before, remove {} as well",
                                   beside, beside));
    }
    return {};
}

std::expected<void, std::string> make_folder(const std::string& path) {
    const auto folder = folder_of(path);
    constexpr mode_t kOwnerOnly = S_IRWXU;
    if (::mkdir(folder.c_str(), kOwnerOnly) == 0 || errno == EEXIST) return {};
    return trouble(path,
                   fmt::format("the folder {} is not there and cannot be made: {}: make it for sheafd's "
                               "user, or name another file with \"lease_file\"",
                               folder, std::strerror(errno)));
}

sqlite::Result<void> write_schema(const std::string& path) {
    auto database = sqlite::Database::open(path);
    if (!database) return std::unexpected(std::move(database.error()));
    // Text where a person may look with sqlite3(1). A block is one lease's only.
    return database->run(fmt::format(R"(
        BEGIN;
        PRAGMA application_id = {};
        PRAGMA user_version = {};
        CREATE TABLE lease (
            block       TEXT    NOT NULL PRIMARY KEY,
            pool        TEXT    NOT NULL,
            holder_type INTEGER NOT NULL, -- RFC 7296 3.5
            holder      BLOB    NOT NULL,
            holder_text TEXT    NOT NULL,
            link        INTEGER NOT NULL, -- 0: the holder is away
            since       INTEGER NOT NULL, -- seconds of UTC
            until       INTEGER NOT NULL  -- away: so long it is kept
        ) STRICT, WITHOUT ROWID;
        COMMIT;)",
                                     LeaseStore::kApplicationId, LeaseStore::kSchema));
}

// A name must not come to be without its file, nor be lost by a crash of the machine.
bool sync_folder(const std::string& path) {
    const FileDescriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return folder.open() && ::fsync(folder.value()) == 0;
}

} // namespace

std::string lease_file_remedy(const std::string& path) {
    return fmt::format(
        "put a copy of it back, or, if clients may get other prefixes than before, move it away, and "
        "with it {0}-wal and {0}-journal if they are there",
        path);
}

std::expected<LeaseFileState, std::string> look_at_lease_file(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.open() && errno == ENOENT) return LeaseFileState::missing;
    if (!file.open()) return denied(path, "read", errno);
    struct stat info {};
    if (::fstat(file.value(), &info) != 0) return denied(path, "read", errno);
    if (!S_ISREG(info.st_mode)) return trouble(path, "is no regular file: name another with \"lease_file\"");
    Header header{};
    const auto got = ::pread(file.value(), header.data(), header.size(), 0);
    if (got < 0) return denied(path, "read", errno);
    if (static_cast<std::size_t>(got) < kHeader)
        return trouble(path, fmt::format("is damaged: of its header {} of {} octets are there: {}", got,
                                         kHeader, lease_file_remedy(path)));
    if (std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0)
        return trouble(path,
                       fmt::format("is no SQLite database, so it is damaged or not a lease file: if it is "
                                   "another program's, name another with \"lease_file\"; else {}",
                                   lease_file_remedy(path)));
    if (application_of(header) != LeaseStore::kApplicationId)
        return trouble(path,
                       fmt::format("is another program's database (application {:#010x}, not {:#010x}): "
                                   "name another with \"lease_file\"",
                                   application_of(header), LeaseStore::kApplicationId));
    return LeaseFileState::there;
}

std::expected<void, std::string> create_lease_file(const std::string& path) {
    if (auto done = check_no_leftovers(path); !done) return done;
    if (auto done = make_folder(path); !done) return done;
    const std::string fresh = path + ".new";
    for (const auto* suffix : {"", "-journal"}) // of a life that ended just here
        ::unlink((fresh + suffix).c_str());
    if (!FileDescriptor(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                               static_cast<mode_t>(LeaseStore::kFileMode)))
             .open())
        return denied(path, "made", errno);
    if (const auto done = write_schema(fresh); !done) {
        ::unlink(fresh.c_str());
        return trouble(path, fmt::format("cannot be made: {}: give its folder space, or name another with "
                                         "\"lease_file\"",
                                         done.error().text));
    }
    // Unlike rename(), link() replaces nothing.
    const bool named = ::link(fresh.c_str(), path.c_str()) == 0;
    const int error = errno;
    ::unlink(fresh.c_str());
    if (!named || !sync_folder(path)) return denied(path, "made", named ? errno : error);
    return {};
}

} // namespace sheaf::daemon

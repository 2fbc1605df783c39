#include "daemon/state_file.h"

#include "daemon/file_descriptor.h"

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

constexpr mode_t kFileMode = S_IRUSR | S_IWUSR; // identities and keys are in such files

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

std::string told(const StateFile& kind, const std::string& path, std::string_view what) {
    return fmt::format("{} {}: {}", kind.noun, path, what);
}

// What is to be done about a file that cannot be used as it is.
std::string remedy(const StateFile& kind, const std::string& path) {
    return fmt::format(
        "put a copy of it back, or, if {1}, move it away, and with it {0}-wal and {0}-journal if they "
        "are there",
        path, kind.loss);
}

std::string no_access(const StateFile& kind, const std::string& path, std::string_view doing,
                      std::string_view why) {
    return told(
        kind, path,
        fmt::format(
            "cannot be {}: {}: let sheafd's user read and write it and its folder, or name another with "
            "\"{}\"",
            doing, why, kind.key));
}

std::unexpected<std::string> denied(const StateFile& kind, const std::string& path, std::string_view doing,
                                    int error) {
    return std::unexpected(no_access(kind, path, doing, std::strerror(error)));
}

std::unexpected<std::string> trouble(const StateFile& kind, const std::string& path, std::string_view what) {
    return std::unexpected(told(kind, path, what));
}

// What SQLite keeps beside a database while it is written to. Without the database it holds what was last
// written, and would be read into a new one.
std::expected<void, std::string> check_no_leftovers(const StateFile& kind, const std::string& path) {
    for (const auto* suffix : {"-wal", "-journal"}) {
        const auto beside = path + suffix;
        struct stat info {};
        if (::lstat(beside.c_str(), &info) != 0) continue;
        return trouble(kind, path,
                       fmt::format("is missing, but {} is there, which is a part of it: put the file back "
                                   "from where it went, or, if {}, remove {} as well",
                                   beside, kind.loss, beside));
    }
    return {};
}

std::expected<void, std::string> make_folder(const StateFile& kind, const std::string& path) {
    const auto folder = folder_of(path);
    constexpr mode_t kOwnerOnly = S_IRWXU;
    if (::mkdir(folder.c_str(), kOwnerOnly) == 0 || errno == EEXIST) return {};
    return trouble(kind, path,
                   fmt::format("the folder {} is not there and cannot be made: {}: make it for sheafd's "
                               "user, or name another file with \"{}\"",
                               folder, std::strerror(errno), kind.key));
}

sqlite::Result<void> write_schema(const StateFile& kind, const std::string& path) {
    auto database = sqlite::Database::open(path);
    if (!database) return std::unexpected(std::move(database.error()));
    return database->run(
        fmt::format("BEGIN; PRAGMA application_id = {}; PRAGMA user_version = {}; {} COMMIT;",
                    kind.application, kind.version, kind.tables));
}

// A name must not come to be without its file, nor be lost by a crash of the machine.
bool sync_folder(const std::string& path) {
    const FileDescriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return folder.open() && ::fsync(folder.value()) == 0;
}

enum class Found : std::uint8_t { there, missing };

// Whether it can be ours, by its kind and header, before SQLite touches it.
std::expected<Found, std::string> look_at(const StateFile& kind, const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.open() && errno == ENOENT) return Found::missing;
    if (!file.open()) return denied(kind, path, "read", errno);
    struct stat info {};
    if (::fstat(file.value(), &info) != 0) return denied(kind, path, "read", errno);
    if (!S_ISREG(info.st_mode))
        return trouble(kind, path, fmt::format("is no regular file: name another with \"{}\"", kind.key));
    Header header{};
    const auto got = ::pread(file.value(), header.data(), header.size(), 0);
    if (got < 0) return denied(kind, path, "read", errno);
    if (static_cast<std::size_t>(got) < kHeader)
        return trouble(kind, path,
                       fmt::format("is damaged: of its header {} of {} octets are there: {}", got, kHeader,
                                   remedy(kind, path)));
    if (std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0)
        return trouble(
            kind, path,
            fmt::format("is no SQLite database, so it is damaged or not a {}: if it is another program's, "
                        "name another with \"{}\"; else {}",
                        kind.noun, kind.key, remedy(kind, path)));
    if (application_of(header) != kind.application)
        return trouble(kind, path,
                       fmt::format("is another program's database (application {:#010x}, not {:#010x}): "
                                   "name another with \"{}\"",
                                   application_of(header), kind.application, kind.key));
    return Found::there;
}

std::expected<void, std::string> create(const StateFile& kind, const std::string& path) {
    if (auto done = check_no_leftovers(kind, path); !done) return done;
    if (auto done = make_folder(kind, path); !done) return done;
    const std::string fresh = path + ".new";
    for (const auto* suffix : {"", "-journal"}) // of a life that ended just here
        ::unlink((fresh + suffix).c_str());
    if (!FileDescriptor(::open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode))
             .open())
        return denied(kind, path, "made", errno);
    if (const auto done = write_schema(kind, fresh); !done) {
        ::unlink(fresh.c_str());
        return trouble(kind, path,
                       fmt::format("cannot be made: {}: give its folder space, or name another with "
                                   "\"{}\"",
                                   done.error().text, kind.key));
    }
    // Unlike rename(), link() replaces nothing.
    const bool named = ::link(fresh.c_str(), path.c_str()) == 0;
    const int error = errno;
    ::unlink(fresh.c_str());
    if (!named || !sync_folder(path)) return denied(kind, path, "made", named ? errno : error);
    return {};
}

std::expected<void, std::string> check_version(const StateFile& kind, const std::string& path,
                                               const std::string& version) {
    if (version == std::to_string(kind.version)) return {};
    if (version.starts_with('-') || version == "0")
        return std::unexpected(damaged(kind, path, fmt::format("there is no version {} of it", version)));
    return trouble(
        kind, path,
        fmt::format("is of a newer Sheaf: it has version {}, and this sheafd knows {}: install the newer one "
                    "again, or name another file with \"{}\"",
                    version, kind.version, kind.key));
}

// Opens a file whose header is right, and makes it ours.
std::expected<sqlite::Database, std::string> take(const StateFile& kind, const std::string& path) {
    auto database = sqlite::Database::open(path);
    const auto failed = [&](const sqlite::Failure& failure) {
        return std::unexpected(explained(kind, path, failure));
    };
    if (!database) return failed(database.error());
    // The lock is taken with the first look, and kept.
    if (const auto done = database->run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF");
        !done)
        return failed(done.error());
    if (database->read_only()) return failed({sqlite::Failure::Kind::denied, "Permission denied"});
    const auto version = database->ask("PRAGMA user_version");
    if (!version) return failed(version.error());
    if (auto known = check_version(kind, path, *version); !known)
        return std::unexpected(std::move(known.error()));
    const auto sound = database->ask("PRAGMA quick_check(1)");
    if (!sound) return failed(sound.error());
    if (*sound != "ok") return std::unexpected(damaged(kind, path, *sound));
    // FULL: a commit is on the disk, not only on its way to it.
    const auto safe = database->run(fmt::format(
        "PRAGMA journal_mode = {}; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE; COMMIT", kind.journal));
    if (!safe) return failed(safe.error());
    return std::move(*database);
}

} // namespace

std::string damaged(const StateFile& kind, const std::string& path, std::string_view how) {
    return told(kind, path, fmt::format("is damaged: {}: {}", how, remedy(kind, path)));
}

std::string explained(const StateFile& kind, const std::string& path, const sqlite::Failure& failure) {
    using Kind = sqlite::Failure::Kind;
    switch (failure.kind) {
    case Kind::in_use:
        return told(
            kind, path,
            fmt::format(
                "is in use, by another sheafd or by whoever looks into it: end that one, or name another "
                "file with \"{}\"",
                kind.key));
    case Kind::damaged: return damaged(kind, path, failure.text);
    case Kind::denied: return no_access(kind, path, "written", failure.text);
    case Kind::full:
        return told(kind, path, fmt::format("cannot be written: {}: make room on its disk", failure.text));
    case Kind::other: break;
    }
    return told(kind, path,
                fmt::format("cannot be used: {}: look at its disk, or name another with \"{}\"", failure.text,
                            kind.key));
}

std::expected<OpenStateFile, std::string> open_state_file(const StateFile& kind, const std::string& path) {
    const auto found = look_at(kind, path);
    if (!found) return std::unexpected(found.error());
    const bool created = *found == Found::missing;
    if (created)
        if (auto done = create(kind, path); !done) return std::unexpected(std::move(done.error()));
    auto database = take(kind, path);
    if (!database) return std::unexpected(std::move(database.error()));
    return OpenStateFile{std::move(*database), created};
}

} // namespace sheaf::daemon

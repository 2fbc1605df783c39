#include "conf/material.h"

#include "conf/file.h"
#include "conf/text.h"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

namespace sheaf::conf {
namespace {

Fault system_fault(const std::string& path, int error) {
    std::string hint;
    if (error == ENOENT) hint = "create the file, or correct the path";
    if (error == EACCES)
        hint = "the daemon's user must be its owner, or let systemd pass it as a \"credential\"";
    return {"cannot read " + path + ": " + error_text(error), std::move(hint)};
}

std::optional<Fault> check_file(const struct stat& info, const std::string& path, Guard guard,
                                std::size_t most) {
    if (!S_ISREG(info.st_mode)) return Fault{path + " is no regular file", {}};
    if (guard == Guard::owner_only && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return Fault{path + " is open to others than its owner", "chmod 600 " + path};
    if (std::cmp_greater(info.st_size, most))
        return Fault{path + " is longer than " + std::to_string(most) + " octets", "is it the right file?"};
    return std::nullopt;
}

} // namespace

std::string beside(const Source& source, std::string_view path) {
    return (std::filesystem::path(source.name()).parent_path() / path).string();
}

std::expected<Secret, Fault> read_file(const std::string& path, Guard guard, std::size_t most) {
    auto file = File::open(path);
    if (!file) return std::unexpected(system_fault(path, file.error()));
    if (auto fault = check_file(file->info(), path, guard, most)) return std::unexpected(std::move(*fault));
    Secret buffer(static_cast<std::size_t>(file->info().st_size));
    const auto size = file->read(buffer.span());
    if (!size) return std::unexpected(system_fault(path, size.error()));
    if (*size == buffer.size()) return buffer;
    return Secret::copy_of(buffer.view().first(*size));
}

std::string credential_path(std::string_view name, const Environment& environment) {
    return (std::filesystem::path(environment.credentials_directory) / name).string();
}

std::expected<Secret, Fault> read_credential(std::string_view name, const Environment& environment,
                                             std::size_t most) {
    if (environment.credentials_directory.empty())
        return std::unexpected(
            Fault{"the credential " + quote(name) + " is not at hand: $CREDENTIALS_DIRECTORY is not set",
                  "systemd sets it for LoadCredential=" + std::string(name) +
                      ":/path in the unit; elsewhere use a file"});
    const auto path = credential_path(name, environment);
    auto content = read_file(path, Guard::systemd, most);
    if (!content && !std::filesystem::exists(std::filesystem::status(path)))
        return std::unexpected(Fault{"there is no credential " + quote(name),
                                     "add LoadCredential=" + std::string(name) + ":/path to the unit"});
    return content;
}

} // namespace sheaf::conf

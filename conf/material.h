#pragma once

#include "conf/settings.h"
#include "conf/source.h"
#include "conf/words.h"
#include "lib/base/secret.h"

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

// Files that the configuration names: keys and certificates.
namespace sheaf::conf {

// Who else than the daemon may read a file.
enum class Guard : std::uint8_t {
    none,       // anyone: there is no secret in it
    owner_only, // only its owner may read or write it
    systemd,    // a credential: an ACL lets the service's user in, which looks like a group's right
};

// A path that the configuration names: a relative one starts at the configuration's folder.
[[nodiscard]] std::string beside(const Source& source, std::string_view path);

// The whole file. It must be a regular one, guarded so, of `most` octets at most; it may be empty.
[[nodiscard]] std::expected<Secret, Fault> read_file(const std::string& path, Guard guard, std::size_t most);

// A systemd credential by its name, and where it stands.
[[nodiscard]] std::expected<Secret, Fault> read_credential(std::string_view name,
                                                           const Environment& environment, std::size_t most);
[[nodiscard]] std::string credential_path(std::string_view name, const Environment& environment);

} // namespace sheaf::conf

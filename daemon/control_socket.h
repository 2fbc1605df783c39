#pragma once

#include "daemon/file_descriptor.h"

#include <expected>
#include <optional>
#include <string>

namespace sheaf::daemon {

inline constexpr const char* kDefaultControlPath = "/run/sheaf/control.sock";

// A UNIX stream socket that listens at the path and that only this user can open. What a dead daemon left
// there is replaced; a missing last folder of the path is made. The error is a sentence with the remedy.
[[nodiscard]] std::expected<FileDescriptor, std::string> listen_at(const std::string& path);

// The listening socket that systemd passed, if sheafd was started by a socket unit.
[[nodiscard]] std::optional<FileDescriptor> inherited_listener();

// The client's side. The error is an errno.
[[nodiscard]] std::expected<FileDescriptor, int> connect_to(const std::string& path);

} // namespace sheaf::daemon

#pragma once

#include <cstdint>
#include <expected>
#include <string>

// The lease file before SQLite touches it, so that nothing of another program's is ever changed by a look at
// it.
namespace sheaf::daemon {

enum class LeaseFileState : std::uint8_t { there, missing };

// Whether it can be ours, by its kind and header. Error: what is wrong with it, and what to do.
[[nodiscard]] std::expected<LeaseFileState, std::string> look_at_lease_file(const std::string& path);

// Makes an empty one, complete or not at all. Error: what went wrong, and what to do.
[[nodiscard]] std::expected<void, std::string> create_lease_file(const std::string& path);

// What is to be done about a file that cannot be used as it is.
[[nodiscard]] std::string lease_file_remedy(const std::string& path);

} // namespace sheaf::daemon

#include "daemon/stable_secret.h"

#include "daemon/file_descriptor.h"
#include "lib/crypto/prf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <variant>

namespace sheaf::daemon {
namespace {

constexpr std::size_t kDigits = 32; // machine-id(5): a 128-bit number in lower-case hexadecimal digits

std::string remedy(const std::string& path, std::string_view what) {
    return fmt::format("{}: {}; the stable addresses of clients (RFC 7217) are made with it: run "
                       "systemd-machine-id-setup, or set \"interface_ids\" of the connection to \"random\"",
                       path, what);
}

// What the identifiers are keyed with must be known to nobody else, so it depends on what it is for.
Secret derived(View machine_id) {
    constexpr std::string_view kPurpose = "Sheaf: interface identifiers by RFC 7217";
    crypto::Backend backend;
    return crypto::prf(backend, crypto::PrfId::hmac_sha2_256, machine_id,
                       {View(reinterpret_cast<const std::uint8_t*>(kPurpose.data()), kPurpose.size())});
}

bool is_digit(std::uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

} // namespace

std::expected<Secret, std::string> stable_secret(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file.open()) return std::unexpected(remedy(path, std::strerror(errno)));
    Secret text(kDigits + 2); // with its newline, and one more to see that nothing follows
    const ssize_t size = ::read(file.value(), text.span().data(), text.size());
    if (size < 0) return std::unexpected(remedy(path, std::strerror(errno)));
    View line = text.view().first(static_cast<std::size_t>(size));
    if (line.size() == kDigits + 1 && line.back() == '\n') line = line.first(kDigits);
    // Also "uninitialized", which stands there before the first boot is through.
    if (line.size() != kDigits || !std::ranges::all_of(line, is_digit) ||
        std::ranges::all_of(line, [](std::uint8_t c) { return c == '0'; }))
        return std::unexpected(remedy(path, "no machine ID"));
    return derived(line);
}

std::string needs_stable_secret(const ike::Config& config) {
    const auto stable = [](const ike::InterfaceIdChoice& choice) {
        return std::holds_alternative<ike::StableId>(choice);
    };
    for (const auto& connection : config.connections)
        if (connection.role == ike::Role::client && connection.request.prefix &&
            std::ranges::any_of(connection.request.interface_ids, stable))
            return connection.name;
    return {};
}

} // namespace sheaf::daemon

#include "daemon/key_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace sheaf::daemon {
namespace {

std::string hex(View bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const auto octet : bytes)
        out += fmt::format("{:02x}", octet);
    return out;
}

// Wireshark's words, as of 4.0. Empty: it has none.
std::string ike_cipher(const crypto::IkeSuite& suite) {
    switch (suite.encr) {
    case crypto::EncrId::aes_cbc: return fmt::format("AES-CBC-{} [RFC3602]", suite.key_bits);
    case crypto::EncrId::aes_gcm_16:
        return fmt::format("AES-GCM-{} with 16 octet ICV [RFC5282]", suite.key_bits);
    case crypto::EncrId::chacha20_poly1305: break;
    }
    return {};
}

std::string_view ike_integrity(crypto::IntegId integ) {
    switch (integ) {
    case crypto::IntegId::none: return "NONE [RFC4306]";
    case crypto::IntegId::hmac_sha1_96: return "HMAC_SHA1_96 [RFC2404]";
    case crypto::IntegId::hmac_sha2_256_128: return "HMAC_SHA2_256_128 [RFC4868]";
    case crypto::IntegId::hmac_sha2_384_192: return "HMAC_SHA2_384_192 [RFC4868]";
    case crypto::IntegId::hmac_sha2_512_256: return "HMAC_SHA2_512_256 [RFC4868]";
    }
    return {};
}

std::string_view esp_cipher(crypto::EncrId cipher) {
    switch (cipher) {
    case crypto::EncrId::aes_cbc: return "AES-CBC [RFC3602]";
    case crypto::EncrId::aes_gcm_16: return "AES-GCM with 16 octet ICV [RFC4106]";
    case crypto::EncrId::chacha20_poly1305: return "ChaCha20 with Poly1305 [RFC7634]"; // later than 4.0
    }
    return {};
}

std::string_view esp_integrity(crypto::IntegId integ) {
    switch (integ) {
    case crypto::IntegId::none: return "NULL";
    case crypto::IntegId::hmac_sha1_96: return "HMAC-SHA-1-96 [RFC2404]";
    case crypto::IntegId::hmac_sha2_256_128: return "HMAC-SHA-256-128 [RFC4868]";
    case crypto::IntegId::hmac_sha2_384_192: return "HMAC-SHA-384-192 [RFC4868]";
    case crypto::IntegId::hmac_sha2_512_256: return "HMAC-SHA-512-256 [RFC4868]";
    }
    return {};
}

// Of a group's SA, under which everybody sends to everybody.
std::string pattern(const IpAddress& address) { return address.is_any() ? "*" : address.to_string(); }

std::expected<FileDescriptor, std::string> open_table(const std::string& folder, std::string_view name) {
    const std::string path = fmt::format("{}/{}", folder, name);
    constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
    FileDescriptor fd(::open(
        path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kOwnerOnly));
    struct stat info {};
    const bool good = fd.open() && ::fstat(fd.value(), &info) == 0;
    if (good && !S_ISREG(info.st_mode))
        return std::unexpected(fmt::format("--write-keys: {} is no regular file", path));
    // A file that was there may have been open to others.
    if (!good || ::fchmod(fd.value(), kOwnerOnly) != 0)
        return std::unexpected(
            fmt::format("--write-keys: cannot write {}: {}: name a folder that is there and that "
                        "sheafd's user may write to",
                        path, std::strerror(errno)));
    return fd;
}

int append(int fd, std::string line) {
    line += '\n';
    const auto written = ::write(fd, line.data(), line.size());
    const int error = written < 0 ? errno : written == static_cast<ssize_t>(line.size()) ? 0 : EIO;
    wipe({reinterpret_cast<std::uint8_t*>(line.data()), line.size()});
    return error;
}

} // namespace

std::string wireshark_line(const ike::IkeKeys& keys) {
    const std::string cipher = ike_cipher(keys.suite);
    return fmt::format("{}{:016x},{:016x},{},{},\"{}\",{},{},\"{}\"", cipher.empty() ? "# " : "", keys.spi_i,
                       keys.spi_r, hex(keys.sk_ei.view()), hex(keys.sk_er.view()),
                       cipher.empty() ? "ChaCha20/Poly1305" : cipher, hex(keys.sk_ai.view()),
                       hex(keys.sk_ar.view()), ike_integrity(keys.suite.integ));
}

std::string wireshark_line(const ike::ChildKeys& keys) {
    const bool unknown = keys.suite.encr == crypto::EncrId::chacha20_poly1305;
    const std::string integrity = hex(keys.integrity.view());
    return fmt::format("{}\"{}\",\"{}\",\"{}\",\"{:#010x}\",\"{}\",\"0x{}\",\"{}\",\"{}{}\"",
                       unknown ? "# " : "", keys.source.is_v6() ? "IPv6" : "IPv4", pattern(keys.source),
                       pattern(keys.destination), keys.spi, esp_cipher(keys.suite.encr),
                       hex(keys.encryption.view()), esp_integrity(keys.suite.integ),
                       integrity.empty() ? "" : "0x", integrity);
}

std::expected<KeyWriter, std::string> KeyWriter::open(const std::string& folder) {
    auto ike = open_table(folder, kIkeTable);
    if (!ike) return std::unexpected(std::move(ike.error()));
    auto esp = open_table(folder, kEspTable);
    if (!esp) return std::unexpected(std::move(esp.error()));
    return KeyWriter(std::move(*ike), std::move(*esp));
}

int KeyWriter::write(const ike::KeyRecord& record) {
    if (const auto* ike = std::get_if<ike::IkeKeys>(&record))
        return append(ike_.value(), wireshark_line(*ike));
    return append(esp_.value(), wireshark_line(std::get<ike::ChildKeys>(record)));
}

} // namespace sheaf::daemon

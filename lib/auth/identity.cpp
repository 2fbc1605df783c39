#include "lib/auth/identity.h"

#include "lib/base/ascii.h"
#include "lib/base/ip.h"
#include "lib/crypto/distinguished_name.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sheaf::auth {
namespace {

constexpr std::size_t kMaxHostName = 253; // RFC 1123 2.1, in text form without the final dot
constexpr std::size_t kMaxLabel = 63;
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kKeyIdMark = "@#";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
std::string_view text_of(const Bytes& data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

Bytes lowered(std::string_view text) {
    Bytes out = bytes_of(text);
    std::ranges::transform(out, out.begin(), [](std::uint8_t c) {
        return static_cast<std::uint8_t>(lower(static_cast<char>(c)));
    });
    return out;
}

bool is_label(std::string_view label) {
    const auto fits = [](char c) {
        return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
    };
    return !label.empty() && label.size() <= kMaxLabel && std::ranges::all_of(label, fits);
}

// Labels with dots between them. The last is not a number: what ends in one is an attempt at an IPv4 address.
bool is_host_name(std::string_view name) {
    if (name.size() > kMaxHostName) return false;
    while (true) {
        const auto dot = name.find('.');
        const auto label = name.substr(0, dot);
        if (!is_label(label)) return false;
        if (dot == name.npos) return !std::ranges::all_of(label, is_digit);
        name.remove_prefix(dot + 1);
    }
}

std::optional<std::uint8_t> hex_value(char c) {
    const auto value = kHexDigits.find(lower(c));
    if (value == kHexDigits.npos) return std::nullopt;
    return static_cast<std::uint8_t>(value);
}

std::optional<Identity> parse_key_id(std::string_view digits) {
    if (digits.empty() || digits.size() % 2 != 0 || digits.size() / 2 > wire::kMaxIdentity)
        return std::nullopt;
    Identity out{.type = wire::IdType::key_id, .data = {}};
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const auto high = hex_value(digits[i]);
        const auto low = hex_value(digits[i + 1]);
        if (!high || !low) return std::nullopt;
        out.data.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
    }
    return out;
}

// The user's part is the mail system's affair and keeps its case; the domain's does not matter.
Bytes mailbox(std::string_view user, std::string_view domain) {
    Bytes out = bytes_of(user);
    out.push_back('@');
    append(out, lowered(domain));
    return out;
}

std::optional<Identity> parse_mailbox(std::string_view text, std::size_t at) {
    const auto user = text.substr(0, at);
    const auto domain = text.substr(at + 1);
    const auto fits = [](char c) { return c > ' ' && c < '\x7f' && c != '*' && c != '@'; };
    if (user.empty() || text.size() > wire::kMaxIdentity || !std::ranges::all_of(user, fits) ||
        !is_host_name(domain))
        return std::nullopt;
    return Identity{.type = wire::IdType::rfc822_addr, .data = mailbox(user, domain)};
}

std::optional<Identity> parse_distinguished_name(std::string_view text) {
    auto name = crypto::name_from_text(text);
    if (!name || name->size() > wire::kMaxIdentity) return std::nullopt;
    return Identity{.type = wire::IdType::der_asn1_dn, .data = *std::move(name)};
}

std::string hex(View data) {
    std::string out;
    for (const auto octet : data) {
        out += kHexDigits[octet >> 4];
        out += kHexDigits[octet & 15];
    }
    return out;
}

// Of a name: what is not visible ASCII, and the escape's own mark, as \xNN.
std::string escaped(View data) {
    std::string out;
    for (const auto octet : data) {
        if (octet > ' ' && octet < 0x7f && octet != '\\')
            out += static_cast<char>(octet);
        else
            out += "\\x" + hex({&octet, 1});
    }
    return out;
}

} // namespace

std::optional<Identity> Identity::parse(std::string_view text) {
    if (const auto address = IpAddress::parse(text)) {
        const auto type = address->is_v6() ? wire::IdType::ipv6_addr : wire::IdType::ipv4_addr;
        return Identity{.type = type, .data = {address->view().begin(), address->view().end()}};
    }
    if (text.starts_with(kKeyIdMark)) return parse_key_id(text.substr(kKeyIdMark.size()));
    if (text.find('=') != text.npos) {
        if (auto name = parse_distinguished_name(text)) return name;
    }
    if (const auto at = text.find('@'); at != text.npos) return parse_mailbox(text, at);
    if (!is_host_name(text)) return std::nullopt;
    return Identity{.type = wire::IdType::fqdn, .data = lowered(text)};
}

Identity Identity::from(const wire::Identification& payload) {
    Identity out{.type = payload.type, .data = payload.data};
    const std::string_view text = text_of(payload.data);
    if (payload.type == wire::IdType::fqdn) out.data = lowered(text);
    if (payload.type == wire::IdType::rfc822_addr) {
        const auto at = text.rfind('@');
        if (at != text.npos) out.data = mailbox(text.substr(0, at), text.substr(at + 1));
    }
    return out;
}

wire::Identification Identity::payload(bool initiator) const {
    return {.initiator = initiator, .type = type, .data = data};
}

std::string Identity::to_string() const {
    switch (type) {
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr:
        if (const auto address = IpAddress::from_bytes(data)) return address->to_string();
        break;
    case wire::IdType::fqdn:
    case wire::IdType::rfc822_addr: return escaped(data);
    case wire::IdType::key_id: return std::string(kKeyIdMark) + hex(data);
    case wire::IdType::der_asn1_dn:
        if (const auto name = crypto::name_to_text(data); name && !name->empty()) return *name;
        break;
    case wire::IdType::der_asn1_gn:
    case wire::IdType::null: break;
    }
    return "type" + std::to_string(static_cast<unsigned>(type)) + "#" + hex(data);
}

bool same_identity(const Identity& a, const Identity& b) {
    if (a == b) return true;
    return a.type == wire::IdType::der_asn1_dn && b.type == a.type && crypto::same_name(a.data, b.data);
}

std::optional<IdentityPattern> IdentityPattern::parse(std::string_view text) {
    IdentityPattern out;
    if (text == "*") return out;
    if (text.starts_with("*.")) {
        if (!is_host_name(text.substr(2))) return std::nullopt;
        out.suffix_ = text_of(lowered(text.substr(1)));
        return out;
    }
    out.exact_ = Identity::parse(text);
    if (!out.exact_) return std::nullopt;
    return out;
}

bool IdentityPattern::matches(const Identity& identity) const {
    if (exact_) return same_identity(*exact_, identity);
    if (suffix_.empty()) return true;
    // A name that is none, with a zero octet in it for instance, belongs to no domain.
    const std::string_view name = text_of(identity.data);
    return identity.type == wire::IdType::fqdn && name.size() > suffix_.size() && name.ends_with(suffix_) &&
           is_host_name(name);
}

std::string IdentityPattern::to_string() const { return exact_ ? exact_->to_string() : "*" + suffix_; }

} // namespace sheaf::auth

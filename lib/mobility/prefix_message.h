#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/mobility/numbers.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <variant>
#include <vector>

// Prefix discovery: a mobile node that is away asks its home agent for the prefixes of the home link. The messages are
// ICMPv6.
namespace sheaf::mobility {

inline constexpr std::uint32_t kInfiniteLifetime = 0xffffffff; // RFC 4861 4.6.2

// RFC 6275 7.2, RFC 4861 4.6.2: a Prefix Information option. A router's address in it is not kept.
struct PrefixInformation {
    Prefix prefix;
    std::uint32_t valid = kInfiniteLifetime;     // seconds
    std::uint32_t preferred = kInfiniteLifetime; // seconds, no more than `valid`
    bool on_link = false;
    bool autonomous = false; // nodes make addresses of it by themselves
    friend bool operator==(const PrefixInformation&, const PrefixInformation&) = default;
};

// RFC 6275 6.7
struct PrefixSolicitation {
    std::uint16_t identifier = 0;
    friend bool operator==(const PrefixSolicitation&, const PrefixSolicitation&) = default;
};

// RFC 6275 6.8; the flags M and O are not kept, and not set: there is no DHCPv6.
struct PrefixAdvertisement {
    std::uint16_t identifier = 0;
    std::vector<PrefixInformation> prefixes; // kMaxHomePrefixes at most
    friend bool operator==(const PrefixAdvertisement&, const PrefixAdvertisement&) = default;
};

using PrefixMessage = std::variant<PrefixSolicitation, PrefixAdvertisement>;

inline constexpr std::size_t kMaxPrefixMessage = 8 + 32 * kMaxHomePrefixes; // octets that we write

// A whole ICMPv6 message, its checksum aside. Options that are not known are skipped, and prefixes that a host has to
// ignore (RFC 4862 5.5.3: link-local ones, and lifetimes that contradict each other). Errors: bad_prefix_message, also
// for an advertisement without a prefix; too_many_prefixes.
[[nodiscard]] std::expected<PrefixMessage, Rule> parse_prefix_message(View message);

// With a checksum of zero: a raw socket of Linux fills it in. REQUIRES: no more prefixes than kMaxHomePrefixes.
[[nodiscard]] Bytes encode_prefix_message(const PrefixMessage& message);

} // namespace sheaf::mobility

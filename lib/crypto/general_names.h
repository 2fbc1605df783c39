#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

inline constexpr std::size_t kMaxNames = 256; // of a certificate, and of a list of constraints

// RFC 5280 4.2.1.6: the names of a subjectAltName extension, by form.
struct GeneralNames {
    std::vector<std::string> dns;  // lower case
    std::vector<std::string> mail; // the domain in lower case
    std::vector<IpAddress> addresses;
    std::vector<Bytes> directory;    // DER names
    std::vector<std::uint8_t> other; // tags of the forms that we do not read
};

// None if it is malformed or holds more names than we accept.
[[nodiscard]] std::optional<GeneralNames> parse_general_names(View extension);

// RFC 5280 4.2.1.10: address and mask, 4 or 16 octets each.
struct AddressRange {
    Bytes base;
    Bytes mask;
};

struct Subtrees {
    std::vector<std::string> dns;
    std::vector<std::string> mail;
    std::vector<AddressRange> addresses;
    std::vector<Bytes> directory;
    std::vector<std::uint8_t> other;
};

struct NameLimits {
    Subtrees permitted;
    Subtrees excluded;
};

[[nodiscard]] std::optional<NameLimits> parse_name_limits(View extension);

// The first name beyond the limits, as text; none if all keep them. `subject`: the same certificate's DN.
[[nodiscard]] std::optional<std::string> name_beyond(const NameLimits& limits, const GeneralNames& names,
                                                     View subject);

} // namespace sheaf::crypto

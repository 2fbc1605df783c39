#pragma once

#include "lib/base/bytes.h"
#include "lib/wire/payload.h"

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace sheaf::auth {

// Who a peer says it is (RFC 7296 3.5). Two identities are equal if type and octets are; FQDN and the domain
// of an RFC 822 name are kept in lower case so that this holds for names as people write them.
struct Identity {
    wire::IdType type{};
    Bytes data;

    // From a configuration word: an IP address, "user@host", "@#hex" (KEY_ID), a distinguished name
    // ("C=CH, O=Example, CN=gw", the parts in the order of the certificate), or a host name.
    [[nodiscard]] static std::optional<Identity> parse(std::string_view text);
    [[nodiscard]] static Identity from(const wire::Identification& payload);
    [[nodiscard]] wire::Identification payload(bool initiator) const;
    // As parse() reads it; octets that do not print are escaped, so that a log line stays a line.
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const Identity&, const Identity&) = default;
    friend bool operator==(const Identity&, const Identity&) = default;
};

// Whether both stand for the same: equal, or distinguished names that differ in case or string types only.
[[nodiscard]] bool same_identity(const Identity& a, const Identity& b);

// Which identities a connection is meant for: one, all names below a domain ("*.example.org"), or any ("*").
class IdentityPattern {
  public:
    IdentityPattern() = default; // any
    [[nodiscard]] static std::optional<IdentityPattern> parse(std::string_view text);
    [[nodiscard]] bool matches(const Identity& identity) const;
    // The one identity, if the pattern names one.
    [[nodiscard]] const std::optional<Identity>& exact() const { return exact_; }
    [[nodiscard]] std::string to_string() const;

    friend bool operator==(const IdentityPattern&, const IdentityPattern&) = default;

  private:
    std::optional<Identity> exact_;
    std::string suffix_; // ".example.org"
};

} // namespace sheaf::auth

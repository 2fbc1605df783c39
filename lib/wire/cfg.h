#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/wire/payload.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The values of configuration attributes (RFC 7296 3.15.1, RFC 5739 5). A value that does not have the form
// of its type reads as "absent": unknown and invalid attributes are ignored.
namespace sheaf::wire {

using InterfaceId = std::array<std::uint8_t, 8>;

// RFC 5739 5: INTERNAL_IP6_LINK. The interface identifier is that of the sender of the attribute; the Link ID
// is the gateway's opaque name for the virtual link, empty in a first request.
struct Ip6Link {
    InterfaceId interface_id{};
    Bytes link_id;
    friend bool operator==(const Ip6Link&, const Ip6Link&) = default;
};

inline constexpr std::size_t kMaxLinkId = 64; // ours are 16 octets; other gateways' are opaque to us

// An INTERNAL_IP6_ADDRESS with its prefix length.
struct Ip6Address {
    IpAddress address;
    std::uint8_t prefix_length = 128;
    friend bool operator==(const Ip6Address&, const Ip6Address&) = default;
};

[[nodiscard]] CfgAttribute empty_attribute(CfgAttributeType type);
[[nodiscard]] CfgAttribute address_attribute(CfgAttributeType type,
                                             const IpAddress& address); // 4 or 16 octets
[[nodiscard]] CfgAttribute ip6_address_attribute(const IpAddress& address, std::uint8_t prefix_length);
[[nodiscard]] CfgAttribute link_attribute(const Ip6Link& link);
[[nodiscard]] CfgAttribute prefix_attribute(const Prefix& prefix);
[[nodiscard]] CfgAttribute
subnet_attribute(const Prefix& prefix); // INTERNAL_IP4_SUBNET (mask) or INTERNAL_IP6_SUBNET

[[nodiscard]] CfgAttribute domain_attribute(std::string_view name); // INTERNAL_DNS_DOMAIN (RFC 8598 3.1)

[[nodiscard]] std::optional<IpAddress>
read_address(const CfgAttribute& attribute); // 4 or 16 octets as the type asks
[[nodiscard]] std::optional<Ip6Address> read_ip6_address(const CfgAttribute& attribute);
[[nodiscard]] std::optional<Ip6Link> read_link(const CfgAttribute& attribute);
[[nodiscard]] std::optional<Prefix> read_prefix(const CfgAttribute& attribute); // INTERNAL_IP6_PREFIX
// RFC 8598 3.1, 4: a domain name in presentation form, of letters, digits, hyphens and underscores alone: what
// else a peer sends never reaches a resolver. In lower case, without the dot at its end.
[[nodiscard]] std::optional<std::string> read_domain(const CfgAttribute& attribute);
[[nodiscard]] std::optional<Prefix> read_subnet(const CfgAttribute& attribute); // only contiguous masks

} // namespace sheaf::wire

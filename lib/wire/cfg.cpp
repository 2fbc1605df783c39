#include "lib/wire/cfg.h"

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>

namespace sheaf::wire {
namespace {

constexpr std::size_t kMaxDomain = 253; // of the presentation form (RFC 1035 2.3.4)
constexpr std::size_t kMaxLabel = 63;

// The octets of a plain address of this type; 0 for types whose value is something else.
std::size_t address_size(CfgAttributeType type) {
    switch (type) {
    case CfgAttributeType::internal_ip4_address:
    case CfgAttributeType::internal_ip4_netmask:
    case CfgAttributeType::internal_ip4_dns:
    case CfgAttributeType::internal_ip4_nbns:
    case CfgAttributeType::internal_ip4_dhcp: return 4;
    case CfgAttributeType::internal_ip6_dns:
    case CfgAttributeType::internal_ip6_dhcp: return 16;
    default: return 0;
    }
}

// An IPv6 address and a prefix length: the value of three attribute types.
std::optional<Ip6Address> address_and_length(View value) {
    if (value.size() != 17 || value[16] > 128) return std::nullopt;
    const auto address = IpAddress::from_bytes(value.first(16));
    return Ip6Address{*address, value[16]};
}

Bytes address_and_length(const IpAddress& address, unsigned length) {
    Bytes value = to_bytes(address.view());
    put_u8(value, static_cast<std::uint8_t>(length));
    return value;
}

std::optional<Prefix> prefix_of(View value) {
    const auto read = address_and_length(value);
    if (!read) return std::nullopt;
    return Prefix(read->address, read->prefix_length);
}

std::optional<Prefix> masked_subnet(View value) {
    if (value.size() != 8) return std::nullopt;
    const auto address = IpAddress::from_bytes(value.first(4));
    const auto mask = IpAddress::from_bytes(value.subspan(4));
    for (unsigned length = 0; length <= 32; ++length) {
        if (IpAddress::last(Family::ipv4).masked(length) == *mask) return Prefix(*address, length);
    }
    return std::nullopt;
}

} // namespace

CfgAttribute empty_attribute(CfgAttributeType type) { return {type, {}}; }

CfgAttribute address_attribute(CfgAttributeType type, const IpAddress& address) {
    return {type, to_bytes(address.view())};
}

CfgAttribute ip6_address_attribute(const IpAddress& address, std::uint8_t prefix_length) {
    return {CfgAttributeType::internal_ip6_address, address_and_length(address, prefix_length)};
}

CfgAttribute link_attribute(const Ip6Link& link) {
    Bytes value = to_bytes(link.interface_id);
    append(value, link.link_id);
    return {CfgAttributeType::internal_ip6_link, std::move(value)};
}

CfgAttribute prefix_attribute(const Prefix& prefix) {
    return {CfgAttributeType::internal_ip6_prefix, address_and_length(prefix.address(), prefix.length())};
}

CfgAttribute subnet_attribute(const Prefix& prefix) {
    if (prefix.family() == Family::ipv6)
        return {CfgAttributeType::internal_ip6_subnet, address_and_length(prefix.address(), prefix.length())};
    Bytes value = to_bytes(prefix.address().view());
    append(value, IpAddress::last(Family::ipv4).masked(prefix.length()).view());
    return {CfgAttributeType::internal_ip4_subnet, std::move(value)};
}

CfgAttribute domain_attribute(std::string_view name) {
    return {CfgAttributeType::internal_dns_domain, Bytes(name.begin(), name.end())};
}

std::optional<std::string> read_domain(const CfgAttribute& attribute) {
    if (attribute.type != CfgAttributeType::internal_dns_domain) return std::nullopt;
    std::string name(attribute.value.begin(), attribute.value.end());
    if (!name.empty() && name.back() == '.') name.pop_back();
    if (name.empty() || name.size() > kMaxDomain) return std::nullopt;
    std::size_t label = 0;
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c != '.' && !plain) return std::nullopt;
        if (c == '.' && label == 0) return std::nullopt;
        label = c == '.' ? 0 : label + 1;
        if (label > kMaxLabel) return std::nullopt;
    }
    return name;
}

std::optional<IpAddress> read_address(const CfgAttribute& attribute) {
    const std::size_t size = address_size(attribute.type);
    if (size == 0 || attribute.value.size() != size) return std::nullopt;
    return IpAddress::from_bytes(attribute.value);
}

std::optional<Ip6Address> read_ip6_address(const CfgAttribute& attribute) {
    if (attribute.type != CfgAttributeType::internal_ip6_address) return std::nullopt;
    return address_and_length(attribute.value);
}

std::optional<Ip6Link> read_link(const CfgAttribute& attribute) {
    if (attribute.type != CfgAttributeType::internal_ip6_link) return std::nullopt;
    Reader in(attribute.value);
    Ip6Link link;
    std::ranges::copy(in.bytes(link.interface_id.size()), link.interface_id.begin());
    if (!in.ok() || in.left() > kMaxLinkId) return std::nullopt;
    link.link_id = to_bytes(in.rest());
    return link;
}

std::optional<Prefix> read_prefix(const CfgAttribute& attribute) {
    if (attribute.type != CfgAttributeType::internal_ip6_prefix) return std::nullopt;
    return prefix_of(attribute.value);
}

std::optional<Prefix> read_subnet(const CfgAttribute& attribute) {
    if (attribute.type == CfgAttributeType::internal_ip6_subnet) return prefix_of(attribute.value);
    if (attribute.type == CfgAttributeType::internal_ip4_subnet) return masked_subnet(attribute.value);
    return std::nullopt;
}

} // namespace sheaf::wire

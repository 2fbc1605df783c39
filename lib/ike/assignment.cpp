#include "lib/ike/assignment.h"

#include "lib/child/selector.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {
namespace {

using wire::CfgAttribute;
using wire::CfgAttributeType;
using wire::InterfaceId;

constexpr std::size_t kLinkIdSize = 16;
constexpr unsigned kLongestPrefix = 64; // interface identifiers take the other 64 bits (RFC 4291 2.5.1)

bool asks_for(const wire::Configuration& request, CfgAttributeType type) {
    return std::ranges::any_of(request.attributes, [type](const CfgAttribute& a) { return a.type == type; });
}

std::optional<wire::Ip6Link> requested_link(const wire::Configuration& request) {
    for (const CfgAttribute& attribute : request.attributes) {
        if (attribute.type == CfgAttributeType::internal_ip6_link) return wire::read_link(attribute);
    }
    return std::nullopt;
}

IpAddress with_interface_id(const IpAddress& network, const InterfaceId& id) {
    std::array<std::uint8_t, 16> octets{};
    std::ranges::copy(network.view().first(8), octets.begin());
    std::ranges::copy(id, octets.begin() + 8);
    return *IpAddress::from_bytes(octets);
}

IpAddress link_local(const InterfaceId& id) {
    static constexpr std::array<std::uint8_t, 16> kNetwork{0xfe, 0x80};
    return with_interface_id(*IpAddress::from_bytes(kNetwork), id);
}

// A lease out of the first of the connection's pools of this family that has room.
// No block is smaller than what `longest` says.
std::optional<address::Lease> lease_of(const Connection& connection, Family family, unsigned longest,
                                       const auth::Verified& client, address::Pools& pools) {
    for (const std::string& name : connection.pools) {
        const auto* spec = pools.find(name);
        if (!spec || spec->prefix.family() != family || spec->delegate > longest) continue;
        auto lease = pools.lease(name, client.identity().data);
        if (lease) return std::move(*lease);
    }
    return std::nullopt;
}

void give(Assignment& to, address::Lease lease) {
    to.link.routes.push_back(lease.block());
    to.selectors.push_back(child::selector(lease.block()));
    to.leases.push_back(std::move(lease));
}

// RFC 5739 4.1: the client keeps its interface identifier and gets a Link ID, our identifier and a prefix.
bool give_link(Assignment& to, const Connection& connection, const wire::Ip6Link& asked,
               const auth::Verified& client, address::Pools& pools, Random& random) {
    if (!acceptable(asked.interface_id)) return false;
    auto lease = lease_of(connection, Family::ipv6, kLongestPrefix, client, pools);
    if (!lease) return false;
    wire::Ip6Link ours{random_interface_id(random), Bytes(kLinkIdSize)};
    while (ours.interface_id == asked.interface_id)
        ours.interface_id = random_interface_id(random);
    random.fill(ours.link_id);
    to.link_id = ours.link_id;
    to.reply.attributes.push_back(wire::link_attribute(ours));
    to.reply.attributes.push_back(wire::prefix_attribute(lease->block()));
    to.selectors.push_back(child::selector(Prefix::host(link_local(asked.interface_id))));
    give(to, std::move(*lease));
    return true;
}

// For clients that know no RFC 5739: the first address of a block that is theirs as a whole.
bool give_ip6_address(Assignment& to, const Connection& connection, const auth::Verified& client,
                      address::Pools& pools) {
    auto lease = lease_of(connection, Family::ipv6, 128, client, pools);
    if (!lease) return false;
    const Prefix& block = lease->block();
    const bool single = block.length() == block.address().bits();
    const IpAddress address = single ? block.address() : block.address().next().value_or(block.address());
    to.reply.attributes.push_back(wire::ip6_address_attribute(address, 128));
    give(to, std::move(*lease));
    return true;
}

bool give_ip4_address(Assignment& to, const Connection& connection, const auth::Verified& client,
                      address::Pools& pools) {
    auto lease = lease_of(connection, Family::ipv4, 32, client, pools);
    if (!lease || lease->block().length() != 32) return false;
    to.reply.attributes.push_back(
        wire::address_attribute(CfgAttributeType::internal_ip4_address, lease->block().address()));
    give(to, std::move(*lease));
    return true;
}

void tell_dns(Assignment& to, const Connection& connection, const wire::Configuration& request) {
    for (const IpAddress& server : connection.dns) {
        const auto type =
            server.is_v6() ? CfgAttributeType::internal_ip6_dns : CfgAttributeType::internal_ip4_dns;
        if (asks_for(request, type)) to.reply.attributes.push_back(wire::address_attribute(type, server));
    }
}

} // namespace

bool acceptable(const InterfaceId& id) {
    static constexpr InterfaceId kZero{};
    static constexpr InterfaceId kFirstReserved{0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80};
    static constexpr InterfaceId kLastReserved{0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    return id != kZero && !(id >= kFirstReserved && id <= kLastReserved);
}

InterfaceId random_interface_id(Random& random) {
    InterfaceId id{};
    do
        random.fill(id);
    while (!acceptable(id));
    return id;
}

std::expected<Assignment, Rule> assign(const Connection& connection, const wire::Configuration* request,
                                       std::span<const wire::TrafficSelector> offered,
                                       const auth::Verified& client, address::Pools& pools, Random& random) {
    if (!request || request->type != wire::CfgType::request)
        return std::unexpected(Rule::configuration_required);
    Assignment out;
    out.link.role = child::LinkRole::gateway;
    out.reply.type = wire::CfgType::reply;
    const auto link = requested_link(*request);
    bool given = false;
    const auto usable = [offered](Family family) {
        return std::ranges::any_of(
            offered, [family](const wire::TrafficSelector& s) { return s.start.family() == family; });
    };
    if (!usable(Family::ipv6)) {
        // Nothing of this family could be sent.
    } else if (link) {
        given = give_link(out, connection, *link, client, pools, random);
    } else if (asks_for(*request, CfgAttributeType::internal_ip6_address)) {
        given = give_ip6_address(out, connection, client, pools);
    }
    if (usable(Family::ipv4) && asks_for(*request, CfgAttributeType::internal_ip4_address)) {
        const bool ip4 = give_ip4_address(out, connection, client, pools);
        given = given || ip4;
    }
    if (!given) return std::unexpected(Rule::address_failure);
    tell_dns(out, connection, *request);
    return out;
}

wire::Configuration address_request(const AddressRequest& wanted, const InterfaceId& interface_id) {
    wire::Configuration out{wire::CfgType::request, {}};
    const auto ask = [&](CfgAttributeType type) { out.attributes.push_back(wire::empty_attribute(type)); };
    if (wanted.prefix) out.attributes.push_back(wire::link_attribute({interface_id, {}}));
    // RFC 5739 5.2: a client may ask for both; a gateway that knows links ignores the single address.
    if (wanted.ipv6) ask(CfgAttributeType::internal_ip6_address);
    if (wanted.prefix || wanted.ipv6) ask(CfgAttributeType::internal_ip6_dns);
    if (wanted.ipv4) {
        ask(CfgAttributeType::internal_ip4_address);
        ask(CfgAttributeType::internal_ip4_dns);
    }
    return out;
}

std::vector<wire::TrafficSelector> requested_selectors(const AddressRequest& wanted) {
    std::vector<wire::TrafficSelector> out;
    if (wanted.prefix || wanted.ipv6) out.push_back(child::selector(Prefix::all(Family::ipv6)));
    if (wanted.ipv4) out.push_back(child::selector(Prefix::all(Family::ipv4)));
    return out;
}

std::expected<Received, Rule> read_reply(const AddressRequest& wanted, const InterfaceId& interface_id,
                                         const wire::Configuration* reply) {
    if (!reply || reply->type != wire::CfgType::reply) return std::unexpected(Rule::address_failure);
    Received out;
    std::optional<wire::Ip6Link> link = requested_link(*reply);
    if (link && link->link_id.empty()) link.reset(); // without a Link ID the link could never be named again
    bool one_ip4 = false, one_ip6 = false;
    for (const CfgAttribute& attribute : reply->attributes) {
        if (attribute.type == CfgAttributeType::internal_ip6_prefix && link && wanted.prefix) {
            const auto prefix = wire::read_prefix(attribute);
            if (prefix && prefix->length() <= 64) out.prefixes.push_back(*prefix);
        } else if (attribute.type == CfgAttributeType::internal_ip6_address && !link && wanted.ipv6 &&
                   !one_ip6) {
            const auto given = wire::read_ip6_address(attribute);
            one_ip6 = given.has_value();
            if (given) out.addresses.push_back({given->address, 128});
        } else if (attribute.type == CfgAttributeType::internal_ip4_address && wanted.ipv4 && !one_ip4) {
            const auto given = wire::read_address(attribute);
            one_ip4 = given.has_value();
            if (given) out.addresses.push_back({*given, 32});
        } else if (attribute.type == CfgAttributeType::internal_ip6_dns ||
                   attribute.type == CfgAttributeType::internal_ip4_dns) {
            if (const auto server = wire::read_address(attribute)) out.dns.push_back(*server);
        }
    }
    for (const Prefix& prefix : out.prefixes)
        out.addresses.push_back({with_interface_id(prefix.address(), interface_id), 128});
    if (!out.prefixes.empty()) {
        out.addresses.push_back({link_local(interface_id), 64});
        out.link_id = link->link_id;
    }
    if (out.addresses.empty()) return std::unexpected(Rule::address_failure);
    return out;
}

} // namespace sheaf::ike

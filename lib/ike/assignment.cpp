#include "lib/ike/assignment.h"

#include "lib/child/selector.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {
namespace {

using address::PoolSpec;
using wire::CfgAttribute;
using wire::CfgAttributeType;

constexpr unsigned kLinkPrefix = 64; // interface identifiers take the other 64 bits (RFC 4291 2.5.1)
constexpr unsigned kIp4Address = 32, kIp6Address = 128;
constexpr unsigned kShortestPrefix = 16; // no provider gives more to a customer

bool asks_for(const wire::Configuration& request, CfgAttributeType type) {
    return std::ranges::any_of(request.attributes, [type](const CfgAttribute& a) { return a.type == type; });
}

std::optional<wire::Ip6Link> link_of(const wire::Configuration& configuration) {
    for (const CfgAttribute& attribute : configuration.attributes) {
        if (attribute.type == CfgAttributeType::internal_ip6_link) return wire::read_link(attribute);
    }
    return std::nullopt;
}

const PoolSpec* find(std::span<const PoolSpec> pools, const std::string& name) {
    const auto found = std::ranges::find(pools, name, &PoolSpec::name);
    return found == pools.end() ? nullptr : &*found;
}

// What of a connection's entries is of this family, with no block smaller than `longest` says; `most` entries.
std::vector<address::Want> wants_of(const Connection& connection, std::span<const PoolSpec> pools,
                                    Family family, unsigned longest, std::size_t most) {
    std::vector<address::Want> out;
    for (const address::Want& entry : connection.pools) {
        address::Want want;
        for (const std::string& name : entry.pools) {
            const PoolSpec* pool = find(pools, name);
            const bool fits = pool && pool->prefix.family() == family && pool->delegate <= longest;
            if (fits) want.pools.push_back(name);
        }
        if (!want.pools.empty() && out.size() < most) out.push_back(std::move(want));
    }
    return out;
}

void plan_names(AddressPlan& plan, const Connection& connection, const wire::Configuration& request) {
    for (const IpAddress& server : connection.dns) {
        const auto type =
            server.is_v6() ? CfgAttributeType::internal_ip6_dns : CfgAttributeType::internal_ip4_dns;
        if (asks_for(request, type)) plan.told.push_back(wire::address_attribute(type, server));
    }
    // RFC 8598 3.1: domains say which names the servers are for, and mean nothing without any.
    if (plan.told.empty() || !asks_for(request, CfgAttributeType::internal_dns_domain)) return;
    for (const std::string& domain : connection.dns_domains)
        plan.told.push_back(wire::domain_attribute(domain));
}

void give(LinkShare& to, const address::Grant& grant) {
    to.part.routes.push_back(grant.block);
    to.clients.push_back(child::selector(grant.block));
    to.grants.push_back(grant);
}

// For clients that know no RFC 5739: the first address of a block that is theirs as a whole. Some take no
// selectors that are wider than the one address that they are told.
void give_ip6_address(Assignment& to, const Connection& connection, const address::Grant& grant) {
    const Prefix& block = grant.block;
    const bool single = block.length() == kIp6Address;
    const IpAddress address = single ? block.address() : block.address().next().value_or(block.address());
    to.reply.attributes.push_back(wire::ip6_address_attribute(address, kIp6Address));
    give(to.share, grant);
    if (connection.block_with_address) return;
    to.share.part.routes.back() = Prefix::host(address);
    to.share.clients.back() = child::selector(Prefix::host(address));
}

void give_ip4_address(Assignment& to, const address::Grant& grant) {
    to.reply.attributes.push_back(
        wire::address_attribute(CfgAttributeType::internal_ip4_address, grant.block.address()));
    give(to.share, grant);
}

// RFC 5739 4.1: the client keeps its interface identifier and gets a Link ID, our identifier and prefixes.
void open_link(Assignment& to, const wire::Ip6Link& ours) {
    to.share.link_id = ours.link_id;
    to.share.part.addresses.push_back({link_local(ours.interface_id), kIp6Address});
    to.reply.attributes.push_back(wire::link_attribute(ours));
}

void admit_link_local(LinkShare& to, const InterfaceId& theirs) {
    const auto address = Prefix::host(link_local(theirs));
    to.part.routes.push_back(address);
    to.clients.push_back(child::selector(address));
}

// The client's addresses in a prefix of its own, one for each identifier that it wants.
void take_prefix(LinkShare& to, const AddressRequest& wanted, const Prefix& prefix, const MakeId& make_id) {
    to.clients.push_back(child::selector(prefix));
    if (prefix.length() < kIp6Address) to.part.delegated.push_back(prefix);
    for (const InterfaceIdChoice& choice : wanted.interface_ids) {
        const child::InterfaceAddress address{address_in(prefix, make_id(prefix, choice)), kIp6Address};
        if (std::ranges::find(to.part.addresses, address) == to.part.addresses.end())
            to.part.addresses.push_back(address);
    }
    for (const LanNetwork& lan : wanted.lan) {
        // The subnets of a prefix are numbered by the bits between its end and the 64th.
        const unsigned bits = prefix.length() < kLinkPrefix ? kLinkPrefix - prefix.length() : 0;
        if (bits < 32 && lan.subnet >= 1U << bits) continue;
        std::array<std::uint8_t, 16> octets{};
        std::ranges::copy(prefix.address().view(), octets.begin());
        for (std::size_t i = 0; i < 4; ++i)
            octets.at(7 - i) = static_cast<std::uint8_t>(octets.at(7 - i) | lan.subnet >> (8 * i));
        octets.back() = 1;
        to.part.lan.push_back({lan.interface, *IpAddress::from_bytes(octets), kLinkPrefix});
    }
}

void take_address(LinkShare& to, const IpAddress& address) {
    to.part.addresses.push_back({address, address.bits()});
    to.clients.push_back(child::selector(Prefix::host(address)));
}

} // namespace

bool may_be_taken(const Prefix& prefix) {
    const View octets = prefix.address().view();
    if (prefix.family() == Family::ipv4) {
        const bool host = octets[0] != 0 && octets[0] != 127 && octets[0] < 224; // RFC 6890, RFC 1112
        return host && prefix.length() >= kShortestPrefix && !prefix.address().is_link_local();
    }
    const bool multicast = octets[0] == 0xff;
    const bool reserved = octets[0] == 0 && octets[1] == 0; // the unspecified address and its like
    return prefix.length() >= kShortestPrefix && !multicast && !reserved && !prefix.address().is_link_local();
}

std::expected<AddressPlan, Rule> plan_addresses(const Connection& connection, std::span<const PoolSpec> pools,
                                                const wire::Configuration* request,
                                                std::span<const wire::TrafficSelector> offered) {
    if (!request || request->type != wire::CfgType::request)
        return std::unexpected(Rule::configuration_required);
    const auto usable = [&](Family family) {
        const bool asked = std::ranges::any_of(
            offered, [family](const wire::TrafficSelector& s) { return s.start.family() == family; });
        return asked &&
               std::ranges::find(connection.networks, family, &Prefix::family) != connection.networks.end();
    };
    AddressPlan plan;
    if (usable(Family::ipv6)) {
        plan.link = link_of(*request);
        plan.ip6_address = !plan.link && asks_for(*request, CfgAttributeType::internal_ip6_address);
        if (plan.link && acceptable(plan.link->interface_id))
            plan.wants = wants_of(connection, pools, Family::ipv6, kLinkPrefix, connection.pools.size());
        else if (plan.ip6_address)
            plan.wants = wants_of(connection, pools, Family::ipv6, kIp6Address, 1);
        plan.ip6 = plan.wants.size();
    }
    if (usable(Family::ipv4) && asks_for(*request, CfgAttributeType::internal_ip4_address)) {
        for (auto& want : wants_of(connection, pools, Family::ipv4, kIp4Address, 1))
            plan.wants.push_back(std::move(want));
    }
    if (plan.wants.empty()) return std::unexpected(Rule::address_failure);
    plan_names(plan, connection, *request);
    return plan;
}

std::expected<Assignment, Rule> assign(const Connection& connection, const AddressPlan& plan,
                                       const address::Assigned& granted, const wire::Ip6Link& ours) {
    Assignment out;
    out.share.part.role = child::LinkRole::gateway;
    out.reply.type = wire::CfgType::reply;
    const auto grant_for = [&](std::size_t want) {
        return want < granted.grants.size() ? granted.grants[want] : std::nullopt;
    };
    for (std::size_t i = 0; i < plan.wants.size(); ++i) {
        const auto grant = grant_for(i);
        if (!grant) continue;
        if (i >= plan.ip6) {
            if (grant->block.length() == kIp4Address) give_ip4_address(out, *grant);
        } else if (plan.link) {
            if (out.share.link_id.empty()) open_link(out, ours);
            out.reply.attributes.push_back(wire::prefix_attribute(grant->block));
            give(out.share, *grant);
        } else {
            give_ip6_address(out, connection, *grant);
        }
    }
    if (out.share.grants.empty()) return std::unexpected(Rule::address_failure);
    if (!out.share.link_id.empty()) admit_link_local(out.share, plan.link->interface_id);
    out.reply.attributes.insert(out.reply.attributes.end(), plan.told.begin(), plan.told.end());
    return out;
}

wire::Configuration address_request(const AddressRequest& wanted, const wire::Ip6Link& link) {
    wire::Configuration out{wire::CfgType::request, {}};
    const auto ask = [&](CfgAttributeType type) { out.attributes.push_back(wire::empty_attribute(type)); };
    const bool ip6 = wanted.prefix || wanted.ipv6;
    if (wanted.prefix) out.attributes.push_back(wire::link_attribute(link));
    // RFC 5739 4.1: a client may ask for both; a gateway that knows links ignores the single address.
    if (wanted.ipv6) ask(CfgAttributeType::internal_ip6_address);
    if (ip6 && wanted.dns) ask(CfgAttributeType::internal_ip6_dns);
    if (wanted.ipv4) ask(CfgAttributeType::internal_ip4_address);
    if (wanted.ipv4 && wanted.dns) ask(CfgAttributeType::internal_ip4_dns);
    if (wanted.dns) ask(CfgAttributeType::internal_dns_domain);
    return out;
}

std::vector<wire::TrafficSelector> requested_selectors(const AddressRequest& wanted) {
    std::vector<wire::TrafficSelector> out;
    if (wanted.prefix || wanted.ipv6) out.push_back(child::selector(Prefix::all(Family::ipv6)));
    if (wanted.ipv4) out.push_back(child::selector(Prefix::all(Family::ipv4)));
    return out;
}

std::expected<LinkShare, Rule> read_reply(const AddressRequest& wanted, const InterfaceId& own,
                                          const wire::Configuration* reply,
                                          std::span<const wire::TrafficSelector> admitted,
                                          const MakeId& make_id) {
    if (!reply || reply->type != wire::CfgType::reply) return std::unexpected(Rule::address_failure);
    LinkShare out;
    out.part.role = child::LinkRole::client;
    std::optional<wire::Ip6Link> link = link_of(*reply);
    if (link && link->link_id.empty()) link.reset(); // without a Link ID the link could never be named again
    bool one_ip4 = false, one_ip6 = false;
    const auto usable = [&](const Prefix& prefix) {
        const bool known = std::ranges::find(out.clients, child::selector(prefix)) != out.clients.end();
        return !known && may_be_taken(prefix) && std::ranges::any_of(admitted, [&](const auto& selector) {
            return child::contains(selector, child::selector(prefix));
        });
    };
    for (const CfgAttribute& attribute : reply->attributes) {
        if (attribute.type == CfgAttributeType::internal_ip6_prefix && link && wanted.prefix) {
            const auto prefix = wire::read_prefix(attribute);
            if (prefix && usable(*prefix)) take_prefix(out, wanted, *prefix, make_id);
        } else if (attribute.type == CfgAttributeType::internal_ip6_address && !link && wanted.ipv6 &&
                   !one_ip6) {
            const auto given = wire::read_ip6_address(attribute);
            one_ip6 = given && usable(Prefix::host(given->address));
            if (one_ip6) take_address(out, given->address);
        } else if (attribute.type == CfgAttributeType::internal_ip4_address && wanted.ipv4 && !one_ip4) {
            const auto given = wire::read_address(attribute);
            one_ip4 = given && usable(Prefix::host(*given));
            if (one_ip4) take_address(out, *given);
        } else if (const auto domain = wire::read_domain(attribute)) {
            out.domains.push_back(*domain);
        } else if (attribute.type == CfgAttributeType::internal_ip6_dns ||
                   attribute.type == CfgAttributeType::internal_ip4_dns) {
            if (const auto server = wire::read_address(attribute)) out.dns.push_back(*server);
        }
    }
    // RFC 5739 4.1: there may be a link without any prefix.
    if (link && wanted.prefix) {
        out.part.addresses.push_back({link_local(own), 64});
        out.clients.push_back(child::selector(Prefix::host(link_local(own))));
        out.link_id = link->link_id;
    }
    if (out.part.addresses.empty()) return std::unexpected(Rule::address_failure);
    return out;
}

// RFC 5280 7.1: a distinguished name is the same in whatever string types, case and repeated spaces it comes.
address::Holder holder_of(const auth::Identity& identity) {
    address::Holder out{static_cast<std::uint8_t>(identity.type), identity.data, identity.to_string()};
    if (identity.type != wire::IdType::der_asn1_dn) return out;
    out.data.clear();
    for (const char c : out.text) {
        const bool repeated = c == ' ' && !out.data.empty() && out.data.back() == ' ';
        const bool capital = c >= 'A' && c <= 'Z';
        if (!repeated) out.data.push_back(static_cast<std::uint8_t>(capital ? c - 'A' + 'a' : c));
    }
    return out;
}

bool is_given(const address::Grant& grant, const Connection& connection, std::span<const PoolSpec> pools) {
    const PoolSpec* pool = find(pools, grant.pool);
    const bool named = std::ranges::any_of(connection.pools, [&](const address::Want& entry) {
        return std::ranges::find(entry.pools, grant.pool) != entry.pools.end();
    });
    return pool && named && pool->prefix.contains(grant.block) && pool->delegate == grant.block.length();
}

} // namespace sheaf::ike

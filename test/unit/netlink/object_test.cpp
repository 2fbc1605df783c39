// Links, addresses, routes and rules: what is encoded reads back as the same value.
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>
#include <linux/rtnetlink.h>

namespace sheaf::netlink {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

// A removal has the installation's form under another type.
template <typename Parse>
auto parse_as(const Message& message, std::uint16_t type, Parse parse) {
    Bytes bytes(message.view().begin(), message.view().end());
    reinterpret_cast<nlmsghdr*>(&bytes.at(0))->nlmsg_type = type;
    return parse(test::header_of(bytes));
}

template <typename Parse>
void reject_truncations(const Message& message, Parse parse) {
    Bytes bytes(message.view().begin(), message.view().end());
    for (std::uint32_t length = NLMSG_HDRLEN; length < bytes.size(); ++length) {
        reinterpret_cast<nlmsghdr*>(&bytes.at(0))->nlmsg_len = length;
        static_cast<void>(parse(test::header_of(Bytes(bytes.begin(), bytes.begin() + length))));
    }
    reinterpret_cast<nlmsghdr*>(&bytes.at(0))->nlmsg_len = NLMSG_HDRLEN + 3;
    CHECK_FALSE(parse(test::header_of(bytes)));
}

} // namespace

TEST_CASE("links read back as encoded", "[netlink]") {
    LinkObject link{.name = "sheaf0", .kind = "xfrm", .alias = {}, .mtu = 1400, .if_id = 0x53000001};
    CHECK(parse_link(create_link(link).header()) == link);
    link.index = 12;
    link.if_id.reset();
    link.collect_metadata = true;
    const Message message = create_link(link);
    CHECK(parse_link(message.header()) == link);
    CHECK((message.header().nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) == (NLM_F_CREATE | NLM_F_EXCL));
    reject_truncations(message, parse_link);

    const auto configured = parse_as(configure_link(12, "sheaf"), RTM_NEWLINK, parse_link);
    REQUIRE(configured);
    CHECK(configured->index == 12);
    CHECK(configured->alias == "sheaf");
    CHECK(parse_as(raise_link(12), RTM_NEWLINK, parse_link)->up);
    CHECK(parse_as(remove_link(12), RTM_NEWLINK, parse_link)->index == 12);
    CHECK(parse_as(remove_link("sheaf0"), RTM_NEWLINK, parse_link)->name == "sheaf0");
    CHECK(parse_as(query_link("sheaf0"), RTM_NEWLINK, parse_link)->name == "sheaf0");
    CHECK(dump_links("xfrm").is_dump());
    CHECK_FALSE(parse_link(remove_link(12).header()));
    // A name that the kernel would refuse does not make a longer message than there is room for.
    CHECK(create_link({.name = std::string(4000, 'x'), .kind = "xfrm", .alias = {}, .if_id = 1}).empty());
}

TEST_CASE("addresses read back as encoded", "[netlink]") {
    for (const char* text : {"2001:db8::1", "fe80::2", "10.77.0.1"}) {
        for (const bool prefix_route : {true, false}) {
            const Address address{
                .interface_index = 3, .address = ip(text), .prefix_length = 24, .prefix_route = prefix_route};
            CHECK(parse_address(add_address(address).header()) == address);
            const auto removed = parse_as(remove_address(address), RTM_NEWADDR, parse_address);
            REQUIRE(removed);
            CHECK(removed->address == address.address);
            CHECK(removed->interface_index == 3);
            reject_truncations(add_address(address), parse_address);
        }
    }
    CHECK(dump_addresses(Family::ipv6).is_dump());
}

TEST_CASE("an address is deprecated in its place, and says whose it is", "[netlink]") {
    for (const char* text : {"2001:db8::1", "10.77.0.1"}) {
        const Address address{.interface_index = 3,
                              .address = ip(text),
                              .prefix_length = 24,
                              .prefix_route = true,
                              .ask_first = true,
                              .deprecated = true,
                              .protocol = 83};
        CHECK(parse_address(add_address(address).header()) == address);
        CHECK(parse_address(change_address(address).header()) == address);
        CHECK((change_address(address).header().nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE)) ==
              NLM_F_REPLACE);
        reject_truncations(change_address(address), parse_address);
    }
}

TEST_CASE("routes read back as encoded", "[netlink]") {
    for (const char* text : {"2001:db8:100:1::/64", "::/0", "0.0.0.0/0", "10.77.0.1/32"}) {
        Route route{.destination = prefix(text),
                    .table = 5300,
                    .protocol = 83,
                    .interface_index = 7,
                    .link = 0x53000001,
                    .preferred_source = std::nullopt};
        CHECK(parse_route(add_route(route).header()) == route);
        CHECK(parse_as(remove_route(route), RTM_NEWROUTE, parse_route) == route);
        route.link.reset();
        route.preferred_source =
            route.destination.family() == Family::ipv6 ? ip("2001:db8::1") : ip("10.0.0.1");
        CHECK(parse_route(add_route(route).header()) == route);
        reject_truncations(add_route(route), parse_route);
        route.preferred_source.reset();
        route.interface_index = 0;
        for (const RouteKind kind : {RouteKind::unreachable, RouteKind::pass}) {
            route.kind = kind;
            CHECK(parse_route(add_route(route).header()) == route);
            CHECK(parse_as(remove_route(route), RTM_NEWROUTE, parse_route) == route);
        }
    }
    const auto wanted = parse_as(dump_routes(Family::ipv6, 5301, 83), RTM_NEWROUTE, parse_route);
    REQUIRE(wanted);
    CHECK(wanted->table == 5301);
    CHECK(wanted->protocol == 83);
}

TEST_CASE("routes with several ways, and with gateways, read back as encoded", "[netlink]") {
    for (const char* text : {"2001:db8:100:1::/64", "::/0", "0.0.0.0/0", "10.77.0.1/32"}) {
        Route route{.destination = prefix(text),
                    .table = 5300,
                    .protocol = 83,
                    .link = std::nullopt,
                    .preferred_source = std::nullopt};
        route.next_hops = {{7, std::nullopt, 1}, {8, std::nullopt, 256}, {9, 0x53000001, 16}};
        CHECK(parse_route(add_route(route).header()) == route);
        CHECK(parse_route(replace_route(route).header()) == route);
        reject_truncations(add_route(route), parse_route);
        const auto removed = parse_as(remove_route(route), RTM_NEWROUTE, parse_route);
        CHECK(removed->next_hops.empty()); // so that all go
        CHECK(removed->destination == route.destination);
        CHECK(removed->table == route.table);
        route.next_hops.resize(kMaxNextHops, {9, 0x53000001, 16});
        CHECK(parse_route(add_route(route).header()) == route);
        route.next_hops.clear();
        route.interface_index = 7;
        for (const char* gateway : {"2001:db8::1", "192.0.2.1"}) {
            if (route.destination.family() == Family::ipv6 && !ip(gateway).is_v6()) continue;
            route.gateway = ip(gateway);
            CHECK(parse_route(add_route(route).header()) == route);
            reject_truncations(add_route(route), parse_route);
        }
    }
}

TEST_CASE("a route is asked for by one interface, with a mark", "[netlink]") {
    for (const bool entry : {false, true}) {
        const Message message = query_route(
            {.destination = ip("2001:db8::1"), .interface_index = 7, .mark = 0x53000000, .entry = entry});
        CHECK_FALSE(message.is_dump());
        rtmsg fixed{};
        REQUIRE(read_fixed(message.header(), &fixed, sizeof fixed));
        CHECK(fixed.rtm_dst_len == 128);
        CHECK((fixed.rtm_flags & RTM_F_FIB_MATCH) == (entry ? RTM_F_FIB_MATCH : 0U));
        const auto attributes = Attributes::of(message.header(), sizeof fixed);
        CHECK(attributes.u32(RTA_OIF) == 7);
        CHECK(attributes.u32(RTA_MARK) == 0x53000000);
    }
}

TEST_CASE("rules read back as encoded", "[netlink]") {
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        Rule rule{.family = family,
                  .priority = 5300,
                  .table = 5300,
                  .protocol = 83,
                  .mark = 0x53000000,
                  .mark_mask = 0xff000000,
                  .unless = true,
                  .suppress_prefix_length = std::nullopt};
        CHECK(parse_rule(add_rule(rule).header()) == rule);
        CHECK(parse_as(remove_rule(rule), RTM_NEWRULE, parse_rule) == rule);
        rule = {
            .family = family, .priority = 5301, .table = 254, .protocol = 83, .suppress_prefix_length = 0};
        CHECK(parse_rule(add_rule(rule).header()) == rule);
        reject_truncations(add_rule(rule), parse_rule);
        rule.source = family == Family::ipv6 ? ip("2001:db8::1") : ip("192.0.2.1");
        CHECK(parse_rule(add_rule(rule).header()) == rule);
        CHECK(rule.to_string().ends_with(" from " + rule.source->to_string()));
    }
    CHECK(dump_rules(Family::ipv4).is_dump());
}

} // namespace sheaf::netlink

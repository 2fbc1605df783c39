#include "netlink/gateway_route.h"
#include "netlink/route.h"
#include "netlink/route_message.h"
#include "test/kernel/samples.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <array>

namespace sheaf::netlink {
namespace {

using kernel_test::ip;
using kernel_test::prefix;

constexpr int kInterface = 5, kOther = 6;

Message told(const char* destination, const char* gateway, int interface_index) {
    return add_route({.destination = prefix(destination),
                      .table = 77,
                      .protocol = 186,
                      .interface_index = interface_index,
                      .link = std::nullopt,
                      .preferred_source = std::nullopt,
                      .gateway = ip(gateway)});
}

rtmsg unicast(unsigned length) {
    rtmsg out{};
    out.rtm_family = AF_INET;
    out.rtm_dst_len = static_cast<unsigned char>(length);
    out.rtm_type = RTN_UNICAST;
    return out;
}

Message numbered(std::uint32_t object) {
    RouteMessage out(RTM_NEWROUTE, 0, unicast(16));
    out.put_address(RTA_DST, ip("10.9.0.0"));
    out.put_u32(RTA_PRIORITY, 20);
    out.put_u32(RTA_NH_ID, object);
    return out.finish();
}

Message next_hop(std::uint32_t id, int interface_index, const char* gateway) {
    nhmsg fixed{};
    fixed.nh_family = AF_INET;
    RouteMessage out(RTM_NEWNEXTHOP, 0, fixed);
    out.put_u32(NHA_ID, id);
    out.put_u32(NHA_OIF, static_cast<std::uint32_t>(interface_index));
    out.put_address(NHA_GATEWAY, ip(gateway));
    return out.finish();
}

} // namespace

TEST_CASE("a route says which gateway a destination is behind", "[netlink]") {
    const Message plain = told("10.9.0.0/16", "192.0.2.4", kInterface);
    const auto route = parse_gateway_route(plain.header(), kInterface);
    REQUIRE(route);
    CHECK(route->destination == prefix("10.9.0.0/16"));
    CHECK(route->gateway == ip("192.0.2.4"));
    CHECK_FALSE(parse_gateway_route(plain.header(), kOther));
    CHECK(concerns(plain.header(), kInterface));
    CHECK_FALSE(concerns(plain.header(), kOther));
    const Message over_ipv6 = told("10.9.0.0/16", "2001:db8::4", kInterface); // RFC 8950
    CHECK(parse_gateway_route(over_ipv6.header(), kInterface)->gateway == ip("2001:db8::4"));
    const Message mapped = told("2001:db8:9::/48", "::ffff:192.0.2.4", kInterface); // RFC 4798
    CHECK(parse_gateway_route(mapped.header(), kInterface)->gateway == ip("192.0.2.4"));
    const Message direct = add_route({.destination = prefix("10.9.0.0/16"),
                                      .table = 254,
                                      .protocol = 4,
                                      .interface_index = kInterface,
                                      .link = std::nullopt,
                                      .preferred_source = std::nullopt});
    CHECK_FALSE(parse_gateway_route(direct.header(), kInterface));
}

TEST_CASE("of several ways the first by the interface counts", "[netlink]") {
    RouteMessage builder(RTM_NEWROUTE, 0, unicast(24));
    builder.put_address(RTA_DST, ip("10.9.1.0"));
    builder.begin_nest(RTA_MULTIPATH);
    const std::array<std::pair<int, const char*>, 3> ways{
        {{kOther, "192.0.2.3"}, {kInterface, "192.0.2.4"}, {kInterface, "192.0.2.5"}}};
    for (const auto& [interface_index, gateway] : ways) {
        rtnexthop hop{};
        hop.rtnh_ifindex = interface_index;
        builder.begin_next_hop(hop);
        builder.put_address(RTA_GATEWAY, ip(gateway));
        builder.end_next_hop();
    }
    builder.end_nest();
    const Message message = builder.finish();
    CHECK(parse_gateway_route(message.header(), kInterface)->gateway == ip("192.0.2.4"));
    CHECK(concerns(message.header(), kOther));
    CHECK_FALSE(concerns(message.header(), 9));
}

TEST_CASE("a next hop may be named by a number, or by that of a group", "[netlink]") {
    const Message message = numbered(8);
    const auto route = parse_gateway_route(message.header(), kInterface);
    REQUIRE(route);
    CHECK_FALSE(route->gateway);
    CHECK(route->object == 8);
    CHECK(route->metric == 20);
    CHECK(concerns(message.header(), kInterface));
    NextHopObjects objects;
    for (const Message& told : {next_hop(6, kOther, "192.0.2.6"), next_hop(7, kInterface, "192.0.2.7")}) {
        const auto object = parse_next_hop(told.header());
        REQUIRE(object);
        objects[object->id] = *object;
    }
    CHECK(gateway_of(7, kInterface, objects) == ip("192.0.2.7"));
    CHECK_FALSE(gateway_of(6, kInterface, objects));
    CHECK_FALSE(gateway_of(8, kInterface, objects));
    objects[8] = {.id = 8, .members = {6, 7}};
    CHECK(gateway_of(8, kInterface, objects) == ip("192.0.2.7"));
}

} // namespace sheaf::netlink

// Which uplinks reach which gateways, what that has in the kernel, and when the host has changed.
#include "daemon/host_network.h"
#include "daemon/route_lookup.h"
#include "netlink/address.h"
#include "test/unit/xfrm/fake_kernel.h"
#include "xfrm/marks.h"

#include <catch2/catch.hpp>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <net/if.h>

namespace sheaf::daemon {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

constexpr unsigned kRunning = IFF_UP | IFF_RUNNING;
const IpAddress kGateway = ip("203.0.113.1");
const Instant kStart{std::chrono::seconds(100)};

// A host with the uplinks up0 and up1, each with an address and a router.
struct Site {
    test::NetlinkKernel kernel;
    std::unique_ptr<HostNetwork> network;
    std::map<int, netlink::Route> routers; // by interface

    Site() {
        for (const int i : {2, 3}) {
            const std::string n = std::to_string(i - 2);
            kernel.put_link(i, "up" + n, kRunning);
            address(i, ("10." + n + ".0.1").c_str());
            routers[i] = {.destination = Prefix::host(kGateway),
                          .table = RT_TABLE_MAIN,
                          .interface_index = i,
                          .link = std::nullopt,
                          .preferred_source = ip(("10." + n + ".0.1").c_str()),
                          .gateway = ip(("10." + n + ".0.254").c_str())};
        }
        kernel.routing = [this](const netlink::Route& asked) -> std::optional<netlink::Route> {
            const auto found = routers.find(asked.interface_index);
            if (found == routers.end()) return std::nullopt;
            netlink::Route out = found->second;
            out.destination = asked.destination;
            return out;
        };
        network = HostNetwork::open(kernel.os, xfrm::kMark).value();
        network->configure({.interfaces = {"up0", "up1"}, .gateways = {kGateway}});
        kernel.changes.clear();
    }

    void address(int index, const char* text) {
        REQUIRE(kernel.put(NETLINK_ROUTE, netlink::add_address({.interface_index = index,
                                                                .address = ip(text),
                                                                .prefix_length = 24,
                                                                .prefix_route = true})) == 0);
    }
    std::string source(const char* uplink, const IpAddress& gateway = kGateway) {
        const auto out = network->uplinks().source_over(uplink, gateway);
        return out ? out->to_string() : out.error();
    }
    std::vector<netlink::Route> routes() const {
        std::vector<netlink::Route> out;
        for (const auto& [key, object] : kernel.objects) {
            if (auto route = netlink::parse_route(test::header_of(object))) out.push_back(*route);
        }
        return out;
    }
    std::vector<netlink::Rule> rules() const {
        std::vector<netlink::Rule> out;
        for (const auto& [key, object] : kernel.objects) {
            if (auto rule = netlink::parse_rule(test::header_of(object))) out.push_back(*rule);
        }
        return out;
    }
    bool refresh() { return network->uplinks().refresh(); }
    // The kernel tells it to whoever listens.
    void tell(const netlink::Message& message) {
        const Bytes bytes(message.view().begin(), message.view().end());
        kernel.os.deliver(network->fd(), bytes);
    }
};

netlink::Message route_event(std::uint8_t protocol, int interface_index = 2) {
    return netlink::add_route({.destination = Prefix::parse("192.0.2.0/24").value(),
                               .table = RT_TABLE_MAIN,
                               .protocol = protocol,
                               .interface_index = interface_index,
                               .link = std::nullopt,
                               .preferred_source = std::nullopt});
}

netlink::Message address_event(const char* text, std::uint8_t protocol = 0) {
    return netlink::add_address({.interface_index = 2,
                                 .address = ip(text),
                                 .prefix_length = 24,
                                 .prefix_route = true,
                                 .protocol = protocol});
}

} // namespace

TEST_CASE("what is sent from an uplink's address goes by its router", "[daemon]") {
    Site site;
    CHECK(site.source("up0") == "10.0.0.1");
    CHECK(site.source("up1") == "10.1.0.1");
    const auto routes = site.routes();
    REQUIRE(routes.size() == 2);
    CHECK(routes[1].destination == Prefix::host(kGateway));
    CHECK(routes[1].table == xfrm::kFirstUplinkTable + 1);
    CHECK(routes[1].gateway == ip("10.1.0.254"));
    CHECK(routes[1].interface_index == 3);
    const auto rules = site.rules();
    REQUIRE(rules.size() == 2);
    CHECK(rules[1].source == ip("10.1.0.1"));
    CHECK(rules[1].table == xfrm::kFirstUplinkTable + 1);
    CHECK(rules[1].priority < xfrm::kWayPriority);
    CHECK_FALSE(site.refresh());
    CHECK(site.kernel.changes.empty());
}

TEST_CASE("rules and routes follow the host by their difference", "[daemon]") {
    Site site;
    SECTION("the kernel has removed a route") {
        std::erase_if(site.kernel.objects, [](const auto& entry) {
            return entry.first.starts_with("route 203.0.113.1/32 table 5311");
        });
        CHECK(site.refresh());
        CHECK(site.routes().size() == 2);
        CHECK(site.kernel.changes.size() == 1);
    }
    SECTION("another router") {
        site.routers[3].gateway = ip("10.1.0.253");
        CHECK(site.refresh());
        CHECK(site.routes()[1].gateway == ip("10.1.0.253"));
        CHECK(site.routes().size() == 2);
    }
    SECTION("another address") {
        site.address(3, "10.1.0.9");
        site.routers[3].preferred_source = ip("10.1.0.9");
        CHECK(site.refresh());
        CHECK(site.source("up1") == "10.1.0.9");
        CHECK(site.rules().size() == 2);
    }
    SECTION("another gateway, which nobody has configured") {
        CHECK(site.source("up1", ip("203.0.113.2")) == "10.1.0.1");
        CHECK(site.routes().size() == 4);
        CHECK(site.rules().size() == 2);
    }
    SECTION("another configuration") {
        site.network->configure({.interfaces = {"up1"}, .gateways = {kGateway}});
        CHECK(site.source("up1") == "10.1.0.1");
        CHECK(site.source("up0") == "up0 is not configured as an uplink");
        CHECK(site.routes().size() == 1);
        CHECK(site.rules().size() == 1);
        site.network->configure(Uplinks::Plan{});
        CHECK(site.routes().empty());
        CHECK(site.rules().empty());
    }
}

TEST_CASE("an uplink that does not reach a gateway is told why", "[daemon]") {
    Site site;
    SECTION("gone") {
        site.kernel.objects.erase("link up1");
        CHECK(site.refresh());
        CHECK(site.source("up1") == "there is no interface up1");
    }
    SECTION("down") {
        site.kernel.put_link(3, "up1", 0);
        CHECK(site.refresh());
        CHECK(site.source("up1") == "up1 is down");
    }
    SECTION("without carrier") {
        site.kernel.put_link(3, "up1", IFF_UP);
        CHECK(site.refresh());
        CHECK(site.source("up1") == "up1 has no carrier");
    }
    SECTION("without a route") {
        site.routers.erase(3);
        CHECK(site.refresh());
        CHECK(site.source("up1") == "up1 has no route to 203.0.113.1");
    }
    SECTION("without an address") {
        std::erase_if(site.kernel.objects,
                      [](const auto& entry) { return entry.first.starts_with("address 10.1.0.1"); });
        CHECK(site.refresh());
        CHECK(site.source("up1") == "up1 has no IPv4 address that can be used");
    }
    SECTION("with another's address") {
        site.address(3, "10.0.0.1");
        site.routers[3].preferred_source = ip("10.0.0.1");
        CHECK(site.refresh());
        CHECK(site.source("up1") == "up1 has the same address as up0, 10.0.0.1");
    }
    SECTION("where the kernel refuses") {
        site.network->configure(Uplinks::Plan{});
        site.kernel.reset_faults();
        site.kernel.fault = [](std::size_t, int, const nlmsghdr& message) {
            return message.nlmsg_type == RTM_NEWRULE && netlink::parse_rule(message)->source == ip("10.1.0.1")
                       ? std::optional(test::NetlinkKernel::Fault{.code = EPERM})
                       : std::nullopt;
        };
        site.network->configure({.interfaces = {"up0", "up1"}, .gateways = {kGateway}});
        CHECK(site.source("up1").find("cannot be installed: EPERM") != std::string::npos);
    }
    CHECK(site.source("up0") == "10.0.0.1");
}

TEST_CASE("an address can be used when others do not have it", "[daemon]") {
    const auto with = [](std::uint32_t flags) {
        const auto message = netlink::add_address(
            {.interface_index = 2, .address = ip("2001:db8::1"), .prefix_length = 64, .ask_first = true});
        Bytes bytes(message.view().begin(), message.view().end());
        auto& fixed = *reinterpret_cast<ifaddrmsg*>(bytes.data() + NLMSG_HDRLEN);
        fixed.ifa_flags = static_cast<std::uint8_t>(flags);
        // IFA_FLAGS is the third attribute, after two addresses.
        constexpr std::size_t kBefore = 2 * (4 + 16) + 4;
        std::memcpy(bytes.data() + NLMSG_HDRLEN + sizeof fixed + kBefore, &flags, sizeof flags);
        return netlink::is_usable_address(test::header_of(bytes));
    };
    CHECK(with(0));
    CHECK_FALSE(with(IFA_F_TENTATIVE));
    CHECK_FALSE(with(IFA_F_TENTATIVE | IFA_F_DADFAILED));
    CHECK_FALSE(with(IFA_F_DEPRECATED));
    CHECK(with(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC));
}

TEST_CASE("changes of the host are told together, and soon", "[daemon]") {
    Site site;
    HostNetwork& network = *site.network;
    CHECK_FALSE(network.next_timeout());
    SECTION("links and addresses") {
        site.tell(address_event("10.0.0.7"));
        network.on_readable(kStart);
        CHECK(network.next_timeout() == kStart + HostNetwork::kGather);
        site.tell(route_event(RTPROT_KERNEL));
        network.on_readable(kStart + Duration(1));
        CHECK(network.next_timeout() == kStart + HostNetwork::kGather);
        CHECK_FALSE(network.changed(kStart + Duration(1)));
        CHECK(network.changed(kStart + HostNetwork::kGather));
        CHECK_FALSE(network.changed(kStart + HostNetwork::kGather));
        CHECK_FALSE(network.next_timeout());
        // The same again is no news.
        site.tell(address_event("10.0.0.7"));
        network.on_readable(kStart);
        CHECK_FALSE(network.next_timeout());
    }
    SECTION("many routes") {
        const Instant first = kStart + HostNetwork::kGather;
        site.tell(route_event(RTPROT_BOOT));
        network.on_readable(kStart);
        CHECK(network.changed(first));
        site.tell(route_event(RTPROT_BOOT));
        network.on_readable(first);
        CHECK(network.next_timeout() == first + HostNetwork::kRoutesPace);
        site.kernel.put_link(3, "up1", 0);
        site.kernel.os.deliver(network.fd(), site.kernel.objects.at("link up1"));
        network.on_readable(first);
        CHECK(network.next_timeout() == first + HostNetwork::kGather);
        CHECK(network.changed(first + HostNetwork::kGather));
        CHECK(site.source("up1") == "up1 is down");
    }
    SECTION("not what is ours") {
        const auto link = netlink::create_link(
            {.index = 9, .name = "sheaf0", .kind = "xfrm", .alias = {}, .if_id = child::kFirstLink});
        site.tell(link);
        site.tell(route_event(xfrm::kProtocol));
        site.tell(route_event(RTPROT_KERNEL, 9));
        site.tell(address_event("10.0.0.7", xfrm::kProtocol));
        network.on_readable(kStart);
        CHECK_FALSE(network.next_timeout());
    }
    SECTION("events that are lost") {
        site.kernel.os.overrun(network.fd());
        network.on_readable(kStart);
        CHECK(network.next_timeout() == kStart + HostNetwork::kGather);
    }
}

TEST_CASE("a configuration's uplinks and gateways", "[daemon]") {
    ike::Config config;
    ike::Connection one, two, gateway;
    one.role = two.role = ike::Role::client;
    one.paths.uplinks = {{"up0", 1, 0}, {"up1", 1, 0}};
    one.remote = Endpoint{kGateway, 500};
    one.addresses = {ip("203.0.113.2"), kGateway};
    two.paths.uplinks = {{"up1", 1, 0}, {"up2", 1, 0}};
    two.remote = Endpoint{ip("2001:db8::1"), 500};
    gateway.role = ike::Role::gateway;
    gateway.addresses = {ip("192.0.2.1")};
    config.connections = {one, gateway, two};
    const auto plan = uplink_plan(config);
    CHECK(plan.interfaces == std::vector<std::string>{"up0", "up1", "up2"});
    CHECK(plan.gateways == std::vector<IpAddress>{kGateway, ip("203.0.113.2"), ip("2001:db8::1")});
}

TEST_CASE("a home address is on-link where an address of its prefix is", "[daemon]") {
    Site site;
    const auto home = ip("10.1.0.100");
    auto& uplinks = site.network->uplinks();
    CHECK_FALSE(uplinks.is_on_link("up0", home));
    CHECK(uplinks.is_on_link("up1", home));
    const auto from_home = [&] {
        std::vector<std::uint32_t> tables;
        for (const auto& rule : site.rules())
            if (rule.source == home) tables.push_back(rule.table);
        return tables;
    };
    CHECK(from_home() == std::vector<std::uint32_t>{xfrm::kFirstUplinkTable + 1});
    SECTION("at the first uplink it is sent from there") {
        site.address(2, "10.1.0.7");
        CHECK(site.refresh());
        CHECK(uplinks.is_on_link("up0", home));
        CHECK(uplinks.is_on_link("up1", home));
        CHECK(from_home() == std::vector<std::uint32_t>{xfrm::kFirstUplinkTable});
    }
    SECTION("an uplink that is down is no home link") {
        site.kernel.put_link(3, "up1", 0);
        CHECK(site.refresh());
        CHECK_FALSE(uplinks.is_on_link("up1", home));
        CHECK(from_home().empty());
    }
    SECTION("the home address is no address of the network's") {
        const auto other = ip("10.2.0.100");
        REQUIRE(site.kernel.put(
                    NETLINK_ROUTE,
                    netlink::add_address(
                        {.interface_index = 3, .address = other, .prefix_length = 24, .home = true})) == 0);
        CHECK_FALSE(uplinks.is_on_link("up1", other));
        CHECK(site.source("up1") == "10.1.0.1");
    }
    SECTION("a host's own address says nothing of the link") {
        REQUIRE(site.kernel.put(
                    NETLINK_ROUTE,
                    netlink::add_address({.interface_index = 2, .address = home, .prefix_length = 32})) == 0);
        site.refresh();
        CHECK_FALSE(uplinks.is_on_link("up0", home));
    }
}

TEST_CASE("the host answers by its uplinks, from addresses that it listens at", "[daemon]") {
    Site site;
    RouteLookup host({ip("10.0.0.1")}, std::nullopt, Secret());
    CHECK_FALSE(host.source_over("up0", kGateway));
    host.over(site.network->uplinks());
    CHECK(host.source_over("up0", kGateway) == ip("10.0.0.1"));
    REQUIRE_FALSE(host.source_over("up1", kGateway));
    CHECK(host.source_over("up1", kGateway).error().find("does not listen at 10.1.0.1 of up1") !=
          std::string::npos);
}

} // namespace sheaf::daemon

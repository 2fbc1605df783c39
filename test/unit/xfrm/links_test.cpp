// Links that change while they are open.
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/marks.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

namespace sheaf::xfrm {
namespace {

using child::LinkRole;
using kernel_test::Client;
using test::Bench;
using test::NetlinkKernel;
using test::only;

// What of a kind was installed (+), removed (-) or refused since `changes` was cleared.
std::vector<std::string> log_of(const Bench& bench) {
    std::vector<std::string> out;
    for (const auto& change : bench.fake.changes)
        out.push_back((change.install ? "+" : "-") + change.key);
    return out;
}

netlink::Address address_in(const Bench& bench, const std::string& key) {
    return netlink::parse_address(test::header_of(bench.fake.objects.at(key))).value();
}

netlink::Route route_in(const Bench& bench, const std::string& key) {
    return netlink::parse_route(test::header_of(bench.fake.objects.at(key))).value();
}

// A client that hands a part of its prefix to the network at lan0.
child::Link delegating() {
    auto out = Client{.n = 3, .role = LinkRole::client}.link();
    out.delegated = {kernel_test::prefix("2001:db8:200::/56")};
    out.lan = {{"lan0", kernel_test::ip("2001:db8:200:1::1"), 64}};
    return out;
}

void put_lan(Bench& bench) {
    netlink::LinkObject lan{
        .index = 77, .name = "lan0", .kind = "bridge", .alias = {}, .if_id = std::nullopt};
    REQUIRE(bench.fake.put(NETLINK_ROUTE, netlink::create_link(lan)) == 0);
    REQUIRE(bench.fake.put(NETLINK_ROUTE, netlink::add_address({.interface_index = 77,
                                                                .address = kernel_test::ip("192.0.2.1"),
                                                                .prefix_length = 24})) == 0);
}

// Whatever of its messages goes wrong, the step leaves things as they were.
void fails_as_a_whole(Bench& bench, const child::OpenLink& step) {
    const auto before = bench.fake.keys();
    std::size_t failures = 0;
    for (std::size_t n = 0; n < 100; ++n) {
        bench.fake.reset_faults();
        bench.fake.fault = [=](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
            return nth == n ? std::optional(NetlinkKernel::Fault{.code = EIO}) : std::nullopt;
        };
        const bool failed = !bench.outcome(only(step)).empty();
        if (!failed) break;
        ++failures;
        CHECK(bench.fake.keys() == before);
    }
    bench.fake.reset_faults();
    CHECK(failures > 5);
}

} // namespace

TEST_CASE("a link's addresses and routes change by their difference, new ones first", "[xfrm]") {
    Bench bench;
    const Client client{.n = 3, .role = LinkRole::client};
    REQUIRE(bench.outcome(client.up()).empty());
    bench.fake.changes.clear();
    child::UpdateLink step{client.link(), client.link()};
    CHECK(bench.outcome(only(step)).empty());
    CHECK(log_of(bench).empty());
    step.after.addresses[2].address = kernel_test::ip("10.77.9.9");
    step.after.routes.push_back(kernel_test::prefix("2001:db8:10::/64"));
    std::erase(step.after.routes, kernel_test::prefix("2001:db8:9::/64"));
    SECTION("it succeeds") {
        CHECK(bench.outcome(only(step)).empty());
        CHECK(log_of(bench) == std::vector<std::string>{
                                   "+address 10.77.9.9 dev 2",
                                   "+route 0.0.0.0/0 table 5301 dev 2", // with another source
                                   "+route 2001:db8:10::/64 table 5300 dev 2",
                                   "-route 2001:db8:9::/64 table 5300 dev 2", "-address 10.77.0.3 dev 2"});
        std::swap(step.before, step.after);
        CHECK(bench.outcome(only(step)).empty());
        CHECK(bench.outcome(client.down()).empty());
    }
    SECTION("it fails") {
        const auto before = bench.fake.keys();
        for (std::size_t n = 0; n < 4; ++n) {
            bench.fake.reset_faults();
            bench.fake.fault = [=](std::size_t nth, int,
                                   const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
                return nth == n ? std::optional(NetlinkKernel::Fault{.code = EIO}) : std::nullopt;
            };
            CHECK_FALSE(bench.outcome(only(step)).empty());
            if (n < 3) CHECK(bench.fake.keys() == before); // removals are not undone
        }
    }
    SECTION("an address gets another prefix length") {
        step.after = step.before;
        step.after.addresses[1].prefix_length = 128;
        CHECK(bench.outcome(only(step)).empty());
        CHECK(log_of(bench) == std::vector<std::string>{"-address 2001:db8:100:3::1 dev 2",
                                                        "+address 2001:db8:100:3::1 dev 2"});
    }
}

TEST_CASE("a gateway's link gets other routes, also with the intent that opens it", "[xfrm]") {
    Bench bench;
    const Client client{.n = 1};
    child::UpdateLink step{client.link(), client.link()};
    step.after.routes = {kernel_test::prefix("2001:db8:55::/64"), step.before.routes[0]};
    CHECK(bench.outcome(only(step)).find("is not open") != std::string::npos);
    auto steps = client.up();
    steps.emplace_back(step);
    CHECK(bench.outcome(std::move(steps)).empty());
    CHECK(std::ranges::count_if(bench.fake.keys(),
                                [](const auto& key) { return key.starts_with("route "); }) == 2);
    CHECK(bench.fake.objects.contains("route 2001:db8:55::/64 table 5300 dev 2"));
    step.before.interface = "other0";
    CHECK(bench.outcome(only(step)).find("cannot change number, role or interface") != std::string::npos);
}

TEST_CASE("an address is deprecated in its place, and routes prefer another", "[xfrm]") {
    Bench bench;
    const Client client{.n = 3, .role = LinkRole::client};
    REQUIRE(bench.outcome(client.up()).empty());
    bench.fake.changes.clear();
    child::UpdateLink step{client.link(), client.link()};
    step.after.addresses[1].deprecated = true;
    step.after.addresses.push_back({kernel_test::ip("2001:db8:100:33::1"), 64});
    CHECK(bench.outcome(only(step)).empty());
    const auto log = log_of(bench);
    REQUIRE(log.size() > 2);
    CHECK(log[0] == "+address 2001:db8:100:33::1 dev 2");
    CHECK(log[1] == "+in place: address 2001:db8:100:3::1 dev 2");
    CHECK(std::ranges::none_of(log, [](const auto& line) { return line.starts_with("-address"); }));
    CHECK(address_in(bench, "address 2001:db8:100:3::1 dev 2").deprecated);
    CHECK(route_in(bench, "route ::/0 table 5301 dev 2").preferred_source ==
          kernel_test::ip("2001:db8:100:33::1"));
    std::swap(step.before, step.after);
    CHECK(bench.outcome(only(step)).empty());
    CHECK_FALSE(address_in(bench, "address 2001:db8:100:3::1 dev 2").deprecated);
    step.after.addresses[1].deprecated = true; // all that there is
    step.before = client.link();
    CHECK(bench.outcome(only(step)).empty());
    CHECK_FALSE(route_in(bench, "route ::/0 table 5301 dev 2").preferred_source);
}

TEST_CASE("what is delegated does not go back into the link", "[xfrm]") {
    Bench bench;
    put_lan(bench);
    const auto before = bench.fake.keys();
    const child::OpenLink open{delegating()};
    fails_as_a_whole(bench, open);
    CHECK(bench.outcome(only(child::CloseLink{delegating()})).empty());
    CHECK(bench.fake.keys() == before);
    REQUIRE(bench.outcome(only(open)).empty());
    CHECK(route_in(bench, "route 2001:db8:200::/56 table 5300 dev 0").kind == netlink::RouteKind::pass);
    CHECK(route_in(bench, "route 2001:db8:200::/56 table 5301 dev 0").kind ==
          netlink::RouteKind::unreachable);
    const auto lan = address_in(bench, "address 2001:db8:200:1::1 dev 77");
    CHECK(lan.protocol == kProtocol);
    CHECK(lan.prefix_route);
    CHECK(lan.ask_first);

    child::UpdateLink step{delegating(), delegating()};
    step.after.delegated = {kernel_test::prefix("2001:db8:300::/60")};
    step.after.lan = {{"lan0", kernel_test::ip("2001:db8:300:1::1"), 64}};
    bench.fake.changes.clear();
    CHECK(bench.outcome(only(step)).empty());
    CHECK(log_of(bench) ==
          std::vector<std::string>{
              "+address 2001:db8:300:1::1 dev 77", "+route 2001:db8:300::/60 table 5300 dev 0",
              "+route 2001:db8:300::/60 table 5301 dev 0", "-route 2001:db8:200::/56 table 5300 dev 0",
              "-route 2001:db8:200::/56 table 5301 dev 0", "-address 2001:db8:200:1::1 dev 77"});
    SECTION("the link closes") { CHECK(bench.outcome(only(child::CloseLink{step.after})).empty()); }
    SECTION("it is left behind") {
        bench.restart();
        const auto removed = bench.kernel->reconcile();
        REQUIRE(removed);
        CHECK(removed->addresses == 1);
        CHECK(removed->policies == 3);
    }
    CHECK(bench.fake.keys() == before);
}

TEST_CASE("a LAN that is not there, or is the link itself, is told and leaves nothing", "[xfrm]") {
    Bench bench;
    put_lan(bench);
    const auto before = bench.fake.keys();
    auto link = delegating();
    link.lan.push_back({"lan7", kernel_test::ip("2001:db8:200:7::1"), 64});
    const std::string error = bench.outcome(only(child::OpenLink{link}));
    CHECK(error.find("interface lan7 (the LAN of link 0x53000003)") != std::string::npos);
    CHECK(error.find("create it before") != std::string::npos);
    CHECK(bench.fake.keys() == before);
    REQUIRE(bench.outcome(only(child::OpenLink{delegating()})).empty());
    const auto open = bench.fake.keys();
    CHECK(bench.outcome(only(child::UpdateLink{delegating(), link})).find("lan7") != std::string::npos);
    CHECK(bench.fake.keys() == open);
    REQUIRE(bench.outcome(only(child::CloseLink{delegating()})).empty());
    link.lan = {{"sheaf0", kernel_test::ip("2001:db8:200:7::1"), 64}};
    CHECK(bench.outcome(only(child::OpenLink{link})).find("LAN behind itself") != std::string::npos);
    CHECK(bench.fake.keys() == before);
}

TEST_CASE("an interrupted listing of what SAs carried is made good", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(Client{.n = 1}.up()).empty());
    CHECK_FALSE(bench.kernel->take_usage());
    bench.kernel->ask_usage(bench.at);
    bench.kernel->ask_usage(bench.at);
    CHECK(bench.run().empty());
    const auto usage = bench.kernel->take_usage();
    REQUIRE(usage);
    REQUIRE(usage->size() == 2);
    const auto pair = Client{.n = 1}.pair();
    CHECK(std::ranges::any_of(*usage, [&](const SaUsage& sa) {
        return sa.destination == pair.local.address && sa.spi == pair.spi_in && sa.packets == 0;
    }));
    CHECK_FALSE(bench.kernel->take_usage());
    bench.kernel->ask_usage(bench.at);
    bench.fake.os.overrun(bench.fake.os.fd_of(NETLINK_XFRM));
    bench.run();
    CHECK(bench.kernel->take_usage());
}

} // namespace sheaf::xfrm

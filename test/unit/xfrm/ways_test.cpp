// Links with several ways: which interfaces, routes and rules they have, and that they change as a whole.
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/link_objects.h"
#include "xfrm/link_rules.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sheaf::xfrm {
namespace {

using child::LinkRole;
using kernel_test::Client;
using netlink::Route;
using test::Bench;
using test::NetlinkKernel;
using test::only;

// Own way, then two more with the numbers 0x100 and 0x200 above.
child::Link with_ways(child::Link link, unsigned own, unsigned second, unsigned third) {
    link.weight = own;
    link.ways = {{link.number + 0x100, "sheaf1", second, 0x17}, {link.number + 0x200, "sheaf2", third, 0}};
    return link;
}

child::Link client(unsigned own = 1, unsigned second = 2, unsigned third = 3) {
    return with_ways(Client{.n = 3, .role = LinkRole::client}.link(), own, second, third);
}

std::vector<Route> routes_in(const Bench& bench) {
    std::vector<Route> out;
    for (const auto& [key, object] : bench.fake.objects) {
        if (auto route = netlink::parse_route(test::header_of(object))) out.push_back(*route);
    }
    return out;
}

std::size_t count(const Bench& bench, const std::string& kind) {
    const auto keys = bench.fake.keys();
    return static_cast<std::size_t>(
        std::ranges::count_if(keys, [&](const auto& key) { return key.starts_with(kind + " "); }));
}

int index_of(const Bench& bench, const std::string& name) {
    return netlink::parse_link(test::header_of(bench.fake.objects.at("link " + name)))->index;
}

// What is installed, without what messages say of themselves.
std::pair<std::vector<std::string>, std::vector<Route>> all_of(const Bench& bench) {
    return {bench.fake.keys(), routes_in(bench)};
}

// Whichever of the first messages of the step goes wrong, what was there is there afterwards.
template <typename Step>
void fails_as_a_whole(Bench& bench, const Step& step, std::size_t messages) {
    const auto before = all_of(bench);
    for (const bool silent : {true, false}) {
        for (std::size_t n = 0; n < messages; ++n) {
            bench.fake.reset_faults();
            bench.fake.fault = [=](std::size_t nth, int,
                                   const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
                if (nth != n) return std::nullopt;
                return NetlinkKernel::Fault{.code = EIO, .silent = silent};
            };
            INFO("message " << n << (silent ? ", silent" : ""));
            const std::string error = bench.outcome(only(step));
            CHECK_FALSE(error.empty());
            CHECK(all_of(bench) == before);
        }
    }
}

} // namespace

TEST_CASE("a client's routes lead into the ways that have a weight", "[xfrm]") {
    const WayIndexes indexes{{Client{.n = 3}.number(), 4},
                             {Client{.n = 3}.number() + 0x100, 5},
                             {Client{.n = 3}.number() + 0x200, 6}};
    const auto first = [&](const child::Link& link) { return routes_of(link, indexes).front(); };
    const auto all = first(client());
    REQUIRE(all.next_hops.size() == 3);
    CHECK(all.next_hops[0] == netlink::NextHop{4, std::nullopt, 1});
    CHECK(all.next_hops[1] == netlink::NextHop{5, std::nullopt, 2});
    CHECK(all.next_hops[2] == netlink::NextHop{6, std::nullopt, 3});
    CHECK(all.preferred_source);
    CHECK(first(client(0, 7, 0)).next_hops.empty());
    CHECK(first(client(0, 7, 0)).interface_index == 5);
    CHECK(first(client(0, 0, 0)).interface_index == 4); // where what no SA serves is dropped
}

TEST_CASE("a gateway's routes name the ways by their numbers", "[xfrm]") {
    const auto link = with_ways(Client{.n = 3}.link(), 1, 0, 9);
    for (const Route& route : routes_of(link, 42)) {
        REQUIRE(route.next_hops.size() == 2);
        CHECK(route.next_hops[0] == netlink::NextHop{42, link.number, 1});
        CHECK(route.next_hops[1] == netlink::NextHop{42, link.number + 0x200, 9});
    }
    for (const Route& route : routes_of(with_ways(link, 0, 1, 0), 42)) {
        CHECK(route.next_hops.empty());
        CHECK(route.link == link.number + 0x100);
    }
}

TEST_CASE("what carries a way's mark looks into its table", "[xfrm]") {
    auto link = client();
    link.delegated = {kernel_test::prefix("2001:db8:200::/56")};
    const std::uint32_t table = link.number + 0x100;
    std::vector<Route> own;
    for (const Route& route : routes_of(link, 9)) {
        if (route.table == table) own.push_back(route);
    }
    REQUIRE(own.size() == link.routes.size() + 1);
    CHECK(own[0].kind == netlink::RouteKind::pass);
    for (std::size_t i = 0; i < link.routes.size(); ++i) {
        CHECK(own[i + 1].destination == link.routes[i]);
        CHECK(own[i + 1].interface_index == 9);
        CHECK(own[i + 1].next_hops.empty());
    }
    const auto rules = way_rules(link);
    REQUIRE(rules.size() == 4); // for each family before the main table but for the default, and after it
    for (const auto& rule : rules) {
        CHECK(rule.table == table);
        CHECK(rule.mark == 0x17);
        CHECK(rule.suppress_prefix_length.has_value() == (rule.priority == kWayPriority));
        CHECK((rule.priority < kMainPriority) == (rule.priority == kWayPriority));
    }
    CHECK(way_rules(with_ways(Client{.n = 3}.link(), 1, 1, 1)).empty()); // a gateway's
}

TEST_CASE("a client's link opens with its ways and closes with them", "[xfrm]") {
    Bench bench;
    const auto untouched = bench.fake.keys();
    REQUIRE(bench.outcome(only(child::OpenLink{client()})).empty());
    CHECK(count(bench, "link") == 3);
    CHECK(count(bench, "rule") == 2 + 4 + 4);
    CHECK(count(bench, "policy") == 3 * 3); // each is kept quiet
    const auto way = netlink::parse_link(test::header_of(bench.fake.objects.at("link sheaf1")));
    CHECK(way->if_id == Client{.n = 3}.number() + 0x100);
    for (const Route& route : routes_in(bench)) {
        if (route.table == kRouteTable) CHECK(route.next_hops.size() == 3);
        if (is_way_table(route.table)) CHECK(route.interface_index == index_of(bench, "sheaf1"));
    }
    SECTION("it closes") { REQUIRE(bench.outcome(only(child::CloseLink{client()})).empty()); }
    SECTION("it is swept") {
        bench.restart();
        REQUIRE(bench.kernel->reconcile());
    }
    SECTION("one intent opens and closes it") {
        REQUIRE(bench.outcome(only(child::CloseLink{client()})).empty());
        std::vector<child::KernelStep> both;
        both.emplace_back(child::OpenLink{client()});
        both.emplace_back(child::CloseLink{client()});
        REQUIRE(bench.outcome(std::move(both)).empty());
    }
    CHECK(bench.fake.keys() == untouched);
}

TEST_CASE("ways come and go while a client's link is open", "[xfrm]") {
    Bench bench;
    const auto one = Client{.n = 3, .role = LinkRole::client}.link();
    auto two = client();
    two.ways.pop_back();
    REQUIRE(bench.outcome(only(child::OpenLink{one})).empty());
    const auto before = all_of(bench);
    REQUIRE(bench.outcome(only(child::UpdateLink{one, two})).empty());
    CHECK(count(bench, "link") == 2);
    REQUIRE(bench.outcome(only(child::UpdateLink{two, client()})).empty());
    CHECK(count(bench, "link") == 3);
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(child::UpdateLink{client(), client(0, 1, 0)})).empty());
    CHECK(std::ranges::all_of(bench.fake.changes, [](const auto& change) { return change.install; }));
    for (const Route& route : routes_in(bench))
        CHECK(route.interface_index == index_of(bench, "sheaf1"));
    REQUIRE(bench.outcome(only(child::UpdateLink{client(0, 1, 0), one})).empty());
    CHECK(all_of(bench) == before);
    // A way that has gone can come again.
    REQUIRE(bench.outcome(only(child::UpdateLink{one, client()})).empty());
    REQUIRE(bench.outcome(only(child::CloseLink{client()})).empty());
    CHECK(count(bench, "link") == 0);
}

TEST_CASE("ways come as a whole or not at all", "[xfrm]") {
    Bench bench;
    const auto one = Client{.n = 3, .role = LinkRole::client}.link();
    SECTION("with the link") { fails_as_a_whole(bench, child::OpenLink{client()}, 40); }
    SECTION("later") {
        REQUIRE(bench.outcome(only(child::OpenLink{one})).empty());
        fails_as_a_whole(bench, child::UpdateLink{one, client()}, 24);
    }
    SECTION("for others") {
        REQUIRE(bench.outcome(only(child::OpenLink{client()})).empty());
        auto other = client(0, 1, 0);
        other.ways.pop_back();
        other.ways[0].mark = 0x18;
        fails_as_a_whole(bench, child::UpdateLink{client(), other}, 7);
    }
    SECTION("at a gateway") {
        const auto link = Client{.n = 3}.link();
        REQUIRE(bench.outcome(only(child::OpenLink{link})).empty());
        fails_as_a_whole(bench, child::UpdateLink{link, with_ways(link, 1, 1, 1)}, 2);
    }
}

TEST_CASE("a gateway's routes change their ways in place", "[xfrm]") {
    Bench bench;
    const auto one = Client{.n = 3}.link(), all = with_ways(one, 1, 2, 3);
    REQUIRE(bench.outcome(only(child::OpenLink{one})).empty());
    const auto before = all_of(bench);
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(child::UpdateLink{one, all})).empty());
    CHECK(bench.fake.changes.size() == one.routes.size());
    for (const Route& route : routes_in(bench))
        CHECK(route.next_hops.size() == 3);
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(child::UpdateLink{all, all})).empty());
    CHECK(bench.fake.changes.empty());
    REQUIRE(bench.outcome(only(child::UpdateLink{all, one})).empty());
    CHECK(all_of(bench) == before);
    REQUIRE(bench.outcome(only(child::UpdateLink{one, all})).empty());
    REQUIRE(bench.outcome(only(child::CloseLink{all})).empty());
    CHECK(routes_in(bench).empty());
}

TEST_CASE("ways that a link cannot have are told", "[xfrm]") {
    Bench bench;
    auto link = client();
    link.ways[1].interface = "sheaf1";
    CHECK(bench.outcome(only(child::OpenLink{link})).find("an interface of its own") != std::string::npos);
    link.ways[1].interface.clear();
    CHECK(bench.outcome(only(child::OpenLink{link})).find("an interface of its own") != std::string::npos);
    link = client();
    while (link.ways.size() < netlink::kMaxNextHops)
        link.ways.push_back({link.number + 0x300 + static_cast<unsigned>(link.ways.size()), "x", 1, 0});
    CHECK(bench.outcome(only(child::OpenLink{link})).find("no more than 16 ways") != std::string::npos);
    CHECK(count(bench, "link") == 0);
}

} // namespace sheaf::xfrm

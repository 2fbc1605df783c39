// What the links of a gateway have together.
#include "netlink/link.h"
#include "netlink/route.h"
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/hash_thresholds.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using kernel_test::prefix;
using test::Bench;
using test::NetlinkKernel;
using test::only;

constexpr const char* kAddress = "address fe80::1 dev 2";

// A client with an interface identifier of its choice.
child::Link link_of(unsigned n, const char* route = "fe80::a/128", const char* ours = "fe80::1") {
    auto out = Client{.n = n}.link();
    out.addresses = {{ip(ours), 128}};
    out.routes.push_back(prefix(route));
    return out;
}

child::KernelStep open(const child::Link& link) { return child::OpenLink{link}; }
child::KernelStep close(const child::Link& link) { return child::CloseLink{link}; }

std::uint32_t owner(const Bench& bench, const std::string& route = "fe80::a/128") {
    const std::string key = "route " + route + " table 5300 dev ";
    const auto found = bench.fake.objects.lower_bound(key);
    if (found == bench.fake.objects.end() || !found->first.starts_with(key)) return 0;
    return netlink::parse_route(test::header_of(found->second))->link.value_or(0);
}

std::uint32_t number(unsigned n) { return Client{.n = n}.number(); }

std::vector<std::string> errors(const std::vector<child::KernelEvent>& events) {
    std::vector<std::string> out;
    for (const auto& event : events)
        out.push_back(std::get<child::IntentDone>(event).error.value_or(""));
    return out;
}

} // namespace

TEST_CASE("the gateway's address is there while a link holds it", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(only(open(link_of(1, "fe80::a/128")))).empty());
    CHECK(bench.fake.objects.contains(kAddress));
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(open(link_of(2, "fe80::b/128")))).empty());
    REQUIRE(bench.outcome(only(open(link_of(3, "fe80::1/128", "fe80::2")))).empty());
    CHECK(bench.fake.objects.contains("address fe80::2 dev 2"));
    REQUIRE(bench.outcome(only(close(link_of(1, "fe80::a/128")))).empty());
    CHECK(bench.fake.objects.contains(kAddress));
    CHECK(
        std::ranges::none_of(bench.fake.changes, [](const auto& change) { return change.key == kAddress; }));
    REQUIRE(bench.outcome(only(close(link_of(2, "fe80::b/128")))).empty());
    CHECK_FALSE(bench.fake.objects.contains(kAddress));
    CHECK(bench.fake.objects.contains("address fe80::2 dev 2"));
    REQUIRE(bench.outcome(only(close(link_of(3, "fe80::1/128", "fe80::2")))).empty());
    CHECK(bench.fake.objects.empty());
}

TEST_CASE("of clients with one identifier the first has the route, then the next", "[xfrm]") {
    Bench bench;
    for (unsigned n : {1U, 2U, 3U})
        REQUIRE(bench.outcome(only(open(link_of(n)))).empty());
    CHECK(owner(bench) == number(1));
    REQUIRE(bench.outcome(only(close(link_of(2)))).empty());
    CHECK(owner(bench) == number(1));
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(close(link_of(1)))).empty());
    CHECK(owner(bench) == number(3));
    CHECK(std::ranges::none_of(bench.fake.changes, [](const auto& change) {
        return !change.install && change.key.starts_with("route fe80::a");
    }));
    REQUIRE(bench.outcome(only(open(link_of(1)))).empty());
    child::UpdateLink step{link_of(3), link_of(3, "fe80::c/128")}; // another identifier at reauthentication
    REQUIRE(bench.outcome(only(step)).empty());
    CHECK(owner(bench) == number(1));
    CHECK(owner(bench, "fe80::c/128") == number(3));
    REQUIRE(bench.outcome(only(close(step.after))).empty());
    REQUIRE(bench.outcome(only(close(link_of(1)))).empty());
    CHECK(bench.fake.objects.empty());
}

TEST_CASE("a prefix that is with another link is refused, with its number", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(only(open(link_of(1)))).empty());
    const auto before = bench.fake.keys();
    auto other = link_of(2);
    other.routes.push_back(Client{.n = 1}.prefix6());
    const std::string error = bench.outcome(only(open(other)));
    CHECK(error.find("(link 0x53000002): it leads to link 0x53000001 already") != std::string::npos);
    CHECK(bench.fake.keys() == before);
    REQUIRE(bench.outcome(only(open(link_of(2)))).empty());
    CHECK(bench.outcome(only(child::UpdateLink{link_of(2), other})).find("already") != std::string::npos);
    std::vector<child::KernelStep> steps; // in one intent: first it goes, then it comes
    steps.emplace_back(close(link_of(1)));
    steps.emplace_back(child::UpdateLink{link_of(2), other});
    CHECK(bench.outcome(std::move(steps)).empty());
    CHECK(owner(bench, Client{.n = 1}.prefix6().to_string()) == number(2));
}

TEST_CASE("intents about one route wait for each other, others do not", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(only(open(link_of(9, "fe80::9/128")))).empty());
    const auto datagrams = bench.fake.os.sent.size();
    for (unsigned n : {1U, 2U, 3U})
        bench.apply(only(open(link_of(n, ("fe80::4" + std::to_string(n) + "/128").c_str()))));
    CHECK(errors(bench.run()) == std::vector<std::string>(3));
    CHECK(bench.fake.os.sent.size() == datagrams + 1);
    bench.apply(only(open(link_of(4))));
    bench.apply(only(open(link_of(5)))); // relies on the route of the one before, which fails
    bench.fake.reset_faults();
    bench.fake.fault = [](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
        return nth == 0 ? std::optional(NetlinkKernel::Fault{.code = EIO}) : std::nullopt;
    };
    const auto told = errors(bench.run());
    REQUIRE(told.size() == 2);
    CHECK_FALSE(told[0].empty());
    CHECK(told[1].empty());
    CHECK(owner(bench) == number(5));
}

TEST_CASE("an address that outlives the link that installed it is taken over", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(only(open(link_of(1, "fe80::a/128", "fe80::2")))).empty());
    REQUIRE(bench.outcome(only(open(link_of(2, "fe80::b/128")))).empty());
    // The one fails and the other closes at the same time, so that neither knows to be the last.
    bench.apply(only(open(link_of(3, "fe80::c/128"))));
    bench.apply(only(close(link_of(2, "fe80::b/128"))));
    bench.fake.reset_faults();
    bench.fake.fault = [](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
        return nth == 0 ? std::optional(NetlinkKernel::Fault{.code = EIO}) : std::nullopt;
    };
    const auto told = errors(bench.run());
    REQUIRE(told.size() == 2);
    bench.fake.reset_faults();
    CHECK(bench.outcome(only(open(link_of(4, "fe80::d/128")))).empty());
    CHECK(bench.fake.objects.contains(kAddress));
}

TEST_CASE("a closing that fails leaves the books true", "[xfrm]") {
    Bench bench;
    for (unsigned n : {1U, 2U})
        REQUIRE(bench.outcome(only(open(link_of(n)))).empty());
    for (std::size_t wrong = 0; wrong < 3; ++wrong) {
        bench.fake.reset_faults();
        bench.fake.fault = [=](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
            return nth == wrong ? std::optional(NetlinkKernel::Fault{.code = EIO}) : std::nullopt;
        };
        CHECK_FALSE(bench.outcome(only(close(link_of(1)))).empty());
        bench.fake.reset_faults();
        CHECK(bench.outcome(only(close(link_of(1)))).empty());
        CHECK(owner(bench) == number(2));
        REQUIRE(bench.outcome(only(close(link_of(2)))).empty());
        CHECK(bench.fake.objects.empty());
        for (unsigned n : {1U, 2U})
            REQUIRE(bench.outcome(only(open(link_of(n)))).empty());
        CHECK(owner(bench) == number(1));
    }
}

TEST_CASE("the SPD is set up for clients while there are any, unless somebody else has done so", "[xfrm]") {
    Bench bench;
    SECTION("by nobody else") {
        REQUIRE(bench.kernel->probe());
        bench.fake.changes.clear();
        REQUIRE(bench.outcome(only(open(link_of(1)))).empty());
        CHECK(bench.fake.thresholds == kForClients);
        REQUIRE(bench.outcome(only(open(link_of(2)))).empty());
        REQUIRE(bench.outcome(only(close(link_of(1)))).empty());
        CHECK(bench.fake.thresholds == kForClients);
        SECTION("the last closes") { REQUIRE(bench.outcome(only(close(link_of(2)))).empty()); }
        SECTION("it is left behind") {
            bench.restart();
            REQUIRE(bench.kernel->reconcile());
        }
        CHECK(bench.fake.thresholds == kUntouched);
    }
    SECTION("a link that fails") {
        REQUIRE(bench.kernel->probe());
        REQUIRE(bench.fake.put(NETLINK_ROUTE, netlink::create_link({.index = 9,
                                                                    .name = "sheaf0",
                                                                    .kind = "bridge",
                                                                    .alias = {},
                                                                    .if_id = std::nullopt})) == 0);
        CHECK_FALSE(bench.outcome(only(open(link_of(1)))).empty());
        CHECK(bench.fake.thresholds == kUntouched);
    }
    SECTION("by somebody else") {
        const HashThresholds theirs{.local6 = 0, .remote6 = 48};
        bench.fake.thresholds = theirs;
        REQUIRE(bench.kernel->reconcile());
        REQUIRE(bench.kernel->probe());
        REQUIRE(bench.outcome(only(open(link_of(1)))).empty());
        CHECK(bench.fake.thresholds == theirs);
    }
}

} // namespace sheaf::xfrm

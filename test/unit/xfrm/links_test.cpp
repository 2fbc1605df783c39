// Links that change while they are open.
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"

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

} // namespace sheaf::xfrm

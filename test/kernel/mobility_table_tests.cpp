#include "netlink/path_table.h"
#include "test/kernel/samples.h"
#include "test/kernel/star.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"
#include "xfrm/mobility_objects.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace sheaf::kernel_test {
namespace {

using netlink::HomeMarks;
using netlink::PathTable;

constexpr PathTable::Marks kTableMarks{.gate = 0x55000000, .mask = 0xffffff00};

HomeMarks marks_with(std::size_t rules) {
    HomeMarks out;
    out.chain = "home-1";
    out.admitted = {{ip("::"), ip("2001:db8::1"), 0x2001}};
    out.prefixes = {prefix("2001:db8:1::100/128")};
    mobility::FlowSelector selector;
    for (std::size_t i = 0; i < rules; ++i) {
        const auto port = static_cast<std::uint8_t>(i);
        selector.next_header = {port, port};
        out.rules.push_back({selector, 0, 0x57000100});
    }
    return out;
}

// What a flow can ask for (RFC 6088), each in a rule of its own, and all of it in one.
std::vector<netlink::PathRule> all_kinds() {
    std::vector<mobility::FlowSelector> selectors(8);
    selectors[0].traffic_class = {0x08, 0x10};
    selectors[1].flow_label = {0x12345, 0x12345};
    selectors[2].source = {ip("2001:db8:9::2"), ip("2001:db8:9::ffff")};
    selectors[3].destination = {ip("2001:db8:1::"), ip("2001:db8:1::100")};
    selectors[4].spi = {0x1000, 0x2000};
    selectors[5].next_header = {6, 17};
    selectors[6].source_port = {5001, 5010};
    mobility::FlowSelector& all = selectors[7];
    all = selectors[6];
    all.traffic_class = {0, 0xfc};
    all.flow_label = {0, 0xfffff};
    all.source = selectors[2].source;
    all.destination = selectors[3].destination;
    all.next_header = {0, 255};
    all.destination_port = {1, 2};
    std::vector<netlink::PathRule> out;
    for (const auto& selector : selectors)
        out.push_back({selector, 0, 0x57000100});
    out.push_back({{}, 0x77, 0x57000200});
    return out;
}

// As many rules as the flows of one home address can be, and as large.
HomeMarks largest() {
    HomeMarks out = marks_with(0);
    out.rules.assign(xfrm::kMaxMobilityFlows, all_kinds()[7]);
    return out;
}

std::size_t rules_in(const World& world) {
    const std::string listing = output(world, "nft list chain inet sheaf-mobility home-1");
    std::size_t out = 0;
    for (std::size_t at = listing.find(" accept"); at != std::string::npos;
         at = listing.find(" accept", at + 1))
        ++out;
    return out;
}

} // namespace

void test_mobility_table(Report& report) {
    report.begin("the table of Mobile IPv6 in nftables");
    const World world;
    world.enter();
    const auto os = netlink::system_os();
    auto table = PathTable::open(*os, kTableMarks);
    if (!report.check(table.has_value(), "it is made", table ? "" : table.error().to_string())) return;
    const auto many = (*table)->change({}, marks_with(300));
    report.check(many.has_value(), "a transaction of 300 rules is known to have been carried out",
                 many ? "" : many.error().to_string());
    report.check(rules_in(world) == 300, "all of them are there", std::to_string(rules_in(world)));
    const auto again = (*table)->change({}, marks_with(300));
    report.check(!again && again.error().code == EEXIST && !again.error().unanswered,
                 "one that is refused is known to be", again ? "" : again.error().to_string());
    report.check((*table)->change(marks_with(300), marks_with(2)) && rules_in(world) == 2,
                 "and what follows it is answered by itself");
    HomeMarks kinds = marks_with(0);
    kinds.rules = all_kinds();
    const auto of_all = (*table)->change(marks_with(2), kinds);
    report.check(of_all && rules_in(world) == 5 + 1 + 2 * 5 + 1, "the kernel takes what flows can ask for",
                 of_all ? output(world, "nft list ruleset") : of_all.error().to_string());
    const auto begin = now();
    const auto most = (*table)->change(kinds, largest());
    std::printf(
        "# %lld ms\n",
        static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(now() - begin).count()));
    report.check(most && rules_in(world) == 5 * xfrm::kMaxMobilityFlows,
                 "and as many flows as a home address can have", most ? "" : most.error().to_string());
    report.check((*table)->change(largest(), {}).has_value(), "which go again");
}

} // namespace sheaf::kernel_test

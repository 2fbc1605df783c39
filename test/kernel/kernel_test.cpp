// kernel-test [NAME]...: applies kernel intents to the running kernel, in network namespaces that it makes,
// and looks at the result through sockets of its own. Needs root and a kernel with ESP. Prints one TAP line
// for each check.
#include "test/kernel/tests.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace sheaf::kernel_test {
namespace {

struct Test {
    std::string_view name;
    void (*run)(Report&, const xfrm::Abilities&);
};

constexpr std::array kTests{
    Test{"gateway", [](Report& report, const auto&) { test_gateway_link(report); }},
    Test{"client", [](Report& report, const auto&) { test_client_link(report); }},
    Test{"algorithms", [](Report& report, const auto& abilities) { test_algorithms(report, abilities); }},
    Test{"all-or-nothing", [](Report& report, const auto&) { test_all_or_nothing(report); }},
    Test{"foreign", [](Report& report, const auto&) { test_foreign_interface(report); }},
    Test{"reconciliation", [](Report& report, const auto&) { test_reconciliation(report); }},
    Test{"events", [](Report& report, const auto&) { test_events(report); }},
    Test{"traffic", [](Report& report, const auto&) { test_traffic(report); }},
    Test{"traps", [](Report& report, const auto&) { test_traps(report); }},
    Test{"shared-policies", [](Report& report, const auto&) { test_shared_policies(report); }},
    Test{"selectors", [](Report& report, const auto&) { test_selectors(report); }},
    Test{"transport", [](Report& report, const auto&) { test_transport(report); }},
    Test{"limits", [](Report& report, const auto&) { test_limits(report); }},
    Test{"rekeying", [](Report& report, const auto&) { test_rekeying(report); }},
    Test{"moving-port", [](Report& report, const auto&) { test_moving_port(report); }},
    Test{"moving-address", [](Report& report, const auto&) { test_moving_address(report); }},
    Test{"planned-moves", [](Report& report, const auto&) { test_planned_moves(report); }},
    Test{"cloned-sender", [](Report& report, const auto&) { test_cloned_sender(report); }},
    Test{"client-ways", [](Report& report, const auto&) { test_client_ways(report); }},
    Test{"gateway-ways", [](Report& report, const auto&) { test_gateway_ways(report); }},
    Test{"uplinks", [](Report& report, const auto&) { test_uplinks(report); }},
    Test{"host-watch", [](Report& report, const auto&) { test_host_watch(report); }},
    Test{"update-link", [](Report& report, const auto&) { test_update_link(report); }},
    Test{"link-local", [](Report& report, const auto&) { test_link_local(report); }},
    Test{"taken-prefix", [](Report& report, const auto&) { test_taken_prefix(report); }},
    Test{"deprecation", [](Report& report, const auto&) { test_deprecation(report); }},
    Test{"delegation", [](Report& report, const auto&) { test_delegation(report); }},
    Test{"usage", [](Report& report, const auto&) { test_usage(report); }},
    Test{"group", [](Report& report, const auto&) { test_group(report); }},
    Test{"group-rollover", [](Report& report, const auto&) { test_group_rollover(report); }},
    Test{"group-replay", [](Report& report, const auto&) { test_group_replay(report); }},
    Test{"group-count-on", [](Report& report, const auto&) { test_group_count_on(report); }},
    Test{"group-end", [](Report& report, const auto&) { test_group_end(report); }},
    Test{"group-routes", [](Report& report, const auto&) { test_group_routes(report); }},
    Test{"mobility-signalling", [](Report& report, const auto&) { test_mobility_signalling(report); }},
    Test{"mobility-refusals", [](Report& report, const auto&) { test_mobility_refusals(report); }},
    Test{"mobility-flows", [](Report& report, const auto&) { test_mobility_flows(report); }},
    Test{"mobility-migration", [](Report& report, const auto&) { test_mobility_migration(report); }},
    Test{"mobility-prefixes", [](Report& report, const auto&) { test_mobility_prefixes(report); }},
    Test{"mobility-source", [](Report& report, const auto&) { test_mobility_source(report); }},
    Test{"mobility-flush", [](Report& report, const auto&) { test_mobility_flush(report); }},
    Test{"mobility-end", [](Report& report, const auto&) { test_mobility_end(report); }},
    Test{"mobility-home", [](Report& report, const auto&) { test_mobility_home(report); }},
    Test{"mobility-table", [](Report& report, const auto&) { test_mobility_table(report); }},
    Test{"scale", [](Report& report, const auto&) { test_scale(report); }},
};

int run(std::span<char*> names) {
    Report report;
    const auto abilities = test_probe(report);
    const auto wanted = [&](std::string_view name) {
        return names.empty() || std::ranges::find(names, name) != names.end();
    };
    for (const Test& test : kTests) {
        if (wanted(test.name)) test.run(report, abilities);
    }
    return report.end();
}

} // namespace
} // namespace sheaf::kernel_test

int main(int argc, char** argv) {
    return sheaf::kernel_test::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}

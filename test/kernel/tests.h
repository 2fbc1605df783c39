#pragma once

#include "test/kernel/report.h"
#include "xfrm/abilities.h"

namespace sheaf::kernel_test {

// Each works in namespaces of its own.
[[nodiscard]] xfrm::Abilities test_probe(Report& report);
void test_gateway_link(Report& report);
void test_client_link(Report& report);
void test_algorithms(Report& report, const xfrm::Abilities& abilities);
void test_all_or_nothing(Report& report);
void test_foreign_interface(Report& report);
void test_reconciliation(Report& report);
void test_events(Report& report);
void test_traffic(Report& report);
void test_traps(Report& report);
void test_shared_policies(Report& report);
void test_selectors(Report& report);
void test_transport(Report& report);
void test_limits(Report& report);
void test_rekeying(Report& report);
void test_moving_port(Report& report);
void test_moving_address(Report& report);
void test_planned_moves(Report& report);
void test_cloned_sender(Report& report);
void test_client_ways(Report& report);
void test_gateway_ways(Report& report);
void test_uplinks(Report& report);
void test_host_watch(Report& report);
void test_update_link(Report& report);
void test_link_local(Report& report);
void test_taken_prefix(Report& report);
void test_deprecation(Report& report);
void test_delegation(Report& report);
void test_usage(Report& report);
void test_group(Report& report);
void test_group_rollover(Report& report);
void test_group_replay(Report& report);
void test_group_count_on(Report& report);
void test_group_end(Report& report);
void test_group_routes(Report& report);
void test_mobility_signalling(Report& report);
void test_mobility_refusals(Report& report);
void test_mobility_flows(Report& report);
void test_mobility_migration(Report& report);
void test_mobility_prefixes(Report& report);
void test_mobility_source(Report& report);
void test_mobility_flush(Report& report);
void test_mobility_end(Report& report);
void test_mobility_home(Report& report);
void test_mobility_table(Report& report);
void test_scale(Report& report);

} // namespace sheaf::kernel_test

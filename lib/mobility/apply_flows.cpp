#include "lib/mobility/home_agent.h"

#include <algorithm>
#include <set>
#include <utility>

// RFC 6089 5.3.2-5.3.5
namespace sheaf::mobility {
namespace {

bool is_named_twice(std::span<const FlowIdentification> flows) {
    std::set<std::uint16_t> seen;
    return !std::ranges::all_of(flows, [&](const auto& flow) { return seen.insert(flow.fid).second; });
}

// What the flow is to be, from what it was and what is asked.
std::expected<FlowBinding, FlowStatus> merge(const FlowIdentification& asked, const FlowBinding* old,
                                             const Registration& registration) {
    const bool reserved = asked.fid == 0 || asked.priority == 0;
    if (asked.malformed || reserved) return std::unexpected(FlowStatus::malformed);
    if (asked.unsupported_selector) return std::unexpected(FlowStatus::unsupported_selector);
    if (!old && (!asked.selector || asked.bids.empty())) return std::unexpected(FlowStatus::malformed);
    FlowBinding flow = old ? *old : FlowBinding{};
    flow.fid = asked.fid;
    flow.priority = asked.priority;
    if (asked.selector) flow.selector = *asked.selector;
    if (!asked.bids.empty()) {
        for (const std::uint16_t bid : asked.bids)
            if (!find(registration.bindings, bid)) return std::unexpected(FlowStatus::unknown_binding);
        flow.bids = asked.bids;
    }
    return flow;
}

FlowStatus set(const FlowIdentification& asked, std::span<const FlowBinding> old, Registration& to) {
    const auto known = std::ranges::find(old, asked.fid, &FlowBinding::fid);
    const auto flow = merge(asked, known == old.end() ? nullptr : &*known, to);
    if (!flow) return flow.error();
    // RFC 6089 4.2: no two flows of a home address have one priority.
    const bool taken = std::ranges::find(to.flows, flow->priority, &FlowBinding::priority) != to.flows.end();
    if (taken) return FlowStatus::malformed;
    if (to.flows.size() == kMaxFlows) return FlowStatus::unspecified;
    put(to.flows, *flow);
    return FlowStatus::accepted;
}

} // namespace

std::vector<FlowIdentification> apply_flows(const Options& asked, bool allowed, Registration& registration) {
    std::vector<FlowIdentification> answers = asked.flows;
    const bool twice = is_named_twice(asked.flows);
    const auto old = std::exchange(registration.flows, {});
    const auto answer_all = [&](FlowStatus status) {
        for (FlowIdentification& answer : answers)
            answer.status = status;
    };
    // What stays comes first, so that what changes must not take its priority. A flow that is to change and
    // cannot is gone: the mobile node learns that it does not have what it wants.
    std::set<std::uint16_t> summary(asked.flow_summary.begin(), asked.flow_summary.end());
    for (const FlowIdentification& flow : asked.flows)
        summary.erase(flow.fid);
    for (const FlowBinding& flow : old)
        if (allowed && summary.erase(flow.fid) != 0) put(registration.flows, flow);
    if (!allowed)
        answer_all(FlowStatus::prohibited);
    else if (twice)
        answer_all(FlowStatus::malformed);
    else
        for (FlowIdentification& answer : answers)
            answer.status = set(answer, old, registration);
    for (const std::uint16_t fid : summary) { // what is left there, we do not have
        if (answers.size() == kMaxFlowOptions) break;
        answers.push_back({fid, 0, FlowStatus::unknown_flow});
    }
    return answers;
}

} // namespace sheaf::mobility

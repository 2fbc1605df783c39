// Policies: traps, sharing, ports and message types.
#include "test/kernel/hosts.h"
#include "test/kernel/tests.h"
#include "xfrm/expansion.h"

#include <algorithm>
#include <array>

namespace sheaf::kernel_test {
namespace {

std::vector<child::KernelStep> both(const Host& host, const Host::Form& form) {
    std::vector<child::KernelStep> out;
    out.emplace_back(host.sas(form));
    out.emplace_back(child::InstallPolicies{host.policies(form)});
    return out;
}

void send_udp(const Host& host, const IpAddress& to, unsigned port) {
    host.run("bash -c 'echo x > /dev/udp/" + to.to_string() + "/" + std::to_string(port) + "' 2>/dev/null");
}

void test_trap_off_interface(Report& report) {
    Host left(1), right(2);
    join(left, right);
    report.check(left.reaches_inside(), "two hosts reach each other in clear");
    const Host::Form form;
    const auto set = left.policies(form);
    report.check(left.outcome(child::InstallPolicies{set}).empty(), "one sets a trap");
    report.check(!left.reaches_inside(), "what matches is dropped outwards");
    report.check(left.counts("XfrmOutNoStates"), "for there is no SA (XfrmOutNoStates)");
    const auto acquire = left.event<child::Acquire>();
    report.check(acquire && acquire->reqid == set.link && acquire->local.start == left.inside(1) &&
                     acquire->local.end == left.inside(1) && acquire->remote.start == left.inside(2) &&
                     acquire->remote.ip_protocol == 1 && acquire->remote.start_port == 0 &&
                     acquire->remote.end_port == 65535,
                 "and Acquire names reqid, addresses and protocol of the packet");
    report.check(!right.reaches_inside(), "what comes in clear is dropped, too");
    report.check(left.counts("XfrmInTmplMismatch"), "for it came by no SA (XfrmInTmplMismatch)");

    // The SA takes the place that the kernel had kept for it.
    report.check(left.outcome(left.sas(form)).empty() && right.outcome(both(right, form)).empty() &&
                     left.reaches_inside() && right.reaches_inside(),
                 "with SAs traffic passes");
    report.check(left.run("ip xfrm state | grep -q 'spi 0x00000000'") != 0, "and the kernel waits no more");
    report.check(left.outcome(child::RemoveSas{left.pair(form)}).empty() && !left.reaches_inside() &&
                     !right.reaches_inside(),
                 "without them it is dropped again");
    report.check(left.outcome(child::RemovePolicies{set}).empty() &&
                     right.outcome(child::RemovePolicies{right.policies(form)}).empty() &&
                     left.reaches_inside(),
                 "and without policies it passes in clear");
}

void test_trap_on_interface(Report& report) {
    World world;
    auto kernel = world.kernel();
    world.enter();
    shell("ip link add up0 type dummy; ip link set up0 up; ip -6 addr add 2001:db8:7::1/64 dev up0 nodad; "
          "ip -6 route add 2001:db8:13::/64 dev up0");
    const Client client{.n = 1, .role = child::LinkRole::client};
    std::vector<child::KernelStep> steps;
    steps.emplace_back(child::OpenLink{client.link()});
    steps.emplace_back(child::InstallPolicies{client.policies()});
    const Outcome outcome = apply(*kernel, std::move(steps));
    report.check(!outcome.error, "a client's interface with a trap", outcome.error.value_or(""));
    world.enter();
    shell("bash -c 'echo x > /dev/udp/2001:db8:9::53/53' 2>/dev/null");
    const auto events = events_within(*kernel, std::chrono::seconds(5));
    const auto* acquire = events.empty() ? nullptr : std::get_if<child::Acquire>(&events[0]);
    report.check(acquire != nullptr && acquire->reqid == client.number() &&
                     acquire->remote.ip_protocol == 17 && acquire->remote.start_port == 53 &&
                     acquire->remote.end_port == 53 && acquire->remote.start == ip("2001:db8:9::53") &&
                     acquire->local.start_port != 0 && acquire->local.start == ip("2001:db8:100:1::1"),
                 "raises Acquire with the ports, and the interface's address as source");
}

bool same(std::vector<xfrm::Policy> seen, std::vector<xfrm::Policy> wanted) {
    return seen.size() == wanted.size() && std::ranges::all_of(wanted, [&](const auto& policy) {
               return std::ranges::find(seen, policy) != seen.end();
           });
}

} // namespace

void test_traps(Report& report) {
    report.begin("traps");
    test_trap_off_interface(report);
    test_trap_on_interface(report);
}

void test_shared_policies(Report& report) {
    report.begin("policies that several sets hold");
    Host host(1);
    const auto old_set = host.policies({});
    auto fresh = old_set;
    fresh.peer = ip("10.1.0.12");
    const auto held = [&](const child::PolicySet& set) {
        return same(host.world.look().policies, xfrm::policies_of(set).value());
    };
    report.check(host.outcome(child::InstallPolicies{old_set}).empty() &&
                     host.outcome(child::InstallPolicies{old_set}).empty() && held(old_set),
                 "two equal sets are installed once");
    report.check(host.outcome(child::InstallPolicies{fresh}).empty() && held(fresh),
                 "a third with another peer gives its address", host.world.look().to_string());
    report.check(host.outcome(child::RemovePolicies{fresh}).empty() && held(old_set), "and takes it along");
    report.check(host.outcome(child::RemovePolicies{old_set}).empty() && held(old_set), "one is left");
    report.check(host.outcome(child::RemovePolicies{old_set}).empty() && host.world.look().policies.empty(),
                 "the last takes the policies along");
}

void test_selectors(Report& report) {
    report.begin("selectors with ranges of ports and message types");
    Host left(1), right(2);
    join(left, right);
    auto set = left.policies({});
    set.local_selectors.push_back(set.local_selectors[0]);
    set.remote_selectors.push_back(set.remote_selectors[0]);
    for (auto* selectors : {&set.local_selectors, &set.remote_selectors}) {
        selectors->at(0).ip_protocol = 17;
        selectors->at(1).ip_protocol = 1;
    }
    set.remote_selectors[0].start_port = 1000, set.remote_selectors[0].end_port = 2000;
    set.local_selectors[1].start_port = 8 << 8,
    set.local_selectors[1].end_port = 8 << 8 | 255;                                   // echo requests
    set.remote_selectors[1].start_port = 65535, set.remote_selectors[1].end_port = 0; // sends none
    report.check(left.outcome(child::InstallPolicies{set}).empty() &&
                     same(left.world.look().policies, xfrm::policies_of(set).value()),
                 "they are installed as meant", left.world.look().to_string());
    const auto acquired = [&](unsigned port) {
        static_cast<void>(left.kernel->take_events());
        send_udp(left, left.inside(2), port);
        const auto events = events_within(*left.kernel, std::chrono::seconds(1));
        const auto* acquire = events.empty() ? nullptr : std::get_if<child::Acquire>(&events[0]);
        return acquire != nullptr && acquire->remote.start_port == port;
    };
    report.check(!acquired(999) && !acquired(2001), "ports beside the range are not caught");
    report.check(right.reaches_inside(), "echo requests that come, and the replies to them, neither");
    report.check(acquired(1000), "the first of the range is");
    report.check(!left.reaches_inside(), "echo requests that go are caught");
    left.run("ip xfrm state flush");
    static_cast<void>(left.event<child::SasPresent>());
    report.check(acquired(2000), "so is the last of the range");
}

} // namespace sheaf::kernel_test

#include "test/kernel/samples.h"
#include "test/kernel/star.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"

#include <string>

namespace sheaf::kernel_test {

void test_traffic(Report& report) {
    report.begin("traffic through the kernel");
    Star star(2);
    bool up = true;
    for (unsigned n : {1U, 2U}) {
        up &= !apply(*star.at_gateway, Client{.n = n}.up()).error;
        const Client client{.n = n, .role = child::LinkRole::client};
        auto steps = client.up();
        // A client that would send with any source.
        auto policies = client.policies();
        policies.local_selectors = policies.remote_selectors;
        steps[2] = child::InstallPolicies{policies};
        up &= !apply(*star.client(n).kernel, std::move(steps)).error;
    }
    report.check(up, "a gateway and two clients are installed");
    const World& first = star.client(1).world;
    report.check(ping(first, "-6 -I up0 2001:db8:13::2"), "they reach each other outside");
    report.check(ping(first, "-6 2001:db8:9::53"), "IPv6 passes through the tunnel");
    report.check(ping(first, "-4 10.9.0.53"), "IPv4 passes through the same tunnel");
    report.check(ping(first, "-6 2001:db8:100:2::1"), "a client reaches the other through the gateway");
    report.check(ping(first, "-6 -s 3000 2001:db8:9::53"), "large packets, too");
    first.enter();
    shell("ip -6 addr add 2001:db8:100:2::bad/128 dev sheaf0 nodad");
    report.check(!ping(first, "-6 -I 2001:db8:100:2::bad 2001:db8:9::53"),
                 "a neighbour's prefix as source is dropped");
    report.check(counter(star.gateway, "XfrmInNoPols") + counter(star.gateway, "XfrmInTmplMismatch") > 0,
                 "and the gateway's kernel counts it");
    star.gateway.enter();
    const auto left = star.at_gateway->reconcile();
    report.check(left && left->total() > 0 && !ping(first, "-6 2001:db8:9::53"),
                 "after the gateway's end nothing passes");
}

} // namespace sheaf::kernel_test

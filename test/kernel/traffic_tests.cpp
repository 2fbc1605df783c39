#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"

#include <string>

namespace sheaf::kernel_test {
namespace {

// gw (2001:db8:13::2 outside) and two clients, joined by a bridge in the gateway's namespace. With all of one
// prefix outside, nothing needs routes there.
void wire_up(const World& gateway, const World& client, unsigned n) {
    gateway.enter();
    const std::string side = "c" + std::to_string(n);
    const std::string self = std::to_string(getpid());
    shell("ip link add " + side + " type veth peer name up0 netns /proc/" + self + "/fd/" +
          std::to_string(client.descriptor()));
    shell("ip link set " + side + " master br0 up");
    client.enter();
    shell("ip link set up0 up; ip -6 addr add 2001:db8:7::" + std::to_string(n) +
          "/128 dev up0 nodad; ip -6 route add 2001:db8:13::2 dev up0");
}

bool counts(const World& world, const std::string& name) {
    world.enter();
    return shell("awk '$1 == \"" + name +
                 "\" && $2 > 0 {found = 1} END {exit !found}' /proc/thread-self/net/xfrm_stat") == 0;
}

} // namespace

void test_traffic(Report& report) {
    report.begin("traffic through the kernel");
    World gateway, first, second;
    gateway.enter();
    shell("ip link add br0 type bridge; ip link set br0 up; ip -6 addr add 2001:db8:13::2/128 dev br0 nodad; "
          "ip -6 route add 2001:db8:7::/64 dev br0; "
          "ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip link set lan1 up; "
          "ip -6 addr add 2001:db8:9::53/128 dev lan0 nodad; ip addr add 10.9.0.53/32 dev lan0; "
          "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1");
    wire_up(gateway, first, 1);
    wire_up(gateway, second, 2);
    auto at_gateway = gateway.kernel();
    auto at_first = first.kernel();
    auto at_second = second.kernel();
    bool up = true;
    for (unsigned n : {1U, 2U}) {
        up &= !apply(*at_gateway, Client{.n = n}.up()).error;
        const Client client{.n = n, .role = child::LinkRole::client};
        auto steps = client.up();
        // A client that would send with any source.
        auto policies = client.policies();
        policies.local_selectors = policies.remote_selectors;
        steps[2] = child::InstallPolicies{policies};
        up &= !apply(n == 1 ? *at_first : *at_second, std::move(steps)).error;
    }
    report.check(up, "a gateway and two clients are installed");
    first.enter();
    report.check(shell("ping -6 -c 2 -i 0.2 -W 2 -I up0 2001:db8:13::2 >/dev/null") == 0,
                 "they reach each other outside");
    report.check(shell("ping -6 -c 3 -i 0.2 -W 2 2001:db8:9::53 >/dev/null") == 0,
                 "IPv6 passes through the tunnel");
    report.check(shell("ping -4 -c 3 -i 0.2 -W 2 10.9.0.53 >/dev/null") == 0,
                 "IPv4 passes through the same tunnel");
    report.check(shell("ping -6 -c 3 -i 0.2 -W 2 2001:db8:100:2::1 >/dev/null") == 0,
                 "a client reaches the other through the gateway");
    report.check(shell("ping -6 -c 2 -i 0.2 -W 2 -s 3000 2001:db8:9::53 >/dev/null") == 0,
                 "large packets, too");
    report.check(shell("ip -6 addr add 2001:db8:100:2::bad/128 dev sheaf0 nodad;"
                       "ping -6 -c 2 -i 0.2 -W 1 -I 2001:db8:100:2::bad 2001:db8:9::53 >/dev/null") != 0,
                 "a neighbour's prefix as source is dropped");
    report.check(counts(gateway, "XfrmInNoPols") || counts(gateway, "XfrmInTmplMismatch"),
                 "and the gateway's kernel counts it");
    const auto left = at_gateway->reconcile();
    first.enter();
    report.check(left && left->total() > 0 && shell("ping -6 -c 1 -W 1 2001:db8:9::53 >/dev/null") != 0,
                 "after the gateway's end nothing passes");
}

} // namespace sheaf::kernel_test

#include "test/kernel/group_sites.h"
#include "test/kernel/tests.h"

#include <thread>

namespace sheaf::kernel_test {
namespace {

using std::chrono::milliseconds;

// The first site of a group without sites, whose routes come and go.
class Routes {
  public:
    explicit Routes(Report& report) : report_(report) {
        report_.check(sites.up(kGroupSpi, now() + kGroupLife, false), "a group without sites is up");
        // The kernel takes no gateway of IPv6 that a route by another interface leads to, but for the default one.
        for (const unsigned n : {1U, 3U})
            sites.run(n, "ip -6 route del 2001:db8:1::/64 dev up0; ip -6 route add default dev up0");
        sites.run(2, "ip route add 10.2.1.0/24 via 10.1.0.1 dev sheafg onlink");
        sites.run(3, "ip route add 10.2.1.0/24 via inet6 2001:db8:1::1 dev sheafg onlink");
        sites.turn(milliseconds(100));
    }

    GroupSites sites{3};

    // How long it takes until so many are followed and installed.
    [[nodiscard]] milliseconds until(std::size_t count) {
        const Instant begin = now();
        xfrm::Kernel& kernel = *sites.site(1).kernel;
        while (kernel.group_routes(kGroup).size() != count && now() < begin + std::chrono::seconds(30)) {
            std::this_thread::sleep_for(milliseconds(1));
            kernel.on_readable(now());
            kernel.on_timeout(now());
        }
        while (kernel.next_timeout() == Instant::min())
            kernel.on_timeout(now());
        return std::chrono::duration_cast<milliseconds>(now() - begin);
    }
    // An emulated kernel on a busy machine may take a while to tell; how long it takes elsewhere is measured by the
    // scenario group-bgp.
    void in_time(const std::string& command, std::size_t count, const std::string& what) {
        sites.run(1, command);
        const milliseconds time = until(count);
        report_.check(time < std::chrono::seconds(3), what);
        report_.note("after " + std::to_string(time.count()) + " ms");
    }

  private:
    Report& report_;
};

void check_next_hops(Report& report, Routes& routes) {
    GroupSites& sites = routes.sites;
    routes.in_time("ip nexthop add id 7 via 10.1.0.2 dev sheafg onlink; "
                   "ip route add 10.2.2.0/24 nhid 7 metric 20",
                   1, "a route by a next hop with a number, as FRR makes them");
    report.check(sites.reaches4(1, 2), "it carries packets");
    sites.run(1, "ip nexthop replace id 7 via 10.1.0.9 dev sheafg onlink");
    sites.turn(milliseconds(100));
    report.check(!sites.reaches4(1, 2), "and follows its next hop");
    routes.in_time("sysctl -qw net.ipv4.nexthop_compat_mode=0; ip nexthop del id 7", 0,
                   "and goes when that goes");
    routes.in_time("ip nexthop add id 7 via 10.1.0.2 dev sheafg onlink; ip nexthop add id 8 group 7; "
                   "ip route add 10.2.2.0/24 nhid 8",
                   1, "also where the kernel tells the number alone");
    report.check(sites.reaches4(1, 2), "it carries packets, too");
}

} // namespace

void test_group_routes(Report& report) {
    report.begin("routes into a group");
    Routes routes(report);
    GroupSites& sites = routes.sites;
    routes.in_time("ip route add 10.2.2.0/24 via 10.1.0.2 dev sheafg onlink", 1, "a route becomes policies");
    report.check(sites.reaches4(1, 2), "and carries packets");
    routes.in_time("ip route del 10.2.2.0/24", 0, "and they go with it");
    report.check(!sites.reaches4(1, 2), "without it nothing passes");
    check_next_hops(report, routes);
    routes.in_time("ip route add 10.2.3.0/24 via inet6 2001:db8:1::3 dev sheafg onlink", 2,
                   "an IPv4 route by an IPv6 gateway");
    report.check(sites.reaches4(1, 3), "carries packets");
    routes.in_time("ip -6 route add 2001:db8:2:2::/64 via ::ffff:10.1.0.2 dev sheafg onlink", 3,
                   "an IPv6 route by an IPv4 gateway in mapped form");
    sites.run(1, "seq 1 1000 | awk '{print \"route add 10.\" 100 + int($1 / 250) \".\" $1 % 250 \".0/24 via "
                 "10.1.0.2 dev sheafg onlink\"}' | ip -batch -");
    const milliseconds burst = routes.until(1003);
    report.check(burst < std::chrono::seconds(30), "a thousand routes at once");
    report.note("their " + std::to_string(3 * 1000) + " policies took " + std::to_string(burst.count()) +
                " ms");
    sites.run(1, "ip link set sheafg down");
    report.check(routes.until(0) < std::chrono::seconds(30), "when the interface goes down, so do they");
    routes.in_time("ip link set sheafg up; ip link add vrf7 type vrf table 77 && ip link set vrf7 up && "
                   "ip link set sheafg master vrf7 && ip link set lan0 master vrf7 && "
                   "ip route add 10.2.2.0/24 via 10.1.0.2 dev sheafg onlink vrf vrf7",
                   1, "in a VRF the routes are in its table");
    sites.turn(milliseconds(100));
    report.check(sites.run(1, "ping -c 2 -i 0.1 -W 1 -I vrf7 10.2.2.1 >/dev/null") == 0, "and packets pass");
}

} // namespace sheaf::kernel_test

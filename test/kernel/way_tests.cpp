// Links with several ways, and the uplinks that they run over.
#include "daemon/uplinks.h"
#include "netlink/host_watch.h"
#include "netlink/os.h"
#include "test/kernel/monitor.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <cstdio>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace sheaf::kernel_test {
namespace {

// The kernel tells of carriers at most once a second.
constexpr const char* kCarrierTold = "sleep 3";

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string outcome(xfrm::Kernel& kernel, child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    const Outcome out = apply(kernel, std::move(steps));
    return out.ended ? out.error.value_or("") : "no end";
}

child::Link with_ways(child::Link link, unsigned own, unsigned second, unsigned third) {
    link.weight = own;
    link.ways = {{link.number + 0x100, "sheaf1", second, 0x1}, {link.number + 0x200, "sheaf2", third, 0}};
    return link;
}

} // namespace

void test_client_ways(Report& report) {
    report.begin("a client's link with several ways");
    World world;
    auto kernel = world.kernel();
    const Client client{.n = 5, .role = child::LinkRole::client};
    const child::Link one = client.link(), all = with_ways(one, 2, 1, 3), primary = with_ways(one, 0, 1, 0);
    std::string error = outcome(*kernel, child::OpenLink{one});
    report.check(error.empty(), "a link opens", error);
    Monitor monitor(report, world, "route");
    for (const auto& step :
         {child::UpdateLink{one, all}, child::UpdateLink{all, primary}, child::UpdateLink{primary, all}})
        error += outcome(*kernel, step);
    const std::string gone = monitor.gone();
    report.check(error.empty(), "it gets ways, of which all carry, then one, then all", error);
    report.check(gone.empty(), "no route is ever gone", gone);
    const std::string v6 = output_of("ip -6 route show table 5301"),
                      v4 = output_of("ip -4 route show table 5301");
    for (const std::string& text : {v6, v4}) {
        report.check(contains(text, "dev sheaf0 weight 2") && contains(text, "dev sheaf1 weight 1") &&
                         contains(text, "dev sheaf2 weight 3"),
                     "the default route has them all by their weights", text);
        report.check(contains(text, " src "), "and the source that it had", text);
    }
    const std::string marked =
        output_of("ip -6 route get 2001:db8:99::1 mark 1") + output_of("ip -4 route get 198.51.100.1 mark 1");
    report.check(!contains(marked, "sheaf0") && !contains(marked, "sheaf2") && contains(marked, "2001:db8") &&
                     std::ranges::count(marked, '\n') >= 2 && contains(marked, "sheaf1"),
                 "a marked packet takes the way of its mark", marked);
    const auto seen = world.look();
    report.check(
        seen.links.size() == 3 &&
            std::ranges::all_of(seen.links,
                                [](const auto& link) { return link.alias == xfrm::kLinkAlias && link.up; }),
        "each way has an interface of ours", seen.to_string());
    error = outcome(*kernel, child::UpdateLink{all, one});
    const auto less = world.look();
    report.check(error.empty() && less.links.size() == 1 &&
                     std::ranges::all_of(less.routes,
                                         [](const auto& route) {
                                             return route.table == xfrm::kRouteTable ||
                                                    route.table == xfrm::kDefaultRouteTable;
                                         }),
                 "the ways go again", error + less.to_string());
    error = outcome(*kernel, child::UpdateLink{one, all});
    error += outcome(*kernel, child::CloseLink{all});
    report.check(error.empty() && world.look().objects() == 0, "a link closes with its ways",
                 error + world.look().to_string());
    error = outcome(*kernel, child::OpenLink{all});
    kernel = world.kernel();
    const auto removed = kernel->reconcile();
    report.check(error.empty() && removed && removed->links == 3 && world.look().objects() == 0,
                 "what a crash leaves of them is found", world.look().to_string());
}

void test_gateway_ways(Report& report) {
    report.begin("a gateway's link with several ways");
    World world;
    auto kernel = world.kernel();
    const Client client{.n = 5};
    const child::Link one = client.link(), all = with_ways(one, 2, 1, 3), last = with_ways(one, 0, 0, 1);
    std::string error = outcome(*kernel, child::OpenLink{one});
    Monitor monitor(report, world, "route");
    error += outcome(*kernel, child::UpdateLink{one, all});
    error += outcome(*kernel, child::UpdateLink{all, last});
    error += outcome(*kernel, child::UpdateLink{last, all});
    const std::string gone = monitor.gone();
    report.check(error.empty(), "it gets ways", error);
    report.check(gone.empty(), "no route is ever gone", gone);
    const auto seen = world.look();
    report.check(seen.links.size() == 1 && seen.routes.size() == one.routes.size() &&
                     std::ranges::all_of(seen.routes,
                                         [&](const netlink::Route& route) {
                                             const auto& hops = route.next_hops;
                                             return hops.size() == 3 && hops[0].weight == 2 &&
                                                    hops[0].link == one.number && hops[1].weight == 1 &&
                                                    hops[1].link == one.number + 0x100 &&
                                                    hops[2].weight == 3 && hops[2].link == one.number + 0x200;
                                         }),
                 "each route has them all by number and weight",
                 output_of("ip -6 route show table 5300; ip -4 route show table 5300"));
    error = outcome(*kernel, child::UpdateLink{all, last});
    const auto single = world.look();
    report.check(error.empty() && std::ranges::all_of(single.routes,
                                                      [&](const netlink::Route& route) {
                                                          return route.next_hops.empty() &&
                                                                 route.link == one.number + 0x200;
                                                      }),
                 "or the one that carries", error + output_of("ip -6 route show table 5300"));
    error = outcome(*kernel, child::UpdateLink{last, all});
    error += outcome(*kernel, child::CloseLink{all});
    report.check(error.empty() && world.look().objects() == 0, "it closes", error + world.look().to_string());
}

namespace {

// A host with two uplinks, up0 and up1, to a router.
struct Site {
    World host, router;
    std::unique_ptr<netlink::Os> os = netlink::system_os();

    Site() {
        host.enter();
        for (const char* n : {"0", "1"}) {
            const std::string i = n;
            shell("ip link add up" + i + " type veth peer name up" + i + " netns /proc/" +
                  std::to_string(getpid()) + "/fd/" + std::to_string(router.descriptor()) +
                  "; ip link set up" + i + " up; ip addr add 10." + i + ".0.1/24 dev up" + i +
                  "; ip -6 addr add 2001:db8:" + i + "::1/64 dev up" + i + " nodad");
        }
        router.enter();
        shell("for i in 0 1; do ip link set up$i up; ip addr add 10.$i.0.254/24 dev up$i; done");
        host.enter();
        shell("for i in 0 1; do ip route add default via 10.$i.0.254 dev up$i metric 10$i; "
              "ip -6 route add default via 2001:db8:$i::254 dev up$i metric 10$i; done; sleep 1.5");
    }
};

} // namespace

void test_uplinks(Report& report) {
    report.begin("uplinks");
    Site site;
    auto caller = netlink::Caller::open(*site.os);
    if (!report.check(caller.has_value(), "rtnetlink answers")) return;
    daemon::Uplinks uplinks(std::move(*caller), xfrm::kMark);
    const IpAddress gateway = ip("203.0.113.1"), gateway6 = ip("2001:db8:99::1");
    uplinks.configure({{"up0", "up1"}, {gateway, gateway6}});
    report.check(uplinks.refresh(), "they are looked at");
    const auto source = [&](const char* name, const IpAddress& to) {
        const auto out = uplinks.source_over(name, to);
        return out ? out->to_string() : out.error();
    };
    report.check(source("up0", gateway) == "10.0.0.1" && source("up1", gateway) == "10.1.0.1" &&
                     source("up1", gateway6) == "2001:db8:1::1",
                 "each has its source",
                 source("up0", gateway) + ", " + source("up1", gateway) + ", " + source("up1", gateway6));
    const std::string way = output_of("ip route get 203.0.113.1 from 10.1.0.1") +
                            output_of("ip -6 route get 2001:db8:99::1 from 2001:db8:1::1");
    report.check(contains(way, "via 10.1.0.254 dev up1") && contains(way, "via 2001:db8:1::254 dev up1"),
                 "what is sent from there goes there", way);
    report.check(!uplinks.refresh(), "nothing changes by itself");
    shell("ip addr add 10.7.0.1/24 dev up1; ip addr del 10.1.0.1/24 dev up1; "
          "ip route replace default via 10.7.0.254 dev up1 metric 101");
    report.check(
        uplinks.refresh() && source("up1", gateway) == "10.7.0.1" &&
            contains(output_of("ip route get 203.0.113.1 from 10.7.0.1"), "via 10.7.0.254 dev up1") &&
            !contains(output_of("ip rule"), "10.1.0.1"),
        "another address takes the place of the old one", output_of("ip rule"));
    shell("ip addr add 10.0.0.1/32 dev up1; ip route change default via 10.7.0.254 dev up1 metric 101 src "
          "10.0.0.1");
    report.check(uplinks.refresh() && contains(source("up1", gateway), "the same address as up0"),
                 "two cannot have the same address", source("up1", gateway));
    shell("ip addr del 10.0.0.1/32 dev up1; ip route replace default via 10.7.0.254 dev up1 metric 101");
    report.check(uplinks.refresh() && source("up1", gateway) == "10.7.0.1", "until they have not",
                 source("up1", gateway));
    site.router.enter();
    shell("ip link set up1 down");
    site.host.enter();
    shell(kCarrierTold);
    report.check(uplinks.refresh() && source("up1", gateway) == "up1 has no carrier", "a wire is pulled",
                 source("up1", gateway));
    report.check(!contains(output_of("ip rule"), "10.7.0.1") && source("up0", gateway) == "10.0.0.1",
                 "its rule goes, and the other stays", output_of("ip rule"));
    site.router.enter();
    shell("ip link set up1 up");
    site.host.enter();
    shell(kCarrierTold);
    report.check(uplinks.refresh() && source("up1", gateway) == "10.7.0.1", "and put back",
                 source("up1", gateway));
    shell("ip link set up1 down");
    report.check(uplinks.refresh() && source("up1", gateway) == "up1 is down", "an interface goes down",
                 source("up1", gateway));
    shell(std::string("ip link set up1 up; ") + kCarrierTold);
    report.check(uplinks.refresh() && contains(source("up1", gateway), "no route to 203.0.113.1"),
                 "without a route it does not reach the gateway", source("up1", gateway));
    shell("ip link del up1");
    report.check(uplinks.refresh() && source("up1", gateway) == "there is no interface up1",
                 "or goes for good", source("up1", gateway));
    auto kernel = site.host.kernel();
    const auto removed = kernel->reconcile();
    report.check(removed && removed->rules == 2 && removed->routes == 2, "all of it is found after a crash",
                 output_of("ip rule; ip route show table all proto 83"));
    report.check(uplinks.refresh(), "and comes back");
    uplinks.configure({});
    report.check(uplinks.refresh() && site.host.look().rules.empty() && site.host.look().routes.empty(),
                 "without uplinks there is nothing", site.host.look().to_string());
}

void test_host_watch(Report& report) {
    report.begin("a host that changes");
    Site site;
    using Change = netlink::HostWatch::Change;
    auto watch = netlink::HostWatch::open(*site.os, xfrm::kProtocol, [](const netlink::LinkObject& link) {
        return link.kind == xfrm::kLinkKind;
    });
    if (!report.check(watch.has_value(), "rtnetlink tells")) return;
    const auto told = [&](const std::string& command) {
        if (!command.empty()) shell(command);
        auto out = Change::none;
        for (pollfd fd{(*watch)->fd(), POLLIN, 0}; ::poll(&fd, 1, 300) > 0;
             out = std::max(out, (*watch)->take_change()))
            (*watch)->on_readable(now());
        return out;
    };
    static_cast<void>(told("sleep 2"));
    report.check(told("") == Change::none, "nothing is told of nothing");
    report.check(told("ip route add 192.0.2.0/24 via 10.0.0.254") == Change::routes, "a route");
    report.check(told("ip addr add 10.9.9.9/32 dev up0") == Change::links, "an address");
    report.check(told("ip link set up1 down") == Change::links, "an interface");
    site.router.enter();
    shell("ip link set up0 down");
    site.host.enter();
    report.check(told(kCarrierTold) == Change::links, "a wire");
    auto kernel = site.host.kernel();
    const Client client{.n = 5, .role = child::LinkRole::client};
    report.check(outcome(*kernel, child::OpenLink{client.link()}).empty(), "a link of ours opens");
    report.check(told("") == Change::none, "which is not the host's");
    report.check(outcome(*kernel, child::CloseLink{client.link()}).empty() && told("") == Change::none,
                 "nor when it closes");
}

} // namespace sheaf::kernel_test

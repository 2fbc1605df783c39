// A client's prefixes: addresses that are deprecated, and parts that are handed to a network behind it.
#include "test/kernel/monitor.h"
#include "test/kernel/samples.h"
#include "test/kernel/star.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"

#include <string>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

Outcome update(xfrm::Kernel& kernel, const child::Link& before, const child::Link& after) {
    std::vector<child::KernelStep> steps;
    steps.emplace_back(child::UpdateLink{before, after});
    return apply(kernel, std::move(steps));
}

bool routed(const World& world, const std::string& query, const std::string& pattern) {
    return output(world, "ip -6 route get " + query).find(pattern) != std::string::npos;
}

// A client that hands parts of 2001:db8:200::/56 to the network at lan0, and has a route that covers it.
child::Link delegating() {
    auto out = Client{.n = 5, .role = child::LinkRole::client}.link();
    out.routes = {prefix("::/0"), prefix("2001:db8::/32")};
    out.delegated = {prefix("2001:db8:200::/56")};
    out.lan = {{"lan0", ip("2001:db8:200:1::1"), 64}};
    return out;
}

std::vector<child::KernelStep> opening(const child::Link& link) {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenLink{link});
    return out;
}

} // namespace

void test_deprecation(Report& report) {
    report.begin("addresses that are deprecated");
    World world;
    auto kernel = world.kernel();
    const auto before = Client{.n = 5, .role = child::LinkRole::client}.link();
    auto after = before;
    after.addresses.push_back({ip("2001:db8:100:55::1"), 64});
    after.addresses[1].deprecated = true;
    after.addresses[2].deprecated = true;
    std::string error = apply(*kernel, opening(before)).error.value_or("");
    Monitor monitor(report, world, "address route");
    error += update(*kernel, before, after).error.value_or("");
    report.check(error.empty(), "two of a client's addresses are deprecated and a third comes", error);
    report.check(routed(world, "2001:db8:abc::1", "src 2001:db8:100:55::1"), "new connections use the third",
                 output(world, "ip -6 route get 2001:db8:abc::1"));
    const std::string shown = output(world, "ip addr show dev sheaf0 | grep deprecated");
    report.check(shown.find("2001:db8:100:5::1") != std::string::npos &&
                     shown.find("10.77.0.5") != std::string::npos &&
                     shown.find("100:55::1") == std::string::npos,
                 "the kernel shows them as such", output(world, "ip addr show dev sheaf0"));
    error = update(*kernel, after, before).error.value_or("");
    const std::string gone = monitor.gone();
    report.check(error.empty() && output(world, "ip addr show dev sheaf0 | grep deprecated").empty() &&
                     routed(world, "2001:db8:abc::1", "src 2001:db8:100:5::1"),
                 "and the other way round", error);
    report.check(!has_line(gone, "2001:db8:100:5::1|10\\.77\\.0\\.5"), "neither was gone at any moment",
                 gone);
    report.check(has_line(gone, "2001:db8:100:55::1"), "as the monitor would show", gone);
}

void test_delegation(Report& report) {
    report.begin("a prefix handed on to a network behind the client");
    World world;
    auto kernel = world.kernel();
    world.enter();
    shell("ip link add lan0 type dummy; ip link set lan0 up; "
          "ip -6 addr add 2001:db8:77::1/64 dev lan0 nodad; ip addr add 192.0.2.1/24 dev lan0; "
          "sysctl -qw net.ipv6.conf.all.forwarding=1");
    const Snapshot before = world.look();
    auto odd = delegating();
    odd.lan.push_back({"lan7", ip("2001:db8:200:7::1"), 64});
    const Outcome refused = apply(*kernel, opening(odd));
    report.check(refused.error && refused.error->find("lan7") != std::string::npos && world.look() == before,
                 "an interface that is not there is told, and nothing is left",
                 refused.error.value_or("no error"));
    report.note(refused.error.value_or(""));
    const std::string error = apply(*kernel, opening(delegating())).error.value_or("");
    report.check(error.empty() && routed(world, "2001:db8:200:1::5", "dev lan0"),
                 "the network's /64 is there", error + output(world, "ip -6 route get 2001:db8:200:1::5"));
    report.check(routed(world, "2001:db8:9::1", "dev sheaf0") && routed(world, "2a00::1", "dev sheaf0"),
                 "all else takes the tunnel");
    report.check(routed(world, "2001:db8:200:99::5", "No route to host") ||
                     routed(world, "2001:db8:200:99::5", "unreachable"),
                 "but for the rest of the prefix, which is unreachable",
                 output(world, "ip -6 route get 2001:db8:200:99::5"));
    const std::string forwarded = "2001:db8:200:99::5 from 2001:db8:9::1 iif sheaf0";
    report.check(routed(world, forwarded, "No route to host") || routed(world, forwarded, "unreachable"),
                 "also for packets that come out of the tunnel",
                 output(world, "ip -6 route get " + forwarded));
    auto changed = delegating();
    changed.delegated = {prefix("2001:db8:300::/60")};
    changed.lan = {{"lan0", ip("2001:db8:300:1::1"), 64}};
    const std::string wrong = update(*kernel, delegating(), changed).error.value_or("");
    report.check(wrong.empty() && routed(world, "2001:db8:300:1::5", "dev lan0") &&
                     routed(world, "2001:db8:200:1::5", "dev sheaf0"),
                 "the prefix changes", wrong + output(world, "ip -6 route get 2001:db8:300:1::5"));
    kernel = world.kernel(); // the first dies without a word
    const auto removed = kernel->reconcile();
    report.check(removed && removed->addresses == 1 && world.look() == before,
                 "the next life removes what was left, and nobody else's addresses",
                 world.look().to_string());
    static_cast<void>(apply(*kernel, opening(delegating())));
    std::vector<child::KernelStep> steps;
    steps.emplace_back(child::CloseLink{delegating()});
    const std::string closed = apply(*kernel, std::move(steps)).error.value_or("");
    report.check(closed.empty() && world.look() == before, "as does the end of the link",
                 closed + world.look().to_string());
}

void test_usage(Report& report) {
    report.begin("what SAs have carried");
    Star star(1);
    auto steps = Client{.n = 1, .role = child::LinkRole::client}.up();
    std::string error = apply(*star.at_gateway, Client{.n = 1}.up()).error.value_or("");
    error += apply(*star.client(1).kernel, std::move(steps)).error.value_or("");
    const bool reached = ping(star.client(1).world, "-6 2001:db8:9::53");
    star.gateway.enter();
    shell("ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x77 reqid 77 mode tunnel "
          "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128");
    star.at_gateway->ask_usage(now());
    star.at_gateway->ask_usage(now());
    auto usage = star.at_gateway->take_usage();
    report.check(!usage, "is not known at once");
    star.at_gateway->flush(now());
    usage = star.at_gateway->take_usage();
    bool counted = usage && usage->size() == 2;
    for (const auto& sa : usage.value_or(std::vector<xfrm::SaUsage>{}))
        counted &= sa.packets == 2 && sa.bytes >= 2 * 104;
    report.check(error.empty() && reached && counted, "then it is told for those of ours", error);
    report.check(!star.at_gateway->take_usage(), "once");
}

} // namespace sheaf::kernel_test

// The link between client and gateway itself: link-local addresses at both ends, and what is not sent there.
#include "test/kernel/samples.h"
#include "test/kernel/star.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

constexpr const char* kOurs = "fe80::1"; // the gateway's, for all clients

// A client whose interface identifier is `end`.
struct Neighbour {
    unsigned n;
    std::string end;

    [[nodiscard]] std::vector<child::KernelStep> at_gateway() const {
        const Client client{.n = n};
        auto steps = client.up();
        steps[0] = child::OpenLink{link()};
        auto policies = client.policies();
        policies.remote_selectors.push_back(selector("fe80::" + end));
        steps[2] = child::InstallPolicies{policies};
        return steps;
    }
    [[nodiscard]] std::vector<child::KernelStep> gone_at_gateway() const {
        const Client client{.n = n};
        auto steps = client.down();
        auto policies = client.policies();
        policies.remote_selectors.push_back(selector("fe80::" + end));
        steps[0] = child::RemovePolicies{policies};
        steps[2] = child::CloseLink{link()};
        return steps;
    }
    // It would send with any source.
    [[nodiscard]] std::vector<child::KernelStep> at_client() const {
        const Client client{.n = n, .role = child::LinkRole::client};
        auto steps = client.up();
        auto link = client.link();
        link.addresses[0].address = ip("fe80::" + end);
        steps[0] = child::OpenLink{link};
        auto policies = client.policies();
        policies.local_selectors = policies.remote_selectors;
        steps[2] = child::InstallPolicies{policies};
        return steps;
    }

  private:
    [[nodiscard]] child::Link link() const {
        auto out = Client{.n = n}.link();
        out.addresses = {{ip(kOurs), 128}};
        out.routes.push_back(prefix("fe80::" + end + "/128"));
        return out;
    }
};

// The link that the gateway's route to fe80::END leads to; 0 without one.
std::uint32_t reached_by(Star& star, const std::string& end) {
    star.gateway.enter();
    for (const auto& route : star.gateway.look().routes) {
        if (route.destination == prefix("fe80::" + end + "/128")) return route.link.value_or(0);
    }
    return 0;
}

// A Router Advertisement (RFC 4861 4.2) that offers a default route, to one address.
bool advertise(const World& from, const char* to) {
    from.enter();
    const int raw = ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (raw < 0) return false;
    const int hops = 255;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    std::ranges::copy(ip(to).view(), address.sin6_addr.s6_addr);
    address.sin6_scope_id = if_nametoindex("sheaf0");
    nd_router_advert message{};
    message.nd_ra_type = ND_ROUTER_ADVERT;
    message.nd_ra_curhoplimit = 64;
    message.nd_ra_router_lifetime = htons(1800);
    const bool sent = setsockopt(raw, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0 &&
                      sendto(raw, &message, sizeof message, 0, reinterpret_cast<const sockaddr*>(&address),
                             sizeof address) == static_cast<ssize_t>(sizeof message);
    ::close(raw);
    return sent;
}

// How many packets SAs at one end have carried.
std::uint64_t carried(xfrm::Kernel& kernel) {
    kernel.ask_usage(now());
    kernel.flush(now());
    std::uint64_t out = 0;
    for (const auto& sa : kernel.take_usage().value_or(std::vector<xfrm::SaUsage>{}))
        out += sa.packets;
    return out;
}

void test_quiet(Report& report, Star& star) {
    World& client = star.client(1).world;
    const unsigned long blocked = counter(client, "XfrmInPolBlock");
    report.check(advertise(star.gateway, "fe80::a"), "the gateway sends a Router Advertisement");
    client.enter();
    shell("sleep 0.5");
    report.check(
        output(client, "ip -6 route show default").empty() && counter(client, "XfrmInPolBlock") > blocked,
        "the client does not obey it, and its kernel counts it", output(client, "ip -6 route show default"));
}

} // namespace

void test_link_local(Report& report) {
    report.begin("link-local addresses on the virtual link");
    Star star(3);
    const Snapshot before = star.gateway.look();
    const Neighbour first{1, "a"}, second{2, "b"}, third{3, "a"};
    std::string error;
    for (const Neighbour* each : {&first, &second, &third}) {
        error += apply(*star.at_gateway, each->at_gateway()).error.value_or("");
        error += apply(*star.client(each->n).kernel, each->at_client()).error.value_or("");
    }
    report.check(error.empty(), "three clients come up, two of them with the same identifier", error);
    star.gateway.enter();
    report.check(output(star.gateway, "ip -6 addr show dev sheaf0 | grep -c fe80::1/128") == "1\n",
                 "the gateway has its address once");
    // Solicitations would have been sent by now: the first with the address, the next four seconds later.
    shell("sleep 5");
    const std::uint64_t sent = carried(*star.at_gateway) + carried(*star.client(1).kernel);
    report.check(sent == 0 && counter(star.client(1).world, "XfrmOutPolBlock") > 0,
                 "what the kernels would say by themselves is not sent", std::to_string(sent) + " packets");
    report.check(ping(star.gateway, "-6 fe80::a%sheaf0") && ping(star.gateway, "-6 fe80::b%sheaf0"),
                 "the gateway reaches the clients' link-local addresses");
    report.check(ping(star.client(1).world, "-6 fe80::1%sheaf0") &&
                     ping(star.client(2).world, "-6 fe80::1%sheaf0"),
                 "and the clients the gateway's");
    test_quiet(report, star);

    World& spoofer = star.client(2).world;
    spoofer.enter();
    shell("ip -6 addr add fe80::a/128 dev sheaf0 nodad");
    const unsigned long dropped = counter(star.gateway, "XfrmInNoPols");
    report.check(!ping(spoofer, "-6 -I fe80::a%sheaf0 fe80::1%sheaf0") &&
                     counter(star.gateway, "XfrmInNoPols") >= dropped + 2,
                 "a neighbour's link-local source is dropped and counted (XfrmInNoPols)",
                 std::to_string(counter(star.gateway, "XfrmInNoPols") - dropped));

    report.check(reached_by(star, "a") == Client{.n = 1}.number(), "of the two, the first has the route");
    error = apply(*star.at_gateway, first.gone_at_gateway()).error.value_or("");
    report.check(error.empty() && reached_by(star, "a") == Client{.n = 3}.number() &&
                     ping(star.gateway, "-6 fe80::a%sheaf0"),
                 "when it closes, the other has it and is reached", error);
    error = apply(*star.at_gateway, third.gone_at_gateway()).error.value_or("");
    report.check(error.empty() && reached_by(star, "a") == 0, "until it closes, too", error);
    error = apply(*star.at_gateway, second.gone_at_gateway()).error.value_or("");
    star.gateway.enter();
    const Snapshot after = star.gateway.look();
    report.check(error.empty() && after == before, "nothing is left after the last",
                 error + after.to_string());
}

void test_taken_prefix(Report& report) {
    report.begin("a prefix that is with another client");
    World world;
    auto kernel = world.kernel();
    std::string error = apply(*kernel, Client{.n = 1}.up()).error.value_or("");
    const Snapshot before = world.look();
    auto link = Client{.n = 2}.link();
    link.routes.push_back(Client{.n = 1}.prefix6());
    auto steps = Client{.n = 2}.up();
    steps[0] = child::OpenLink{link};
    const Outcome outcome = apply(*kernel, std::move(steps));
    report.check(error.empty() && outcome.error &&
                     outcome.error->find("leads to link 0x53000001 already") != std::string::npos &&
                     world.look() == before,
                 "told by its number, and nothing is installed", outcome.error.value_or("no error"));
    report.note(outcome.error.value_or(""));
}

} // namespace sheaf::kernel_test

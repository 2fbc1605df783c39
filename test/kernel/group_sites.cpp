#include "test/kernel/group_sites.h"

#include "test/kernel/samples.h"

#include <thread>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

constexpr crypto::EspSuite kCbc{crypto::EncrId::aes_cbc, 256, crypto::IntegId::hmac_sha2_256_128, {}, false};

std::string inside4(unsigned n) { return "10.2." + std::to_string(n) + ".1"; }
std::string inside6(unsigned n) { return "2001:db8:2:" + std::to_string(n) + "::1"; }

} // namespace

GroupSites::GroupSites(unsigned count) {
    wire.enter();
    shell("ip link add br0 type bridge; ip link set br0 up");
    for (unsigned n = 1; n <= count; ++n)
        wire_up(n);
}

void GroupSites::wire_up(unsigned n) {
    sites_.push_back(std::make_unique<Site>());
    Site& site = *sites_.back();
    site.kernel = site.world.kernel();
    wire.enter();
    const std::string text = std::to_string(n), port = "p" + text;
    shell("ip link add " + port + " type veth peer name up0 netns /proc/" + std::to_string(getpid()) +
          "/fd/" + std::to_string(site.world.descriptor()));
    shell("ip link set " + port + " master br0 up");
    run(n, "ip link set up0 up; ip addr add 10.1.0." + text + "/24 dev up0; ip -6 addr add 2001:db8:1::" +
               text + "/64 dev up0 nodad; ip link add lan0 type dummy; ip link set lan0 up; ip addr add " +
               inside4(n) + "/24 dev lan0; ip -6 addr add " + inside6(n) + "/64 dev lan0 nodad");
}

IpAddress GroupSites::outside(unsigned n, unsigned seen_from) {
    const bool v4 = n + seen_from == 3; // the first two
    return ip((v4 ? "10.1.0." : "2001:db8:1::") + std::to_string(n));
}

std::vector<Prefix> GroupSites::networks(unsigned n) {
    return {Prefix(ip(inside4(n)), 24), Prefix(ip(inside6(n)), 64)};
}

child::GroupLink GroupSites::link(unsigned n, bool with_sites) const {
    const std::string text = std::to_string(n);
    child::GroupLink out{
        .number = kGroup, .interface = "sheafg", .local = {ip("10.1.0." + text), ip("2001:db8:1::" + text)}};
    for (unsigned other = 1; with_sites && other <= count(); ++other) {
        if (other != n) out.sites.push_back({outside(other, n), networks(other)});
    }
    return out;
}

child::InstallGroupSa GroupSites::sa(wire::ChildSpi spi, Instant expires) {
    child::EspKeys pair = keys(kCbc, static_cast<std::uint8_t>(spi));
    return {.group = kGroup,
            .spi = spi,
            .suite = kCbc,
            .encryption = std::move(pair.encryption),
            .integrity = std::move(pair.integrity),
            .expires = expires};
}

std::string GroupSites::outcome(unsigned n, std::vector<child::KernelStep> steps) {
    site(n).world.enter(); // where the table of marks is made
    const Outcome out = apply(*site(n).kernel, std::move(steps));
    return out.ended ? out.error.value_or("") : "no end";
}

std::string GroupSites::outcome(unsigned n, child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    return outcome(n, std::move(steps));
}

bool GroupSites::up(wire::ChildSpi spi, Instant expires, bool with_sites) {
    bool good = true;
    for (unsigned n = 1; n <= count(); ++n) {
        std::vector<child::KernelStep> steps;
        steps.emplace_back(child::OpenGroup{link(n, with_sites)});
        steps.emplace_back(sa(spi, expires));
        steps.emplace_back(child::SendWithGroupSa{kGroup, spi});
        const std::string error = outcome(n, std::move(steps));
        if (!error.empty()) std::printf("# site %u: %s\n", n, error.c_str());
        good &= error.empty();
    }
    return good;
}

int GroupSites::run(unsigned n, const std::string& command) {
    site(n).world.enter();
    return shell(command);
}

bool GroupSites::reaches4(unsigned from, unsigned to, const std::string& options) {
    return run(from,
               "ping " + options + " -W 1 -I " + inside4(from) + " " + inside4(to) + " >/dev/null 2>&1") == 0;
}

bool GroupSites::reaches6(unsigned from, unsigned to) {
    return run(from,
               "ping -6 -c 2 -i 0.05 -W 1 -I " + inside6(from) + " " + inside6(to) + " >/dev/null 2>&1") == 0;
}

bool GroupSites::reaches(unsigned from, unsigned to) { return reaches4(from, to) && reaches6(from, to); }

bool GroupSites::all_reach() {
    bool all = true;
    for (unsigned from = 1; from <= count(); ++from) {
        for (unsigned to = 1; to <= count(); ++to) {
            if (from == to || reaches(from, to)) continue;
            std::printf("# %u does not reach %u\n", from, to);
            all = false;
        }
    }
    return all;
}

void GroupSites::turn(Duration time) {
    const Instant end = now() + time;
    do {
        for (const auto& site : sites_) {
            site->world.enter();
            static_cast<void>(events_within(*site->kernel, std::chrono::milliseconds(1)));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } while (now() < end);
}

std::vector<xfrm::SaUsage> GroupSites::usage(unsigned n) {
    xfrm::Kernel& kernel = *site(n).kernel;
    kernel.ask_usage(now());
    for (const Instant end = now() + std::chrono::seconds(5); now() < end;) {
        static_cast<void>(events_within(kernel, std::chrono::milliseconds(10)));
        if (auto told = kernel.take_usage()) return *told;
    }
    return {};
}

} // namespace sheaf::kernel_test

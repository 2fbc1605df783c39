#include "test/kernel/group_sites.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"

#include <algorithm>
#include <numeric>

namespace sheaf::kernel_test {
namespace {

constexpr wire::ChildSpi kFirst = 0xf0000001, kSecond = 0xf0000002;

std::uint64_t replayed(const std::vector<xfrm::SaUsage>& usage) {
    return std::accumulate(usage.begin(), usage.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const xfrm::SaUsage& one) { return sum + one.replayed; });
}

} // namespace

void test_group(Report& report) {
    report.begin("a group of three endpoints");
    GroupSites sites(3);
    if (!report.check(sites.up(kFirst, now() + kGroupLife), "a group SA is installed at all")) return;
    report.check(sites.all_reach(), "all reach each other: IPv4 and IPv6 in IPv4 and in IPv6");
    const auto usage = sites.usage(1);
    const auto heard = [&](unsigned n) {
        return std::ranges::any_of(usage, [&](const xfrm::SaUsage& sa) {
            return sa.number == kGroup && sa.source == GroupSites::outside(n, 1) && sa.packets > 0;
        });
    };
    report.check(heard(2) && heard(3) && replayed(usage) == 0,
                 "each sender has a replay window of its own, and nothing is taken for a replay");
    sites.run(2, "ip addr add 10.2.3.77/32 dev lan0");
    const auto before = counter(sites.site(1).world, "XfrmInTmplMismatch");
    report.check(sites.run(2, "ping -c 2 -i 0.1 -W 1 -I 10.2.3.77 10.2.1.1 >/dev/null 2>&1") != 0 &&
                     counter(sites.site(1).world, "XfrmInTmplMismatch") > before,
                 "a packet whose source is behind another endpoint is dropped");

    const IpAddress elsewhere = ip("10.1.0.77");
    sites.run(2, "ip addr add 10.1.0.77/24 dev up0");
    child::GroupLink own = sites.link(2), others = sites.link(1);
    own.local.front() = elsewhere;
    for (child::GroupSite& site : others.sites) {
        if (site.endpoint == ip("10.1.0.2")) site.endpoint = elsewhere;
    }
    report.check(sites.outcome(2, child::UpdateGroup{own}).empty() &&
                     sites.outcome(1, child::UpdateGroup{others}).empty(),
                 "an endpoint's own address becomes another one");
    report.check(sites.reaches(2, 1) && sites.reaches(1, 2) && sites.reaches(2, 3),
                 "and it is reached there");

    sites.site(1).world.enter();
    const auto removed = sites.site(1).kernel->reconcile();
    const Snapshot left = sites.site(1).world.look();
    report.check(removed && left.objects() == 0, "nothing is left after the end", left.to_string());
    report.check(output(sites.site(1).world, "nft list ruleset").empty(), "nor of nftables");
    report.check(!sites.reaches4(2, 1) && sites.reaches(2, 3), "the others go on");
}

void test_group_rollover(Report& report) {
    report.begin("the rollover of a group SA");
    GroupSites sites(3);
    report.check(sites.up(kFirst, now() + kGroupLife), "a group SA is installed at all");
    bool lossless = true;
    wire::ChildSpi old = kFirst;
    const auto roll_over = [&] {
        const wire::ChildSpi spi = old == kFirst ? kSecond : old + 1;
        for (unsigned n = 1; n <= 3; ++n)
            lossless &= sites.outcome(n, GroupSites::sa(spi, now() + kGroupLife)).empty();
        for (unsigned n = 1; n <= 3; ++n)
            lossless &= sites.outcome(n, child::SendWithGroupSa{kGroup, spi}).empty();
        sites.turn(std::chrono::milliseconds(300));
        for (unsigned n = 1; n <= 3; ++n)
            lossless &= sites.outcome(n, child::RemoveGroupSa{kGroup, old}).empty();
        sites.turn(std::chrono::milliseconds(300));
        old = spi;
    };
    // While it enlarges the hash table of the SAD, the kernel finds no SA for a packet (xfrm_state_find gives up with
    // EAGAIN). With two generations in it the table has its size.
    roll_over();
    sites.run(
        1, "(ping -q -i 0.002 -c 2500 -W 1 -I 10.2.1.1 10.2.2.1 >/tmp/group-ping4 2>&1 &); "
           "(ping -6 -q -i 0.002 -c 2500 -W 1 -I 2001:db8:2:1::1 2001:db8:2:3::1 >/tmp/group-ping6 2>&1 &)");
    for (int rekeying = 0; rekeying < 3; ++rekeying)
        roll_over();
    report.check(lossless, "it is rolled over three times");
    sites.run(1, "while pgrep -x ping >/dev/null; do sleep 0.1; done");
    const std::string told = output(sites.site(1).world, "cat /tmp/group-ping4 /tmp/group-ping6");
    const auto first = told.find(" 0% packet loss");
    report.check(first != std::string::npos && told.find(" 0% packet loss", first + 1) != std::string::npos,
                 "and no packet is lost", told);
    const auto usage = sites.usage(1);
    report.check(std::ranges::all_of(usage, [&](const auto& sa) { return sa.spi == old; }),
                 "the old ones are gone");
}

} // namespace sheaf::kernel_test

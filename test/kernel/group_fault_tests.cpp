#include "test/kernel/group_sites.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "xfrm/group_book.h"

#include <thread>

namespace sheaf::kernel_test {
namespace {

using std::chrono::milliseconds;

std::vector<child::KernelStep> opening(const GroupSites& sites, unsigned n, Instant expires) {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenGroup{sites.link(n)});
    out.emplace_back(GroupSites::sa(kGroupSpi, expires));
    out.emplace_back(child::SendWithGroupSa{kGroup, kGroupSpi});
    return out;
}

// What the first site's kernel has dropped of an endpoint's, and of all.
std::uint64_t replays(GroupSites& sites, const IpAddress& source) {
    std::uint64_t out = 0;
    for (const xfrm::SaUsage& sa : sites.usage(1)) {
        if (sa.source == source) out += sa.replayed;
    }
    return out;
}

std::uint64_t drops(GroupSites& sites) {
    std::uint64_t out = 0;
    for (const xfrm::SaUsage& sa : sites.usage(1))
        out += sa.replayed;
    for (const char* name : {"XfrmInTmplMismatch", "XfrmInNoStates"})
        out += counter(sites.site(1).world, name);
    return out;
}

std::string echos(GroupSites& sites) {
    return output(sites.site(1).world, "awk '/Icmp6InEchos/ {print $2}' /proc/thread-self/net/snmp6; "
                                       "awk '/^Icmp:/ {print $9}' /proc/thread-self/net/snmp");
}

void check_again(Report& report, GroupSites& sites, Tap& tap, unsigned n) {
    const IpAddress source = GroupSites::outside(n, 1);
    report.check(sites.reaches4(n, 1), "packets come from " + source.to_string());
    const Bytes frame = tap.esp_from(source);
    const std::string heard = echos(sites);
    const auto counted = replays(sites, source);
    tap.send(frame);
    std::this_thread::sleep_for(milliseconds(50));
    report.check(!frame.empty() && echos(sites) == heard && replays(sites, source) == counted + 1,
                 "one comes again from there, is dropped and counted");
    const Bytes changed = with_source(frame, n == 2 ? ip("10.1.0.4") : GroupSites::outside(4, 1));
    const auto dropped = drops(sites);
    tap.send(changed);
    std::this_thread::sleep_for(milliseconds(50));
    report.check(!changed.empty() && echos(sites) == heard && drops(sites) == dropped + 1,
                 "and so it is when it comes from elsewhere");
    report.check(sites.reaches(n, 1) && sites.reaches(4, 1), "neither sender is the worse for it");
}

// What is made again takes as long as a busy machine makes it take.
bool reaches_again(GroupSites& sites, unsigned from, unsigned to) {
    const Instant last = now() + std::chrono::seconds(5);
    while (!sites.reaches(from, to)) {
        if (now() > last) return false;
        sites.turn(milliseconds(100));
    }
    return true;
}

} // namespace

void test_group_replay(Report& report) {
    report.begin("packets of a group that come again");
    GroupSites sites(4);
    const Instant expires = now() + kGroupLife;
    report.check(sites.up(kGroupSpi, expires), "a group SA is installed at all");
    Tap tap(sites, 1);
    for (const unsigned n : {2U, 3U})
        check_again(report, sites, tap, n);
    sites.restart(2);
    report.check(sites.outcome(2, opening(sites, 2, expires)).empty() && sites.reaches(2, 1) &&
                     sites.reaches(2, 3),
                 "an endpoint that has restarted is heard at once");
}

void test_group_count_on(Report& report) {
    report.begin("a replay window of a group that somebody pushes forward");
    GroupSites sites(4);
    const Instant expires = now() + kGroupLife;
    report.check(sites.up(kGroupSpi, expires), "a group SA is installed at all");
    sites.turn(std::chrono::seconds(2));
    sites.restart(3);
    report.check(sites.outcome(3, opening(sites, 3, expires)).empty(),
                 "an endpoint that restarts counts from later on");
    Tap tap(sites, 1);
    report.check(sites.reaches(3, 1) && sites.reaches(4, 1), "it is heard, and so is another");
    const Bytes frame = tap.esp_from(GroupSites::outside(3, 1));
    tap.send(with_source(frame, GroupSites::outside(4, 1)));
    std::this_thread::sleep_for(milliseconds(50));
    report.check(!frame.empty() && !sites.reaches(4, 1),
                 "what comes with its number as if from the other makes that one's packets too old");
    sites.site(4).world.enter();
    sites.site(4).kernel->on_timeout(now() + xfrm::GroupBook::kCountOn);
    sites.turn(milliseconds(300));
    report.check(sites.reaches(4, 1), "until the other counts on");
}

void test_group_end(Report& report) {
    report.begin("the end of a group SA");
    GroupSites sites(3);
    const Duration life = std::chrono::seconds(25);
    const Instant expires = now() + life;
    report.check(sites.up(kGroupSpi, expires) && sites.reaches(1, 2),
                 "it is installed at all, for some seconds");
    sites.run(1, "ip xfrm state flush");
    sites.turn(milliseconds(300));
    report.check(reaches_again(sites, 1, 2) && reaches_again(sites, 3, 1),
                 "what somebody removes is made again");
    sites.run(1, "ip xfrm state delete src 10.1.0.1 dst 10.1.0.2 proto esp spi 0xf0000001");
    sites.turn(milliseconds(300));
    report.check(reaches_again(sites, 1, 2), "one by one, too");
    while (now() < expires + std::chrono::seconds(2))
        sites.turn(milliseconds(100));
    report.check(sites.usage(1).empty(), "the kernel ends it by itself");
    Tap tap(sites, 2);
    static_cast<void>(tap.clear_packets());
    const auto before = counter(sites.site(1).world, "XfrmOutNoStates");
    report.check(!sites.reaches4(1, 2) && !sites.reaches6(1, 2), "and nothing passes");
    report.check(counter(sites.site(1).world, "XfrmOutNoStates") > before && tap.clear_packets() == 0,
                 "nor is anything sent in the clear");
    report.check(sites.outcome(1, child::RemoveGroupSa{kGroup, kGroupSpi}).empty() &&
                     sites.outcome(1, child::CloseGroup{kGroup}).empty(),
                 "what is gone can be removed");
    sites.site(1).world.enter();
    static_cast<void>(sites.site(1).kernel->reconcile());
    const Snapshot left = sites.site(1).world.look();
    report.check(left.objects() == 0, "and nothing is left", left.to_string());
}

} // namespace sheaf::kernel_test

#include "lib/group/endpoint_sas.h"
#include "netlink/route.h"
#include "test/unit/xfrm/group_samples.h"
#include "xfrm/group_book.h"
#include "xfrm/group_objects.h"
#include "xfrm/marks.h"
#include "xfrm/planner.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <cerrno>
#include <set>

namespace sheaf::xfrm {
namespace {

using namespace group_samples;
using test::NetlinkKernel;
using test::only;

constexpr int kInterface = 2; // the first that the simulated kernel makes

// As a routing daemon adds or removes a route, of which the kernel tells.
std::vector<child::KernelEvent> routed(Bench& bench, const char* destination, const char* gateway,
                                       bool there = true, std::uint32_t table = 254) {
    const netlink::Route wanted{.destination = prefix(destination),
                                .table = table,
                                .protocol = 186,
                                .interface_index = kInterface,
                                .link = std::nullopt,
                                .preferred_source = std::nullopt,
                                .gateway = ip(gateway)};
    const netlink::Message message = there ? add_route(wanted) : remove_route(wanted);
    REQUIRE(bench.fake.put(NETLINK_ROUTE, message) == 0);
    bench.fake.os.deliver(bench.fake.os.fd_of(NETLINK_ROUTE, 1),
                          Bytes(message.view().begin(), message.view().end()));
    bench.at += std::chrono::milliseconds(100); // as soon as that
    bench.kernel->on_readable(bench.at);
    return bench.run();
}
void route(Bench& bench, const char* destination, const char* gateway, bool there = true,
           std::uint32_t table = 254) {
    CHECK(routed(bench, destination, gateway, there, table).empty());
}

} // namespace

TEST_CASE("a group has entries for every endpoint and policies that tie a source to it", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    std::set<std::uint32_t> marks;
    std::size_t in = 0, out = 0;
    for (const auto& [state, sent] : entries(bench)) {
        CHECK(state.id.spi == kOld);
        CHECK(state.link == kGroup);
        CHECK(state.reqid == kGroup);
        CHECK(state.limits.hard_time == std::chrono::seconds(3000));
        if (state.id.mark != 0) {
            ++in;
            marks.insert(state.id.mark);
            CHECK(bench.marks.at({state.source, state.id.destination}) == state.id.mark);
            CHECK(state.replay_window == kGroupReplayWindow);
            CHECK(state.output_mark_mask == kGroupMarkMask);
        } else {
            ++out;
            CHECK(sent == group::first_sequence(std::chrono::seconds(3000)));
            CHECK(state.output_mark == kMark);
        }
    }
    CHECK(in == 2);
    CHECK(out == 2);
    CHECK(marks.size() == 2);
    CHECK(bench.marks.size() == 2);
    CHECK(policies(bench, PolicyDirection::in).size() == 3);
    CHECK(policies(bench, PolicyDirection::forward).size() == 3);
    for (const Policy& policy : policies(bench, PolicyDirection::in))
        CHECK(policy.source ==
              (policy.selector.source == prefix("10.2.3.0/24") ? ip("2001:db8:1::3") : ip("192.0.2.2")));
    const Policy there = towards(bench, "10.2.3.0/24");
    CHECK(there.destination == ip("2001:db8:1::3"));
    CHECK(there.source == ip("2001:db8:1::1"));
    CHECK(there.spi == kOld);
    CHECK(bench.kernel->group_routes(kGroup).size() == 3);

    REQUIRE(bench.outcome(only(child::CloseGroup{kGroup})).empty());
    CHECK(bench.fake.keys().empty());
    CHECK(bench.marks.empty());
    CHECK(bench.kernel->group_routes(kGroup).empty());
}

TEST_CASE("a group SA is sent with when its entries are there, and the one before stays", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    REQUIRE(bench.outcome(only(sa(kNew))).empty());
    CHECK(entries(bench).size() == 6); // it is heard
    CHECK(towards(bench, "10.2.2.0/24").spi == kOld);
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(child::SendWithGroupSa{kGroup, kNew})).empty());
    CHECK(entries(bench).size() == 8);
    CHECK(towards(bench, "10.2.2.0/24").spi == kNew);
    const auto& changes = bench.fake.changes;
    REQUIRE(changes.size() == 5);
    CHECK(changes[0].key.starts_with("sa "));
    CHECK(changes[1].key.starts_with("sa "));
    for (const auto& change : changes)
        CHECK(change.install);
    bench.fake.changes.clear();
    REQUIRE(bench.outcome(only(child::RemoveGroupSa{kGroup, kOld})).empty());
    CHECK(entries(bench).size() == 4);
    CHECK(changes.size() == 4); // and no policy was touched
    REQUIRE(bench.outcome(only(child::RemoveGroupSa{kGroup, kNew})).empty());
    CHECK(entries(bench).empty());
    CHECK(bench.marks.empty());
    CHECK(policies(bench, PolicyDirection::out).size() == 3); // what matches is dropped
    CHECK(bench.outcome(only(child::RemoveGroupSa{kGroup, kNew})).empty());
}

TEST_CASE("a group SA ends when it is told to, and its counters never fall back", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    const Instant later = test::kBenchStart + std::chrono::seconds(3500);
    bench.at += std::chrono::seconds(10);
    REQUIRE(bench.outcome(only(child::RefreshGroupSa{kGroup, kOld, later})).empty());
    CHECK(entries(bench).size() == 4);
    for (const auto& [state, sent] : entries(bench))
        CHECK(state.limits.hard_time == std::chrono::seconds(3500)); // from when it was made on
    auto more = group_link();
    more.sites.push_back({ip("192.0.2.4"), {prefix("10.2.4.0/24")}});
    REQUIRE(bench.outcome(only(child::UpdateGroup{more})).empty());
    bool found = false;
    for (const auto& [state, sent] : entries(bench)) {
        if (state.id.destination != ip("192.0.2.4")) continue;
        found = true;
        CHECK(state.limits.hard_time == std::chrono::seconds(3490));
        CHECK(sent == group::first_sequence(std::chrono::seconds(2990)));
    }
    CHECK(found);
}

TEST_CASE("what is sent with a group SA counts on with time, so that no window stays ahead of it", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    const auto before = bench.fake.keys();
    REQUIRE(bench.kernel->next_timeout() == bench.at + GroupBook::kCountOn);
    bench.at += GroupBook::kCountOn;
    bench.kernel->on_timeout(bench.at);
    CHECK(bench.run().empty());
    CHECK(bench.fake.keys() == before);
    int outbound = 0;
    for (const auto& [state, sent] : entries(bench)) {
        if (state.id.mark != 0) continue;
        ++outbound;
        CHECK(sent == group::first_sequence(std::chrono::seconds(2970)));
    }
    CHECK(outbound == 2);
    CHECK(bench.kernel->next_timeout() == bench.at + GroupBook::kCountOn);
    REQUIRE(bench.outcome(only(child::RemoveGroupSa{kGroup, kOld})).empty());
    CHECK_FALSE(bench.kernel->next_timeout());
}

TEST_CASE("what has just begun to be sent does not count back", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    bench.at += GroupBook::kCountOn - std::chrono::milliseconds(500); // numbers are those of whole seconds
    bench.apply(rollover());
    bench.kernel->flush(bench.at);
    for (int i = 0; i < 20; ++i) // no time passes
        bench.kernel->on_readable(bench.at);
    REQUIRE(bench.kernel->take_events().size() == 1);
    constexpr std::uint32_t kPackets = 700;
    const auto sent_with_new = [&] {
        std::vector<Entry> out = entries(bench);
        std::erase_if(out, [](const Entry& entry) { return entry.state.id.mark != 0; });
        return out;
    };
    for (const auto& [state, sent] : sent_with_new()) {
        REQUIRE(state.id.spi == kNew);
        const auto later = static_cast<std::uint32_t>(sent) + kPackets;
        REQUIRE(bench.fake.put(NETLINK_XFRM, count_on(state.id, state.source, later)) == 0);
    }
    const auto before = sent_with_new();
    REQUIRE(before.size() == 2);
    bench.at += std::chrono::milliseconds(500);
    bench.kernel->on_timeout(bench.at);
    CHECK(bench.run().empty());
    const auto after = sent_with_new();
    for (std::size_t i = 0; i < before.size(); ++i)
        CHECK(after.at(i).sent == before.at(i).sent);
    bench.at += GroupBook::kCountOn;
    bench.kernel->on_timeout(bench.at);
    CHECK(bench.run().empty());
    for (const auto& [state, sent] : sent_with_new())
        CHECK(sent == group::first_sequence(std::chrono::seconds(2940)));
}

TEST_CASE("an endpoint whose own address is another one sends from there, and does not count back",
          "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    const auto sent = [&] {
        std::map<std::pair<IpAddress, IpAddress>, std::uint64_t> out; // by source and destination
        for (const auto& [state, number] : entries(bench)) {
            if (state.id.mark == 0) out[{state.source, state.id.destination}] = number;
        }
        return out;
    };
    const auto before = sent();
    const IpAddress first = ip("192.0.2.1"), second = ip("192.0.2.9"), other = ip("192.0.2.2");
    auto link = group_link();
    link.local.front() = second;
    REQUIRE(bench.outcome(only(child::UpdateGroup{link})).empty()); // within the second
    const auto moved = sent();
    CHECK(moved.size() == 2);
    CHECK(moved.at({second, other}) >= before.at({first, other}) + group::kSequencesPerSecond);
    CHECK(moved.at({ip("2001:db8:1::1"), ip("2001:db8:1::3")}) ==
          before.at({ip("2001:db8:1::1"), ip("2001:db8:1::3")}));
    CHECK(entries(bench).size() == 4);
    CHECK(towards(bench, "10.2.2.0/24").source == second);
    CHECK(bench.marks.size() == 2);
    CHECK(bench.marks.contains({other, second}));
    SECTION("there and back again") {
        REQUIRE(bench.outcome(only(child::UpdateGroup{group_link()})).empty());
        CHECK(sent().at({first, other}) >= moved.at({second, other}) + group::kSequencesPerSecond);
    }
    SECTION("what it begins with is not taken back a moment later") {
        bench.at += std::chrono::milliseconds(500);
        bench.kernel->on_timeout(bench.at + GroupBook::kCountOn);
        CHECK(bench.run().empty());
        CHECK(sent().at({second, other}) >= moved.at({second, other}));
    }
    SECTION("in the place of one that somebody else has removed") {
        for (const auto& [state, number] : entries(bench))
            REQUIRE(bench.fake.put(NETLINK_XFRM, remove_state(state.id)) == 0);
        REQUIRE(bench.outcome(only(child::UpdateGroup{group_link()})).empty());
    }
    SECTION("closed, nothing is left") {
        REQUIRE(bench.outcome(only(child::CloseGroup{kGroup})).empty());
        CHECK(bench.fake.keys().empty());
    }
}

TEST_CASE("what the kernel routes into a group's interface becomes policies, and goes with the route",
          "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    route(bench, "10.9.0.0/16", "192.0.2.4");
    CHECK(towards(bench, "10.9.0.0/16").destination == ip("192.0.2.4"));
    CHECK(entries(bench).size() == 6);
    route(bench, "10.9.0.0/16", "192.0.2.2", true, 77); // of another table, and the same metric
    CHECK(towards(bench, "10.9.0.0/16").destination == ip("192.0.2.2"));
    route(bench, "10.9.0.0/16", "192.0.2.2", false, 77);
    CHECK(towards(bench, "10.9.0.0/16").destination == ip("192.0.2.4"));
    route(bench, "10.2.2.0/24", "192.0.2.4"); // a site is there
    CHECK(towards(bench, "10.2.2.0/24").destination == ip("192.0.2.2"));
    route(bench, "10.2.2.0/24", "192.0.2.4", false);
    route(bench, "2001:db8:9::/64", "::ffff:192.0.2.4"); // RFC 4798
    CHECK(towards(bench, "2001:db8:9::/64").destination == ip("192.0.2.4"));
    route(bench, "2001:db8:9::/64", "::ffff:192.0.2.4", false);
    CHECK(bench.kernel->group_routes(kGroup).size() == 4);
    route(bench, "10.9.0.0/16", "192.0.2.4", false);
    CHECK(bench.kernel->group_routes(kGroup).size() == 3);
    CHECK(towards(bench, "10.9.0.0/16") == Policy());
    CHECK(policies(bench, PolicyDirection::in).size() == 3);
    // Its replay window and its sequence numbers stay for when it comes back.
    CHECK(entries(bench).size() == 6);
    bench.fake.changes.clear();
    route(bench, "10.8.0.0/16", "192.0.2.4");
    CHECK(std::ranges::none_of(bench.fake.changes, [](const auto& c) { return c.key.starts_with("sa "); }));
    REQUIRE(bench.outcome(rollover()).empty());
    CHECK(entries(bench).size() == 6);
    route(bench, "10.8.0.0/16", "192.0.2.4", false);
    REQUIRE(bench.outcome(only(child::CloseGroup{kGroup})).empty());
    CHECK(bench.marks.empty());
}

TEST_CASE("what cannot be an endpoint is not followed", "[xfrm]") {
    Bench bench;
    auto link = group_link();
    link.local = {ip("192.0.2.1")};
    REQUIRE(bench.outcome(up(link)).empty());
    std::uint32_t table = 10;
    for (const char* gateway : {"192.0.2.1", "169.254.1.1", "2001:db8:1::5"})
        route(bench, "10.9.0.0/16", gateway, true, ++table);
    CHECK(towards(bench, "10.9.0.0/16") == Policy());
    CHECK(towards(bench, "10.2.3.0/24") == Policy()); // behind an endpoint of the other family
    CHECK(entries(bench).size() == 2);
}

TEST_CASE("whichever message of a group's intent fails, what went before is undone", "[xfrm]") {
    struct Scene {
        std::vector<child::KernelStep> (*before)();
        std::vector<child::KernelStep> (*intent)();
    };
    const auto moved = [] {
        auto link = group_link();
        link.local = {ip("192.0.2.9"), ip("2001:db8:1::9")};
        return only(child::UpdateGroup{std::move(link)});
    };
    const Scene scenes[] = {{[] { return std::vector<child::KernelStep>(); }, [] { return up(); }},
                            {[] { return up(); }, rollover},
                            {[] { return up(); }, moved}};
    for (const Scene& scene : scenes) {
        for (std::size_t k = 0, count = 1; k < count; ++k) {
            INFO("message " << k);
            Bench bench;
            if (auto steps = scene.before(); !steps.empty()) REQUIRE(bench.outcome(std::move(steps)).empty());
            const auto before = bench.fake.keys();
            const auto led = policies(bench, PolicyDirection::out);
            const auto marks = bench.marks;
            bench.fake.reset_faults();
            bool removing = false;
            bench.fake.fault = [&](std::size_t nth, int protocol,
                                   const nlmsghdr& m) -> std::optional<NetlinkKernel::Fault> {
                if (nth != k) return std::nullopt;
                removing = protocol == NETLINK_XFRM && m.nlmsg_type == XFRM_MSG_DELSA;
                return NetlinkKernel::Fault{.code = EIO, .text = "the test says no"};
            };
            bench.apply(scene.intent());
            bench.kernel->flush(bench.at);
            for (int i = 0; i < 10; ++i)
                bench.kernel->on_readable(bench.at);
            const auto events = bench.kernel->take_events();
            REQUIRE(events.size() == 1);
            const auto& error = std::get<child::IntentDone>(events[0]).error;
            if (!error) break; // there are no more messages
            ++count;
            CHECK(error->find("EIO: the test says no") != std::string::npos);
            if (!removing) {
                CHECK(bench.fake.keys() == before);
                CHECK(policies(bench, PolicyDirection::out) == led);
                CHECK(bench.marks == marks);
            }
            bench.fake.reset_faults();
            CHECK(bench.run().empty());
            CHECK(bench.outcome(scene.intent()).empty());
        }
    }
}

TEST_CASE("without marks a group is not opened", "[xfrm]") {
    Bench bench;
    bench.marks_error = "no nftables";
    const std::string error = bench.outcome(up());
    CHECK(error.find("no nftables") != std::string::npos);
    CHECK(bench.fake.keys().empty());
    bench.marks_error.clear();
    CHECK(bench.outcome(up()).empty());
}

TEST_CASE("a group SA that the kernel cannot carry is refused with the reason", "[xfrm]") {
    Bench bench;
    CHECK(bench.outcome(only(sa(kOld))).find("the group is not open") != std::string::npos);
    REQUIRE(bench.outcome(up()).empty());
    auto counter = sa(kNew);
    counter.suite = kernel_test::kGcm;
    CHECK(bench.outcome(only(std::move(counter))).find("counter modes") != std::string::npos);
    CHECK(bench.outcome(only(sa(0x1000))).find("not in the range of groups") != std::string::npos);
    CHECK(bench.outcome(only(sa(kOld))).find("installed already") != std::string::npos);
    auto cut = sa(kNew);
    cut.integrity = Secret(16);
    CHECK(bench.outcome(only(std::move(cut))).find("lengths") != std::string::npos);
    CHECK(bench.outcome(only(child::SendWithGroupSa{kGroup, kNew})).find("not installed") !=
          std::string::npos);
    CHECK(entries(bench).size() == 4);
}

TEST_CASE("a group that needs more senders than there are marks waits before it is tried again", "[xfrm]") {
    test::FakeMarks::Held marks;
    test::FakePaths::Held paths;
    std::string error;
    Books books{.groups = GroupBook(std::make_unique<test::FakeMarks>(marks, error)),
                .homes = MobilityBook(std::make_unique<test::FakePaths>(paths, error))};
    Instant now = test::kBenchStart;
    REQUIRE(plan_of(child::KernelIntent{1, up()}, books, false, now));
    REQUIRE_FALSE(books.groups.settled(kGroup, true, now));
    std::vector<child::KernelStep> another;
    another.emplace_back(child::OpenGroup{{.number = kGroup + 1,
                                           .interface = "sheafh",
                                           .local = {ip("192.0.2.9")},
                                           .sites = {{ip("192.0.2.8"), {prefix("10.3.0.0/24")}}}}});
    another.emplace_back(sa(kNew));
    std::get<child::InstallGroupSa>(another.back()).group = kGroup + 1;
    REQUIRE(plan_of(child::KernelIntent{2, std::move(another)}, books, false, now)); // and under way
    std::vector<FollowedRoute> routes;
    for (unsigned i = 0; i < 65536; ++i) {
        const std::string rest = std::to_string(i >> 8U) + "." + std::to_string(i & 0xffU);
        routes.push_back({prefix(("11." + rest + ".0/24").c_str()), ip(("10.1." + rest).c_str())});
    }
    books.groups.follow(kGroup, std::move(routes));
    now += GroupBook::kCountOn;
    const auto plan = plan_of(kGroup, books, false, now);
    REQUIRE_FALSE(plan);
    CHECK(books.groups.repaired(kGroup, plan.error(), now));
    CHECK(books.groups.due().at(kGroup) > now);
}

TEST_CASE("that the kernel refuses what is due of a group is told once, and that it is done after all",
          "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    const auto told = [](const std::vector<child::KernelEvent>& events) {
        REQUIRE(events.size() == 1);
        const auto* repaired = std::get_if<child::GroupRepaired>(&events[0]);
        REQUIRE(repaired != nullptr);
        CHECK(repaired->group == kGroup);
        return repaired->error;
    };
    bench.marks_error = "no room for marks";
    const auto refused = told(routed(bench, "10.9.0.0/16", "192.0.2.4")); // it was tried more than once
    REQUIRE(refused);
    CHECK(refused->find("no room for marks") != std::string::npos);
    CHECK(bench.run().empty());
    const bool by_an_intent = GENERATE(false, true);
    bench.marks_error = "";
    if (by_an_intent) {
        auto link = group_link();
        link.sites.pop_back();
        bench.apply(only(child::UpdateGroup{link}));
        const auto events = bench.run();
        REQUIRE(events.size() == 2);
        CHECK(std::holds_alternative<child::GroupRepaired>(events[0]));
    } else {
        CHECK_FALSE(told(bench.run()));
    }
    CHECK(towards(bench, "10.9.0.0/16").destination == ip("192.0.2.4"));
}

TEST_CASE("what somebody else has removed of a group is made again, and counts on", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up()).empty());
    const auto before = bench.fake.keys();
    const auto all = entries(bench);
    bench.at += std::chrono::seconds(7);
    for (const auto& [state, sent] : all)
        REQUIRE(bench.fake.put(NETLINK_XFRM, remove_state(state.id)) == 0);
    // XFRM_MSG_FLUSHSA names none of them.
    const netlink::Message flushed = netlink::Builder(XFRM_MSG_FLUSHSA, 0).finish();
    bench.fake.os.deliver(bench.fake.os.fd_of(NETLINK_XFRM, 1),
                          Bytes(flushed.view().begin(), flushed.view().end()));
    bench.kernel->on_readable(bench.at);
    const auto events = bench.run();
    REQUIRE(events.size() == 1);
    CHECK(std::get<child::SasPresent>(events[0]).sas.empty());
    CHECK(bench.fake.keys() == before);
    for (const auto& [state, sent] : entries(bench)) {
        if (state.id.mark == 0) CHECK(sent == group::first_sequence(std::chrono::seconds(2993)));
    }
}

} // namespace sheaf::xfrm

#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/expansion.h"
#include "xfrm/kernel.h"
#include "xfrm/links.h"
#include "xfrm/marks.h"

#include <catch2/catch.hpp>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>

namespace sheaf::xfrm {
namespace {

using child::LinkRole;
using kernel_test::Client;
using test::Bench;
using test::NetlinkKernel;
using test::only;

constexpr Duration kDeadline = std::chrono::seconds(10);

std::ptrdiff_t count_of(const Bench& bench, const char* kind) {
    return std::ranges::count_if(bench.fake.keys(), [&](const auto& key) { return key.starts_with(kind); });
}

struct Scene {
    const char* name;
    std::vector<child::KernelStep> (*before)();
    std::vector<child::KernelStep> (*intent)();
};

std::vector<child::KernelStep> nothing() { return {}; }
std::vector<child::KernelStep> first_gateway() { return Client{.n = 1}.up(); }
std::vector<child::KernelStep> second_gateway() { return Client{.n = 2}.up(); }
std::vector<child::KernelStep> client() {
    return Client{.n = 3, .role = LinkRole::client, .interface = "sheaf1"}.up();
}
// As in rekeying: the new pair first, then the old one goes.
std::vector<child::KernelStep> rekeying() {
    auto fresh = Client{.n = 1}.sas();
    fresh.id.spi_in += 0x1000;
    fresh.id.spi_out += 0x1000;
    std::vector<child::KernelStep> out;
    out.emplace_back(std::move(fresh));
    out.emplace_back(child::RemoveSas{Client{.n = 1}.pair()});
    return out;
}

const Scene kScenes[] = {{"a gateway's first link", nothing, first_gateway},
                         {"a gateway's second link", first_gateway, second_gateway},
                         {"a client's link", nothing, client},
                         {"a client's link on a gateway", first_gateway, client},
                         {"a rekeying", first_gateway, rekeying}};

void prepare(Bench& bench, const Scene& scene) {
    if (auto steps = scene.before(); !steps.empty()) REQUIRE(bench.outcome(std::move(steps)).empty());
    bench.fake.reset_faults();
    bench.fake.changes.clear();
    bench.fake.os.sent.clear();
}

std::size_t messages_of(const Scene& scene) {
    Bench bench;
    prepare(bench, scene);
    REQUIRE(bench.outcome(scene.intent()).empty());
    return bench.fake.count();
}

// What was installed, and then what was removed after the first failure. SAD and SPD know nothing of links
// and routes, and have a socket of their own, so each of the two has its own order.
void check_mirror(const std::vector<NetlinkKernel::Change>& changes) {
    for (const bool xfrm : {true, false}) {
        std::vector<std::string> installed, removed;
        for (const auto& change : changes) {
            const bool of_xfrm = change.key.starts_with("sa ") || change.key.starts_with("policy ");
            if (change.code == 0 && of_xfrm == xfrm)
                (change.install ? installed : removed).push_back(change.key);
        }
        std::ranges::reverse(installed);
        CHECK(removed == installed);
    }
}

} // namespace

TEST_CASE("whichever message of an intent fails, what went before is undone in reverse", "[xfrm]") {
    for (const Scene& scene : kScenes) {
        const std::size_t count = messages_of(scene);
        REQUIRE(count >= 4);
        for (std::size_t k = 0; k < count; ++k) {
            INFO(scene.name << ", message " << k);
            Bench bench;
            prepare(bench, scene);
            const auto before = bench.fake.objects;
            bench.fake.fault = [k](std::size_t nth, int,
                                   const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
                if (nth != k) return std::nullopt;
                return NetlinkKernel::Fault{.code = EIO, .text = "the test says no"};
            };
            const std::string error = bench.outcome(scene.intent());
            CHECK(error.find(": EIO: the test says no") != std::string::npos);
            CHECK(error.find("could not be undone") == std::string::npos);
            const bool removal_failed = error.find(": remove: ") != std::string::npos;
            if (!removal_failed) { // removals are not undone
                CHECK(bench.fake.objects == before);
                check_mirror(bench.fake.changes);
            }
            // And the books are right: the same intent can be had afterwards.
            bench.fake.reset_faults();
            CHECK(bench.outcome(scene.intent()).empty());
        }
    }
}

TEST_CASE("a message without an answer is undone, too, whether it was carried out or not", "[xfrm]") {
    for (const Scene& scene : kScenes) {
        const std::size_t count = messages_of(scene);
        for (std::size_t k = 0; k < count; ++k) {
            for (const bool carried_out : {true, false}) {
                INFO(scene.name << ", message " << k
                                << (carried_out ? ", carried out" : ", not carried out"));
                Bench bench;
                prepare(bench, scene);
                const auto before = bench.fake.objects;
                bool creation = false, removal = false;
                bench.fake.fault = [&](std::size_t nth, int protocol,
                                       const nlmsghdr& m) -> std::optional<NetlinkKernel::Fault> {
                    if (nth != k) return std::nullopt;
                    creation = protocol == NETLINK_ROUTE && m.nlmsg_type == RTM_NEWLINK;
                    removal = protocol == NETLINK_XFRM && m.nlmsg_type == XFRM_MSG_DELSA;
                    return NetlinkKernel::Fault{.silent = true, .carried_out = carried_out};
                };
                const Instant begin = bench.at;
                const std::string error = bench.outcome(scene.intent());
                CHECK(error.find("ETIMEDOUT") != std::string::npos);
                CHECK(bench.at >= begin + kDeadline);
                // Whose an interface is cannot be known without the answer, so it is left for the next start.
                if (!(creation && carried_out) && !removal) CHECK(bench.fake.objects == before);
            }
        }
    }
}

TEST_CASE("an undo that fails is told beside the failure", "[xfrm]") {
    Bench bench;
    bench.fake.fault = [](std::size_t, int protocol,
                          const nlmsghdr& message) -> std::optional<NetlinkKernel::Fault> {
        if (protocol != NETLINK_XFRM) return std::nullopt;
        if (message.nlmsg_type == XFRM_MSG_NEWPOLICY) return NetlinkKernel::Fault{.code = ENOMEM};
        if (message.nlmsg_type == XFRM_MSG_DELSA) return NetlinkKernel::Fault{.code = EBUSY};
        return std::nullopt;
    };
    const std::string error = bench.outcome(Client{.n = 1}.up());
    INFO(error);
    CHECK(error.starts_with("policy in 2001:db8:100:1::/64 -> ::/0 (link 0x53000001): install: ENOMEM: "));
    CHECK(error.find("could not be undone: SA ") != std::string::npos);
    CHECK(error.find("remove: EBUSY") != std::string::npos);
}

TEST_CASE("what is in the way is told as object, operation and the kernel's words", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.fake.put(NETLINK_XFRM, install_policy(policies_of(Client{.n = 1}.policies())->front())) ==
            0);
    const auto before = bench.fake.objects;
    CHECK(bench.outcome(Client{.n = 1}.up()) ==
          "policy in 2001:db8:100:1::/64 -> ::/0 (link 0x53000001): install: EEXIST: File exists");
    CHECK(bench.fake.objects == before);
}

TEST_CASE("an intent takes few sends", "[xfrm]") {
    const auto datagrams = [](Bench& bench, std::vector<child::KernelStep> steps) {
        bench.fake.os.sent.clear();
        CHECK(bench.outcome(std::move(steps)).empty());
        return bench.fake.os.sent.size();
    };
    Bench bench;
    CHECK(datagrams(bench, Client{.n = 1}.up()) <= 4); // the interface's index has to be waited for
    CHECK(datagrams(bench, Client{.n = 2}.up()) == 2); // one for each socket
    CHECK(datagrams(bench, Client{.n = 2}.down()) == 2);
    bench.fake.os.sent.clear();
    for (unsigned n = 10; n < 40; ++n)
        bench.apply(Client{.n = n}.up());
    CHECK(bench.fake.os.sent.empty());
    CHECK(bench.kernel->next_timeout() == Instant::min());
    CHECK(bench.run().size() == 30);
    CHECK(bench.fake.os.sent.size() <= 8);
}

TEST_CASE("removals wait for what was installed before them", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(Client{.n = 1}.up()).empty());
    bench.fake.os.sent.clear();
    bench.fake.reset_faults();
    bench.fake.fault = [](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
        if (nth == 1) return NetlinkKernel::Fault{.code = EINVAL};
        return std::nullopt;
    };
    CHECK_FALSE(bench.outcome(rekeying()).empty());
    const auto old_pair = Client{.n = 1}.pair();
    const auto removals = std::ranges::count_if(bench.fake.os.messages(), [&](const Bytes& message) {
        xfrm_usersa_id id{};
        const auto& header = test::header_of(message);
        if (header.nlmsg_type != XFRM_MSG_DELSA || !netlink::read_fixed(header, &id, sizeof id)) return false;
        CHECK(ntohl(id.spi) != old_pair.spi_in);
        CHECK(ntohl(id.spi) != old_pair.spi_out);
        return true;
    });
    CHECK(removals == 1); // the undo of the one that was installed
}

TEST_CASE("what links share comes with the first and goes with the last", "[xfrm]") {
    Bench bench;
    CHECK(bench.outcome(Client{.n = 1}.up()).empty());
    CHECK(bench.outcome(Client{.n = 2}.up()).empty());
    const auto count = [&](const char* kind) {
        return std::ranges::count_if(bench.fake.keys(),
                                     [&](const auto& key) { return key.starts_with(kind); });
    };
    CHECK(count("link ") == 1);
    CHECK(count("rule ") == 2);
    CHECK(count("route ") == 4);
    CHECK(count("sa ") == 4);
    CHECK(count("policy ") == 12);
    CHECK(bench.outcome(Client{.n = 3, .role = LinkRole::client}.up()).find("is not Sheaf's") !=
          std::string::npos); // sheaf0 is the gateway's
    CHECK(bench.outcome(Client{.n = 1}.down()).empty());
    CHECK(count("link ") == 1);
    CHECK(count("rule ") == 2);
    // Both in one intent, and in parallel ones.
    CHECK(bench.outcome(Client{.n = 1}.up()).empty());
    auto both = Client{.n = 1}.down();
    std::ranges::move(Client{.n = 2}.down(), std::back_inserter(both));
    CHECK(bench.outcome(std::move(both)).empty());
    CHECK(bench.fake.objects.empty());
    for (const unsigned n : {1U, 2U, 3U})
        bench.apply(Client{.n = n}.up());
    for (const unsigned n : {3U, 1U, 2U})
        bench.apply(Client{.n = n}.down());
    CHECK(bench.run().size() == 6);
    CHECK(bench.fake.objects.empty());
}

TEST_CASE("a link may be opened and closed by one intent", "[xfrm]") {
    for (const auto role : {LinkRole::gateway, LinkRole::client}) {
        Bench bench;
        auto steps = Client{.n = 1, .role = role}.up();
        std::ranges::move(Client{.n = 1, .role = role}.down(), std::back_inserter(steps));
        std::ranges::move(Client{.n = 1, .role = role}.up(), std::back_inserter(steps));
        CHECK(bench.outcome(std::move(steps)).empty());
        CHECK(bench.outcome(Client{.n = 1, .role = role}.down()).empty());
        CHECK(bench.fake.objects.empty());
    }
}

TEST_CASE("an interface of somebody else is named with the remedy, and not touched", "[xfrm]") {
    for (const auto role : {LinkRole::gateway, LinkRole::client}) {
        Bench bench;
        const auto foreign = netlink::create_link(
            {.index = 77, .name = "sheaf0", .kind = "bridge", .alias = {}, .if_id = std::nullopt});
        bench.fake.objects["link sheaf0"] = Bytes(foreign.view().begin(), foreign.view().end());
        const auto before = bench.fake.objects;
        const std::string error = bench.outcome(Client{.n = 1, .role = role}.up());
        CHECK(error.starts_with("interface sheaf0"));
        CHECK(error.find("ip link del sheaf0") != std::string::npos);
        CHECK(bench.fake.objects == before);
        for (const auto& datagram : bench.fake.os.sent) {
            if (datagram.protocol != NETLINK_ROUTE) continue;
            for (const Bytes& message : datagram.messages) {
                CHECK(test::header_of(message).nlmsg_type != RTM_SETLINK);
                CHECK(test::header_of(message).nlmsg_type != RTM_DELLINK);
            }
        }
    }
}

TEST_CASE("plans that cannot be are refused without a message", "[xfrm]") {
    Bench bench;
    CHECK(bench.outcome(Client{.n = 1}.up()).empty());
    bench.fake.os.sent.clear();
    CHECK(bench.outcome(Client{.n = 1}.up()).find("is open already") != std::string::npos);
    auto other = Client{.n = 2}.link();
    other.interface = "sheaf1";
    CHECK(bench.outcome(only(child::OpenLink{other})).find("share one interface, which is sheaf0") !=
          std::string::npos);
    other.interface = "a-name-that-is-long";
    CHECK(bench.outcome(only(child::OpenLink{other})).find("1 to 15 octets") != std::string::npos);
    auto policies = Client{.n = 2}.policies();
    policies.remote_selectors.clear();
    auto steps = Client{.n = 2}.up();
    steps[2] = child::InstallPolicies{policies};
    CHECK_FALSE(bench.outcome(std::move(steps)).empty());
    CHECK(bench.fake.os.sent.empty());
    CHECK(bench.outcome(Client{.n = 2}.up()).empty()); // nothing of it stayed in the books
}

TEST_CASE("removing what is gone is no failure", "[xfrm]") {
    for (const auto role : {LinkRole::gateway, LinkRole::client}) {
        Bench bench;
        CHECK(bench.outcome(Client{.n = 1, .role = role}.down()).empty());
        CHECK(bench.outcome(Client{.n = 1, .role = role}.up()).empty());
        bench.fake.objects.clear(); // somebody was thorough
        CHECK(bench.outcome(Client{.n = 1, .role = role}.down()).empty());
    }
}

TEST_CASE("intents about one link keep their order, also when the first is slow", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(Client{.n = 1}.up()).empty());
    bench.fake.reset_faults();
    bench.fake.fault = [](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
        if (nth == 0) return NetlinkKernel::Fault{.silent = true};
        return std::nullopt;
    };
    const auto first = bench.apply(Client{.n = 2}.up());
    const auto second = bench.apply(Client{.n = 2}.down());
    const auto other = bench.apply(Client{.n = 3}.up());
    const auto events = bench.run();
    REQUIRE(events.size() == 3);
    CHECK(std::get<child::IntentDone>(events[0]).id == first);
    CHECK(std::get<child::IntentDone>(events[0]).error);
    const bool second_after_first = std::ranges::any_of(
        events, [&](const auto& event) { return std::get<child::IntentDone>(event).id == second; });
    CHECK(second_after_first);
    CHECK(std::ranges::any_of(events, [&](const auto& event) {
        const auto& done = std::get<child::IntentDone>(event);
        return done.id == other && !done.error;
    }));
}

TEST_CASE("what links share is changed by one intent at a time, and survives one that fails", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(Client{.n = 1}.up()).empty());
    const auto refuse_once = [&](int protocol, std::uint16_t type) {
        bench.fake.fault = [=, done = false](std::size_t, int of, const nlmsghdr& message) mutable {
            std::optional<NetlinkKernel::Fault> out;
            if (done || of != protocol || message.nlmsg_type != type) return out;
            done = true;
            out = NetlinkKernel::Fault{.code = EBUSY};
            return out;
        };
    };
    const auto check_ends = [](const std::vector<child::KernelEvent>& events) {
        REQUIRE(events.size() == 2);
        CHECK(std::get<child::IntentDone>(events[0]).error);
        CHECK(std::get<child::IntentDone>(events[1]).error.value_or("").empty());
    };
    SECTION("a closing that fails keeps the interface from the next closing") {
        REQUIRE(bench.outcome(Client{.n = 2}.up()).empty());
        refuse_once(NETLINK_ROUTE, RTM_DELROUTE);
        bench.apply(Client{.n = 1}.down());
        bench.apply(Client{.n = 2}.down());
        check_ends(bench.run());
        CHECK(bench.fake.objects.contains("link sheaf0"));
        CHECK(bench.outcome(Client{.n = 1}.down()).empty());
        CHECK(bench.fake.objects.empty());
    }
    SECTION("an opening waits for the last closing, and uses the interface that could not be removed") {
        refuse_once(NETLINK_ROUTE, RTM_DELLINK);
        bench.apply(Client{.n = 1}.down());
        bench.apply(Client{.n = 2}.up());
        check_ends(bench.run());
        CHECK(count_of(bench, "rule ") == 2);
    }
    SECTION("or makes it anew when it was removed") {
        refuse_once(NETLINK_XFRM, XFRM_MSG_DELPOLICY);
        bench.apply(Client{.n = 1}.down());
        bench.apply(Client{.n = 2}.up());
        check_ends(bench.run());
        CHECK(bench.outcome(Client{.n = 2}.down()).empty());
    }
}

TEST_CASE("each direction of a pair may come and go by itself", "[xfrm]") {
    Bench bench;
    const auto step = [](child::Directions directions) {
        auto out = Client{.n = 1}.sas();
        out.directions = directions;
        return out;
    };
    const auto spis = [&] {
        std::vector<std::uint32_t> out;
        for (const auto& [key, object] : bench.fake.objects) {
            if (const auto state = parse_state(test::header_of(object))) out.push_back(state->id.spi);
        }
        return out;
    };
    const auto pair = Client{.n = 1}.pair();
    CHECK(bench.outcome(only(step(child::Directions::in))).empty());
    CHECK(spis() == std::vector{pair.spi_in});
    CHECK(bench.outcome(only(step(child::Directions::out))).empty());
    CHECK(count_of(bench, "sa ") == 2);
    CHECK(bench.outcome(only(child::RemoveSas{pair, child::Directions::in})).empty());
    CHECK(spis() == std::vector{pair.spi_out});
    CHECK(bench.outcome(only(child::RemoveSas{pair})).empty());
    CHECK(spis().empty());
}

TEST_CASE("what belongs to no interface is ours by its reqid", "[xfrm]") {
    Bench bench;
    auto sas = Client{.n = 1}.sas();
    auto policies = Client{.n = 1}.policies();
    sas.on_interface = policies.on_interface = false;
    std::vector<child::KernelStep> steps;
    steps.emplace_back(std::move(sas));
    steps.emplace_back(child::InstallPolicies{policies});
    CHECK(bench.outcome(std::move(steps)).empty());
    for (const auto& [key, object] : bench.fake.objects) {
        const auto policy = parse_policy(test::header_of(object));
        const auto state = parse_state(test::header_of(object));
        CHECK((policy ? policy->link : state->link) == 0);
        CHECK((policy ? policy->reqid : state->reqid) == Client{.n = 1}.number());
    }
    bench.restart();
    CHECK(bench.kernel->reconcile() == Removed{.states = 2, .policies = 6});
    CHECK(bench.fake.objects.empty());
}

TEST_CASE("a kernel without XFRM is told with the remedy", "[xfrm]") {
    test::MockOs os;
    os.refuse_socket = EPROTONOSUPPORT;
    const auto opened = Kernel::open(os);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().find("modprobe") != std::string::npos);
}

} // namespace sheaf::xfrm

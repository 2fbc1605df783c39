// Policies that several sets hold.
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/policy.h"

#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using test::Bench;
using test::NetlinkKernel;

child::InstallPolicies install(const child::PolicySet& set) { return {set}; }
child::RemovePolicies remove(const child::PolicySet& set) { return {set}; }

template <typename... Steps>
std::vector<child::KernelStep> steps(Steps... each) {
    std::vector<child::KernelStep> out;
    (out.emplace_back(std::move(each)), ...);
    return out;
}

child::PolicySet set_with_peer(const char* peer, unsigned n = 1) {
    auto out = Client{.n = n}.policies();
    if (peer != nullptr) out.peer = ip(peer);
    return out;
}

std::vector<Policy> policies_in(const Bench& bench) {
    std::vector<Policy> out;
    for (const auto& [key, object] : bench.fake.objects) {
        if (auto policy = parse_policy(test::header_of(object))) out.push_back(*policy);
    }
    return out;
}

// The one peer that all outbound policies name.
std::string outbound_peer(const Bench& bench) {
    std::string out;
    for (const Policy& policy : policies_in(bench)) {
        if (policy.direction != PolicyDirection::out) continue;
        const std::string peer = policy.destination.to_string();
        if (out.empty()) out = peer;
        if (out != peer) return "several";
    }
    return out;
}

std::size_t messages(Bench& bench, std::vector<child::KernelStep> intent) {
    bench.fake.reset_faults();
    CHECK(bench.outcome(std::move(intent)).empty());
    return bench.fake.count();
}

// The n-th message of the intent fails, and so the whole.
void fail_nth(Bench& bench, std::size_t n, const NetlinkKernel::Fault& fault) {
    bench.fake.reset_faults();
    bench.fake.fault = [=](std::size_t nth, int, const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
        return nth == n ? std::optional(fault) : std::nullopt;
    };
}

constexpr const char* kOther = "2001:db8:7::99";

} // namespace

TEST_CASE("a policy that two sets want is installed once and goes with the last of them", "[xfrm]") {
    Bench bench;
    const auto set = set_with_peer(nullptr);
    CHECK(messages(bench, steps(install(set))) == 6);
    CHECK(messages(bench, steps(install(set))) == 0);
    CHECK(policies_in(bench).size() == 6);
    CHECK(messages(bench, steps(remove(set))) == 0);
    CHECK(policies_in(bench).size() == 6);
    CHECK(messages(bench, steps(remove(set))) == 6);
    CHECK(policies_in(bench).empty());
    CHECK(messages(bench, steps(remove(set))) == 0); // gone already
}

TEST_CASE("sets may share some of their policies", "[xfrm]") {
    Bench bench;
    const auto wide = set_with_peer(nullptr);
    auto narrow = wide;
    narrow.local_selectors.pop_back(); // IPv6 only
    CHECK(messages(bench, steps(install(narrow))) == 3);
    CHECK(messages(bench, steps(install(wide))) == 3);
    CHECK(messages(bench, steps(remove(narrow))) == 0);
    CHECK(messages(bench, steps(remove(wide))) == 6);
    CHECK(policies_in(bench).empty());
}

TEST_CASE("the outer addresses are those of the latest set that is left", "[xfrm]") {
    Bench bench;
    const auto old_set = set_with_peer(nullptr), fresh = set_with_peer(kOther);
    REQUIRE(bench.outcome(steps(install(old_set))).empty());
    CHECK(outbound_peer(bench) == "2001:db8:7::1");
    CHECK(messages(bench, steps(install(fresh))) == 2); // inwards nothing changes
    CHECK(outbound_peer(bench) == kOther);
    SECTION("the latest goes first") {
        CHECK(messages(bench, steps(remove(fresh))) == 2);
        CHECK(outbound_peer(bench) == "2001:db8:7::1");
        CHECK(messages(bench, steps(remove(old_set))) == 6);
    }
    SECTION("the earliest goes first") {
        CHECK(messages(bench, steps(remove(old_set))) == 0);
        CHECK(outbound_peer(bench) == kOther);
        CHECK(messages(bench, steps(remove(fresh))) == 6);
    }
    SECTION("one in the middle goes first") {
        REQUIRE(bench.outcome(steps(install(old_set))).empty());
        CHECK(outbound_peer(bench) == "2001:db8:7::1");
        CHECK(messages(bench, steps(remove(fresh))) == 0);
        CHECK(messages(bench, steps(remove(old_set), remove(old_set))) == 6);
    }
    CHECK(policies_in(bench).empty());
}

TEST_CASE("policies off the interface are shared between links", "[xfrm]") {
    Bench bench;
    auto first = set_with_peer(nullptr, 1), second = set_with_peer(kOther, 2);
    second.local_selectors = first.local_selectors;
    second.remote_selectors = first.remote_selectors;
    first.on_interface = second.on_interface = false;
    bench.apply(steps(install(first)));
    bench.apply(steps(install(second)));
    CHECK(bench.run().size() == 2);
    CHECK(policies_in(bench).size() == 6);
    for (const Policy& policy : policies_in(bench)) {
        CHECK(policy.link == 0);
        CHECK(policy.reqid == child::kFirstLink + 2);
    }
    CHECK(bench.outcome(steps(remove(second))).empty());
    CHECK(outbound_peer(bench) == "2001:db8:7::1");
    CHECK(bench.outcome(steps(remove(first))).empty());
    CHECK(policies_in(bench).empty());
}

TEST_CASE("an intent with shared policies that fails leaves books and kernel as before", "[xfrm]") {
    const auto old_set = set_with_peer(nullptr), fresh = set_with_peer(kOther);
    // A rekeying that moves, with all that can be shared, replaced and removed.
    const auto intent = [&] {
        auto sas = Client{.n = 1}.sas();
        sas.id.spi_in += 0x1000, sas.id.spi_out += 0x1000;
        return steps(std::move(sas), install(fresh), install(fresh), remove(old_set),
                     child::RemoveSas{Client{.n = 1}.pair()});
    };
    const auto prepare = [&](Bench& bench) {
        REQUIRE(bench.outcome(Client{.n = 1}.up()).empty());
        bench.fake.reset_faults();
    };
    std::size_t count = 0;
    {
        Bench bench;
        prepare(bench);
        count = messages(bench, intent());
        CHECK(count == 6);
    }
    for (std::size_t n = 0; n < count; ++n) {
        for (const auto& fault : {NetlinkKernel::Fault{.code = EIO}, NetlinkKernel::Fault{.silent = true},
                                  NetlinkKernel::Fault{.silent = true, .carried_out = true}}) {
            INFO("message " << n << " code " << fault.code << (fault.carried_out ? ", carried out" : ""));
            Bench bench;
            prepare(bench);
            const auto keys = bench.fake.keys();
            const auto before = policies_in(bench);
            fail_nth(bench, n, fault);
            const std::string error = bench.outcome(intent());
            CHECK_FALSE(error.empty());
            CHECK(error.find("could not be undone") == std::string::npos);
            bench.fake.reset_faults();
            if (n < 4) { // before any removal
                CHECK(bench.fake.keys() == keys);
                CHECK(policies_in(bench) == before);
                CHECK(bench.outcome(intent()).empty());
                CHECK(bench.outcome(steps(remove(fresh), remove(fresh))).empty());
            }
            // With the removals, what was held is not, and what was to come is not either.
            CHECK(policies_in(bench).empty());
        }
    }
}

TEST_CASE("a removal that fails can be had again, and an installation after it", "[xfrm]") {
    const auto set = set_with_peer(nullptr);
    for (const auto& fault : {NetlinkKernel::Fault{.code = EBUSY}, NetlinkKernel::Fault{.silent = true},
                              NetlinkKernel::Fault{.silent = true, .carried_out = true}}) {
        for (const bool install_next : {true, false}) {
            Bench bench;
            REQUIRE(bench.outcome(steps(install(set))).empty());
            bench.fake.fault = [&](std::size_t, int,
                                   const nlmsghdr& message) -> std::optional<NetlinkKernel::Fault> {
                if (message.nlmsg_type != XFRM_MSG_DELPOLICY) return std::nullopt;
                return fault;
            };
            CHECK_FALSE(bench.outcome(steps(remove(set))).empty());
            bench.fake.reset_faults();
            if (install_next) {
                CHECK(bench.outcome(steps(install(set))).empty());
                CHECK(policies_in(bench).size() == 6);
            }
            CHECK(bench.outcome(steps(remove(set))).empty());
            CHECK(policies_in(bench).empty());
        }
    }
}

TEST_CASE("a policy of somebody else is neither replaced nor removed", "[xfrm]") {
    Bench bench;
    auto foreign =
        Policy{.direction = PolicyDirection::out,
               .selector = {.source = kernel_test::prefix("::/0"), .destination = Client{.n = 1}.prefix6()},
               .link = child::kFirstLink + 1,
               .reqid = 7,
               .source = ip("2001:db8::1"),
               .destination = ip("2001:db8::2")};
    REQUIRE(bench.fake.put(NETLINK_XFRM, install_policy(foreign)) == 0);
    const auto before = bench.fake.objects;
    CHECK(bench.outcome(steps(install(set_with_peer(nullptr)))).find("EEXIST") != std::string::npos);
    CHECK(bench.fake.objects == before);
    CHECK(bench.outcome(steps(remove(set_with_peer(nullptr)))).empty());
    CHECK(bench.fake.objects == before);
}

TEST_CASE("a plan that cannot be leaves the books alone", "[xfrm]") {
    Bench bench;
    const auto set = set_with_peer(nullptr);
    REQUIRE(bench.outcome(steps(install(set))).empty());
    auto impossible = set;
    impossible.remote_selectors.clear();
    CHECK_FALSE(bench.outcome(steps(install(set), remove(set), remove(set), install(impossible))).empty());
    CHECK(messages(bench, steps(remove(set))) == 6);
}

} // namespace sheaf::xfrm

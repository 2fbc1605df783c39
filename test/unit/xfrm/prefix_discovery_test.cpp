// Prefix discovery of Mobile IPv6 in the kernel: which ICMPv6 goes by its SAs.
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/marks.h"
#include "xfrm/mobility_objects.h"
#include "xfrm/state.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <netinet/in.h>
#include <set>

namespace sheaf::xfrm {
namespace {

using child::MobilityLink;
using child::MobilityRole;
using kernel_test::ip;
using test::Bench;
using test::only;

constexpr child::LinkNumber kNumber = child::kFirstLink + 9, kSignalling = child::kFirstLink + 10;
constexpr child::LinkNumber kPrefixes = child::kFirstLink + 12;
constexpr wire::ChildSpi kPrefixesSpi = 0x2101;
const char* const kHome = "2001:db8:1::100";
const char* const kAgent = "2001:db8:13::1";

MobilityLink picture(MobilityRole role) {
    return {.number = kNumber,
            .role = role,
            .interface = role == MobilityRole::home_agent ? "sheaf0" : "home0",
            .home = ip(kHome),
            .home_agent = ip(kAgent),
            .signalling = kSignalling,
            .care_of = {{1, ip("2001:db8:a::5"), true}, {2, ip("2001:db8:b::5"), false}},
            .default_bid = 1};
}

// At the home agent.
child::InstallSas prefix_sas() {
    return {.id = {.link = kNumber,
                   .local = {ip(kAgent), 500},
                   .peer = {ip(kHome), 500},
                   .spi_in = kPrefixesSpi,
                   .spi_out = kPrefixesSpi + 1},
            .reqid = kPrefixes,
            .mode = child::Mode::transport,
            .on_interface = false,
            .suite = kernel_test::kGcm,
            .in = kernel_test::keys(kernel_test::kGcm, 1),
            .out = kernel_test::keys(kernel_test::kGcm, 2)};
}

std::vector<Policy> icmp_policies(const MobilityLink& link) {
    auto out = policies_of(link);
    std::erase_if(out, [](const Policy& policy) { return policy.selector.protocol != IPPROTO_ICMPV6; });
    return out;
}

} // namespace

TEST_CASE("prefix discovery goes by marks, and shares the entries for care-of addresses", "[xfrm]") {
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto link = picture(role);
        CHECK(icmp_policies(link).empty());
        const auto entries = care_of_states(link);
        link.prefix_discovery = kPrefixes;
        CHECK(care_of_states(link) == entries);
        const bool agent = role == MobilityRole::home_agent;
        std::set<std::uint32_t> marks;
        for (const Policy& policy : icmp_policies(link)) {
            INFO(policy.to_string());
            CHECK(policy.reqid == kPrefixes);
            CHECK(policy.mode == child::Mode::transport);
            CHECK(policy.link == 0);
            CHECK_FALSE(policy.refuse);
            const bool out = policy.direction == PolicyDirection::out;
            const bool from_agent = out == agent;
            CHECK(policy.selector.source == Prefix::host(ip(from_agent ? kAgent : kHome)));
            CHECK(policy.selector.destination == Prefix::host(ip(from_agent ? kHome : kAgent)));
            // The home agent writes the routing header itself.
            const bool optimized = !(out && agent);
            CHECK(policy.optimization == (!optimized   ? RouteOptimization::none
                                          : from_agent ? RouteOptimization::routing_header
                                                       : RouteOptimization::home_address));
            CHECK(policy.optimization_reqid == (optimized ? kSignalling : 0));
            if (out) marks.insert(policy.mark);
            if (!out) CHECK(policy.mark == 0);
        }
        // What the kernel sends by itself has none of these.
        CHECK(marks == (agent ? std::set{kMark} : std::set{child::path_mark(1), child::path_mark(2)}));
    }
}

TEST_CASE("SAs of prefix discovery are for ICMPv6, and let in from anywhere", "[xfrm]") {
    Bench bench;
    auto link = picture(MobilityRole::home_agent);
    REQUIRE(bench.outcome(only(child::OpenMobility{link})).empty());
    const auto before = bench.fake.keys();
    // The SAs come before the picture that speaks of them.
    REQUIRE(bench.outcome(only(prefix_sas())).empty());
    link.prefix_discovery = kPrefixes;
    REQUIRE(bench.outcome(only(child::UpdateMobility{link})).empty());
    std::size_t found = 0;
    for (const auto& [key, object] : bench.fake.objects) {
        const auto state = key.starts_with("sa ") ? parse_state(test::header_of(object)) : std::nullopt;
        if (!state || state->reqid != kPrefixes) continue;
        ++found;
        REQUIRE(state->selector.has_value());
        CHECK(state->selector->protocol == IPPROTO_ICMPV6);
        CHECK(state->id.mark == (state->id.destination == ip(kAgent) ? kGateMark : 0));
    }
    CHECK(found == 2);
    const auto admitted = bench.paths.begin()->second.admitted;
    CHECK(std::ranges::count(admitted, EspFlow{IpAddress::any(Family::ipv6), ip(kAgent), kPrefixesSpi}) == 1);

    link.prefix_discovery = 0;
    std::vector<child::KernelStep> down;
    down.emplace_back(child::RemoveSas{prefix_sas().id});
    down.emplace_back(child::UpdateMobility{link});
    REQUIRE(bench.outcome(std::move(down)).empty());
    CHECK(bench.fake.keys() == before);
    link.prefix_discovery = kSignalling;
    CHECK(unfit(link).find("reqid of its own") != std::string::npos);
}

} // namespace sheaf::xfrm

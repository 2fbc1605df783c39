#pragma once

#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/group_objects.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <cstdint>
#include <utility>
#include <vector>

// A group as tests of it have it, and what a simulated kernel holds of one.
namespace sheaf::xfrm::group_samples {

using kernel_test::ip;
using kernel_test::prefix;
using test::Bench;

inline constexpr child::LinkNumber kGroup = child::kFirstLink + 7;
inline constexpr wire::ChildSpi kOld = 0xf0000001, kNew = 0xf0000002;
inline constexpr crypto::EspSuite kCbc{
    crypto::EncrId::aes_cbc, 256, crypto::IntegId::hmac_sha2_256_128, {}, false};

inline child::GroupLink group_link() {
    return {.number = kGroup,
            .interface = "sheafg",
            .local = {ip("192.0.2.1"), ip("2001:db8:1::1")},
            .sites = {{ip("192.0.2.2"), {prefix("10.2.2.0/24"), prefix("2001:db8:2:2::/64")}},
                      {ip("2001:db8:1::3"), {prefix("10.2.3.0/24")}}}};
}

inline child::InstallGroupSa sa(wire::ChildSpi spi, Duration life = std::chrono::seconds(3000)) {
    child::EspKeys pair = kernel_test::keys(kCbc, static_cast<std::uint8_t>(spi));
    return {.group = kGroup,
            .spi = spi,
            .suite = kCbc,
            .encryption = std::move(pair.encryption),
            .integrity = std::move(pair.integrity),
            .expires = test::kBenchStart + life};
}

inline std::vector<child::KernelStep> up(child::GroupLink link = group_link()) {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenGroup{std::move(link)});
    out.emplace_back(sa(kOld));
    out.emplace_back(child::SendWithGroupSa{kGroup, kOld});
    return out;
}

inline std::vector<child::KernelStep> rollover() {
    std::vector<child::KernelStep> out;
    out.emplace_back(sa(kNew));
    out.emplace_back(child::SendWithGroupSa{kGroup, kNew});
    out.emplace_back(child::RemoveGroupSa{kGroup, kOld});
    return out;
}

struct Entry {
    State state;
    std::uint64_t sent = 0;
};

inline std::vector<Entry> entries(const Bench& bench) {
    std::vector<Entry> out;
    for (const auto& [key, object] : bench.fake.objects) {
        if (key.starts_with("sa "))
            out.push_back(
                {*parse_state(test::header_of(object)), parse_progress(test::header_of(object))->sent});
    }
    return out;
}

inline std::vector<Policy> policies(const Bench& bench, PolicyDirection direction) {
    std::vector<Policy> out;
    for (const auto& [key, object] : bench.fake.objects) {
        if (!key.starts_with("policy ")) continue;
        if (auto policy = *parse_policy(test::header_of(object)); policy.direction == direction)
            out.push_back(policy);
    }
    return out;
}

// Where packets to the prefix go; all zero when nowhere.
inline Policy towards(const Bench& bench, const char* destination) {
    for (const Policy& policy : policies(bench, PolicyDirection::out)) {
        if (policy.selector.destination == prefix(destination)) return policy;
    }
    return {};
}

} // namespace sheaf::xfrm::group_samples

#pragma once

#include "lib/child/kernel.h"

#include <string_view>
#include <vector>

// The links, SAs and policies that the tests install.
namespace sheaf::kernel_test {

[[nodiscard]] IpAddress ip(std::string_view text);
[[nodiscard]] Prefix prefix(std::string_view text);
[[nodiscard]] wire::TrafficSelector selector(std::string_view prefix_text);

inline constexpr crypto::EspSuite kGcm{crypto::EncrId::aes_gcm_16, 256, crypto::IntegId::none, {}, false};

// Keys that are the same at both ends: `seed` names the direction.
[[nodiscard]] child::EspKeys keys(const crypto::EspSuite& suite, std::uint8_t seed);

// The n-th client of a gateway: outer addresses are 2001:db8:13::2 (gateway) and 2001:db8:7::n, unless others
// are given.
struct Client {
    unsigned n = 1;
    child::LinkRole role = child::LinkRole::gateway; // whose side of it
    crypto::EspSuite suite = kGcm;
    child::Mode mode = child::Mode::tunnel;
    bool udp_encapsulation = false;
    std::uint32_t replay_window = 64;
    bool ipv4_outside = false;
    const char* interface = "sheaf0";
    bool on_interface = true;
    child::SaLimits limits{};
    child::OuterHeader outer{};

    [[nodiscard]] child::LinkNumber number() const { return child::kFirstLink + n; }
    [[nodiscard]] Prefix prefix6() const;     // 2001:db8:100:n::/64
    [[nodiscard]] IpAddress address4() const; // 10.77.x.y
    [[nodiscard]] child::Link link() const;
    [[nodiscard]] child::SaPairId pair() const;
    [[nodiscard]] child::InstallSas sas() const;
    [[nodiscard]] child::PolicySet policies() const;

    [[nodiscard]] std::vector<child::KernelStep> up() const;   // link, SAs, policies
    [[nodiscard]] std::vector<child::KernelStep> down() const; // the same, removed
};

} // namespace sheaf::kernel_test

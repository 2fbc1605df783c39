#pragma once

#include "lib/ike/status.h"
#include "xfrm/kernel_edge.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace sheaf::daemon {

// What Child SAs have carried, as the kernel counts: in tunnel mode whole inner packets. `in` is what came
// from the peer.
struct Traffic {
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;

    Traffic& operator+=(const Traffic& other);
    friend bool operator==(const Traffic&, const Traffic&) = default;
};

// One look at what the SAD entries of ours have carried.
class Usage {
  public:
    explicit Usage(std::vector<xfrm::SaUsage> entries);

    // Nothing if the kernel told of neither direction, as before a Child SA is installed.
    [[nodiscard]] std::optional<Traffic> of(const ike::IkeSaStatus& sa, const ike::ChildStatus& child) const;

    // Of the group that has this number in the kernel.
    [[nodiscard]] std::vector<xfrm::SaUsage> of(child::LinkNumber group) const;

  private:
    [[nodiscard]] const xfrm::SaUsage* find(const IpAddress& destination, std::uint32_t spi) const;

    std::vector<xfrm::SaUsage> entries_; // by SPI, then destination
};

} // namespace sheaf::daemon

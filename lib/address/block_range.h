#pragma once

#include "lib/address/pool_spec.h"
#include "lib/base/ip.h"

#include <cstdint>
#include <optional>

namespace sheaf::address {

// The blocks of a pool by number, [first, end). Of single addresses those are left out that nobody can have:
// network and broadcast address of IPv4, the subnet-router anycast address of IPv6 (RFC 4291 2.6.1).
class BlockRange {
  public:
    // More blocks than this many bits can count are not given away.
    static constexpr unsigned kMostBits = 62;

    explicit BlockRange(const PoolSpec& spec);

    [[nodiscard]] std::uint64_t first() const { return first_; }
    [[nodiscard]] std::uint64_t end() const { return end_; }
    [[nodiscard]] std::uint64_t size() const { return end_ - first_; }
    [[nodiscard]] Prefix block(std::uint64_t index) const;
    // None if the block is not one of the range.
    [[nodiscard]] std::optional<std::uint64_t> index(const Prefix& block) const;

  private:
    Prefix prefix_;
    unsigned delegate_;
    std::uint64_t first_ = 0;
    std::uint64_t end_ = 0;
};

} // namespace sheaf::address

#pragma once

#include <cstdint>
#include <span>

namespace sheaf {

// Where an engine gets its randomness from: the system's in the daemon, a seeded generator in tests.
class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> out) = 0;

    [[nodiscard]] std::uint32_t u32();
    [[nodiscard]] std::uint64_t u64();
};

} // namespace sheaf

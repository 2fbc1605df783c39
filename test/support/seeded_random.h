#pragma once

#include "lib/base/random.h"

#include <cstdint>
#include <optional>

namespace sheaf::test {

// A generator whose whole sequence follows from its seed (splitmix64). For tests only.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

    void fill(std::span<std::uint8_t> out) override {
        for (std::uint8_t& octet : out)
            octet = static_cast<std::uint8_t>(next() >> 32);
        if (nonces_begin && out.size() == kNonce) out.front() = *nonces_begin;
    }

    // Evenly in [0, bound).
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

    // What the engine's nonces begin with, for tests in which it matters whose is lower. Private keys that
    // have the same length begin so, too, which does not matter to anybody.
    std::optional<std::uint8_t> nonces_begin;

  private:
    static constexpr std::size_t kNonce = 32;
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    std::uint64_t state_;
};

} // namespace sheaf::test

#pragma once

#include "lib/base/bytes.h"
#include "lib/base/random.h"

#include <utility>

namespace sheaf::test {

// Gives out the scripted octets first and then a fixed stream, the same in every run.
class ScriptedRandom final : public Random {
  public:
    explicit ScriptedRandom(Bytes script = {}) : script_(std::move(script)) {}

    void fill(std::span<std::uint8_t> out) override {
        for (std::uint8_t& octet : out)
            octet = at_ < script_.size() ? script_[at_++] : next();
    }

  private:
    std::uint8_t next() {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::uint8_t>(state_ >> 56);
    }

    Bytes script_;
    std::size_t at_ = 0;
    std::uint64_t state_ = 1;
};

} // namespace sheaf::test

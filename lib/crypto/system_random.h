#pragma once

#include "lib/base/random.h"

namespace sheaf::crypto {

// The operating system's generator, for the daemon. Stateless, so it survives fork and needs no seed; one
// call costs about one system call. Stops the process if the system has no randomness to give.
class SystemRandom final : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

} // namespace sheaf::crypto

#pragma once

#include "daemon/file_descriptor.h"
#include "lib/base/bytes.h"
#include "lib/base/ip.h"

#include <atomic>
#include <cstdint>
#include <thread>

namespace sheaf::bench {

// Sends IKE_SA_INIT requests, evenly at a given rate, from addresses that are not the sender's: each from
// another one of 127.0.0.0/8 (beyond 127.0.0.0/16, of the honest ones), with another SPI. No answer is read.
class Spoofer {
  public:
    // `request` is an honest initiator's, with its offer, key exchange and nonce.
    Spoofer(const Endpoint& target, Bytes request, unsigned per_second);
    ~Spoofer(); // stops
    Spoofer(const Spoofer&) = delete;
    Spoofer& operator=(const Spoofer&) = delete;

    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    void stop();

  private:
    void run();
    // How many of them left.
    unsigned send(unsigned count);

    Endpoint target_;
    Bytes request_;
    unsigned per_second_;
    daemon::FileDescriptor socket_;
    std::uint64_t state_ = 1; // of the numbers that addresses and SPIs are made of
    std::atomic<std::uint64_t> sent_ = 0;
    std::atomic<bool> stopped_ = false;
    std::thread thread_;
};

} // namespace sheaf::bench

#pragma once

#include "lib/ike/engine.h"

#include <cstdint>

namespace sheaf::daemon {

// What a socket's datagrams lose when they come faster than they can be worked on.
//
// Left alone, the kernel drops whatever comes while the receive buffer is full: answers to liveness checks
// and IKE_AUTH as well as the flood. Before it is full the cheapest go, unanswered: requests for a new IKE SA
// that return no cookie (RFC 7296 2.6). Their senders try again; who has a cookie or an IKE SA gets through.
class Overload {
  public:
    // In hundredths of the receive buffer: far enough below "full" for one turn's arrivals, and apart from
    // each other so that between two stretches some of the new ones are answered.
    static constexpr unsigned kBegins = 75;
    static constexpr unsigned kEnds = 50;

    // How full the buffer is. To be told before each turn. True when a stretch of overload begins.
    bool observe(unsigned hundredths);
    // Whether this datagram is to be dropped; then it is counted.
    [[nodiscard]] bool drops(const ike::Datagram& datagram);
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  private:
    bool active_ = false;
    std::uint64_t dropped_ = 0;
};

} // namespace sheaf::daemon

#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"

#include <optional>
#include <string>

namespace sheaf::ike {

// To be multicast on the link of this interface now (RFC 4861 7.2.6): packets to the target come to us, whatever the
// neighbours knew before.
struct NeighbourAdvertisement {
    std::string interface;
    IpAddress target;
    friend bool operator==(const NeighbourAdvertisement&, const NeighbourAdvertisement&) = default;
};

// When the neighbours on a link are to be told that we have an address there now, or answer for it (RFC 6275 10.4.1,
// 11.5.5): once the kernel has it so, and twice more, for a multicast may be lost.
//
// As soon as another picture is on its way to the kernel nothing of the old one is said any more: who would still
// answer for a mobile node that has come home would take its packets from it.
class Announcer {
  public:
    // What the kernel is asked for: answers on this interface; empty: on none.
    void ask(const std::string& interface);
    // It has done what was asked for last.
    void confirm(Instant now);

    // The interface on which to say it now, and then the next time.
    [[nodiscard]] std::optional<std::string> step(Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const;

  private:
    std::string interface_;
    bool confirmed_ = false;
    unsigned left_ = 0; // still to be said
    Instant next_;
};

} // namespace sheaf::ike

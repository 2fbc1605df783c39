#pragma once

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/rate_limit.h"
#include "lib/ike/event.h"

#include <functional>
#include <string_view>

namespace sheaf::daemon {

// Tells the engine's events: to the log, and to those who watch.
//
// Refusals can be caused by anyone who can send a datagram, so only kRefusalsPerSecond are told one by one;
// the rest is told as a number. The counters of the status have them all.
class EventFeed {
  public:
    static constexpr unsigned kRefusalsPerSecond = 10;

    struct Watchers {
        std::function<bool()> any;                       // whether anyone watches
        std::function<void(std::string_view json)> tell; // one JSON object, without a newline
    };

    EventFeed(Loop& loop, Log& log, Watchers watchers);

    void tell(const ike::Event& event);

  private:
    void tell_held_back();

    Log& log_;
    Watchers watchers_;
    RateLimit refusals_;
    LoopSource timer_;
};

} // namespace sheaf::daemon

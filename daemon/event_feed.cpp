#include "daemon/event_feed.h"

#include "daemon/clock.h"
#include "daemon/event_json.h"
#include "daemon/event_text.h"
#include "daemon/status_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <utility>

namespace sheaf::daemon {

EventFeed::EventFeed(Loop& loop, Log& log, Watchers watchers)
    : log_(log), watchers_(std::move(watchers)), refusals_(kRefusalsPerSecond),
      timer_(loop.on_timer([this] { tell_held_back(); })) {}

void EventFeed::tell(const ike::Event& event) {
    if (std::holds_alternative<ike::Refused>(event)) {
        const Instant moment = now();
        tell_held_back();
        if (!refusals_.pass(moment)) {
            timer_.arm(refusals_.due().value_or(moment));
            return;
        }
    }
    const auto [level, text] = describe(event);
    log_.write(level, text);
    if (watchers_.any()) watchers_.tell(one_line(to_json(event, utc_timestamp())));
}

void EventFeed::tell_held_back() {
    const auto count = refusals_.held_back(now());
    if (!count) return;
    log_.warning(fmt::format("refused {} more datagrams or requests within a second; sheafctl status counts "
                             "them by rule",
                             *count));
    if (watchers_.any()) watchers_.tell(one_line(held_back_json(*count, utc_timestamp())));
}

} // namespace sheaf::daemon

#include "test/simulation/granted.h"

#include "lib/mobility/codec.h"

#include <algorithm>

namespace sheaf::test {

void Granted::read(Instant now, const ike::MobilityHeader& header) {
    const auto message = mobility::parse_message(header.octets);
    if (!message) return;
    if (const auto* update = std::get_if<mobility::BindingUpdate>(&*message))
        updates_[update->sequence] = *update;
    const auto* ack = std::get_if<mobility::BindingAck>(&*message);
    if (!ack || !mobility::is_accepted(ack->status)) return;
    const auto asked = updates_.find(ack->sequence);
    if (asked != updates_.end()) accept(now, asked->second, *ack);
}

void Granted::accept(Instant now, const mobility::BindingUpdate& update, const mobility::BindingAck& ack) {
    const auto& named = update.options.bindings;
    const bool is_end = update.lifetime == 0;
    if (named.empty() || update.has(mobility::kOverwrite)) clear();
    const Instant until = now + mobility::from_lifetime(ack.lifetime);
    if (named.empty() && !is_end && update.options.alternate_care_of)
        set(0, {*update.options.alternate_care_of, until});
    for (const auto& binding : named) {
        const auto answer = std::ranges::find(ack.options.bindings, binding.bid, &mobility::BindingId::bid);
        if (answer == ack.options.bindings.end() || !mobility::is_accepted(answer->status)) continue;
        if (is_end) {
            remove(binding.bid);
        } else if (binding.care_of) {
            set(binding.bid, {*binding.care_of, until});
        } else if (const auto known = ways_.find(binding.bid); known != ways_.end()) {
            known->second.until = until;
        }
    }
}

// RFC 5648 6.2: one without an identifier stands alone.
void Granted::set(std::uint16_t bid, const Way& way) {
    std::erase_if(ways_, [bid](const auto& entry) { return (entry.first == 0) != (bid == 0); });
    ways_[bid] = way;
}

bool Granted::holds(Instant now, std::uint16_t bid, const IpAddress& care_of) const {
    const auto found = ways_.find(bid);
    return found != ways_.end() && found->second.care_of == care_of && found->second.until > now;
}

bool Granted::holds(Instant now, const IpAddress& care_of) const {
    return std::ranges::any_of(ways_, [&](const auto& entry) { return holds(now, entry.first, care_of); });
}

std::size_t Granted::ways(Instant now) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(ways_, [now](const auto& entry) { return entry.second.until > now; }));
}

bool Granted::has_expired(Instant now, std::uint16_t bid) const {
    const auto found = ways_.find(bid);
    return found != ways_.end() && found->second.until <= now;
}

} // namespace sheaf::test

#include "lib/mobility/prefix_seeker.h"

#include <algorithm>
#include <chrono>

namespace sheaf::mobility {
namespace {

// RFC 6275 11.8, 12: INITIAL_SOLICIT_TIMER, and MAX_BINDACK_TIMEOUT, up to which it doubles. Questions of their own have
// the former between them, too.
constexpr std::chrono::seconds kFirstTimeout{3}, kLongestTimeout{32};
constexpr std::chrono::seconds kMaxAge{86400}; // RFC 6275 13: MaxMobPfxAdvInterval
constexpr std::chrono::seconds kLeastAge{60};  // however short lifetimes are

std::optional<Instant> end_of(Instant now, std::uint32_t lifetime) {
    if (lifetime == kInfiniteLifetime) return std::nullopt;
    return now + std::chrono::seconds(lifetime);
}

Duration refresh_after(const PrefixAdvertisement& advertisement) {
    Duration out = kMaxAge;
    for (const PrefixInformation& prefix : advertisement.prefixes) {
        if (prefix.valid != 0) out = std::min(out, Duration(std::chrono::seconds(prefix.valid)) * 3 / 4);
    }
    return std::max<Duration>(out, kLeastAge);
}

} // namespace

std::optional<PrefixSolicitation> PrefixSeeker::step(Instant now, bool open, Random& random) {
    const bool opened = open && !open_;
    open_ = open;
    if (opened) ask(now);
    if (!open) {
        asked_.reset();
        next_.reset();
    }
    if (!next_ || *next_ > now) return std::nullopt;
    timeout_ = asked_ ? std::min<Duration>(2 * timeout_, kLongestTimeout) : kFirstTimeout;
    // RFC 6275 11.4.2
    if (!asked_) asked_ = static_cast<std::uint16_t>(random.u32());
    sent_at_ = now;
    next_ = now + timeout_;
    return PrefixSolicitation{*asked_};
}

void PrefixSeeker::ask(Instant now) {
    if (!open_ || asked_) return;
    next_ = sent_at_ ? std::max(now, *sent_at_ + kFirstTimeout) : now;
}

std::expected<void, Rule> PrefixSeeker::receive(Instant now, const PrefixAdvertisement& advertisement) {
    if (asked_ != advertisement.identifier) {
        ask(now);
        return std::unexpected(Rule::unmatched_advertisement);
    }
    asked_.reset();
    next_ = now + refresh_after(advertisement);
    known_.clear();
    for (const PrefixInformation& prefix : advertisement.prefixes) {
        if (prefix.valid == 0) continue; // it is withdrawn
        known_.push_back({prefix.prefix, end_of(now, prefix.valid), end_of(now, prefix.preferred)});
    }
    return {};
}

} // namespace sheaf::mobility

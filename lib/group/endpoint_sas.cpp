#include "lib/group/endpoint_sas.h"

#include "lib/group/terms.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sheaf::group {

std::uint32_t first_sequence(std::chrono::seconds life) {
    if (life >= kMaxLifetime) return 0;
    return static_cast<std::uint32_t>((kMaxLifetime - life).count()) * kSequencesPerSecond;
}

std::expected<void, Breach> EndpointSas::put(Put put, Instant now, crypto::Backend& backend,
                                             bool spi_in_use) {
    on_timeout(now);
    if (const std::size_t known = find(put.sa.spi); known < held_.size()) {
        if (!same(held_[known].shared, put.sa)) return std::unexpected(Breach::other_keys);
        held_[known].expires = now + put.life;
        steps_.emplace_back(RefreshSa{put.sa.spi, put.life});
        return {};
    }
    // An announcement that was under way while we rolled over: to go back would be to send what others have
    // ceased to read.
    const auto before =
        std::ranges::find(rolled_over_, put.sa.spi, [](const Remembered& r) { return r.shared.spi; });
    if (before != rolled_over_.end()) {
        if (!same(before->shared, put.sa)) return std::unexpected(Breach::other_keys);
        return {};
    }
    if (spi_in_use) return std::unexpected(Breach::spi_in_use);
    add(std::move(put), now, backend);
    return {};
}

std::size_t EndpointSas::find(wire::ChildSpi spi) const {
    const auto found = std::ranges::find(held_, spi, [](const Sa& sa) { return sa.shared.spi; });
    return static_cast<std::size_t>(found - held_.begin());
}

// Any later one may have it removed.
Instant EndpointSas::removed_at(std::size_t index) const {
    Instant at = held_[index].expires;
    for (std::size_t later = index + 1; later < held_.size(); ++later)
        at = std::min(at, held_[later].older_until);
    return at;
}

// Whether this is the SA before the newest that we have, and they came in the wrong order: it ends sooner and
// is to be used at once, while the newest waits for something to be replaced.
bool EndpointSas::is_late(const Put& put, Instant now) const {
    return !held_.empty() && now < held_.back().older_until && put.rollover1.count() == 0 &&
           put.rollover2.count() == 0 && now + put.life < held_.back().expires;
}

void EndpointSas::add(Put put, Instant now, crypto::Backend& backend) {
    steps_.emplace_back(
        InstallSa{put.sa.spi, put.sa.suite, keys(backend, put.sa), put.life, first_sequence(put.life)});
    const auto at = is_late(put, now) ? std::prev(held_.end()) : held_.end();
    // A second delay that is shorter than the first would leave nothing to send with.
    held_.insert(at, {std::move(put.sa), now, now + put.life, now + put.rollover1,
                      now + std::max(put.rollover1, put.rollover2)});
    if (held_.size() > kMaxHeld) drop(held_.front().shared.spi, Removal::rolled_over, now);
    on_timeout(now); // delays may be zero
}

// Sends with the newest that may be sent with. When all are still to wait, with the oldest: what they wait for
// is gone.
void EndpointSas::choose(Instant now, std::optional<wire::ChildSpi> leaving) {
    const Sa* chosen = nullptr;
    for (std::size_t i = 0; i < held_.size(); ++i) {
        const Sa& sa = held_[i];
        if (now >= removed_at(i) || leaving == sa.shared.spi) continue;
        if (!chosen || sa.send_from <= now) chosen = &sa;
    }
    if (!chosen || sending_ == chosen->shared.spi) return;
    sending_ = chosen->shared.spi;
    steps_.emplace_back(SendWith{*sending_});
}

void EndpointSas::remove(std::size_t index, Removal why) {
    Sa& sa = held_[index];
    steps_.emplace_back(RemoveSa{sa.shared.spi, why});
    if (sending_ == sa.shared.spi) sending_.reset();
    if (why == Removal::rolled_over) {
        if (rolled_over_.size() == kMaxRemembered) rolled_over_.erase(rolled_over_.begin());
        rolled_over_.push_back({std::move(sa.shared), sa.expires});
    }
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
}

void EndpointSas::drop(wire::ChildSpi spi, Removal why, Instant now) {
    const std::size_t index = find(spi);
    if (index == held_.size()) return;
    choose(now, spi); // first, so that packets find one of the two at any moment
    remove(index, why);
}

void EndpointSas::on_timeout(Instant now) {
    choose(now);
    // From the oldest on: what removes an SA are those after it.
    for (std::size_t i = 0; i < held_.size();) {
        if (now >= removed_at(i))
            remove(i, now >= held_[i].expires ? Removal::expired : Removal::rolled_over);
        else
            ++i;
    }
    std::erase_if(rolled_over_, [now](const Remembered& r) { return now >= r.expires; });
}

std::optional<Instant> EndpointSas::next_timeout() const {
    std::optional<Instant> next;
    bool after_sending = false;
    for (std::size_t i = 0; i < held_.size(); ++i) {
        next = std::min(next.value_or(Instant::max()), removed_at(i));
        if (after_sending) next = std::min(*next, held_[i].send_from);
        after_sending = after_sending || sending_ == held_[i].shared.spi;
    }
    return next;
}

void EndpointSas::not_installed(wire::ChildSpi spi, Instant now) { drop(spi, Removal::refused, now); }

void EndpointSas::deleted(wire::ChildSpi spi, Instant now) { drop(spi, Removal::deleted, now); }

void EndpointSas::gateway_deleted() {
    while (!held_.empty())
        remove(held_.size() - 1, Removal::deleted);
    rolled_over_.clear();
}

std::vector<HeldSa> EndpointSas::held() const {
    std::vector<HeldSa> out;
    for (const Sa& sa : held_)
        out.push_back({sa.shared.spi, sa.shared.suite, sa.received, sa.expires, sending_ == sa.shared.spi});
    return out;
}

} // namespace sheaf::group

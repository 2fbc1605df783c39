#include "lib/address/block_range.h"

#include <algorithm>
#include <array>

namespace sheaf::address {

BlockRange::BlockRange(const PoolSpec& spec) : prefix_(spec.prefix), delegate_(spec.delegate) {
    const unsigned most = prefix_.address().bits();
    if (delegate_ < prefix_.length() || delegate_ > most) return; // no block at all
    const unsigned bits = std::min(delegate_ - prefix_.length(), kMostBits);
    const bool single_addresses = delegate_ == most;
    end_ = std::uint64_t{1} << bits;
    if (single_addresses && bits >= 1) first_ = 1;
    if (single_addresses && bits >= 2 && prefix_.family() == Family::ipv4) --end_;
}

Prefix BlockRange::block(std::uint64_t index) const {
    std::array<std::uint8_t, 16> octets{};
    const View base = prefix_.address().view();
    std::ranges::copy(base, octets.begin());
    for (unsigned bit = delegate_; bit-- > prefix_.length() && index != 0; index >>= 1) {
        if (index & 1)
            octets.at(bit / 8) = static_cast<std::uint8_t>(octets.at(bit / 8) | (0x80U >> (bit % 8)));
    }
    return {*IpAddress::from_bytes(View(octets).first(base.size())), delegate_};
}

std::optional<std::uint64_t> BlockRange::index(const Prefix& block) const {
    if (block.length() != delegate_ || !prefix_.contains(block)) return std::nullopt;
    const View octets = block.address().view();
    std::uint64_t index = 0;
    for (unsigned bit = prefix_.length(); bit < delegate_; ++bit) {
        if (index >> kMostBits != 0) return std::nullopt;
        index = index << 1 | (octets[bit / 8] >> (7 - bit % 8) & 1U);
    }
    return index >= first_ && index < end_ ? std::optional(index) : std::nullopt;
}

} // namespace sheaf::address

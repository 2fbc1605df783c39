#include "lib/crypto/der.h"

namespace sheaf::crypto {
namespace {

constexpr std::uint8_t kLongTag = 0x1f, kLongLength = 0x80;
constexpr std::size_t kMaxLengthOctets = 3; // 16 MiB, more than any file that is read

struct Length {
    std::size_t octets = 0; // that state it
    std::size_t value = 0;
};

std::optional<Length> read_length(View after_tag) {
    if (after_tag.empty()) return std::nullopt;
    if (after_tag[0] < kLongLength) return Length{1, after_tag[0]};
    const std::size_t count = after_tag[0] & 0x7fU;
    if (count == 0 || count > kMaxLengthOctets || after_tag.size() <= count) return std::nullopt;
    std::size_t value = 0;
    for (std::size_t i = 1; i <= count; ++i)
        value = value << 8 | after_tag[i];
    const bool minimal = value >= kLongLength && value >> (8 * (count - 1)) != 0;
    if (!minimal) return std::nullopt;
    return Length{count + 1, value};
}

} // namespace

std::optional<DerElement> DerReader::next() {
    if (rest_.size() < 2 || (rest_[0] & kLongTag) == kLongTag) return std::nullopt;
    const auto length = read_length(rest_.subspan(1));
    if (!length) return std::nullopt;
    const std::size_t head = 1 + length->octets;
    if (length->value > rest_.size() - head) return std::nullopt;
    const DerElement out{rest_[0], rest_.subspan(head, length->value), rest_.first(head + length->value)};
    rest_ = rest_.subspan(out.whole.size());
    return out;
}

std::optional<View> only_element(View octets, std::uint8_t tag) {
    DerReader reader(octets);
    const auto element = reader.next();
    if (!element || element->tag != tag || !reader.empty()) return std::nullopt;
    return element->content;
}

} // namespace sheaf::crypto

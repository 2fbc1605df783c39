#pragma once

#include "lib/base/bytes.h"

#include <cstddef>
#include <cstdint>

namespace sheaf::wire {

// A cursor over hostile octets; numbers are in network order.
//
// A read beyond the end answers zero or an empty view, moves to the end and makes ok() false for good. So a
// parser may read a whole fixed part and ask once, but it asks before it trusts a value.
class Reader {
  public:
    explicit Reader(View bytes) : bytes_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size(); }
    [[nodiscard]] bool at_end() const { return bytes_.empty(); }

    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

    void skip(std::size_t count) { bytes(count); }
    View rest() { return bytes(left()); }
    View bytes(std::size_t count) {
        if (count > bytes_.size()) {
            ok_ = false;
            bytes_ = {};
            return {};
        }
        const View taken = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return taken;
    }

  private:
    std::uint64_t number(std::size_t octets) {
        std::uint64_t value = 0;
        for (const std::uint8_t octet : bytes(octets))
            value = value << 8 | octet;
        return value;
    }

    View bytes_;
    bool ok_ = true;
};

[[nodiscard]] Bytes to_bytes(View view);

} // namespace sheaf::wire

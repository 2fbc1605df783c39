#pragma once

#include "lib/base/bytes.h"

#include <cstddef>
#include <cstdint>

namespace sheaf::wire {

// Numbers in network order at the end of a message under construction.
inline void put_u8(Bytes& to, std::uint8_t value) { to.push_back(value); }

inline void put_u16(Bytes& to, std::uint16_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

inline void put_u32(Bytes& to, std::uint32_t value) {
    put_u16(to, static_cast<std::uint16_t>(value >> 16));
    put_u16(to, static_cast<std::uint16_t>(value));
}

inline void put_u64(Bytes& to, std::uint64_t value) {
    put_u32(to, static_cast<std::uint32_t>(value >> 32));
    put_u32(to, static_cast<std::uint32_t>(value));
}

inline void put_zeros(Bytes& to, std::size_t count) { to.insert(to.end(), count, 0); }

// A 16-bit length field that counts from some octet at or before itself to an end that is not written yet.
class LengthField {
  public:
    // Appends the field, for a structure that starts at offset `start` of `to`.
    LengthField(Bytes& to, std::size_t start) : to_(to), start_(start), at_(to.size()) { put_zeros(to, 2); }
    LengthField(const LengthField&) = delete;
    LengthField& operator=(const LengthField&) = delete;

    // The structure ends here. REQUIRES: it is at most 65535 octets.
    void close() {
        const std::size_t length = to_.size() - start_;
        to_[at_] = static_cast<std::uint8_t>(length >> 8);
        to_[at_ + 1] = static_cast<std::uint8_t>(length);
    }

  private:
    Bytes& to_;
    std::size_t start_;
    std::size_t at_;
};

} // namespace sheaf::wire

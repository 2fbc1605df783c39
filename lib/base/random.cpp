#include "lib/base/random.h"

#include <array>
#include <bit>

namespace sheaf {

std::uint32_t Random::u32() {
    std::array<std::uint8_t, 4> raw{};
    fill(raw);
    return std::bit_cast<std::uint32_t>(raw);
}

std::uint64_t Random::u64() {
    std::array<std::uint8_t, 8> raw{};
    fill(raw);
    return std::bit_cast<std::uint64_t>(raw);
}

} // namespace sheaf

#include "lib/crypto/system_random.h"

#include <botan/system_rng.h>

#include <cstdlib>

namespace sheaf::crypto {

void SystemRandom::fill(std::span<std::uint8_t> out) {
    try {
        Botan::system_rng().randomize(out.data(), out.size());
    } catch (const std::exception&) {
        std::abort(); // keys from a dry source would be worse than none
    }
}

} // namespace sheaf::crypto

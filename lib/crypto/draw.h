#pragma once

#include "lib/base/random.h"

#include <memory>

namespace Botan {
class RandomNumberGenerator;
}

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

// Lets Botan draw from the engine's source, which must outlive what is returned.
[[nodiscard]] std::unique_ptr<Botan::RandomNumberGenerator> draw_from(Random& random);

} // namespace sheaf::crypto

#include "lib/crypto/prf.h"

#include "lib/crypto/parts.h"
#include "lib/crypto/suite.h"

#include <botan/mac.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace sheaf::crypto {

Secret prf(Backend& backend, PrfId id, View key, std::initializer_list<View> data) {
    auto& mac = backend.parts().hmac(hash_of(id), key);
    for (const View part : data)
        mac.update(part.data(), part.size());
    Secret out(prf_length(id));
    mac.final(out.span().data());
    return out;
}

Secret prf_plus(Backend& backend, PrfId id, View key, std::initializer_list<View> seed, std::size_t length) {
    const std::size_t round_length = prf_length(id);
    if (length > kMaxPrfPlusRounds * round_length) std::abort(); // no suite of ours comes near
    auto& mac = backend.parts().hmac(hash_of(id), key);

    Secret out(length);
    std::array<std::uint8_t, 64> round{}; // the longest PRF output
    std::size_t done = 0;
    for (std::uint8_t counter = 1; done < length; ++counter) {
        if (counter > 1) mac.update(round.data(), round_length);
        for (const View part : seed)
            mac.update(part.data(), part.size());
        mac.update(counter);
        mac.final(round.data());
        const std::size_t take = std::min(round_length, length - done);
        std::copy_n(round.begin(), take, out.span().begin() + static_cast<std::ptrdiff_t>(done));
        done += take;
    }
    wipe(round);
    return out;
}

} // namespace sheaf::crypto

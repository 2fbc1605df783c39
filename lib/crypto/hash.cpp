#include "lib/crypto/hash.h"

#include "lib/crypto/parts.h"

#include <botan/hash.h>

namespace sheaf::crypto {

std::array<std::uint8_t, 20> sha1(Backend& backend, std::initializer_list<View> parts) {
    auto& h = backend.parts().hash(HashId::sha1);
    for (const View part : parts)
        h.update(part.data(), part.size());
    std::array<std::uint8_t, 20> digest{};
    h.final(digest.data());
    return digest;
}

Bytes hash(Backend& backend, HashId id, std::initializer_list<View> parts) {
    auto& h = backend.parts().hash(id);
    for (const View part : parts)
        h.update(part.data(), part.size());
    Bytes digest(h.output_length());
    h.final(digest.data());
    return digest;
}

} // namespace sheaf::crypto

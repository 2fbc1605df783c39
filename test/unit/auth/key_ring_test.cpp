#include "lib/auth/key_ring.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::auth;

namespace {

SharedKey key(std::string_view peer, std::uint8_t octet) {
    return {*IdentityPattern::parse(peer), std::make_shared<const Secret>(Secret::copy_of(Bytes{octet}))};
}

int found(const KeyRing& ring, std::string_view peer) {
    const Secret* secret = ring.find(*Identity::parse(peer));
    return secret ? secret->view().front() : -1;
}

} // namespace

TEST_CASE("a peer's own key goes before any pattern, and earlier patterns before later ones") {
    const KeyRing ring(
        {key("*.example.org", 1), key("alice.example.org", 2), key("*", 3), key("192.0.2.7", 4)});
    CHECK(found(ring, "alice.example.org") == 2);
    CHECK(found(ring, "ALICE.example.org") == 2);
    CHECK(found(ring, "bob.example.org") == 1);
    CHECK(found(ring, "bob.example.net") == 3);
    CHECK(found(ring, "192.0.2.7") == 4);
}

TEST_CASE("a peer without a key has none") {
    CHECK(found(KeyRing({key("*.example.org", 1)}), "example.net") == -1);
    CHECK(found(KeyRing(), "example.net") == -1);
}

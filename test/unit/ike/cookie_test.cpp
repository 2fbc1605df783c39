#include "lib/ike/cookie.h"
#include "test/support/seeded_random.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::ike;
using namespace std::chrono_literals;

TEST_CASE("a cookie is good for its nonce, address and SPI, and for one to two minutes") {
    test::SeededRandom random(3);
    crypto::Backend backend;
    const Instant start{};
    CookieJar jar(random, start);
    const Bytes nonce(32, 9);
    const Endpoint peer{*IpAddress::parse("192.0.2.1"), 500};
    const Bytes cookie = jar.make(backend, start, nonce, peer, 77);
    CHECK(cookie.size() <= 64);
    CHECK(jar.check(backend, start, cookie, nonce, peer, 77));
    CHECK_FALSE(jar.check(backend, start, cookie, Bytes(32, 8), peer, 77));
    CHECK_FALSE(jar.check(backend, start, cookie, nonce, {peer.address, 501}, 77));
    CHECK_FALSE(jar.check(backend, start, cookie, nonce, {*IpAddress::parse("192.0.2.2"), 500}, 77));
    CHECK_FALSE(jar.check(backend, start, cookie, nonce, peer, 78));
    CHECK_FALSE(jar.check(backend, start, {}, nonce, peer, 77));
    CHECK_FALSE(jar.check(backend, start, Bytes{0}, nonce, peer, 77));
    CHECK(jar.check(backend, start + 59s, cookie, nonce, peer, 77));
    CHECK(jar.check(backend, start + 61s, cookie, nonce, peer, 77));
    CHECK_FALSE(jar.check(backend, start + 125s, cookie, nonce, peer, 77));
}

TEST_CASE("no cookie survives a long quiet time") {
    test::SeededRandom random(3);
    crypto::Backend backend;
    const Instant start{};
    CookieJar jar(random, start);
    const Bytes nonce(32, 9);
    const Endpoint peer{*IpAddress::parse("192.0.2.1"), 500};
    const Bytes cookie = jar.make(backend, start, nonce, peer, 77);
    CHECK_FALSE(jar.check(backend, start + 24h, cookie, nonce, peer, 77));
}

#include "lib/crypto/key_exchange.h"
#include "lib/crypto/suite.h"
#include "lib/crypto/system_random.h"
#include "test/support/scripted_random.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

constexpr std::array kAll{KeId::x25519,   KeId::ecp256,   KeId::ecp384,  KeId::ecp521,
                          KeId::modp2048, KeId::modp3072, KeId::modp4096};

// A private key is what the source of randomness gives first.
KeyExchange with_private(Backend& backend, KeId id, Bytes private_value) {
    ScriptedRandom random(std::move(private_value));
    return KeyExchange::create(backend, id, random);
}

void replay(const Vector& v) {
    INFO(v.title);
    Backend backend;
    ScriptedRandom random;
    const KeId id = ke_from_string(v.text("group")).value();
    const KeyExchange initiator = with_private(backend, id, v.hex("initiator_private"));
    const KeyExchange responder = with_private(backend, id, v.hex("responder_private"));
    CHECK(initiator.id() == id);
    CHECK(to_hex(initiator.public_value()) == v.text("initiator_public"));
    CHECK(to_hex(responder.public_value()) == v.text("responder_public"));
    const auto left = initiator.agree(responder.public_value(), random);
    const auto right = responder.agree(initiator.public_value(), random);
    REQUIRE(left);
    REQUIRE(right);
    CHECK(to_hex(left->view()) == v.text("shared"));
    CHECK(to_hex(right->view()) == v.text("shared"));
}

void refuses(const KeyExchange& ke, const Bytes& peer, Rule rule) {
    ScriptedRandom random;
    const auto shared = ke.agree(peer, random);
    REQUIRE_FALSE(shared);
    CHECK(shared.error() == rule);
}

// A big-endian number of the modulus's length, `difference` below the modulus.
Bytes below(Bytes modulus, std::uint8_t difference) {
    modulus.back() = static_cast<std::uint8_t>(modulus.back() - difference); // RFC 3526 primes end in ff
    return modulus;
}

} // namespace

TEST_CASE("key exchanges give the values that their standards print", "[crypto][vectors]") {
    for (const char* file : {"x25519_rfc7748.txt", "ecp_rfc5903.txt", "modp_rfc3526.txt"}) {
        const auto vectors = read_vectors(file);
        CHECK_FALSE(vectors.empty());
        for (const Vector& v : vectors)
            replay(v);
    }
}

TEST_CASE("two fresh sides agree on a secret that is new each time", "[crypto]") {
    Backend backend;
    SystemRandom random;
    for (const KeId id : kAll) {
        INFO(to_string(id));
        const KeyExchange a = KeyExchange::create(backend, id, random);
        KeyExchange b = KeyExchange::create(backend, id, random);
        CHECK(a.public_value().size() == ke_public_length(id));
        CHECK(a.public_value() != b.public_value());
        const auto first = a.agree(b.public_value(), random);
        const auto second = b.agree(a.public_value(), random);
        REQUIRE(first);
        REQUIRE(second);
        CHECK(equal(first->view(), second->view()));
        const KeyExchange moved = std::move(b);
        const auto third = moved.agree(a.public_value(), random);
        REQUIRE(third);
        CHECK(equal(first->view(), third->view()));
    }
}

TEST_CASE("a public value of the wrong length is refused", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    for (const KeId id : kAll) {
        INFO(to_string(id));
        const KeyExchange ke = KeyExchange::create(backend, id, random);
        Bytes longer = ke.public_value();
        longer.push_back(0);
        refuses(ke, longer, Rule::bad_key_exchange_size);
        refuses(ke, Bytes(ke.public_value().begin() + 1, ke.public_value().end()),
                Rule::bad_key_exchange_size);
        refuses(ke, {}, Rule::bad_key_exchange_size);
    }
}

TEST_CASE("X25519 refuses points of small order, by the secret that they give", "[crypto][vectors]") {
    Backend backend;
    ScriptedRandom random;
    const KeyExchange ke = KeyExchange::create(backend, KeId::x25519, random);
    const auto vectors = read_vectors("x25519_small_order.txt");
    CHECK(vectors.size() == 7);
    for (const Vector& v : vectors) {
        INFO(v.title);
        refuses(ke, v.hex("public"), Rule::bad_key_exchange_value);
        Bytes high = v.hex("public");
        high.back() |= 0x80; // the function ignores this bit
        refuses(ke, high, Rule::bad_key_exchange_value);
    }
}

TEST_CASE("ECP refuses what is no point of the curve", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    for (const KeId id : {KeId::ecp256, KeId::ecp384, KeId::ecp521}) {
        INFO(to_string(id));
        const KeyExchange ke = KeyExchange::create(backend, id, random);
        const Bytes good = KeyExchange::create(backend, id, random).public_value();
        CHECK(ke.agree(good, random));
        refuses(ke, Bytes(good.size(), 0), Rule::bad_key_exchange_value);    // not the point at infinity
        refuses(ke, Bytes(good.size(), 0xff), Rule::bad_key_exchange_value); // coordinates above the prime
        for (const std::size_t at : {good.size() / 2 - 1, good.size() - 1}) {
            Bytes bad = good;
            bad[at] ^= 1;
            refuses(ke, bad, Rule::bad_key_exchange_value);
        }
        Bytes x_above = good;
        std::fill_n(x_above.begin(), good.size() / 2, std::uint8_t{0xff});
        refuses(ke, x_above, Rule::bad_key_exchange_value);
    }
}

TEST_CASE("ECP takes no second name of a point", "[crypto]") {
    // x + p fits in the 66 octets of a P-521 coordinate, whose top octet holds one bit of it.
    Backend backend;
    ScriptedRandom random;
    const KeyExchange ke = KeyExchange::create(backend, KeId::ecp521, random);
    Bytes alias = KeyExchange::create(backend, KeId::ecp521, random).public_value();
    // p = 2^521 - 1: adding it is adding 2^521 and taking 1.
    REQUIRE(alias[65] != 0);
    alias[65] = static_cast<std::uint8_t>(alias[65] - 1);
    alias[0] = static_cast<std::uint8_t>(alias[0] + 2);
    refuses(ke, alias, Rule::bad_key_exchange_value);
}

TEST_CASE("MODP refuses 0, 1, p-1, p and more", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    for (const Vector& v : read_vectors("modp_rfc3526.txt")) {
        INFO(v.title);
        const KeyExchange ke = KeyExchange::create(backend, ke_from_string(v.text("group")).value(), random);
        const Bytes prime = v.hex("prime");
        Bytes small(prime.size(), 0);
        refuses(ke, small, Rule::bad_key_exchange_value);
        small.back() = 1;
        refuses(ke, small, Rule::bad_key_exchange_value);
        small.back() = 2;
        CHECK(ke.agree(small, random));
        refuses(ke, Bytes(prime.size(), 0xff), Rule::bad_key_exchange_value);
        refuses(ke, prime, Rule::bad_key_exchange_value);
        refuses(ke, below(prime, 1), Rule::bad_key_exchange_value);
        CHECK(ke.agree(below(prime, 2), random));
    }
}

TEST_CASE("a MODP secret keeps its leading zeros", "[crypto]") {
    // The peer's value 2 is the generator, so that the secret is our own public value; this exponent, found
    // by search, makes one that begins with a zero octet.
    Backend backend;
    ScriptedRandom random;
    Bytes exponent(40, 0);
    exponent.front() = 0x80;
    exponent[39] = 0x3;
    const KeyExchange ke = with_private(backend, KeId::modp2048, exponent);
    REQUIRE(ke.public_value().size() == 256);
    REQUIRE(ke.public_value().front() == 0);
    Bytes two(256, 0);
    two.back() = 2;
    const auto shared = ke.agree(two, random);
    REQUIRE(shared);
    CHECK(equal(shared->view(), ke.public_value()));
}

TEST_CASE("an ECP private key is never zero nor beyond the order", "[crypto]") {
    // Zero first, then ff..ff, which is above every order: both are thrown away and the third is taken.
    Backend backend;
    for (const Vector& v : read_vectors("ecp_rfc5903.txt")) {
        INFO(v.title);
        const Bytes key = v.hex("initiator_private");
        Bytes script(key.size(), 0);
        script.insert(script.end(), key.size(), 0xff);
        append(script, key);
        const KeyExchange ke = with_private(backend, ke_from_string(v.text("group")).value(), script);
        CHECK(to_hex(ke.public_value()) == v.text("initiator_public"));
    }
}

TEST_CASE("the system's randomness differs from call to call", "[crypto]") {
    SystemRandom random;
    Bytes a(32, 0);
    Bytes b(32, 0);
    random.fill(a);
    random.fill(b);
    CHECK(a != b);
    CHECK(a != Bytes(32, 0));
}

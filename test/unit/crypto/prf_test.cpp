#include "lib/crypto/hash.h"
#include "lib/crypto/prf.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

#include <array>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

TEST_CASE("HMAC-SHA2 as PRF gives the values of RFC 4868", "[crypto][vectors]") {
    Backend backend;
    const std::array<std::pair<PrfId, const char*>, 3> prfs{{{PrfId::hmac_sha2_256, "prf_sha256"},
                                                             {PrfId::hmac_sha2_384, "prf_sha384"},
                                                             {PrfId::hmac_sha2_512, "prf_sha512"}}};
    std::size_t replayed = 0;
    for (const Vector& v : read_vectors("hmac_rfc4868.txt")) {
        for (const auto& [id, name] : prfs) {
            if (!v.has(name)) continue;
            INFO(v.title << " " << name);
            CHECK(to_hex(prf(backend, id, v.hex("key"), {v.hex("data")}).view()) == v.text(name));
            ++replayed;
        }
    }
    CHECK(replayed == 30); // 6 cases of three, 12 of one
}

TEST_CASE("data in pieces is data in one", "[crypto]") {
    Backend backend;
    const Bytes key(32, 7);
    const Bytes data = from_hex("000102030405060708090a0b0c0d0e0f");
    const View whole(data);
    const Secret once = prf(backend, PrfId::hmac_sha2_256, key, {whole});
    const Secret pieces = prf(backend, PrfId::hmac_sha2_256, key,
                              {whole.first(5), View{}, whole.subspan(5, 1), whole.subspan(6)});
    CHECK(equal(once.view(), pieces.view()));
}

TEST_CASE("a key of any length is taken, longer than a block as its hash", "[crypto]") {
    Backend backend;
    const Bytes data(10, 1);
    const Bytes huge(100'000, 5);
    const Bytes hashed = hash(backend, HashId::sha2_256, {huge});
    CHECK(equal(prf(backend, PrfId::hmac_sha2_256, huge, {data}).view(),
                prf(backend, PrfId::hmac_sha2_256, hashed, {data}).view()));
    CHECK(prf(backend, PrfId::hmac_sha2_256, {}, {data}).size() == 32);
}

TEST_CASE("a shorter prf+ is the beginning of a longer one", "[crypto]") {
    Backend backend;
    const Bytes key(32, 7);
    const Bytes seed(40, 9);
    const Secret all = prf_plus(backend, PrfId::hmac_sha2_256, key, {seed}, 255 * 32);
    CHECK(all.size() == 255 * 32);
    for (const std::size_t length : {0U, 1U, 31U, 32U, 33U, 64U, 200U}) {
        const Secret part = prf_plus(backend, PrfId::hmac_sha2_256, key, {seed}, length);
        CHECK(equal(part.view(), all.view().first(length)));
    }
}

TEST_CASE("hashes have the values of FIPS 180 for 'abc'", "[crypto]") {
    Backend backend;
    const Bytes abc{'a', 'b', 'c'};
    CHECK(to_hex(sha1(backend, {abc})) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(to_hex(sha1(backend, {View(abc).first(1), View(abc).subspan(1)})) ==
          "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(to_hex(hash(backend, HashId::sha2_256, {abc})) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

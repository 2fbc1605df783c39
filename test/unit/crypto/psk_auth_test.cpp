#include "lib/crypto/prf.h"
#include "lib/crypto/psk_auth.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

TEST_CASE("the AOSP conversation: AUTH data of the shared key", "[crypto][vectors]") {
    const Vector v = read_vectors("aosp_ike_chain.txt").at(0);
    Backend backend;
    const PrfId id = PrfId::hmac_sha1;
    const Bytes message = v.hex("init_request");
    const Bytes nonce = v.hex("nr");
    const Bytes body = v.hex("id_body");
    const Bytes sk_p = v.hex("sk_pi");
    const Bytes psk = v.hex("psk");

    CHECK(to_hex(prf(backend, id, sk_p, {body}).view()) == v.text("maced_id"));
    const Bytes octets = signed_octets(backend, id, {message, nonce, body, sk_p});
    CHECK(to_hex(octets) == v.text("init_request") + v.text("nr") + v.text("maced_id"));
    CHECK(to_hex(psk_auth(backend, id, psk, octets)) == v.text("auth"));
    CHECK(verify_psk_auth(backend, id, psk, octets, v.hex("auth")));
}

TEST_CASE("AUTH data that differs in anything does not verify", "[crypto]") {
    const Vector v = read_vectors("aosp_ike_chain.txt").at(0);
    Backend backend;
    const PrfId id = PrfId::hmac_sha1;
    const Bytes psk = v.hex("psk");
    const Bytes auth = v.hex("auth");
    const auto octets_with = [&](std::string_view changed) {
        Bytes message = v.hex("init_request");
        Bytes nonce = v.hex("nr");
        Bytes body = v.hex("id_body");
        Bytes sk_p = v.hex("sk_pi");
        if (changed == "message") message.back() ^= 1;
        if (changed == "nonce") nonce.front() ^= 1;
        if (changed == "id") body.back() ^= 1;
        if (changed == "key") sk_p.front() ^= 1;
        return signed_octets(backend, id, {message, nonce, body, sk_p});
    };
    CHECK(verify_psk_auth(backend, id, psk, octets_with(""), auth));
    for (const char* changed : {"message", "nonce", "id", "key"}) {
        INFO(changed);
        CHECK_FALSE(verify_psk_auth(backend, id, psk, octets_with(changed), auth));
    }
    const Bytes octets = octets_with("");
    for (std::size_t i = 0; i < auth.size(); ++i) {
        Bytes bad = auth;
        bad[i] ^= 0x80;
        CHECK_FALSE(verify_psk_auth(backend, id, psk, octets, bad));
    }
    CHECK_FALSE(verify_psk_auth(backend, id, psk, octets, View(auth).first(19)));
    CHECK_FALSE(verify_psk_auth(backend, id, psk, octets, {}));
    Bytes other = psk;
    other.push_back(0);
    CHECK_FALSE(verify_psk_auth(backend, id, from_hex("00"), octets, auth));
    CHECK_FALSE(verify_psk_auth(backend, id, View(psk).first(psk.size() - 1), octets, auth));
}

TEST_CASE("a transcript that is appended is signed", "[crypto]") {
    Backend backend;
    const Bytes x(16, 1);
    const Bytes more(36, 9);
    const Bytes plain = signed_octets(backend, PrfId::hmac_sha2_256, {x, x, x, x});
    const Bytes extended = signed_octets(backend, PrfId::hmac_sha2_256, {x, x, x, x, more});
    CHECK(equal(View(extended).first(plain.size()), plain));
    CHECK(equal(View(extended).subspan(plain.size()), more));
}

#include "lib/crypto/key_schedule.h"
#include "lib/crypto/prf.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

Bytes joined(const IkeKeys& k) {
    Bytes all;
    for (const Secret* key : {&k.d, &k.ai, &k.ar, &k.ei, &k.er, &k.pi, &k.pr})
        append(all, key->view());
    return all;
}

Bytes joined(const ChildKeys& k) {
    Bytes all;
    for (const DirectionKeys* way : {&k.initiator_to_responder, &k.responder_to_initiator}) {
        append(all, way->encr.view());
        append(all, way->integ.view());
    }
    return all;
}

// What NIST calls DKM is the stretched material before it is cut; the keys are its beginning, in order.
void replay(const Vector& v) {
    INFO(v.title);
    Backend backend;
    const PrfId id = prf_from_string(v.text("prf")).value();
    const Bytes ni = v.hex("ni");
    const Bytes nr = v.hex("nr");
    const Bytes fresh = v.hex("gir_new");
    const Nonces nonces{ni, nr};
    const IkeSpis spis{v.u64("spi_i"), v.u64("spi_r")};

    const Secret seed = skeyseed(backend, id, nonces, v.hex("gir"));
    CHECK(to_hex(seed.view()) == v.text("skeyseed"));

    const Bytes dkm = v.hex("dkm");
    CHECK(to_hex(prf_plus(backend, id, seed.view(), {ni, nr, v.hex("spi_i"), v.hex("spi_r")}, dkm.size())
                     .view()) == v.text("dkm"));
    const IkeSuite suite{EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128, id, KeId::x25519};
    const IkeKeys keys = ike_keys(backend, suite, seed.view(), nonces, spis);
    const Bytes all = joined(keys);
    CHECK(all.size() == 3 * prf_length(id) + 2 * 32 + 2 * 32);
    CHECK(equal(all, View(dkm).first(all.size())));

    const EspSuite esp{EncrId::aes_gcm_16, 256, IntegId::none, std::nullopt, false};
    CHECK(equal(joined(child_keys(backend, id, keys.d.view(), esp, nonces, {})),
                View(v.hex("dkm_child")).first(72)));
    CHECK(equal(joined(child_keys(backend, id, keys.d.view(), esp, nonces, fresh)),
                View(v.hex("dkm_child_ke")).first(72)));
    CHECK(to_hex(rekey_skeyseed(backend, id, keys.d.view(), nonces, fresh).view()) ==
          v.text("skeyseed_rekey"));
}

} // namespace

TEST_CASE("the key schedule gives NIST's values", "[crypto][vectors]") {
    const auto vectors = read_vectors("ikev2_kdf_nist.txt");
    CHECK(vectors.size() == 1);
    for (const Vector& v : vectors)
        replay(v);
}

TEST_CASE("the key schedule agrees with another implementation for SHA-384 and SHA-512",
          "[crypto][vectors]") {
    const auto vectors = read_vectors("ikev2_kdf_computed.txt");
    CHECK(vectors.size() == 2);
    for (const Vector& v : vectors)
        replay(v);
}

TEST_CASE("the AOSP conversation: from the shared secret to the keys of IKE and Child SA",
          "[crypto][vectors]") {
    const Vector v = read_vectors("aosp_ike_chain.txt").at(0);
    Backend backend;
    const Bytes ni = v.hex("ni");
    const Bytes nr = v.hex("nr");
    const IkeSuite suite{EncrId::aes_cbc, 128, IntegId::hmac_sha1_96, PrfId::hmac_sha1, static_cast<KeId>(2)};

    const Secret seed = skeyseed(backend, suite.prf, {ni, nr}, v.hex("shared"));
    CHECK(to_hex(seed.view()) == v.text("skeyseed"));
    const IkeKeys keys = ike_keys(backend, suite, seed.view(), {ni, nr}, {v.u64("spi_i"), v.u64("spi_r")});
    CHECK(to_hex(keys.d.view()) == v.text("sk_d"));
    CHECK(to_hex(keys.ai.view()) == v.text("sk_ai"));
    CHECK(to_hex(keys.ar.view()) == v.text("sk_ar"));
    CHECK(to_hex(keys.ei.view()) == v.text("sk_ei"));
    CHECK(to_hex(keys.er.view()) == v.text("sk_er"));
    CHECK(to_hex(keys.pi.view()) == v.text("sk_pi"));
    CHECK(to_hex(keys.pr.view()) == v.text("sk_pr"));

    const EspSuite esp{EncrId::aes_cbc, 128, IntegId::hmac_sha1_96, std::nullopt, false};
    const ChildKeys child = child_keys(backend, suite.prf, keys.d.view(), esp, {ni, nr}, {});
    CHECK(to_hex(child.initiator_to_responder.encr.view()) == v.text("child_encr_i"));
    CHECK(to_hex(child.initiator_to_responder.integ.view()) == v.text("child_integ_i"));
    CHECK(to_hex(child.responder_to_initiator.encr.view()) == v.text("child_encr_r"));
    CHECK(to_hex(child.responder_to_initiator.integ.view()) == v.text("child_integ_r"));
}

TEST_CASE("an AEAD has no integrity keys and a salt behind the key", "[crypto]") {
    Backend backend;
    const Bytes nonce(32, 1);
    const Bytes seed(32, 2);
    const IkeSuite suite{EncrId::aes_gcm_16, 128, IntegId::none, PrfId::hmac_sha2_256, KeId::x25519};
    const IkeKeys keys = ike_keys(backend, suite, seed, {nonce, nonce}, {1, 2});
    CHECK(keys.ai.empty());
    CHECK(keys.ar.empty());
    CHECK(keys.ei.size() == 20);
    CHECK(keys.er.size() == 20);
    CHECK_FALSE(equal(keys.ei.view(), keys.er.view()));
}

TEST_CASE("every input changes the keys", "[crypto]") {
    Backend backend;
    const Bytes a(32, 1);
    const Bytes b(32, 2);
    const IkeSuite suite{EncrId::aes_gcm_16, 128, IntegId::none, PrfId::hmac_sha2_256, KeId::x25519};
    const auto keys = [&](const Bytes& seed, const Bytes& ni, const Bytes& nr, IkeSpis spis) {
        return to_hex(joined(ike_keys(backend, suite, seed, {ni, nr}, spis)));
    };
    const std::string base = keys(a, a, a, {1, 2});
    CHECK(base != keys(b, a, a, {1, 2}));
    CHECK(base != keys(a, b, a, {1, 2}));
    CHECK(base != keys(a, a, b, {1, 2}));
    CHECK(base != keys(a, a, a, {2, 1}));
}

#include "lib/crypto/public_key.h"

#include "lib/crypto/public_key_parts.h"

#include <botan/ber_dec.h>
#include <botan/data_src.h>
#include <botan/ecdsa.h>
#include <botan/ed25519.h>
#include <botan/oids.h>
#include <botan/pem.h>
#include <botan/pubkey.h>
#include <botan/rsa.h>
#include <botan/x509_key.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace sheaf::crypto {
namespace {

constexpr std::string_view kPemMark = "-----BEGIN ";

std::string_view hash_name(HashId hash) {
    switch (hash) {
    case HashId::sha1: return "SHA-1";
    case HashId::sha2_256: return "SHA-256";
    case HashId::sha2_384: return "SHA-384";
    case HashId::sha2_512: return "SHA-512";
    case HashId::identity: break;
    }
    return "unknown";
}

std::size_t hash_length(HashId hash) {
    switch (hash) {
    case HashId::sha1: return 20;
    case HashId::sha2_256: return 32;
    case HashId::sha2_384: return 48;
    case HashId::sha2_512: return 64;
    case HashId::identity: break;
    }
    return 0;
}

std::expected<KeyKind, std::string> kind_of_rsa(const Botan::RSA_PublicKey& key) {
    const std::size_t bits = key.key_length();
    if (bits < kMinRsaBits || bits > kMaxRsaBits)
        return std::unexpected("the RSA key has " + std::to_string(bits) + " bits; use one of " +
                               std::to_string(kMinRsaBits) + " to " + std::to_string(kMaxRsaBits));
    const Botan::BigInt& e = key.get_e();
    if (e < 3 || e.is_even() || e.bits() > kMaxExponentBits)
        return std::unexpected("the RSA key's public exponent is not one in use; make a key with 65537");
    return KeyKind::rsa;
}

std::expected<KeyKind, std::string> kind_of_ecdsa(const Botan::ECDSA_PublicKey& key) {
    if (key.public_point().is_zero()) return std::unexpected("the EC key is the point at infinity");
    const Botan::OID& curve = key.domain().get_curve_oid();
    if (curve == Botan::OID{1, 2, 840, 10045, 3, 1, 7}) return KeyKind::ecdsa_p256;
    if (curve == Botan::OID{1, 3, 132, 0, 34}) return KeyKind::ecdsa_p384;
    if (curve == Botan::OID{1, 3, 132, 0, 35}) return KeyKind::ecdsa_p521;
    return std::unexpected("the EC key's curve is not supported; use P-256, P-384 or P-521");
}

std::expected<KeyKind, std::string> kind_of(const Botan::Public_Key& key) {
    if (const auto* rsa = dynamic_cast<const Botan::RSA_PublicKey*>(&key)) return kind_of_rsa(*rsa);
    if (const auto* ecdsa = dynamic_cast<const Botan::ECDSA_PublicKey*>(&key)) return kind_of_ecdsa(*ecdsa);
    if (dynamic_cast<const Botan::Ed25519_PublicKey*>(&key)) return KeyKind::ed25519;
    return std::unexpected("keys of type " + key.algo_name() +
                           " are not supported; use RSA, ECDSA or Ed25519");
}

bool is_pem(View octets) {
    const std::string_view text(reinterpret_cast<const char*>(octets.data()), octets.size());
    return text.find(kPemMark) != text.npos;
}

} // namespace

PublicKey::Parts::Parts() = default;
PublicKey::Parts::~Parts() = default;

std::expected<Encoded, std::string> decode_file(View der_or_pem) {
    if (der_or_pem.empty()) return std::unexpected("it is empty");
    if (der_or_pem.size() > kMaxKeyFile)
        return std::unexpected("it is longer than " + std::to_string(kMaxKeyFile) + " octets");
    if (!is_pem(der_or_pem)) return Encoded{{}, Secret::copy_of(der_or_pem)};
    try {
        Botan::DataSource_Memory source(der_or_pem.data(), der_or_pem.size());
        Encoded out;
        do {
            out.der = Secret::copy_of(Botan::PEM_Code::decode(source, out.label));
        } while (out.label == "EC PARAMETERS");
        return out;
    } catch (const std::exception&) { // what it says may quote the file
        return std::unexpected("its PEM cannot be read; make it anew with 'openssl pkey'");
    }
}

std::string emsa(const SignatureAlgorithm& algorithm) {
    const std::string hash(hash_name(algorithm.hash));
    switch (algorithm.scheme) {
    case SignatureScheme::rsa_pkcs1: return "EMSA3(" + hash + ")";
    case SignatureScheme::rsa_pss: // RFC 4055 3.1: the salt is as long as the hash
        return "EMSA4(" + hash + ",MGF1," + std::to_string(hash_length(algorithm.hash)) + ")";
    case SignatureScheme::ecdsa: return "EMSA1(" + hash + ")";
    case SignatureScheme::ed25519: break;
    }
    return "Pure";
}

std::string describe(const SignatureAlgorithm& algorithm) {
    const std::string hash = " with " + std::string(hash_name(algorithm.hash));
    switch (algorithm.scheme) {
    case SignatureScheme::rsa_pkcs1: return "RSASSA-PKCS1-v1_5" + hash;
    case SignatureScheme::rsa_pss: return "RSASSA-PSS" + hash;
    case SignatureScheme::ecdsa: return "ECDSA" + hash;
    case SignatureScheme::ed25519: break;
    }
    return "Ed25519";
}

bool fits(KeyKind kind, SignatureScheme scheme) {
    switch (kind) {
    case KeyKind::rsa: return scheme == SignatureScheme::rsa_pkcs1 || scheme == SignatureScheme::rsa_pss;
    case KeyKind::ecdsa_p256:
    case KeyKind::ecdsa_p384:
    case KeyKind::ecdsa_p521: return scheme == SignatureScheme::ecdsa;
    case KeyKind::ed25519: return scheme == SignatureScheme::ed25519;
    }
    return false;
}

std::expected<PublicKey, std::string> PublicKey::parse(View der_or_pem) {
    const auto encoded = decode_file(der_or_pem);
    if (!encoded) return std::unexpected(encoded.error());
    if (!encoded->label.empty() && encoded->label != "PUBLIC KEY")
        return std::unexpected("it holds a " + encoded->label +
                               " where a PUBLIC KEY is needed; 'openssl pkey -pubout' " +
                               "makes one from a private key");
    try {
        const View der = encoded->der.view();
        auto parts = std::make_shared<Parts>();
        parts->key.reset(Botan::X509::load_key(Bytes(der.begin(), der.end())));
        const auto kind = kind_of(*parts->key);
        if (!kind) return std::unexpected(kind.error());
        PublicKey out;
        out.kind_ = *kind;
        out.spki_ = parts->key->subject_public_key(); // encoded anew: one key, one form
        out.parts_ = std::move(parts);
        return out;
    } catch (const std::exception&) {
        return std::unexpected("it is not a public key (SubjectPublicKeyInfo) that can be read");
    }
}

std::string PublicKey::describe() const {
    if (!parts_) return "no key";
    switch (kind_) {
    case KeyKind::rsa: return "RSA with " + std::to_string(parts_->key->key_length()) + " bits";
    case KeyKind::ecdsa_p256: return "ECDSA on P-256";
    case KeyKind::ecdsa_p384: return "ECDSA on P-384";
    case KeyKind::ecdsa_p521: return "ECDSA on P-521";
    case KeyKind::ed25519: break;
    }
    return "Ed25519";
}

bool PublicKey::verify(const SignatureAlgorithm& algorithm, View message, View signature,
                       EcdsaForm form) const {
    if (!parts_ || !fits(kind_, algorithm.scheme)) return false;
    const bool der = algorithm.scheme == SignatureScheme::ecdsa && form == EcdsaForm::der;
    try {
        Botan::PK_Verifier verifier(*parts_->key, emsa(algorithm),
                                    der ? Botan::DER_SEQUENCE : Botan::IEEE_1363);
        return verifier.verify_message(message.data(), message.size(), signature.data(), signature.size());
    } catch (const std::exception&) {
        return false;
    }
}

} // namespace sheaf::crypto

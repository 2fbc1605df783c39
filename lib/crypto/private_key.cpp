#include "lib/crypto/private_key.h"

#include "lib/crypto/draw.h"
#include "lib/crypto/public_key_parts.h"

#include <botan/ber_dec.h>
#include <botan/data_src.h>
#include <botan/ecdsa.h>
#include <botan/ed25519.h>
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <botan/rng.h>
#include <botan/rsa.h>

#include <string_view>
#include <utility>

namespace sheaf::crypto {

// Botan keeps numbers and octets of keys in memory that it wipes.
struct PrivateKey::Parts {
    std::unique_ptr<Botan::Private_Key> key;
    PublicKey public_key;
};

namespace {

using Octets = Botan::secure_vector<std::uint8_t>; // wiped

constexpr const char* kEncrypted =
    "the private key is encrypted; decrypt it with 'openssl pkey -in FILE -out PLAIN' "
    "and keep the file readable by its owner alone";
constexpr const char* kUnreadable =
    "it is not a private key that can be read; use PKCS#8, as 'openssl pkey' writes it";

std::unique_ptr<Botan::Private_Key> load_rsa(const Octets& der) {
    const Botan::AlgorithmIdentifier algorithm("RSA", Botan::AlgorithmIdentifier::USE_NULL_PARAM);
    return std::make_unique<Botan::RSA_PrivateKey>(algorithm, der);
}

// RFC 5915 3: the curve's name stands within, in an optional field.
std::unique_ptr<Botan::Private_Key> load_ec(const Octets& der) {
    std::size_t version = 0;
    Octets secret;
    Botan::BER_Decoder outer(der);
    Botan::BER_Decoder inner = outer.start_cons(Botan::SEQUENCE);
    inner.decode(version).decode(secret, Botan::OCTET_STRING);
    const Botan::BER_Object field = inner.get_next_object();
    field.assert_is_a(Botan::ASN1_Tag(0), Botan::ASN1_Tag(Botan::CONTEXT_SPECIFIC | Botan::CONSTRUCTED));
    const Botan::AlgorithmIdentifier algorithm(Botan::OID{1, 2, 840, 10045, 2, 1},
                                               Bytes(field.bits(), field.bits() + field.length()));
    return std::make_unique<Botan::ECDSA_PrivateKey>(algorithm, der);
}

std::unique_ptr<Botan::Private_Key> load(const Encoded& encoded) {
    const View view = encoded.der.view();
    const Octets der(view.begin(), view.end());
    if (encoded.label == "RSA PRIVATE KEY") return load_rsa(der);
    if (encoded.label == "EC PRIVATE KEY") return load_ec(der);
    Botan::DataSource_Memory source(der);
    return Botan::PKCS8::load_key(source);
}

bool is_encrypted(View octets, const std::string& label) {
    const std::string_view text(reinterpret_cast<const char*>(octets.data()), octets.size());
    return label == "ENCRYPTED PRIVATE KEY" || text.find("Proc-Type: 4,ENCRYPTED") != text.npos ||
           text.find("BEGIN ENCRYPTED PRIVATE KEY") != text.npos;
}

// A damaged RSA key would sign with something else than what its public part says.
bool is_consistent(const Botan::Private_Key& key) {
    const auto* rsa = dynamic_cast<const Botan::RSA_PrivateKey*>(&key);
    return !rsa || rsa->get_p() * rsa->get_q() == rsa->get_n();
}

} // namespace

PrivateKey::PrivateKey(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

std::expected<PrivateKey, std::string> PrivateKey::parse(View der_or_pem) {
    if (is_encrypted(der_or_pem, {})) return std::unexpected(kEncrypted);
    const auto encoded = decode_file(der_or_pem);
    if (!encoded) return std::unexpected(encoded.error());
    if (!encoded->label.empty() && !encoded->label.ends_with("PRIVATE KEY"))
        return std::unexpected("it holds a " + encoded->label + " where a PRIVATE KEY is needed");
    try {
        auto parts = std::make_unique<Parts>();
        parts->key = load(*encoded);
        if (!is_consistent(*parts->key))
            return std::unexpected("the private key is damaged: its numbers contradict each other");
        auto public_key = PublicKey::parse(parts->key->subject_public_key());
        if (!public_key) return std::unexpected(public_key.error());
        parts->public_key = *std::move(public_key);
        return PrivateKey(std::move(parts));
    } catch (const std::exception&) { // what it says may quote the key
        return std::unexpected(kUnreadable);
    }
}

const PublicKey& PrivateKey::public_key() const { return parts_->public_key; }

std::expected<Bytes, std::string> PrivateKey::sign(const SignatureAlgorithm& algorithm, View message,
                                                   Random& random, EcdsaForm form) const {
    if (!fits(parts_->public_key.kind(), algorithm.scheme))
        return std::unexpected("a key of " + parts_->public_key.describe() + " does not sign by " +
                               describe(algorithm));
    const bool der = algorithm.scheme == SignatureScheme::ecdsa && form == EcdsaForm::der;
    const auto draw = draw_from(random);
    try {
        Botan::PK_Signer signer(*parts_->key, *draw, emsa(algorithm),
                                der ? Botan::DER_SEQUENCE : Botan::IEEE_1363);
        return signer.sign_message(message.data(), message.size(), *draw);
    } catch (const std::exception&) {
        return std::unexpected("the key of " + parts_->public_key.describe() + " failed to sign by " +
                               describe(algorithm));
    }
}

} // namespace sheaf::crypto

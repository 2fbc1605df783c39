// The AlgorithmIdentifiers of RFC 7427 A. An identifier is known if it is one of a fixed set of encodings, so
// that no ASN.1 of a stranger has to be taken apart.

#include "lib/crypto/der.h"
#include "lib/crypto/public_key.h"

#include <array>
#include <initializer_list>

namespace sheaf::crypto {
namespace {

constexpr std::uint8_t kInteger = 0x02, kNull = 0x05, kOid = 0x06, kContext = 0xa0;
constexpr std::array kHashes{HashId::sha1, HashId::sha2_256, HashId::sha2_384, HashId::sha2_512};

// What writers of RSASSA-PSS parameters differ in: whether hashes carry a NULL (RFC 4055 2.1 asks to accept
// both), and whether the trailer field, which has its default, is there (so RFC 7427 A.4.3, not DER).
struct PssStyle {
    bool hash_null = true;
    bool mask_hash_null = true;
    bool trailer = false;
};

// REQUIRES: less than 128 octets of content.
Bytes tlv(std::uint8_t tag, std::initializer_list<View> content) {
    Bytes out{tag, 0};
    for (const View part : content)
        append(out, part);
    out[1] = static_cast<std::uint8_t>(out.size() - 2);
    return out;
}

Bytes null() { return {kNull, 0}; }

Bytes oid(std::initializer_list<std::uint8_t> encoded) {
    const Bytes content(encoded);
    return tlv(kOid, {content});
}

Bytes integer(std::uint8_t value) { return {kInteger, 1, value}; }

Bytes hash_identifier(HashId hash, bool with_null) {
    const auto sha2 = [](std::uint8_t last) {
        return oid({0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last});
    };
    Bytes id;
    switch (hash) {
    case HashId::sha1: id = oid({0x2b, 0x0e, 0x03, 0x02, 0x1a}); break;
    case HashId::sha2_256: id = sha2(1); break;
    case HashId::sha2_384: id = sha2(2); break;
    case HashId::sha2_512: id = sha2(3); break;
    case HashId::identity: return {};
    }
    return with_null ? tlv(kSequence, {id, null()}) : tlv(kSequence, {id});
}

Bytes pkcs1_oid(std::uint8_t last) { return oid({0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last}); }

Bytes rsa_pkcs1(HashId hash) {
    switch (hash) {
    case HashId::sha1: return tlv(kSequence, {pkcs1_oid(5), null()});
    case HashId::sha2_256: return tlv(kSequence, {pkcs1_oid(11), null()});
    case HashId::sha2_384: return tlv(kSequence, {pkcs1_oid(12), null()});
    case HashId::sha2_512: return tlv(kSequence, {pkcs1_oid(13), null()});
    case HashId::identity: break;
    }
    return {};
}

std::uint8_t salt_length(HashId hash) {
    switch (hash) {
    case HashId::sha2_256: return 32;
    case HashId::sha2_384: return 48;
    case HashId::sha2_512: return 64;
    default: return 20;
    }
}

constexpr std::uint8_t context(std::uint8_t number) { return kContext | number; }

// RFC 4055 3.1: hash, mask generation with the same hash, salt as long as the hash.
Bytes rsa_pss(HashId hash, const PssStyle& style) {
    const Bytes mask = tlv(kSequence, {pkcs1_oid(8), hash_identifier(hash, style.mask_hash_null)});
    const Bytes hash_part = tlv(context(0), {hash_identifier(hash, style.hash_null)});
    const Bytes mask_part = tlv(context(1), {mask});
    const Bytes salt_part = tlv(context(2), {integer(salt_length(hash))});
    const Bytes trailer_part = style.trailer ? tlv(context(3), {integer(1)}) : Bytes();
    return tlv(kSequence, {pkcs1_oid(10), tlv(kSequence, {hash_part, mask_part, salt_part, trailer_part})});
}

Bytes ecdsa(HashId hash) {
    const auto sha2 = [](std::uint8_t last) {
        return tlv(kSequence, {oid({0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last})});
    };
    switch (hash) {
    case HashId::sha1: return tlv(kSequence, {oid({0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01})});
    case HashId::sha2_256: return sha2(2);
    case HashId::sha2_384: return sha2(3);
    case HashId::sha2_512: return sha2(4);
    case HashId::identity: break;
    }
    return {};
}

Bytes ed25519() { return tlv(kSequence, {oid({0x2b, 0x65, 0x70})}); } // RFC 8420 A.1

bool is_pss(View der, HashId hash) {
    for (const bool hash_null : {true, false})
        for (const bool mask_hash_null : {true, false})
            for (const bool trailer : {true, false})
                if (equal(der, rsa_pss(hash, {hash_null, mask_hash_null, trailer}))) return true;
    return false;
}

// Without parameters RSASSA-PSS stands for SHA-1 (RFC 7427 A.4.1).
bool is_pss_by_default(View der) { return equal(der, tlv(kSequence, {pkcs1_oid(10), tlv(kSequence, {})})); }

} // namespace

Bytes algorithm_identifier(const SignatureAlgorithm& algorithm) {
    switch (algorithm.scheme) {
    case SignatureScheme::rsa_pkcs1: return rsa_pkcs1(algorithm.hash);
    case SignatureScheme::rsa_pss: return rsa_pss(algorithm.hash, {});
    case SignatureScheme::ecdsa: return ecdsa(algorithm.hash);
    case SignatureScheme::ed25519: break;
    }
    return ed25519();
}

std::optional<SignatureAlgorithm> parse_algorithm_identifier(View der) {
    if (equal(der, ed25519())) return SignatureAlgorithm{SignatureScheme::ed25519, HashId::identity};
    for (const HashId hash : kHashes) {
        if (equal(der, rsa_pkcs1(hash))) return SignatureAlgorithm{SignatureScheme::rsa_pkcs1, hash};
        if (equal(der, ecdsa(hash))) return SignatureAlgorithm{SignatureScheme::ecdsa, hash};
        if (is_pss(der, hash)) return SignatureAlgorithm{SignatureScheme::rsa_pss, hash};
    }
    if (is_pss_by_default(der)) return SignatureAlgorithm{SignatureScheme::rsa_pss, HashId::sha1};
    return std::nullopt;
}

} // namespace sheaf::crypto

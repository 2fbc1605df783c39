#include "lib/wire/payload.h"
#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

std::optional<Rule> rule_of(PayloadType type, std::string_view hex) {
    return broken_rule(parse_payload(type, from_hex(hex)));
}

std::optional<Rule> rule_of(const Payload& payload) {
    return broken_rule(parse_payload(type_of(payload), body_of(payload)));
}

} // namespace

TEST_CASE("key exchange: group, reserved octets, data") {
    CHECK(to_hex(body_of(KeyExchange{19, {0xaa, 0xbb}})) == "00130000aabb");
    CHECK(parse_payload(PayloadType::ke, from_hex("001fffff01")) == Payload{KeyExchange{31, {1}}});
    CHECK(rule_of(PayloadType::ke, "001f00") == Rule::truncated);
    CHECK(rule_of(PayloadType::ke, "001f0000") == Rule::bad_key_exchange_size);
}

TEST_CASE("a nonce has 16 to 256 octets") {
    CHECK(rule_of(Nonce{counting(15)}) == Rule::bad_nonce_size);
    CHECK(rule_of(Nonce{counting(16)}) == std::nullopt);
    CHECK(rule_of(Nonce{counting(256)}) == std::nullopt);
    CHECK(rule_of(Nonce{counting(257)}) == Rule::bad_nonce_size);
}

TEST_CASE("an identification fits its type") {
    const auto id = [](std::uint8_t type, Bytes data) {
        return rule_of(Identification{true, IdType{type}, std::move(data)});
    };
    CHECK(to_hex(identification_body({false, IdType::fqdn, text_bytes("ab")})) == "020000006162");
    CHECK(parse_payload(PayloadType::id_r, from_hex("02ffffff61")) ==
          Payload{Identification{false, IdType::fqdn, {'a'}}});
    CHECK(rule_of(PayloadType::id_i, "020000") == Rule::truncated);
    CHECK(id(1, counting(4)) == std::nullopt);
    CHECK(id(1, counting(3)) == Rule::bad_identity);
    CHECK(id(1, counting(5)) == Rule::bad_identity);
    CHECK(id(5, counting(16)) == std::nullopt);
    CHECK(id(5, counting(17)) == Rule::bad_identity); // RFC 7296 3.5 has no prefix length here
    CHECK(id(5, counting(4)) == Rule::bad_identity);
    CHECK(id(2, text_bytes("a.example")) == std::nullopt);
    CHECK(id(2, {}) == Rule::bad_identity);
    CHECK(id(2, {'a', 0, 'b'}) == Rule::bad_identity);
    CHECK(id(2, {'a', '\r'}) == Rule::bad_identity);
    CHECK(id(2, text_bytes("j\xc3\xb6rg.example")) == Rule::bad_identity);
    CHECK(id(3, text_bytes("j\xc3\xb6rg@example")) == std::nullopt);
    CHECK(id(3, text_bytes("a@b\n")) == Rule::bad_identity);
    CHECK(id(3, {'a', 0x7f}) == Rule::bad_identity);
    CHECK(id(9, {0x30}) == std::nullopt);
    CHECK(id(9, {}) == Rule::bad_identity);
    CHECK(id(11, {0}) == std::nullopt);
    CHECK(id(13, {}) == std::nullopt);
    CHECK(id(13, {1}) == Rule::bad_identity);
    CHECK(id(77, {1}) == std::nullopt); // unknown here; whether it fits a connection is asked later
    CHECK(id(11, counting(kMaxIdentity)) == std::nullopt);
    CHECK(id(11, counting(kMaxIdentity + 1)) == Rule::bad_identity);
}

TEST_CASE("certificates hold something, requests may be empty") {
    CHECK(to_hex(body_of(Certificate{CertEncoding::x509_signature, {0x30}})) == "0430");
    CHECK(rule_of(PayloadType::cert, "") == Rule::truncated);
    CHECK(rule_of(PayloadType::cert, "04") == Rule::bad_certificate_payload);
    CHECK(rule_of(Certificate{CertEncoding::crl, counting(kMaxCertificate)}) == std::nullopt);
    CHECK(rule_of(Certificate{CertEncoding::crl, counting(kMaxCertificate + 1)}) ==
          Rule::bad_certificate_payload);
    CHECK(rule_of(PayloadType::certreq, "") == Rule::truncated);
    CHECK(parse_payload(PayloadType::certreq, from_hex("04")) ==
          Payload{CertificateRequest{CertEncoding::x509_signature, {}}});
}

TEST_CASE("authentication data are never empty") {
    CHECK(to_hex(body_of(Authentication{AuthMethod::shared_key, {0xaa}})) == "02000000aa");
    CHECK(parse_payload(PayloadType::auth, from_hex("0effffff00")) ==
          Payload{Authentication{AuthMethod::digital_signature, {0}}});
    CHECK(rule_of(PayloadType::auth, "020000") == Rule::truncated);
    CHECK(rule_of(PayloadType::auth, "02000000") == Rule::bad_authentication_payload);
}

TEST_CASE("an EAP message's length is the payload's") {
    CHECK(rule_of(PayloadType::eap, "01070005 01") == std::nullopt);
    CHECK(rule_of(PayloadType::eap, "02070005 01") == std::nullopt);
    CHECK(rule_of(PayloadType::eap, "03070004") == std::nullopt);
    CHECK(rule_of(PayloadType::eap, "04070004") == std::nullopt);
    CHECK(rule_of(PayloadType::eap, "010700") == Rule::truncated);
    CHECK(rule_of(PayloadType::eap, "01070004") == Rule::bad_eap); // a request has a type
    CHECK(rule_of(PayloadType::eap, "03070005 01") == Rule::bad_eap);
    CHECK(rule_of(PayloadType::eap, "01070006 01") == Rule::bad_eap);
    CHECK(rule_of(PayloadType::eap, "01070004 01") == Rule::bad_eap);
    CHECK(rule_of(PayloadType::eap, "00070004") == Rule::bad_eap);
    CHECK(rule_of(PayloadType::eap, "05070005 01") == Rule::bad_eap);
}

TEST_CASE("a notify's SPI has its protocol's size") {
    CHECK(to_hex(body_of(Notify{Protocol::esp, {1, 2, 3, 4}, NotifyType::rekey_sa, {}})) ==
          "0304400901020304");
    CHECK(rule_of(PayloadType::notify, "000040") == Rule::truncated);
    CHECK(rule_of(PayloadType::notify, "03044009010203") == Rule::truncated);
    CHECK(rule_of(PayloadType::notify, "00044000 01020304") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::notify, "03034000 010203") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::notify, "03084000 0102030405060708") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::notify, "01044000 01020304") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::notify, "01084000 0102030405060708") == std::nullopt);
    CHECK(rule_of(PayloadType::notify, "0610ea60" + std::string(32, '0')) == std::nullopt);
    CHECK(rule_of(PayloadType::notify, "0611ea60" + std::string(34, '0')) == Rule::bad_spi_size);
    // RFC 7296 3.10: without an SPI the protocol is ignored.
    CHECK(parse_payload(PayloadType::notify, from_hex("01004000")) ==
          Payload{Notify{Protocol::none, {}, NotifyType::initial_contact, {}}});
}

TEST_CASE("a notify's data have the form of its type") {
    const auto notify = [](NotifyType type, std::size_t size) {
        return rule_of(Notify{Protocol::none, {}, type, counting(size)});
    };
    CHECK(notify(NotifyType::cookie, 0) == Rule::bad_cookie_size);
    CHECK(notify(NotifyType::cookie, 1) == std::nullopt);
    CHECK(notify(NotifyType::cookie, 64) == std::nullopt);
    CHECK(notify(NotifyType::cookie, 65) == Rule::bad_cookie_size);
    CHECK(notify(NotifyType::invalid_ke_payload, 1) == Rule::bad_notify);
    CHECK(notify(NotifyType::invalid_ke_payload, 2) == std::nullopt);
    CHECK(notify(NotifyType::invalid_ke_payload, 3) == Rule::bad_notify);
    CHECK(notify(NotifyType::unsupported_critical_payload, 0) == Rule::bad_notify);
    CHECK(notify(NotifyType::unsupported_critical_payload, 2) == Rule::bad_notify);
    CHECK(notify(NotifyType::set_window_size, 3) == Rule::bad_notify);
    CHECK(notify(NotifyType::set_window_size, 5) == Rule::bad_notify);
    CHECK(notify(NotifyType::nat_detection_source_ip, 19) == Rule::bad_notify);
    CHECK(notify(NotifyType::nat_detection_source_ip, 21) == Rule::bad_notify);
    CHECK(notify(NotifyType::nat_detection_destination_ip, 19) == Rule::bad_notify);
    CHECK(notify(NotifyType::signature_hash_algorithms, 3) == Rule::bad_notify);
    CHECK(notify(NotifyType::link_id, 64) == std::nullopt);
    CHECK(notify(NotifyType::link_id, 65) == Rule::bad_notify);
    CHECK(notify(NotifyType::rekey_sa, 0) == Rule::bad_notify); // has an SPI
    CHECK(notify(NotifyType::child_sa_not_found, 0) == Rule::bad_notify);
    CHECK(notify(NotifyType{54321}, 3) == std::nullopt);
}

TEST_CASE("a delete names the IKE SA or some Child SAs of one protocol") {
    CHECK(to_hex(body_of(Delete{Protocol::ike, {}})) == "01000000");
    CHECK(to_hex(body_of(Delete{Protocol::esp, {0x01020304}})) == "0304000101020304");
    CHECK(rule_of(PayloadType::del, "010000") == Rule::truncated);
    CHECK(rule_of(PayloadType::del, "01080000") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::del, "01000001") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "01000000 00") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "03040000") == Rule::bad_delete); // must not look like the IKE SA's
    CHECK(rule_of(PayloadType::del, "03000000") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::del, "03080001 0102030405060708") == Rule::bad_spi_size);
    CHECK(rule_of(PayloadType::del, "03040002 01020304") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "03040001 01020304 05") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "03040001 010203") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "00000000") == Rule::bad_delete);
    CHECK(rule_of(PayloadType::del, "04040001 01020304") == Rule::bad_delete);
    CHECK(rule_of(Delete{Protocol::ah, std::vector<ChildSpi>(kMaxDeleteSpis, 7)}) == std::nullopt);
    CHECK(rule_of(Delete{Protocol::ah, std::vector<ChildSpi>(kMaxDeleteSpis + 1, 7)}) == Rule::bad_delete);
}

TEST_CASE("payload types that we do not know are kept as they are") {
    CHECK(parse_payload(PayloadType{200}, from_hex("010203")) ==
          Payload{UnknownPayload{PayloadType{200}, {1, 2, 3}}});
    CHECK(parse_payload(PayloadType::vendor_id, {}) == Payload{VendorId{}});
    CHECK(rule_of(PayloadType::sk, "") == Rule::nested_encrypted_payload);
    CHECK(rule_of(PayloadType::skf, "") == Rule::nested_encrypted_payload);
}

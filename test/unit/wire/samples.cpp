#include "test/unit/wire/samples.h"

#include "lib/wire/cfg.h"

#include <algorithm>

namespace sheaf::wire {
namespace {

std::vector<Payload> negotiation_payloads() {
    const Transform aes{TransformType::encr, 12, 256, false};
    const Transform gcm{TransformType::encr, 20, 128, false};
    const Transform chacha{TransformType::encr, 28, {}, false};
    const Transform sha{TransformType::integ, 12, {}, false};
    const Transform prf{TransformType::prf, 5, {}, false};
    const Transform group{TransformType::ke, 31, {}, false};
    const Transform sn{TransformType::sn, 1, {}, false};
    return {
        Sa{{{1, Protocol::ike, {}, {aes, sha, prf, group}},
            {2, Protocol::ike, {}, {gcm, chacha, prf, group}}}},
        Sa{{{1, Protocol::ike, counting(8), {chacha, prf, group}}}},
        Sa{{{3, Protocol::esp, {0xc0, 0xff, 0xee, 0x01}, {gcm, sn}}}},
        Sa{{{1, Protocol::ah, {0xc0, 0xff, 0xee, 0x01}, {sha, sn}}}},
        Sa{{{1, Protocol{6}, counting(16), {gcm}}}},
        KeyExchange{31, counting(32)},
        Nonce{counting(kMinNonce)},
        Nonce{counting(kMaxNonce)},
    };
}

std::vector<Payload> authentication_payloads() {
    return {
        Identification{true, IdType::ipv4_addr, {192, 0, 2, 1}},
        Identification{false, IdType::ipv6_addr, counting(16)},
        Identification{true, IdType::fqdn, text_bytes("gateway.example")},
        Identification{false, IdType::rfc822_addr, text_bytes("j\xc3\xb6rg@example.org")},
        Identification{true, IdType::key_id, counting(40)},
        Identification{true, IdType::null, {}},
        Certificate{CertEncoding::x509_signature, counting(300)},
        CertificateRequest{CertEncoding::x509_signature, counting(40)},
        CertificateRequest{CertEncoding::x509_signature, {}},
        Authentication{AuthMethod::shared_key, counting(32)},
        Eap{{1, 7, 0, 5, 1}},
        Eap{{3, 8, 0, 4}},
    };
}

std::vector<Payload> notify_payloads() {
    const auto notify = [](NotifyType type, Bytes data) {
        return Notify{Protocol::none, {}, type, std::move(data)};
    };
    return {
        notify(NotifyType::cookie, counting(kMaxCookie)),
        notify(NotifyType::nat_detection_source_ip, counting(20)),
        notify(NotifyType::invalid_ke_payload, {0, 19}),
        notify(NotifyType::unsupported_critical_payload, {200}),
        notify(NotifyType::set_window_size, {0, 0, 0, 4}),
        notify(NotifyType::signature_hash_algorithms, {0, 2, 0, 3}),
        notify(NotifyType::link_id, counting(16)),
        notify(NotifyType{50000}, counting(70)),
        Notify{Protocol::esp, {1, 2, 3, 4}, NotifyType::rekey_sa, {}},
        Notify{Protocol::ike, counting(8), NotifyType::invalid_syntax, {}},
        Delete{Protocol::ike, {}},
        Delete{Protocol::esp, {0x01020304, 0xfffffffe}},
        VendorId{text_bytes("multi-point SA")},
        VendorId{{}},
        UnknownPayload{PayloadType{200}, counting(9)},
    };
}

std::vector<Payload> address_payloads() {
    const TrafficSelector all6{0, 0, 65535, IpAddress::any(Family::ipv6), IpAddress::last(Family::ipv6)};
    const TrafficSelector one4{17, 53, 53, ip("192.0.2.1"), ip("192.0.2.1")};
    const TrafficSelector opaque{6, 65535, 0, ip("10.0.0.0"), ip("10.255.255.255")};
    const TrafficSelector mobility{135, 0x0500, 0x0600, ip("2001:db8::1"), ip("2001:db8::ffff")};
    return {
        TrafficSelectors{true, {one4, opaque}},
        TrafficSelectors{false, {all6, mobility, one4}},
        Configuration{CfgType::request,
                      {empty_attribute(CfgAttributeType::internal_ip4_address),
                       link_attribute({{2, 0, 0, 0xff, 0xfe, 0, 0, 1}, {}})}},
        Configuration{CfgType::reply,
                      {link_attribute({{2, 0, 0, 0xff, 0xfe, 0, 0, 1}, counting(16)}),
                       prefix_attribute(prefix("2001:db8:1:2::/64")),
                       ip6_address_attribute(ip("2001:db8::7"), 64),
                       address_attribute(CfgAttributeType::internal_ip4_dns, ip("192.0.2.53")),
                       subnet_attribute(prefix("198.51.100.0/26"))}},
        Configuration{CfgType::ack, {}},
    };
}

} // namespace

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }
Bytes text_bytes(std::string_view text) { return {text.begin(), text.end()}; }

Bytes counting(std::size_t size) {
    Bytes out(size);
    std::ranges::generate(out, [next = std::uint8_t{0}]() mutable { return next++; });
    return out;
}

std::vector<Payload> sample_payloads() {
    std::vector<Payload> all = negotiation_payloads();
    for (const auto& more : {authentication_payloads(), notify_payloads(), address_payloads()})
        all.insert(all.end(), more.begin(), more.end());
    return all;
}

Header sample_header() {
    Header header;
    header.initiator_spi = 0x0102030405060708;
    header.responder_spi = 0x1112131415161718;
    header.exchange = ExchangeType::informational;
    header.from_initiator = true;
    header.message_id = 0x21222324;
    return header;
}

Bytes body_of(const Payload& payload) {
    Bytes chain;
    encode_payloads(std::span(&payload, 1), chain);
    return {chain.begin() + 4, chain.end()};
}

} // namespace sheaf::wire

#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/wire/header.h"
#include "lib/wire/numbers.h"

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

// The payloads of RFC 7296 3 as values. Each owns its octets. Parsing and encoding are in codec.h.
namespace sheaf::wire {

// Bounds on what a peer can make us build. Each is well above what implementations send.
inline constexpr std::size_t kMaxPayloads = 64;   // per chain; certificates chains and notifies included
inline constexpr std::size_t kMaxProposals = 32;  // per SA payload; strongSwan's default list has 2
inline constexpr std::size_t kMaxTransforms = 64; // per proposal
inline constexpr std::size_t kMaxTransformAttributes = 4;
inline constexpr std::size_t kMaxSelectors = 64;                // per TS payload
inline constexpr std::size_t kMaxCfgAttributes = 64;            // per CP payload
inline constexpr std::size_t kMaxDeleteSpis = 256;              // per DELETE payload
inline constexpr std::size_t kMinNonce = 16, kMaxNonce = 256;   // RFC 7296 2.10, 3.9
inline constexpr std::size_t kMinCookie = 1, kMaxCookie = 64;   // RFC 7296 2.6
inline constexpr std::size_t kMinCookie2 = 8, kMaxCookie2 = 64; // RFC 4555 4.2.5
inline constexpr std::size_t kMaxIdentity = 1024;
inline constexpr std::size_t kMaxCertificate =
    32768; // one certificate or bundle; post-quantum ones are 8 KiB
inline constexpr std::size_t kMaxFragments =
    64; // RFC 7383 2.5; 64 fragments carry more than any chain we accept

// RFC 7296 3.3.2, 3.3.5. Key length is the one attribute in use; a transform that carries another is kept,
// but `unknown_attribute` makes it unacceptable.
struct Transform {
    TransformType type{};
    std::uint16_t id = 0;
    std::optional<std::uint16_t> key_bits;
    bool unknown_attribute = false;
    friend bool operator==(const Transform&, const Transform&) = default;
};

// RFC 7296 3.3.1. `spi` is empty, 4 octets (AH, ESP) or 8 octets (IKE).
struct Proposal {
    std::uint8_t number = 1;
    Protocol protocol{};
    Bytes spi;
    std::vector<Transform> transforms;
    friend bool operator==(const Proposal&, const Proposal&) = default;
};

struct Sa {
    std::vector<Proposal> proposals;
    friend bool operator==(const Sa&, const Sa&) = default;
};

// RFC 7296 3.4
struct KeyExchange {
    std::uint16_t group = 0;
    Bytes data;
    friend bool operator==(const KeyExchange&, const KeyExchange&) = default;
};

// RFC 7296 3.5
struct Identification {
    bool initiator = true; // IDi or IDr
    IdType type{};
    Bytes data;
    friend bool operator==(const Identification&, const Identification&) = default;
};

// RFC 7296 3.6
struct Certificate {
    CertEncoding encoding{};
    Bytes data;
    friend bool operator==(const Certificate&, const Certificate&) = default;
};

// RFC 7296 3.7
struct CertificateRequest {
    CertEncoding encoding{};
    Bytes authorities; // concatenated hashes
    friend bool operator==(const CertificateRequest&, const CertificateRequest&) = default;
};

// RFC 7296 3.8
struct Authentication {
    AuthMethod method{};
    Bytes data;
    friend bool operator==(const Authentication&, const Authentication&) = default;
};

// RFC 7296 3.9
struct Nonce {
    Bytes data;
    friend bool operator==(const Nonce&, const Nonce&) = default;
};

// RFC 7296 3.10
struct Notify {
    Protocol protocol = Protocol::none;
    Bytes spi;
    NotifyType type{};
    Bytes data;
    friend bool operator==(const Notify&, const Notify&) = default;
};

// RFC 7296 3.11. `spis` is empty for the IKE SA itself, else one entry per Child SA.
struct Delete {
    Protocol protocol{};
    std::vector<ChildSpi> spis;
    friend bool operator==(const Delete&, const Delete&) = default;
};

// RFC 7296 3.12
struct VendorId {
    Bytes data;
    friend bool operator==(const VendorId&, const VendorId&) = default;
};

// RFC 7296 3.13.1. Ports of ICMP and Mobility Header selectors hold type (high octet) and code.
// "OPAQUE" is start 65535, end 0.
struct TrafficSelector {
    std::uint8_t ip_protocol = 0; // 0: any
    std::uint16_t start_port = 0;
    std::uint16_t end_port = 65535;
    IpAddress start; // same family as end
    IpAddress end;
    friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

// RFC 7296 3.13
struct TrafficSelectors {
    bool initiator = true; // TSi or TSr
    std::vector<TrafficSelector> selectors;
    friend bool operator==(const TrafficSelectors&, const TrafficSelectors&) = default;
};

// RFC 7296 3.15.1. The value's inner form is read by the functions of cfg.h.
struct CfgAttribute {
    CfgAttributeType type{};
    Bytes value;
    friend bool operator==(const CfgAttribute&, const CfgAttribute&) = default;
};

// RFC 7296 3.15
struct Configuration {
    CfgType type{};
    std::vector<CfgAttribute> attributes;
    friend bool operator==(const Configuration&, const Configuration&) = default;
};

// RFC 7296 3.16; the message as a whole, its length field already checked against the payload's.
struct Eap {
    Bytes message;
    friend bool operator==(const Eap&, const Eap&) = default;
};

// RFC 7296 2.5: a payload of unknown type whose critical bit is clear is skipped; it is kept so that a trace
// can show it.
struct UnknownPayload {
    PayloadType type{};
    Bytes data;
    friend bool operator==(const UnknownPayload&, const UnknownPayload&) = default;
};

using Payload =
    std::variant<Sa, KeyExchange, Identification, Certificate, CertificateRequest, Authentication, Nonce,
                 Notify, Delete, VendorId, TrafficSelectors, Configuration, Eap, UnknownPayload>;

[[nodiscard]] PayloadType type_of(const Payload& payload);

} // namespace sheaf::wire

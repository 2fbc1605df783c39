#pragma once

#include <cstdint>
#include <string_view>

// The numbers of the IKEv2 registry that Sheaf speaks. Values that are not listed travel as they are: an enum
// here may hold any value of its width, and name() then answers "unknown".
namespace sheaf::wire {

// RFC 7296 3.1
enum class ExchangeType : std::uint8_t {
    ike_sa_init = 34,
    ike_auth = 35,
    create_child_sa = 36,
    informational = 37,
};

// RFC 7296 3.2
enum class PayloadType : std::uint8_t {
    none = 0,
    sa = 33,
    ke = 34,
    id_i = 35,
    id_r = 36,
    cert = 37,
    certreq = 38,
    auth = 39,
    nonce = 40,
    notify = 41,
    del = 42,
    vendor_id = 43,
    ts_i = 44,
    ts_r = 45,
    sk = 46,
    cp = 47,
    eap = 48,
    skf = 53,
};

// RFC 7296 3.3.1
enum class Protocol : std::uint8_t { none = 0, ike = 1, ah = 2, esp = 3 };

// RFC 7296 3.3.2
enum class TransformType : std::uint8_t { encr = 1, prf = 2, integ = 3, ke = 4, sn = 5 };

// RFC 7296 3.5
enum class IdType : std::uint8_t {
    ipv4_addr = 1,
    fqdn = 2,
    rfc822_addr = 3,
    ipv6_addr = 5,
    der_asn1_dn = 9,
    der_asn1_gn = 10,
    key_id = 11,
    null = 13,
};

// RFC 7296 3.8, RFC 7427 3
enum class AuthMethod : std::uint8_t {
    rsa_signature = 1,
    shared_key = 2,
    dss_signature = 3,
    ecdsa_256 = 9,
    ecdsa_384 = 10,
    ecdsa_521 = 11,
    null = 13,
    digital_signature = 14,
};

// RFC 7296 3.6
enum class CertEncoding : std::uint8_t {
    x509_signature = 4,
    crl = 7,
    hash_and_url = 12,
    raw_public_key = 15
};

// RFC 7296 3.10.1; unacceptable_addresses to no_nats_allowed: RFC 4555 4, auth_lifetime: RFC 4478 3, clone_ike_sa: RFC 7791 5, link_id: RFC 5739 5.3, fragmentation_supported: RFC 7383 2.3, signature_hash_algorithms:
// RFC 7427 4, childless_supported: RFC 6023 4. Errors are below 16384.
enum class NotifyType : std::uint16_t {
    unsupported_critical_payload = 1,
    invalid_ike_spi = 4,
    invalid_major_version = 5,
    invalid_syntax = 7,
    invalid_message_id = 9,
    invalid_spi = 11,
    no_proposal_chosen = 14,
    invalid_ke_payload = 17,
    authentication_failed = 24,
    single_pair_required = 34,
    no_additional_sas = 35,
    internal_address_failure = 36,
    failed_cp_required = 37,
    ts_unacceptable = 38,
    invalid_selectors = 39,
    unacceptable_addresses = 40,
    unexpected_nat_detected = 41,
    temporary_failure = 43,
    child_sa_not_found = 44,

    initial_contact = 16384,
    set_window_size = 16385,
    additional_ts_possible = 16386,
    nat_detection_source_ip = 16388,
    nat_detection_destination_ip = 16389,
    cookie = 16390,
    use_transport_mode = 16391,
    rekey_sa = 16393,
    esp_tfc_padding_not_supported = 16394,
    non_first_fragments_also = 16395,
    mobike_supported = 16396,
    additional_ip4_address = 16397,
    additional_ip6_address = 16398,
    no_additional_addresses = 16399,
    update_sa_addresses = 16400,
    cookie2 = 16401,
    no_nats_allowed = 16402,
    auth_lifetime = 16403,
    link_id = 16414,
    childless_supported = 16418,
    fragmentation_supported = 16430,
    signature_hash_algorithms = 16431,
    clone_ike_sa_supported = 16432,
    clone_ike_sa = 16433,
};

[[nodiscard]] constexpr bool is_error(NotifyType type) { return static_cast<std::uint16_t>(type) < 16384; }

// RFC 7296 3.15
enum class CfgType : std::uint8_t { request = 1, reply = 2, set = 3, ack = 4 };

// RFC 7296 3.15.1, RFC 5739 5, RFC 8598
enum class CfgAttributeType : std::uint16_t {
    internal_ip4_address = 1,
    internal_ip4_netmask = 2,
    internal_ip4_dns = 3,
    internal_ip4_nbns = 4,
    internal_ip4_dhcp = 6,
    application_version = 7,
    internal_ip6_address = 8,
    internal_ip6_dns = 10,
    internal_ip6_dhcp = 12,
    internal_ip4_subnet = 13,
    supported_attributes = 14,
    internal_ip6_subnet = 15,
    internal_ip6_link = 17,
    internal_ip6_prefix = 18,
    internal_dns_domain = 25,
    internal_dnssec_ta = 26,
};

// RFC 7296 3.13.1
enum class TsType : std::uint8_t { ipv4_range = 7, ipv6_range = 8 };

// As in the registry, for logs and JSON: "IKE_SA_INIT", "NO_PROPOSAL_CHOSEN"; "unknown" for the rest.
[[nodiscard]] std::string_view name(ExchangeType type);
[[nodiscard]] std::string_view name(PayloadType type);
[[nodiscard]] std::string_view name(NotifyType type);
[[nodiscard]] std::string_view name(IdType type);
[[nodiscard]] std::string_view name(AuthMethod method);

} // namespace sheaf::wire

#include "lib/wire/numbers.h"

namespace sheaf::wire {

std::string_view name(ExchangeType type) {
    switch (type) {
    case ExchangeType::ike_sa_init: return "IKE_SA_INIT";
    case ExchangeType::ike_auth: return "IKE_AUTH";
    case ExchangeType::create_child_sa: return "CREATE_CHILD_SA";
    case ExchangeType::informational: return "INFORMATIONAL";
    }
    return "unknown";
}

std::string_view name(PayloadType type) {
    switch (type) {
    case PayloadType::none: return "none";
    case PayloadType::sa: return "SA";
    case PayloadType::ke: return "KE";
    case PayloadType::id_i: return "IDi";
    case PayloadType::id_r: return "IDr";
    case PayloadType::cert: return "CERT";
    case PayloadType::certreq: return "CERTREQ";
    case PayloadType::auth: return "AUTH";
    case PayloadType::nonce: return "Nonce";
    case PayloadType::notify: return "N";
    case PayloadType::del: return "D";
    case PayloadType::vendor_id: return "V";
    case PayloadType::ts_i: return "TSi";
    case PayloadType::ts_r: return "TSr";
    case PayloadType::sk: return "SK";
    case PayloadType::cp: return "CP";
    case PayloadType::eap: return "EAP";
    case PayloadType::skf: return "SKF";
    }
    return "unknown";
}

std::string_view name(NotifyType type) {
    switch (type) {
    case NotifyType::unsupported_critical_payload: return "UNSUPPORTED_CRITICAL_PAYLOAD";
    case NotifyType::invalid_ike_spi: return "INVALID_IKE_SPI";
    case NotifyType::invalid_major_version: return "INVALID_MAJOR_VERSION";
    case NotifyType::invalid_syntax: return "INVALID_SYNTAX";
    case NotifyType::invalid_message_id: return "INVALID_MESSAGE_ID";
    case NotifyType::invalid_spi: return "INVALID_SPI";
    case NotifyType::no_proposal_chosen: return "NO_PROPOSAL_CHOSEN";
    case NotifyType::invalid_ke_payload: return "INVALID_KE_PAYLOAD";
    case NotifyType::authentication_failed: return "AUTHENTICATION_FAILED";
    case NotifyType::single_pair_required: return "SINGLE_PAIR_REQUIRED";
    case NotifyType::no_additional_sas: return "NO_ADDITIONAL_SAS";
    case NotifyType::internal_address_failure: return "INTERNAL_ADDRESS_FAILURE";
    case NotifyType::failed_cp_required: return "FAILED_CP_REQUIRED";
    case NotifyType::ts_unacceptable: return "TS_UNACCEPTABLE";
    case NotifyType::invalid_selectors: return "INVALID_SELECTORS";
    case NotifyType::temporary_failure: return "TEMPORARY_FAILURE";
    case NotifyType::child_sa_not_found: return "CHILD_SA_NOT_FOUND";
    case NotifyType::initial_contact: return "INITIAL_CONTACT";
    case NotifyType::set_window_size: return "SET_WINDOW_SIZE";
    case NotifyType::additional_ts_possible: return "ADDITIONAL_TS_POSSIBLE";
    case NotifyType::nat_detection_source_ip: return "NAT_DETECTION_SOURCE_IP";
    case NotifyType::nat_detection_destination_ip: return "NAT_DETECTION_DESTINATION_IP";
    case NotifyType::cookie: return "COOKIE";
    case NotifyType::use_transport_mode: return "USE_TRANSPORT_MODE";
    case NotifyType::rekey_sa: return "REKEY_SA";
    case NotifyType::esp_tfc_padding_not_supported: return "ESP_TFC_PADDING_NOT_SUPPORTED";
    case NotifyType::non_first_fragments_also: return "NON_FIRST_FRAGMENTS_ALSO";
    case NotifyType::unacceptable_addresses: return "UNACCEPTABLE_ADDRESSES";
    case NotifyType::unexpected_nat_detected: return "UNEXPECTED_NAT_DETECTED";
    case NotifyType::clone_ike_sa_supported: return "CLONE_IKE_SA_SUPPORTED";
    case NotifyType::clone_ike_sa: return "CLONE_IKE_SA";
    case NotifyType::mobike_supported: return "MOBIKE_SUPPORTED";
    case NotifyType::additional_ip4_address: return "ADDITIONAL_IP4_ADDRESS";
    case NotifyType::additional_ip6_address: return "ADDITIONAL_IP6_ADDRESS";
    case NotifyType::no_additional_addresses: return "NO_ADDITIONAL_ADDRESSES";
    case NotifyType::update_sa_addresses: return "UPDATE_SA_ADDRESSES";
    case NotifyType::cookie2: return "COOKIE2";
    case NotifyType::no_nats_allowed: return "NO_NATS_ALLOWED";
    case NotifyType::auth_lifetime: return "AUTH_LIFETIME";
    case NotifyType::link_id: return "LINK_ID";
    case NotifyType::childless_supported: return "CHILDLESS_IKEV2_SUPPORTED";
    case NotifyType::fragmentation_supported: return "IKEV2_FRAGMENTATION_SUPPORTED";
    case NotifyType::signature_hash_algorithms: return "SIGNATURE_HASH_ALGORITHMS";
    }
    return "unknown";
}

std::string_view name(IdType type) {
    switch (type) {
    case IdType::ipv4_addr: return "ID_IPV4_ADDR";
    case IdType::fqdn: return "ID_FQDN";
    case IdType::rfc822_addr: return "ID_RFC822_ADDR";
    case IdType::ipv6_addr: return "ID_IPV6_ADDR";
    case IdType::der_asn1_dn: return "ID_DER_ASN1_DN";
    case IdType::der_asn1_gn: return "ID_DER_ASN1_GN";
    case IdType::key_id: return "ID_KEY_ID";
    case IdType::null: return "ID_NULL";
    }
    return "unknown";
}

std::string_view name(AuthMethod method) {
    switch (method) {
    case AuthMethod::rsa_signature: return "RSA Digital Signature";
    case AuthMethod::shared_key: return "Shared Key Message Integrity Code";
    case AuthMethod::dss_signature: return "DSS Digital Signature";
    case AuthMethod::ecdsa_256: return "ECDSA with SHA-256 on the P-256 curve";
    case AuthMethod::ecdsa_384: return "ECDSA with SHA-384 on the P-384 curve";
    case AuthMethod::ecdsa_521: return "ECDSA with SHA-512 on the P-521 curve";
    case AuthMethod::null: return "NULL Authentication";
    case AuthMethod::digital_signature: return "Digital Signature";
    }
    return "unknown";
}

} // namespace sheaf::wire

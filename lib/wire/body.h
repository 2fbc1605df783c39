#pragma once

#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/wire/payload.h"

#include <expected>

// One pair per payload body, the octets after the generic payload header. Only codec.cpp puts them together.
//
// A parser uses all octets of the body and ignores reserved ones (RFC 7296 2.5). An encoder takes what a
// parser accepts; counts and sizes beyond that are the caller's error.
namespace sheaf::wire {

[[nodiscard]] std::expected<Sa, Rule> parse_sa(View body);
[[nodiscard]] std::expected<KeyExchange, Rule> parse_key_exchange(View body);
[[nodiscard]] std::expected<Identification, Rule> parse_identification(View body, bool initiator);
[[nodiscard]] std::expected<Certificate, Rule> parse_certificate(View body);
[[nodiscard]] std::expected<CertificateRequest, Rule> parse_certificate_request(View body);
[[nodiscard]] std::expected<Authentication, Rule> parse_authentication(View body);
[[nodiscard]] std::expected<Nonce, Rule> parse_nonce(View body);
[[nodiscard]] std::expected<Notify, Rule> parse_notify(View body);
[[nodiscard]] std::expected<Delete, Rule> parse_delete(View body);
[[nodiscard]] std::expected<TrafficSelectors, Rule> parse_traffic_selectors(View body, bool initiator);
[[nodiscard]] std::expected<Configuration, Rule> parse_configuration(View body);
[[nodiscard]] std::expected<Eap, Rule> parse_eap(View body);

void encode_body(const Sa& sa, Bytes& to);
void encode_body(const KeyExchange& ke, Bytes& to);
void encode_body(const Identification& id, Bytes& to);
void encode_body(const Certificate& certificate, Bytes& to);
void encode_body(const CertificateRequest& request, Bytes& to);
void encode_body(const Authentication& auth, Bytes& to);
void encode_body(const Nonce& nonce, Bytes& to);
void encode_body(const Notify& notify, Bytes& to);
void encode_body(const Delete& del, Bytes& to);
void encode_body(const VendorId& vendor_id, Bytes& to);
void encode_body(const TrafficSelectors& selectors, Bytes& to);
void encode_body(const Configuration& configuration, Bytes& to);
void encode_body(const Eap& eap, Bytes& to);
void encode_body(const UnknownPayload& unknown, Bytes& to);

} // namespace sheaf::wire

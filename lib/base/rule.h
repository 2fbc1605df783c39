#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sheaf {

// Who has to act on a broken rule.
enum class RuleKind : std::uint8_t {
    malformed,    // the peer's bytes are not a message
    unauthentic,  // the peer did not prove what it claims
    unexpected,   // a well-formed message at a moment when it has no place
    unacceptable, // peer and we want different things; a matter of configuration
    limit,        // a bound of ours was reached
    local,        // our own kernel, configuration or resources
};

// Every rule whose breach refuses a datagram, a payload or a request. Errors in lib/ are these values: the
// counter to raise, the notify to answer with (RFC 7296 2.21, 3.10.1) and the sentence follow from the name.
//
//   X(name, kind, notify, sentence)   notify 0: nothing is answered
#define SHEAF_RULES(X)                                                                                       \
    /* header and payload chain */                                                                           \
    X(truncated, malformed, 7, "the message ends before a length that it states")                            \
    X(trailing_bytes, malformed, 7, "bytes follow the end that a length states")                             \
    X(datagram_too_short, malformed, 0, "the datagram is shorter than an IKE header")                        \
    X(datagram_too_long, limit, 0, "the datagram is longer than any IKE message that we accept")             \
    X(length_mismatch, malformed, 0, "the length in the IKE header is not the datagram's")                   \
    X(major_version, unacceptable, 5, "the major version is not 2")                                          \
    X(zero_spi, malformed, 0, "the initiator's SPI is zero")                                                 \
    X(unknown_exchange, unexpected, 7, "the exchange type is none that we know")                             \
    X(payload_too_short, malformed, 7, "a payload's length is smaller than its header")                      \
    X(too_many_payloads, limit, 7, "the message holds more payloads than we accept")                         \
    X(unknown_critical_payload, unacceptable, 1, "a critical payload is of a type that we do not know")      \
    X(misplaced_encrypted_payload, malformed, 7, "the encrypted payload is not the last of the message")     \
    X(missing_encrypted_payload, malformed, 0, "the exchange must be encrypted and is not")                  \
    X(nested_encrypted_payload, malformed, 7, "an encrypted payload stands inside another")                  \
    X(duplicate_payload, malformed, 7, "a payload that must be single stands twice")                         \
    X(missing_payload, malformed, 7, "a payload that the exchange requires is missing")                      \
    /* single payloads */                                                                                    \
    X(bad_proposal, malformed, 7, "a proposal's structure is wrong")                                         \
    X(too_many_proposals, limit, 7, "the SA payload holds more proposals than we accept")                    \
    X(too_many_transforms, limit, 7, "a proposal holds more transforms than we accept")                      \
    X(too_many_attributes, limit, 7, "a transform or configuration payload holds too many attributes")       \
    X(bad_spi_size, malformed, 7, "an SPI's size does not fit its protocol")                                 \
    X(bad_nonce_size, malformed, 7, "a nonce is shorter than 16 or longer than 256 octets")                  \
    X(bad_key_exchange_size, malformed, 7, "the key exchange data do not have the group's size")             \
    X(bad_key_exchange_value, unauthentic, 7, "the key exchange value is not a valid public value")          \
    X(bad_identity, malformed, 7, "an identification payload does not fit its type")                         \
    X(bad_notify, malformed, 7, "a notify payload does not have the form of its type")                       \
    X(bad_delete, malformed, 7, "a delete payload's count does not fit its length")                          \
    X(bad_traffic_selector, malformed, 7, "a traffic selector does not fit its type")                        \
    X(too_many_selectors, limit, 7, "a traffic selector payload holds more selectors than we accept")        \
    X(bad_configuration, malformed, 7, "a configuration payload's structure is wrong")                       \
    X(bad_fragment, malformed, 0, "an encrypted fragment's numbers are wrong")                               \
    X(bad_certificate_payload, malformed, 7, "a certificate payload is empty or too large")                  \
    X(bad_authentication_payload, malformed, 7, "an authentication payload does not fit its method")         \
    X(bad_eap, malformed, 7, "an EAP message does not fit its length")                                       \
    /* protection */                                                                                         \
    X(ciphertext_too_short, malformed, 0, "the encrypted payload is too short for IV and checksum")          \
    X(ciphertext_not_blocks, malformed, 0, "the ciphertext is not a whole number of blocks")                 \
    X(integrity_check, unauthentic, 0, "the integrity check of the message fails")                           \
    X(bad_padding, malformed, 7, "the padding is longer than the plaintext")                                 \
    X(authentication_failed, unauthentic, 24, "the peer's authentication does not match what it signs")      \
    X(unknown_identity, unauthentic, 24, "no connection or secret fits the peer's identity")                 \
    X(unsupported_auth_method, unauthentic, 24,                                                              \
      "the peer's authentication method is not one we accept here")                                          \
    X(certificate_refused, unauthentic, 24, "the peer's certificate is not one that we trust")               \
    X(weak_signature, unauthentic, 24, "the peer's signature is of a kind that is too weak")                 \
    X(no_credential, local, 24, "there is no credential of ours for this connection")                        \
    /* state */                                                                                              \
    X(unknown_ike_spi, unexpected, 4, "no IKE SA has these SPIs")                                            \
    X(message_id, unexpected, 0, "the message ID is outside the window")                                     \
    X(unexpected_exchange, unexpected, 7, "the exchange has no place in this state of the IKE SA")           \
    X(unexpected_response, unexpected, 0, "a response to a request that we did not send")                    \
    X(bad_flags, malformed, 0, "the header's flags do not fit the role of the sender")                       \
    X(cookie_required, unexpected, 16390, "too many half-open IKE SAs: the sender must return a cookie")     \
    X(bad_cookie, unauthentic, 16390, "the returned cookie is not ours or too old")                          \
    X(bad_cookie_size, malformed, 7, "a cookie is not between 1 and 64 octets")                              \
    X(repeated_redirect, unexpected, 0, "the peer repeats the same retry without end")                       \
    X(unknown_child, unexpected, 44, "no Child SA has this SPI")                                             \
    /* agreement */                                                                                          \
    X(no_proposal_chosen, unacceptable, 14, "no proposal of the peer is one that we accept")                 \
    X(invalid_ke_group, unacceptable, 17, "the key exchange payload is not of the group that we choose")     \
    X(chosen_not_offered, unacceptable, 7, "the peer chose a proposal that we did not offer")                \
    X(ts_unacceptable, unacceptable, 38, "the traffic selectors have nothing in common with ours")           \
    X(ts_not_narrowed, unacceptable, 38, "the answered traffic selectors are not a subset of ours")          \
    X(mode_refused, unacceptable, 38, "transport or tunnel mode is wanted by one side only")                 \
    X(collision, unexpected, 43, "the request collides with one that is under way; it has to wait")          \
    X(already_connected, unacceptable, 24, "the identity has an IKE SA already, and only one is allowed")    \
    X(too_many_of_identity, limit, 24, "the identity has as many IKE SAs as one may have")                   \
    X(address_failure, limit, 36, "no address or prefix can be given to the peer")                           \
    X(configuration_required, unacceptable, 37, "the connection needs a configuration request")              \
    X(foreign_link, unacceptable, 38, "the Link ID names no virtual link of this peer's")                    \
    X(unacceptable_addresses, unacceptable, 40, "the peer may not move the IKE SA to these addresses")       \
    X(unexpected_nat, unacceptable, 41, "there is a NAT where none is allowed")                              \
    X(wrong_route_cookie, unauthentic, 0, "the answer does not have what the question had (COOKIE2)")        \
    X(no_connection, unacceptable, 14, "no connection is configured for this peer")                          \
    X(no_additional_sas, limit, 35, "no further Child SA is accepted on this IKE SA")                        \
    X(peer_refused, unacceptable, 0, "the peer answered with an error")                                      \
    /* Mobile IPv6; what is answered has a status of its own (lib/mobility/numbers.h) */                     \
    X(bad_mobility_header, malformed, 0, "a Mobility Header's length does not fit its packet or its type")   \
    X(bad_mobility_checksum, malformed, 0, "the checksum of a Mobility Header is wrong")                     \
    X(header_after_mobility, malformed, 0, "another header follows a Mobility Header")                       \
    X(unknown_mobility_message, unexpected, 0, "a Mobility Header is of a type that we do not know")         \
    X(bad_mobility_option, malformed, 0, "a mobility option does not have the form of its type")             \
    X(misplaced_mobility_option, malformed, 0, "a mobility option stands where it must not, or twice")       \
    X(too_many_mobility_options, limit, 0, "a mobility message holds more options than we accept")           \
    X(mobility_message_too_long, limit, 0, "the options do not fit into one mobility message")               \
    X(bad_routing_header, malformed, 0, "a routing header is not of type 2 with one home address")           \
    X(bad_destination_options, malformed, 0, "a destination options header's structure is wrong")            \
    X(bad_home_address, malformed, 0, "a home address is not a unicast address that can be routed to")       \
    X(bad_care_of_address, malformed, 0, "a care-of address is not one that can be routed to")               \
    X(missing_home_address_option, malformed, 0, "a message from away lacks the home address option")        \
    X(unprotected_mobility, unauthentic, 0, "a mobility message came without the protection of IPsec")       \
    X(foreign_home_address, unauthentic, 0, "the home address is not one of the sender's")                   \
    X(unregistered_care_of, unauthentic, 0, "a packet came from an address that is no care-of address")      \
    X(no_home_registration, unexpected, 0, "a Binding Update is not for a home agent")                       \
    X(unmatched_acknowledgement, unexpected, 0, "a Binding Acknowledgement answers nothing under way")       \
    X(bad_prefix_message, malformed, 0, "an ICMPv6 message of prefix discovery does not have its form")      \
    X(too_many_prefixes, limit, 0, "a home agent advertises more home prefixes than we accept")              \
    X(updated_too_often, limit, 0, "a mobile node sends more Binding Updates in a second than it may")       \
    X(solicited_too_often, limit, 0, "a mobile node asks for the home prefixes twice within a second")       \
    X(unmatched_advertisement, unexpected, 0, "a Mobile Prefix Advertisement answers no question of ours")   \
    /* limits and our own side */                                                                            \
    X(too_many_half_open, limit, 0, "the half-open limit is reached")                                        \
    X(too_many_ike_sas, limit, 0, "the limit of IKE SAs is reached")                                         \
    X(peer_silent, unexpected, 0, "the peer did not answer after all retransmissions")                       \
    X(half_open_timeout, unexpected, 0, "the peer did not finish the first exchanges in time")               \
    X(kernel_refused, local, 43, "the kernel refused an SA, policy, route or link")                          \
    X(unsupported_algorithm, local, 14, "an algorithm is not supported here")                                \
    X(internal, local, 0, "an operation of our own failed")

enum class Rule : std::uint8_t {
#define X(name, kind, notify, sentence) name,
    SHEAF_RULES(X)
#undef X
};

#define X(name, kind, notify, sentence) +1
inline constexpr std::size_t kRuleCount = 0 SHEAF_RULES(X);
#undef X

[[nodiscard]] std::string_view name(Rule rule);     // as in counters: "integrity_check"
[[nodiscard]] std::string_view sentence(Rule rule); // as in logs
[[nodiscard]] RuleKind kind(Rule rule);
[[nodiscard]] std::uint16_t notify_type(Rule rule); // 0: breach is not answered

} // namespace sheaf

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

// The registered numbers of Mobile IPv6, and the bounds that we set on what a peer can make us build.
namespace sheaf::mobility {

inline constexpr std::uint8_t kMobilityProtocol = 135; // RFC 6275 6.1.1: the IPv6 next header
inline constexpr std::uint8_t kNoNextHeader = 59;      // what follows a Mobility Header
inline constexpr std::uint8_t kIcmp6Protocol = 58;     // RFC 4443: of prefix discovery

// RFC 6275 6.1.2-6.1.9
enum class MessageType : std::uint8_t {
    refresh_request = 0,
    home_test_init = 1,
    care_of_test_init = 2,
    home_test = 3,
    care_of_test = 4,
    binding_update = 5,
    binding_ack = 6,
    binding_error = 7,
};

// RFC 6275 6.7, 6.8: ICMPv6 types
enum class PrefixMessageType : std::uint8_t { solicitation = 146, advertisement = 147 };

enum class OptionType : std::uint8_t {
    pad1 = 0,                  // RFC 6275 6.2.2
    pad_n = 1,                 // RFC 6275 6.2.3
    refresh_advice = 2,        // RFC 6275 6.2.4
    alternate_care_of = 3,     // RFC 6275 6.2.5
    nonce_indices = 4,         // RFC 6275 6.2.6
    authorization = 5,         // RFC 6275 6.2.7
    mobile_network_prefix = 6, // RFC 3963 4.3
    binding_id = 35,           // RFC 5648 4.3
    flow_identification = 44,  // RFC 6089 8; the figure of 4.2 has it wrong
    flow_summary = 45,
};

// RFC 6089 4.2.1
enum class FlowOptionType : std::uint8_t { pad1 = 0, pad_n = 1, binding_reference = 2, traffic_selector = 3 };
inline constexpr std::uint8_t kIpv6Selector = 2; // RFC 6088 5: the format of a traffic selector

// RFC 6275 6.1.7, RFC 3963 4.1, RFC 5648 4.2. Of those without a comment we know only the place.
enum UpdateFlag : std::uint16_t {
    kAcknowledge = 0x8000,
    kHomeRegistration = 0x4000,
    kLinkLocal = 0x2000,   // the link-local address has the same interface identifier
    kKeyMobility = 0x1000, // the IKE SA follows the care-of address
    kMapRegistration = 0x0800,
    kMobileRouter = 0x0400,
    kProxyRegistration = 0x0200,
    kForceUdp = 0x0100,
    kTlvHeader = 0x0080,
    kOverwrite = 0x0040, // these bindings instead of all before
};

// RFC 6275 6.1.8, RFC 3963 4.2: the octet of flags in a Binding Acknowledgement.
enum AckFlag : std::uint8_t { kAckKeyMobility = 0x80, kAckMobileRouter = 0x40, kAckProxy = 0x20 };

// What became of a Binding Update, or of one binding in it.
//
//   X(name, number, sentence)
#define SHEAF_BINDING_STATUS(X)                                                                              \
    /* RFC 6275 6.1.8 */                                                                                     \
    X(accepted, 0, "the binding is accepted")                                                                \
    X(prefix_discovery_needed, 1, "accepted, but the home prefix changes soon")                              \
    /* RFC 5648 4.4 */                                                                                       \
    X(not_complete, 4, "some of the bindings are accepted, others are not")                                  \
    X(home_without_neighbour_discovery, 5,                                                                   \
      "accepted, but the mobile node must not answer for its home address")                                  \
    /* RFC 6275 6.1.8 */                                                                                     \
    X(unspecified, 128, "refused without a stated reason")                                                   \
    X(prohibited, 129, "the operator does not allow it")                                                     \
    X(insufficient_resources, 130, "the home agent is full")                                                 \
    X(home_registration_unsupported, 131, "the node is no home agent")                                       \
    X(not_home_subnet, 132, "the home address is of no prefix that the home agent serves")                   \
    X(not_home_agent, 133, "the home agent has no such binding")                                             \
    X(duplicate_address, 134, "another node on the home link uses the home address")                         \
    X(sequence_out_of_window, 135, "the sequence number is not newer than the last one")                     \
    X(expired_home_nonce, 136, "the home nonce index is too old")                                            \
    X(expired_care_of_nonce, 137, "the care-of nonce index is too old")                                      \
    X(expired_nonces, 138, "both nonce indices are too old")                                                 \
    X(registration_type_change, 139, "the kind of a registration cannot change while it lives")              \
    /* RFC 3963 4.2 */                                                                                       \
    X(mobile_router_prohibited, 140, "mobile routers are not served here")                                   \
    X(invalid_prefix, 141, "a mobile network prefix is not valid")                                           \
    X(foreign_prefix, 142, "a mobile network prefix is not one of the mobile router's")                      \
    X(no_prefix, 143, "no mobile network prefix is stated, and none is known")                               \
    /* RFC 5648 4.4 */                                                                                       \
    X(malformed_binding, 164, "a binding identifier option is malformed")                                    \
    X(plain_binding_exists, 165, "there is a binding without an identifier, and it is not to be replaced")   \
    X(multiple_prohibited, 166, "several care-of addresses are not allowed")                                 \
    X(unknown_care_of, 167, "the binding is not known, and no care-of address is stated")                    \
    X(bulk_prohibited, 168, "several bindings in one message are not allowed")                               \
    X(home_and_foreign_prohibited, 169, "at home and away at the same time is not allowed")                  \
    /* RFC 6275 6.1.8 */                                                                                     \
    X(invalid_care_of, 174, "the care-of address cannot be used")

enum class Status : std::uint8_t {
#define X(name, number, sentence) name = (number),
    SHEAF_BINDING_STATUS(X)
#undef X
};

// RFC 6275 6.1.8: also for numbers that we do not know.
[[nodiscard]] constexpr bool is_accepted(Status status) { return static_cast<std::uint8_t>(status) < 128; }
[[nodiscard]] std::string_view name(Status status);     // "unknown" for a number that we do not know
[[nodiscard]] std::string_view sentence(Status status); // likewise

// RFC 6089 4.2: what became of one flow binding.
enum class FlowStatus : std::uint8_t {
    accepted = 0,
    prohibited = 128,
    unspecified = 129,
    malformed = 130,
    unknown_binding = 131,
    unknown_flow = 132,
    unsupported_selector = 133,
};
[[nodiscard]] std::string_view name(FlowStatus status);

// RFC 6275 6.1.9
enum class ErrorStatus : std::uint8_t { unknown_binding = 1, unknown_message = 2 };

inline constexpr std::size_t kMaxMessage = 8 * (255 + 1); // what the length octet of the header can say
inline constexpr std::size_t kMaxBindings = 16;     // of a home address: a node has a handful of interfaces
inline constexpr std::size_t kMaxPrefixes = 16;     // of a mobile network
inline constexpr std::size_t kMaxHomePrefixes = 64; // of a home link: as many as a configuration can name
inline constexpr std::size_t kMaxFlows = 64;        // of a home address; rules that a person writes
inline constexpr std::size_t kMaxFlowOptions = 32;  // in one message: more do not fit
inline constexpr std::size_t kMaxSummary = 128;     // flows in one message: one full option holds 127
inline constexpr std::size_t kMaxFlowBindings = 16; // of one flow: as many as there can be

} // namespace sheaf::mobility

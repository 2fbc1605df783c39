#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/mobility/flow_selector.h"
#include "lib/mobility/numbers.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

// The messages of a Mobility Header as values. Parsing and encoding are in codec.h.
namespace sheaf::mobility {

// RFC 6275 6.1.7: what a lifetime field counts.
inline constexpr std::chrono::seconds kLifetimeUnit{4};
// Rounded down, so that nobody relies on more than there is.
[[nodiscard]] std::uint16_t to_lifetime(Duration duration);
[[nodiscard]] inline Duration from_lifetime(std::uint16_t lifetime) { return lifetime * kLifetimeUnit; }

// RFC 5648 4.3, RFC 6089 4.1
struct BindingId {
    std::uint16_t bid = 0;            // 0 is reserved
    Status status = Status::accepted; // in an acknowledgement; accepted: that of the message counts
    bool at_home = false;             // the H flag: this binding is the home link
    std::uint8_t priority = 0;        // lower is preferred; 0: none is stated. 7 bits
    std::optional<IpAddress> care_of; // IPv4 or IPv6
    bool malformed = false;           // of a length that none has: kept, because it is answered
    friend bool operator==(const BindingId&, const BindingId&) = default;
};

// RFC 6275 6.2.6
struct NonceIndices {
    std::uint16_t home = 0;
    std::uint16_t care_of = 0;
    friend bool operator==(const NonceIndices&, const NonceIndices&) = default;
};

// RFC 6089 4.2. In an update of a known flow, a selector or bindings that are absent stay as they are.
struct FlowIdentification {
    std::uint16_t fid = 0;      // 0 is reserved
    std::uint16_t priority = 0; // lower comes first; 0 is reserved
    FlowStatus status = FlowStatus::accepted;
    std::vector<std::uint16_t> bids;
    std::optional<FlowSelector> selector;
    bool unsupported_selector = false; // there is one, of a format that we do not know
    bool malformed = false;            // kept, because it is answered
    friend bool operator==(const FlowIdentification&, const FlowIdentification&) = default;
};

// The options of a message that we know, whatever their order was. Others are skipped (RFC 6275 6.2.1).
struct Options {
    std::optional<IpAddress> alternate_care_of;  // RFC 6275 6.2.5
    std::optional<std::uint16_t> refresh_advice; // RFC 6275 6.2.4, as a lifetime
    std::optional<NonceIndices> nonce_indices;
    std::vector<BindingId> bindings;
    std::vector<Prefix> prefixes; // RFC 3963 4.3
    bool invalid_prefix = false;  // one has a length beyond 128: kept, because it is answered
    std::vector<FlowIdentification> flows;
    std::vector<std::uint16_t> flow_summary; // RFC 6089 4.2.2: all summaries in one
    std::optional<Bytes> authorization;      // RFC 6275 6.2.7: the authenticator, which nobody has checked
    friend bool operator==(const Options&, const Options&) = default;
};

// RFC 6275 6.1.2
struct RefreshRequest {
    Options options;
    friend bool operator==(const RefreshRequest&, const RefreshRequest&) = default;
};

// RFC 6275 6.1.3-6.1.6: the four messages of return routability pass through the home agent, which has to
// know them, not to understand them.
struct RoutabilityTest {
    MessageType type = MessageType::home_test_init; // or one of the other three
    Bytes data;                                     // behind the checksum, padding included
    friend bool operator==(const RoutabilityTest&, const RoutabilityTest&) = default;
};

// RFC 6275 6.1.7
struct BindingUpdate {
    std::uint16_t sequence = 0;
    std::uint16_t flags = 0; // UpdateFlag; unknown ones are dropped
    std::uint16_t lifetime = 0;
    Options options;

    [[nodiscard]] bool has(UpdateFlag flag) const { return (flags & flag) != 0; }
    friend bool operator==(const BindingUpdate&, const BindingUpdate&) = default;
};

// RFC 6275 6.1.8
struct BindingAck {
    Status status = Status::accepted;
    std::uint8_t flags = 0; // AckFlag; unknown ones are dropped
    std::uint16_t sequence = 0;
    std::uint16_t lifetime = 0;
    Options options;

    [[nodiscard]] bool has(AckFlag flag) const { return (flags & flag) != 0; }
    friend bool operator==(const BindingAck&, const BindingAck&) = default;
};

// RFC 6275 6.1.9
struct BindingError {
    ErrorStatus status = ErrorStatus::unknown_binding;
    IpAddress home_address;
    friend bool operator==(const BindingError&, const BindingError&) = default;
};

using Message = std::variant<RefreshRequest, RoutabilityTest, BindingUpdate, BindingAck, BindingError>;

[[nodiscard]] MessageType type_of(const Message& message);

// RFC 6275 2: that packets can be sent to from afar, so neither unspecified, loopback, link-local nor
// multicast. IPv4 addresses never are, here.
[[nodiscard]] bool is_unicast_routable(const IpAddress& address);

} // namespace sheaf::mobility

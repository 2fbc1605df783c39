#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"

#include <cstdint>
#include <expected>
#include <optional>

namespace sheaf::mobility {

// From first to last, both included. REQUIRES: first <= last.
template <class T>
struct Range {
    T first{};
    T last{};

    [[nodiscard]] bool contains(const T& value) const { return first <= value && value <= last; }
    friend bool operator==(const Range&, const Range&) = default;
};

// The facts of one packet that selectors speak of, as the home agent sees it on the way to the mobile node.
// What a packet does not have is absent.
struct PacketFacts {
    IpAddress source;      // the correspondent
    IpAddress destination; // the home address, or an address of the mobile network
    std::uint8_t next_header = 0;
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::optional<std::uint32_t> spi;
    std::optional<std::uint16_t> source_port;
    std::optional<std::uint16_t> destination_port;
};

// RFC 6088 3.2: which IPv6 packets a flow binding is for. A field that is absent matches every packet. The
// direction is always that of packets to the mobile node; its own packets are matched the other way round.
struct FlowSelector {
    std::optional<Range<IpAddress>> source;      // IPv6
    std::optional<Range<IpAddress>> destination; // IPv6
    std::optional<Range<std::uint32_t>> spi;
    std::optional<Range<std::uint32_t>> flow_label; // 24 bits
    std::optional<Range<std::uint16_t>> source_port;
    std::optional<Range<std::uint16_t>> destination_port;
    std::optional<Range<std::uint8_t>> traffic_class; // without the two bits of congestion notification
    std::optional<Range<std::uint8_t>> next_header;

    [[nodiscard]] bool matches(const PacketFacts& packet) const;
    friend bool operator==(const FlowSelector&, const FlowSelector&) = default;
};

// The content of a traffic selector sub-option behind its format octet and the reserved one: a word of flags,
// then the fields. All octets must be used, no range may be empty.
[[nodiscard]] std::expected<FlowSelector, Rule> parse_selector(View content);
void encode_selector(const FlowSelector& selector, Bytes& to);

// What offset (modulo this) the sub-option has to start at, so that its fields are aligned.
[[nodiscard]] std::size_t alignment(const FlowSelector& selector);

} // namespace sheaf::mobility

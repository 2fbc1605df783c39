#include "lib/mobility/flow_selector.h"

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::mobility {
namespace {

constexpr std::uint32_t kFlowLabelMask = 0xffffff; // RFC 6088 3.2: the receiver ignores the first octet
constexpr std::uint8_t kTrafficClassMask = 0xfc;   // RFC 6088 3.2: the bits of ECN are not compared

void read(wire::Reader& in, IpAddress& to) {
    if (const auto address = IpAddress::from_bytes(in.bytes(16))) to = *address;
}
void read(wire::Reader& in, std::uint32_t& to) { to = in.u32(); }
void read(wire::Reader& in, std::uint16_t& to) { to = in.u16(); }
void read(wire::Reader& in, std::uint8_t& to) { to = in.u8(); }

void write(Bytes& to, const IpAddress& value) { append(to, value.view()); }
void write(Bytes& to, std::uint32_t value) { wire::put_u32(to, value); }
void write(Bytes& to, std::uint16_t value) { wire::put_u16(to, value); }
void write(Bytes& to, std::uint8_t value) { wire::put_u8(to, value); }

// Whether a range's two flags, of which the left one is "first", make sense: no last one without a first one.
bool flags_fit(std::uint32_t flags) { return (flags & ~(flags >> 1) & 0x5555) == 0; }

// Reads the fields in their order, each pair of flags from the left.
class FieldReader {
  public:
    FieldReader(std::uint16_t flags, wire::Reader& in) : flags_(flags), in_(in) {}

    template <class T>
    void field(std::optional<Range<T>>& to, T mask) {
        take(to);
        if (to) to = {static_cast<T>(to->first & mask), static_cast<T>(to->last & mask)};
        check(to);
    }
    template <class T>
    void field(std::optional<Range<T>>& to) {
        take(to);
        check(to);
    }
    [[nodiscard]] bool ordered() const { return ordered_; }

  private:
    template <class T>
    void take(std::optional<Range<T>>& to) {
        const bool first = take_flag();
        const bool last = take_flag();
        if (!first) return;
        Range<T> range;
        read(in_, range.first);
        range.last = range.first;
        if (last) read(in_, range.last);
        to = range;
    }
    template <class T>
    void check(const std::optional<Range<T>>& range) {
        if (range && range->last < range->first) ordered_ = false;
    }
    bool take_flag() {
        const bool set = (flags_ & 0x8000) != 0;
        flags_ = static_cast<std::uint16_t>(flags_ << 1);
        return set;
    }

    std::uint16_t flags_;
    wire::Reader& in_;
    bool ordered_ = true;
};

template <class T>
bool fits(const std::optional<Range<T>>& range, const std::optional<T>& value) {
    return !range || (value && range->contains(*value));
}

template <class T>
std::uint16_t flags_of(const std::optional<Range<T>>& range) {
    if (!range) return 0;
    return range->first == range->last ? 2 : 3;
}

template <class T>
void put(Bytes& to, const std::optional<Range<T>>& range) {
    if (!range) return;
    write(to, range->first);
    if (range->first != range->last) write(to, range->last);
}

} // namespace

bool FlowSelector::matches(const PacketFacts& packet) const {
    const auto class_of_packet = static_cast<std::uint8_t>(packet.traffic_class & kTrafficClassMask);
    return fits(source, std::optional(packet.source)) &&
           fits(destination, std::optional(packet.destination)) && fits(spi, packet.spi) &&
           fits(flow_label, std::optional(packet.flow_label)) && fits(source_port, packet.source_port) &&
           fits(destination_port, packet.destination_port) &&
           fits(traffic_class, std::optional(class_of_packet)) &&
           fits(next_header, std::optional(packet.next_header));
}

std::expected<FlowSelector, Rule> parse_selector(View content) {
    wire::Reader in(content);
    const std::uint16_t flags = in.u16();
    in.skip(2);
    if (!in.ok() || !flags_fit(flags)) return std::unexpected(Rule::bad_mobility_option);
    FlowSelector out;
    FieldReader fields(flags, in);
    fields.field(out.source);
    fields.field(out.destination);
    fields.field(out.spi);
    fields.field(out.flow_label, kFlowLabelMask);
    fields.field(out.source_port);
    fields.field(out.destination_port);
    fields.field(out.traffic_class, kTrafficClassMask);
    fields.field(out.next_header);
    if (!in.ok() || !in.at_end() || !fields.ordered()) return std::unexpected(Rule::bad_mobility_option);
    return out;
}

void encode_selector(const FlowSelector& selector, Bytes& to) {
    std::uint16_t flags = 0;
    const auto add = [&flags](std::uint16_t two) { flags = static_cast<std::uint16_t>(flags << 2 | two); };
    add(flags_of(selector.source));
    add(flags_of(selector.destination));
    add(flags_of(selector.spi));
    add(flags_of(selector.flow_label));
    add(flags_of(selector.source_port));
    add(flags_of(selector.destination_port));
    add(flags_of(selector.traffic_class));
    add(flags_of(selector.next_header));
    wire::put_u16(to, flags);
    wire::put_zeros(to, 2);
    put(to, selector.source);
    put(to, selector.destination);
    put(to, selector.spi);
    put(to, selector.flow_label);
    put(to, selector.source_port);
    put(to, selector.destination_port);
    put(to, selector.traffic_class);
    put(to, selector.next_header);
}

std::size_t alignment(const FlowSelector& selector) {
    if (selector.source || selector.destination) return 8;
    if (selector.spi || selector.flow_label) return 4;
    if (selector.source_port || selector.destination_port) return 2;
    return 1;
}

} // namespace sheaf::mobility

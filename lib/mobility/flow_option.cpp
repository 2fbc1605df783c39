#include "lib/mobility/options.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 6089 4.2: the flow identification option and its sub-options.
namespace sheaf::mobility {
namespace {

// False if it is not a list of binding identifiers.
bool parse_reference(View content, std::vector<std::uint16_t>& to) {
    if (content.empty() || content.size() % 2 != 0 || content.size() / 2 > kMaxFlowBindings) return false;
    wire::Reader in(content);
    while (!in.at_end())
        to.push_back(in.u16());
    return true;
}

// False if it is malformed.
bool parse_traffic_selector(View content, FlowIdentification& to) {
    wire::Reader in(content);
    const std::uint8_t format = in.u8();
    in.skip(1);
    if (!in.ok() || format == 0) return false; // RFC 6089 4.2.1.4: 0 is reserved
    if (format != kIpv6Selector) {
        to.unsupported_selector = true;
        return true;
    }
    const auto selector = parse_selector(in.rest());
    if (!selector) return false;
    to.selector = *selector;
    return true;
}

// False if the octets are no list of sub-options, or one of them stands twice or is malformed.
bool parse_sub_options(wire::Reader in, FlowIdentification& to) {
    while (!in.at_end()) {
        const FlowOptionType type{in.u8()};
        if (type == FlowOptionType::pad1) continue;
        const View content = in.bytes(in.u8());
        if (!in.ok()) return false;
        if (type == FlowOptionType::binding_reference) {
            if (!to.bids.empty() || !parse_reference(content, to.bids)) return false;
        } else if (type == FlowOptionType::traffic_selector) {
            if (to.selector || to.unsupported_selector || !parse_traffic_selector(content, to)) return false;
        }
    }
    return true;
}

// Type, and a length that counts from behind itself to the end.
class SubOption {
  public:
    SubOption(Bytes& to, std::uint8_t type) : to_(to) {
        wire::put_u8(to, type);
        wire::put_u8(to, 0);
        start_ = to.size();
    }
    SubOption(Bytes& to, FlowOptionType type) : SubOption(to, static_cast<std::uint8_t>(type)) {}
    SubOption(const SubOption&) = delete;
    SubOption& operator=(const SubOption&) = delete;
    ~SubOption() { to_[start_ - 1] = static_cast<std::uint8_t>(to_.size() - start_); }

  private:
    Bytes& to_;
    std::size_t start_;
};

} // namespace

FlowIdentification parse_flow(View content) {
    wire::Reader in(content);
    FlowIdentification flow;
    flow.fid = in.u16();
    flow.priority = in.u16();
    in.skip(1);
    flow.status = FlowStatus{in.u8()};
    const bool fits = in.ok() && parse_sub_options(in, flow);
    if (fits) return flow;
    // What is answered is its name alone.
    FlowIdentification refused{flow.fid, flow.priority, flow.status};
    refused.malformed = true;
    return refused;
}

void encode_flow(const FlowIdentification& flow, Bytes& to) {
    const SubOption whole(to, static_cast<std::uint8_t>(OptionType::flow_identification));
    wire::put_u16(to, flow.fid);
    wire::put_u16(to, flow.priority);
    wire::put_u8(to, 0);
    wire::put_u8(to, static_cast<std::uint8_t>(flow.status));
    if (!flow.bids.empty()) {
        pad(to, 2);
        const SubOption reference(to, FlowOptionType::binding_reference);
        for (const std::uint16_t bid : flow.bids)
            wire::put_u16(to, bid);
    }
    if (flow.selector) {
        pad(to, alignment(*flow.selector));
        const SubOption selector(to, FlowOptionType::traffic_selector);
        wire::put_u8(to, kIpv6Selector);
        wire::put_u8(to, 0);
        encode_selector(*flow.selector, to);
    }
}

} // namespace sheaf::mobility

#include "conf/selector_words.h"

#include "conf/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace sheaf::conf {
namespace {

using wire::TrafficSelector;

enum class Shape : std::uint8_t { ports, icmp, plain };

struct Protocol {
    std::string_view word;
    std::uint8_t number;
    Shape shape;
};
constexpr std::array<Protocol, 9> kProtocols = {{
    {"tcp", 6, Shape::ports},
    {"udp", 17, Shape::ports},
    {"sctp", 132, Shape::ports},
    {"dccp", 33, Shape::ports},
    {"udplite", 136, Shape::ports},
    {"icmp", 1, Shape::icmp},
    {"icmpv6", 58, Shape::icmp},
    {"mh", 135, Shape::plain},
    {"gre", 47, Shape::plain},
}};
constexpr std::string_view kProtocolHint =
    R"(write "tcp", "udp", "icmp", "icmpv6", "sctp" or the protocol's number, and "/" and a port)";

template <class T>
std::optional<T> number(std::string_view digits) {
    T out = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return out;
}

std::optional<Fault> read_addresses(std::string_view text, TrafficSelector& out) {
    if (const auto dash = text.find('-'); dash != text.npos) {
        const auto from = IpAddress::parse(text.substr(0, dash));
        const auto to = IpAddress::parse(text.substr(dash + 1));
        if (!from || !to || from->family() != to->family() || *to < *from)
            return Fault{quote(text) + " is no range of addresses",
                         "write the first and the last: \"10.0.0.1-10.0.0.9\"", text};
        out.start = *from;
        out.end = *to;
        return std::nullopt;
    }
    if (auto fault = check_prefix(text)) {
        fault->part = text;
        return fault;
    }
    const auto prefix = Prefix::parse(text);
    out.start = prefix->address();
    out.end = prefix->last();
    return std::nullopt;
}

// "443", "5000-5010"
std::optional<Fault> read_ports(std::string_view text, TrafficSelector& out) {
    const auto dash = text.find('-');
    const auto from = number<std::uint16_t>(text.substr(0, dash));
    const auto to = dash == text.npos ? from : number<std::uint16_t>(text.substr(dash + 1));
    if (!from || !to || *to < *from)
        return Fault{quote(text) + " is no port", "write \"443\", or \"5000-5010\" for a range", text};
    out.start_port = *from;
    out.end_port = *to;
    return std::nullopt;
}

// RFC 7296 3.13.1: the type is the high octet of a port, the code the low one.
std::optional<Fault> read_icmp(std::string_view text, TrafficSelector& out) {
    const auto slash = text.find('/');
    const auto type = number<std::uint8_t>(text.substr(0, slash));
    const auto code = slash == text.npos ? std::nullopt : number<std::uint8_t>(text.substr(slash + 1));
    if (!type || (slash != text.npos && !code))
        return Fault{quote(text) + " is no ICMP type", "write \"8\", or \"3/1\" for a type and its code",
                     text};
    const auto high = static_cast<std::uint16_t>(*type << 8);
    out.start_port = static_cast<std::uint16_t>(high | code.value_or(0));
    out.end_port = static_cast<std::uint16_t>(high | code.value_or(0xff));
    return std::nullopt;
}

std::optional<Fault> read_protocol(std::string_view text, TrafficSelector& out) {
    const auto slash = text.find('/');
    const auto word = text.substr(0, slash);
    const auto known = std::ranges::find(kProtocols, word, &Protocol::word);
    const auto value = known != kProtocols.end() ? std::optional(known->number) : number<std::uint8_t>(word);
    if (!value || *value == 0)
        return Fault{quote(word) + " is no protocol", std::string(kProtocolHint), word};
    const bool v6 = out.start.is_v6();
    if ((*value == 1 && v6) || (*value == 58 && !v6))
        return Fault{quote(word) + " is not of the address's family",
                     v6 ? "write \"icmpv6\"" : "write \"icmp\"", word};
    out.ip_protocol = *value;
    if (slash == text.npos) return std::nullopt;
    const auto by_number = std::ranges::find(kProtocols, *value, &Protocol::number);
    const auto ports = text.substr(slash + 1);
    if (by_number == kProtocols.end() || by_number->shape == Shape::plain)
        return Fault{"the protocol " + quote(word) + " has no ports",
                     "remove " + quote("/" + std::string(ports)), ports};
    return by_number->shape == Shape::icmp ? read_icmp(ports, out) : read_ports(ports, out);
}

} // namespace

std::expected<TrafficSelector, Fault> parse_selector(std::string_view text) {
    TrafficSelector out;
    const auto blank = text.find(' ');
    if (auto fault = read_addresses(text.substr(0, blank), out)) return std::unexpected(std::move(*fault));
    if (blank == text.npos) return out;
    if (auto fault = read_protocol(text.substr(blank + 1), out)) return std::unexpected(std::move(*fault));
    return out;
}

} // namespace sheaf::conf

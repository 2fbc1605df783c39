#include "lib/wire/header.h"

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::wire {
namespace {

constexpr std::uint8_t kInitiatorFlag = 0x08;
constexpr std::uint8_t kVersionFlag = 0x10;
constexpr std::uint8_t kResponseFlag = 0x20;

// REQUIRES: there are kHeaderSize octets.
Header read_header(View datagram) {
    Reader in(datagram);
    Header header;
    header.initiator_spi = in.u64();
    header.responder_spi = in.u64();
    header.next = PayloadType{in.u8()};
    const std::uint8_t version = in.u8();
    header.major = version >> 4;
    header.minor = version & 0x0f;
    header.exchange = ExchangeType{in.u8()};
    const std::uint8_t flags = in.u8();
    header.from_initiator = (flags & kInitiatorFlag) != 0;
    header.higher_version = (flags & kVersionFlag) != 0;
    header.response = (flags & kResponseFlag) != 0;
    header.message_id = in.u32();
    header.length = in.u32();
    return header;
}

} // namespace

std::expected<Header, Rule> parse_header(View datagram) {
    if (datagram.size() < kHeaderSize) return std::unexpected(Rule::datagram_too_short);
    if (datagram.size() > kMaxDatagram) return std::unexpected(Rule::datagram_too_long);
    const Header header = read_header(datagram);
    if (header.major != 2) return std::unexpected(Rule::major_version);
    if (header.length != datagram.size()) return std::unexpected(Rule::length_mismatch);
    if (header.initiator_spi == 0) return std::unexpected(Rule::zero_spi);
    return header;
}

std::optional<Header> parse_higher_version(View datagram) {
    if (datagram.size() < kHeaderSize) return std::nullopt;
    const Header header = read_header(datagram);
    if (header.major <= 2) return std::nullopt;
    return header;
}

void encode(const Header& header, Bytes& to) {
    put_u64(to, header.initiator_spi);
    put_u64(to, header.responder_spi);
    put_u8(to, static_cast<std::uint8_t>(header.next));
    put_u8(to, static_cast<std::uint8_t>(header.major << 4 | (header.minor & 0x0f)));
    put_u8(to, static_cast<std::uint8_t>(header.exchange));
    put_u8(to, static_cast<std::uint8_t>((header.from_initiator ? kInitiatorFlag : 0) |
                                         (header.higher_version ? kVersionFlag : 0) |
                                         (header.response ? kResponseFlag : 0)));
    put_u32(to, header.message_id);
    put_u32(to, header.length);
}

} // namespace sheaf::wire

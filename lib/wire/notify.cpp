#include "lib/wire/body.h"
#include "lib/wire/cfg.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 7296 3.10, 3.11 and 3.12: what a peer tells about itself, an SA or a request.
namespace sheaf::wire {
namespace {

// RFC 7296 3.10: the SPI's size is its protocol's. Peers that name the IKE SA by its SPI although they should
// not are tolerated; a protocol that we do not speak may use a pair of IKE SPIs at most.
bool notify_spi_fits(Protocol protocol, std::size_t size) {
    if (size == 0) return true;
    switch (protocol) {
    case Protocol::none: return false;
    case Protocol::ike: return size == 8;
    case Protocol::ah:
    case Protocol::esp: return size == 4;
    default: return size <= 16;
    }
}

// The form of the types whose content we use; of the rest we know nothing and keep all.
std::expected<void, Rule> check_content(const Notify& notify) {
    const std::size_t size = notify.data.size();
    bool fits = true;
    switch (notify.type) {
    case NotifyType::unsupported_critical_payload: fits = size == 1; break;
    case NotifyType::invalid_ke_payload: fits = size == 2; break;
    case NotifyType::set_window_size:
    case NotifyType::auth_lifetime: fits = size == 4; break;
    case NotifyType::nat_detection_source_ip:
    case NotifyType::nat_detection_destination_ip: fits = size == 20; break; // RFC 7296 2.23: a SHA-1 digest
    case NotifyType::cookie:
        if (size < kMinCookie || size > kMaxCookie) return std::unexpected(Rule::bad_cookie_size);
        break;
    case NotifyType::rekey_sa:
    case NotifyType::child_sa_not_found: fits = notify.spi.size() == 4; break; // RFC 7296 1.3.3, 2.25
    case NotifyType::additional_ip4_address: fits = size == 4; break;
    case NotifyType::additional_ip6_address: fits = size == 16; break;
    case NotifyType::cookie2: fits = size >= kMinCookie2 && size <= kMaxCookie2; break;
    case NotifyType::no_nats_allowed: fits = size == 12 || size == 36; break; // two addresses, two ports
    case NotifyType::clone_ike_sa_supported:
    case NotifyType::clone_ike_sa: fits = size == 0; break; // RFC 7791 6
    case NotifyType::link_id: fits = size <= kMaxLinkId; break;
    case NotifyType::signature_hash_algorithms: fits = size % 2 == 0; break; // RFC 7427 4
    default: break;
    }
    if (!fits) return std::unexpected(Rule::bad_notify);
    return {};
}

} // namespace

std::expected<Notify, Rule> parse_notify(View body) {
    Reader in(body);
    Notify notify;
    notify.protocol = Protocol{in.u8()};
    const std::size_t spi_size = in.u8();
    notify.type = NotifyType{in.u16()};
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (!notify_spi_fits(notify.protocol, spi_size)) return std::unexpected(Rule::bad_spi_size);
    notify.spi = to_bytes(in.bytes(spi_size));
    if (!in.ok()) return std::unexpected(Rule::truncated);
    // RFC 7296 3.10: without an SPI the protocol means nothing, so nobody shall read it.
    if (notify.spi.empty()) notify.protocol = Protocol::none;
    notify.data = to_bytes(in.rest());
    if (const auto content = check_content(notify); !content) return std::unexpected(content.error());
    return notify;
}

void encode_body(const Notify& notify, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(notify.protocol));
    put_u8(to, static_cast<std::uint8_t>(notify.spi.size()));
    put_u16(to, static_cast<std::uint16_t>(notify.type));
    append(to, notify.spi);
    append(to, notify.data);
}

std::expected<Delete, Rule> parse_delete(View body) {
    Reader in(body);
    Delete del;
    del.protocol = Protocol{in.u8()};
    const std::size_t spi_size = in.u8();
    const std::size_t count = in.u16();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (del.protocol == Protocol::ike) {
        if (spi_size != 0) return std::unexpected(Rule::bad_spi_size);
        if (count != 0 || !in.at_end()) return std::unexpected(Rule::bad_delete);
        return del;
    }
    if (del.protocol != Protocol::ah && del.protocol != Protocol::esp)
        return std::unexpected(Rule::bad_delete);
    if (spi_size != 4) return std::unexpected(Rule::bad_spi_size);
    // An empty list is refused so that it cannot be taken for the deletion of the IKE SA.
    if (count == 0 || count > kMaxDeleteSpis || in.left() != count * spi_size)
        return std::unexpected(Rule::bad_delete);
    del.spis.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
        del.spis.push_back(in.u32());
    return del;
}

void encode_body(const Delete& del, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(del.protocol));
    put_u8(to, del.protocol == Protocol::ike ? 0 : 4);
    put_u16(to, static_cast<std::uint16_t>(del.spis.size()));
    for (const ChildSpi spi : del.spis)
        put_u32(to, spi);
}

void encode_body(const VendorId& vendor_id, Bytes& to) { append(to, vendor_id.data); }

void encode_body(const UnknownPayload& unknown, Bytes& to) { append(to, unknown.data); }

} // namespace sheaf::wire

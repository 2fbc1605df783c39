#include "xfrm/migration.h"

#include "lib/base/bytes.h"
#include "xfrm/address_form.h"

#include <linux/udp.h>

#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>

namespace sheaf::xfrm {
namespace {

// RFC 6666: nothing is ever sent to or from 100::/64. One address for each link, so that migrations of
// several may be under way.
Prefix nowhere(std::uint32_t number) {
    constexpr std::size_t kSize = 16;
    std::array<std::uint8_t, kSize> octets{1};
    for (unsigned i = 0; i < 4; ++i)
        octets.at(kSize - 1 - i) = static_cast<std::uint8_t>(number >> 8 * i);
    return Prefix::host(IpAddress::from_bytes(octets).value());
}

} // namespace

Policy Migration::carrier(bool after) const {
    const Prefix selector = nowhere(link != 0 ? link : reqid);
    return {
        .direction = PolicyDirection::in,
        .selector = {.source = selector, .destination = selector, .source_port = {}, .destination_port = {}},
        .priority = 0, // Linux 6.12 takes the strongest policy that matches the selector
        .link = link,
        .reqid = reqid,
        .mode = child::Mode::tunnel,
        .source = after ? new_source : source,
        .destination = destination};
}

netlink::Message Migration::message() const {
    const Policy policy = carrier(false);
    netlink::Builder out(XFRM_MSG_MIGRATE, 0);
    put_identity(out, policy);
    xfrm_user_migrate migrate{};
    migrate.old_daddr = migrate.new_daddr = encode(destination);
    migrate.old_saddr = encode(source);
    migrate.new_saddr = encode(new_source);
    migrate.proto = IPPROTO_ESP;
    migrate.mode = XFRM_MODE_TUNNEL;
    migrate.reqid = reqid;
    migrate.old_family = migrate.new_family = family_number(destination.family());
    out.put_struct(XFRMA_MIGRATE, migrate);
    if (encapsulation) {
        xfrm_encap_tmpl ports{};
        ports.encap_type = UDP_ENCAP_ESPINUDP;
        ports.encap_sport = htons(encapsulation->source_port);
        ports.encap_dport = htons(encapsulation->destination_port);
        out.put_struct(XFRMA_ENCAP, ports);
    }
    if (link != 0) out.put_u32(XFRMA_IF_ID, link);
    return out.finish();
}

} // namespace sheaf::xfrm

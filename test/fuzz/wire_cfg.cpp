#include "lib/wire/cfg.h"
#include "test/fuzz/target.h"

namespace sheaf::fuzz {
namespace {

using wire::CfgAttribute;

// A value that was read is written so that it reads the same.
void require_values_stable(const CfgAttribute& attribute) {
    if (const auto address = wire::read_address(attribute))
        require(wire::address_attribute(attribute.type, *address) == attribute,
                "an address is written alike");
    if (const auto address = wire::read_ip6_address(attribute))
        require(wire::ip6_address_attribute(address->address, address->prefix_length) == attribute,
                "an IPv6 address is written alike");
    if (const auto link = wire::read_link(attribute)) {
        require(link->link_id.size() <= wire::kMaxLinkId, "a Link ID is bounded");
        require(wire::link_attribute(*link) == attribute, "a link is written alike");
    }
    if (const auto prefix = wire::read_prefix(attribute))
        require(wire::read_prefix(wire::prefix_attribute(*prefix)) == prefix,
                "a prefix reads the same again");
    if (const auto subnet = wire::read_subnet(attribute))
        require(wire::read_subnet(wire::subnet_attribute(*subnet)) == subnet,
                "a subnet reads the same again");
}

} // namespace
} // namespace sheaf::fuzz

// Two octets of attribute type, then its value.
SHEAF_FUZZ_TARGET(wire_cfg) {
    if (input.size() < 2) return;
    const auto type = static_cast<wire::CfgAttributeType>((input[0] << 8 | input[1]) & 0x7fff);
    const View value = input.subspan(2);
    require_values_stable({type, {value.begin(), value.end()}});
}

#pragma once

#include "lib/base/ip.h"

#include <linux/xfrm.h>

#include <cstdint>
#include <string>

// How XFRM messages write addresses.
namespace sheaf::xfrm {

[[nodiscard]] std::uint16_t family_number(Family family); // AF_INET or AF_INET6
[[nodiscard]] xfrm_address_t encode(const IpAddress& address);
// `family` as the kernel writes it; anything but AF_INET6 reads as IPv4.
[[nodiscard]] IpAddress decode(const xfrm_address_t& address, std::uint16_t family);

[[nodiscard]] xfrm_lifetime_cfg unlimited();        // lifetimes are the engine's affair
[[nodiscard]] std::string hex(std::uint32_t value); // "0x53000001", for texts

} // namespace sheaf::xfrm

#pragma once

#include "conf/words.h"
#include "lib/child/selector.h"

#include <expected>
#include <string_view>

namespace sheaf::conf {

// A traffic selector in words: addresses, then, after a blank, a protocol and its ports.
//
//   addresses   "10.1.0.0/16", "2001:db8::1", "10.0.0.1-10.0.0.9"
//   protocol    "tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6", "mh", "gre", or its number
//   ports       "/443", "/5000-5010"; of ICMP the type, "/8", and the code, "/3/1" (RFC 7296 3.13.1)
[[nodiscard]] std::expected<wire::TrafficSelector, Fault> parse_selector(std::string_view text);

} // namespace sheaf::conf

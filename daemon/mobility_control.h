#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"

#include <cstdint>
#include <optional>
#include <sys/socket.h>

// What a raw socket is told and tells beside a message of Mobile IPv6 (RFC 3542): addresses, options and marks.
namespace sheaf::daemon {

// The addresses of a packet as IPsec and the protocol mean it: where a care-of address stands in the header, the home
// address is meant.
struct MobilityAddresses {
    IpAddress source;
    IpAddress destination;
    // The mobile node's address in the header, where that is not its home address: from a Home Address option
    // (RFC 6275 6.3) or a type 2 routing header (RFC 6275 6.4).
    std::optional<IpAddress> care_of;
    friend bool operator==(const MobilityAddresses&, const MobilityAddresses&) = default;
};

// A destination options header as the kernel hands it out: with the care-of address where the home address was.
[[nodiscard]] std::optional<IpAddress> home_address_option(View header);
// A routing header; only one of type 2 has it.
[[nodiscard]] std::optional<IpAddress> routing_header_address(View header);
[[nodiscard]] Bytes routing_header(const IpAddress& address); // of type 2

// Of a message that was received with IPV6_RECVPKTINFO, IPV6_RECVDSTOPTS and IPV6_RECVRTHDR. None when it does not
// tell to where it was sent.
[[nodiscard]] std::optional<MobilityAddresses> addresses_of(msghdr& message, const IpAddress& source);

// Control messages for sending: the source, a type 2 routing header where there is a care-of address, and the
// packet's firewall mark.
[[nodiscard]] Bytes control_of(const MobilityAddresses& addresses, std::uint32_t mark);

} // namespace sheaf::daemon

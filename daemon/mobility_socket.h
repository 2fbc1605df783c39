#pragma once

#include "daemon/file_descriptor.h"
#include "daemon/mobility_control.h"
#include "daemon/udp_socket.h"
#include "lib/base/bytes.h"
#include "lib/mobility/numbers.h"

#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <variant>

namespace sheaf::daemon {

// A Mobility Header (RFC 6275 6.1), or an ICMPv6 message of prefix discovery (RFC 6275 6.7), and how it travels.
//
// A mobile node sends from its home address, and names the care-of address by child::path_mark(); a home agent names
// it in `addresses`. Without either, a message goes to or from the home link.
struct MobilityDatagram {
    MobilityAddresses addresses;
    Bytes header;           // to be sent: with a checksum of zero, which the kernel fills in
    std::uint32_t mark = 0; // to be sent; 0: the one that keeps our packets out of our tunnels
};

// The raw socket of the Mobility Headers of this host, or of its prefix discovery: non-blocking.
//
// The kernel checks length and checksum, takes care-of addresses out of the packet and writes them into it, and does
// IPsec; what is not protected is dropped where a child::MobilityLink says so.
class MobilitySocket {
  public:
    // Of mobility::kMobilityProtocol, or of kIcmp6Protocol; then nothing comes in before it is let in. The error is a
    // sentence with the remedy.
    [[nodiscard]] static std::expected<MobilitySocket, std::string>
    open(std::uint8_t protocol = mobility::kMobilityProtocol);
    // ICMPv6: these types alone come in from now on. Error as above.
    [[nodiscard]] std::expected<void, std::string> let_in(const std::set<mobility::PrefixMessageType>& types);

    [[nodiscard]] int fd() const { return fd_.value(); }

    struct Empty {};   // nothing waits
    struct Skipped {}; // something that cannot be read
    using Received = std::variant<Empty, Skipped, MobilityDatagram>;
    [[nodiscard]] Received receive();

    // Zero, or the errno of a message that was not sent: it is lost like any other.
    [[nodiscard]] int send(const MobilityDatagram& datagram) const;

  private:
    explicit MobilitySocket(FileDescriptor fd);

    FileDescriptor fd_;
    Bytes buffer_;
};

} // namespace sheaf::daemon

#pragma once

#include "daemon/file_descriptor.h"
#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/ike/announcer.h"
#include "lib/ike/config.h"

#include <expected>
#include <string>

namespace sheaf::daemon {

// Whether a configuration has a home agent on a home link, or a mobile node that may come home.
[[nodiscard]] bool needs_neighbours(const ike::Config& config);

// RFC 4861 4.4: an unsolicited Neighbour Advertisement that overrides what is known of the target, not of a router
// (RFC 6275 10.4.1), with a checksum of zero, which the kernel fills in. `link_layer` has 6 octets.
[[nodiscard]] Bytes neighbour_advertisement(const IpAddress& target, View link_layer);

// The raw socket by which neighbours are told where a home address is now. Nothing is received by it.
class NeighbourSocket {
  public:
    // The error is a sentence with the remedy.
    [[nodiscard]] static std::expected<NeighbourSocket, std::string> open();

    // Multicast to all nodes on the link of the interface. Zero, or the errno of one that was not sent: it is lost like
    // any other. Nothing is sent where link-layer addresses are not of 6 octets: nobody asks for any there.
    [[nodiscard]] int send(const ike::NeighbourAdvertisement& what) const;

  private:
    explicit NeighbourSocket(FileDescriptor fd) : fd_(std::move(fd)) {}

    FileDescriptor fd_;
};

} // namespace sheaf::daemon

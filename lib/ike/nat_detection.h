#pragma once

#include "lib/base/ip.h"
#include "lib/crypto/backend.h"
#include "lib/wire/payload.h"

#include <span>

// NAT detection (RFC 7296 2.23): each side sends hashes of the addresses that it believes in.
namespace sheaf::ike {

struct NatFound {
    bool here = false;  // a NAT before us: the peer's idea of our address is another
    bool there = false; // a NAT before the peer
};

[[nodiscard]] wire::Notify nat_detection(crypto::Backend& backend, wire::NotifyType type, wire::Spi spi_i,
                                         wire::Spi spi_r, const Endpoint& endpoint);

// What the notifies in a message from `peer` to `local` say; nothing is found where the peer sent none.
[[nodiscard]] NatFound find_nat(crypto::Backend& backend, std::span<const wire::Payload> payloads,
                                wire::Spi spi_i, wire::Spi spi_r, const Endpoint& local,
                                const Endpoint& peer);

} // namespace sheaf::ike

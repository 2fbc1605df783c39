#pragma once

#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/crypto/suite.h"
#include "lib/wire/header.h"
#include "lib/wire/payload.h"

#include <variant>

// Keys of SAs, for a decoder of packets. The engine tells them only where it was asked to: whoever has them
// reads all that the SAs protect.
namespace sheaf::ike {

// Of an IKE SA (RFC 7296 2.14). `sk_ai` and `sk_ar` are empty with an AEAD; `sk_ei` and `sk_er` end in its
// salt.
struct IkeKeys {
    wire::Spi spi_i = 0;
    wire::Spi spi_r = 0;
    crypto::IkeSuite suite;
    Secret sk_ei;
    Secret sk_er;
    Secret sk_ai;
    Secret sk_ar;
};

// Of one direction of a Child SA (RFC 7296 2.17), between outer addresses. `integrity` is empty with an AEAD,
// `encryption` ends in its salt.
struct ChildKeys {
    IpAddress source;
    IpAddress destination;
    wire::ChildSpi spi = 0; // as the packets carry it
    crypto::EspSuite suite;
    Secret encryption;
    Secret integrity;
};

using KeyRecord = std::variant<IkeKeys, ChildKeys>;

} // namespace sheaf::ike

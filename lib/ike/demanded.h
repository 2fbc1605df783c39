#pragma once

#include "lib/address/demand.h"
#include "lib/ike/virtual_link.h"
#include "lib/wire/header.h"

#include <memory>

namespace sheaf::ike {

// Addresses that were asked for, by whom, and for which link.
struct Demanded {
    wire::Spi spi = 0;
    address::Holder holder;
    address::LinkId number = 0;
    std::weak_ptr<VirtualLink> link;
};

} // namespace sheaf::ike

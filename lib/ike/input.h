#pragma once

#include "lib/base/time.h"
#include "lib/wire/header.h"

namespace sheaf::ike {

struct Datagram;

// What is known of the datagram that is being worked on.
struct Input {
    Instant now;
    const Datagram& datagram;
    const wire::Header& header;
};

} // namespace sheaf::ike

#pragma once

#include "lib/base/ip.h"

#include <string>
#include <vector>

namespace sheaf::ike {

// Whom the host is to ask for names while a virtual interface is up; neither servers nor domains: nobody any
// more.
struct NameServers {
    std::string interface;
    std::vector<IpAddress> servers;
    std::vector<std::string> domains; // only for names below these; none: for all
    friend bool operator==(const NameServers&, const NameServers&) = default;
};

} // namespace sheaf::ike

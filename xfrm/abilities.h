#pragma once

#include "lib/base/ip.h"
#include "lib/crypto/suite.h"

#include <string>
#include <vector>

namespace sheaf::xfrm {

// What the running kernel can do for us, found by trying. `lacks` has one sentence for each thing that is
// missing; it names the thing, the kernel's words and the remedy, and is written for the operator.
struct Abilities {
    bool esp_ipv4 = false;
    bool esp_ipv6 = false;
    bool udp_encapsulation_ipv4 = false; // RFC 3948
    bool udp_encapsulation_ipv6 = false;
    bool virtual_links = false; // `type xfrm` interfaces: the client's side
    bool shared_link =
        false; // one such interface for all clients, routes that name the link: the gateway's side
    bool sa_direction = false; // SAD entries say which direction they are for (Linux 6.10); no loss without
    std::vector<crypto::EspSuite>
        suites; // those of all that lib/crypto can negotiate that the kernel carries

    std::vector<std::string> lacks;

    [[nodiscard]] bool esp(Family family) const { return family == Family::ipv6 ? esp_ipv6 : esp_ipv4; }
    // Without regard to key exchange; ESN is there with every suite.
    [[nodiscard]] bool supports(const crypto::EspSuite& suite) const;
};

} // namespace sheaf::xfrm

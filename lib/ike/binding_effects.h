#pragma once

#include "lib/ike/event.h"
#include "lib/mobility/prefix_message.h"
#include "lib/mobility/registration.h"

#include <span>
#include <string>
#include <vector>

namespace sheaf::ike {

// A message of prefix discovery and where it goes, as mobility::Packet.
struct PrefixPacket {
    IpAddress home;
    IpAddress care_of;
    mobility::PrefixMessage message;
};

// What has come of a call to either end of a registration, for the engine to carry out.
struct BindingEffects {
    std::vector<mobility::Packet> packets; // to be sent, in this order
    std::vector<PrefixPacket> prefixes;    // likewise
    std::vector<mobility::KeyEndpointChange> keys;
    std::vector<BindingChanged> events;

    // What these changes mean for operator and IKE.
    void note(const std::string& connection, std::span<const mobility::Change> changes, Instant now);
};

} // namespace sheaf::ike

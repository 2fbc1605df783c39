#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/ike/config.h"
#include "lib/ike/mobile_use.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::ike {

enum class ChildState : std::uint8_t {
    installing, // the kernel has been asked
    live,
    deleting, // our DELETE is wanted or under way
    doomed, // the peer has deleted it; whether it has a successor, the answer to our request for one will tell
    draining, // gone at both ends; the inbound SAD entry stays for packets that are still on their way
};
[[nodiscard]] std::string_view name(ChildState state);

// An SA that was made to replace another one, and what decides among two that were made at once: the lower
// nonce of its exchange (RFC 7296 2.8.1).
template <typename SpiType>
struct Successor {
    SpiType spi{}; // ours
    Bytes lowest_nonce;
};

// A Child SA with what we need to know to keep, rekey and end it.
struct ChildSa {
    std::string name;                  // of its ChildConfig, or of the connection
    const ChildTerms* terms = nullptr; // in the IKE SA's connection
    child::SaPairId id;
    child::LinkNumber reqid = 0; // 0: the link's number
    child::Mode mode = child::Mode::tunnel;
    crypto::EspSuite suite;
    bool on_interface = true;
    bool udp_encapsulation = false;
    std::vector<wire::TrafficSelector> local;
    std::vector<wire::TrafficSelector> remote;
    std::optional<MobileUse> use; // home agent, mobile node: it has no policies of its own

    ChildState state = ChildState::installing;
    child::IntentId intent = 0; // that installs it
    // What of it is in the kernel.
    bool in = false;
    bool out = false;
    bool policies = false;
    // RFC 7296 2.8: the outbound entry of a rekeying that the peer began waits until the old Child SA is
    // deleted, for only then the peer is known to have the inbound one. Likewise that of a peer that has
    // authenticated anew, until it deletes the old IKE SA or `activates` has come.
    std::optional<child::InstallSas> outbound;
    Instant activates = Instant::max();

    wire::ChildSpi rekeys = 0; // our SPI of the Child SA that this one is to replace
    Bytes lowest_nonce;        // of the exchange that made it
    bool initiator = false;    // whether that exchange was ours
    bool rekeying = false;     // a request of ours to replace it is wanted or under way
    bool unwanted = false;     // the operator has ended it meanwhile, and with it what will replace it
    std::optional<Successor<wire::ChildSpi>> ours;   // made by our request
    std::optional<Successor<wire::ChildSpi>> theirs; // made by the peer's
    Instant since;
    Instant rekey_at = Instant::max();
    Instant expires = Instant::max();

    [[nodiscard]] bool replaced() const { return ours || theirs; }
    [[nodiscard]] child::PolicySet policy_set() const {
        return {id.link, reqid, mode, on_interface, id.local.address, id.peer.address, local, remote};
    }
};

} // namespace sheaf::ike

#pragma once

#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/child/kernel.h"
#include "netlink/message.h"
#include "xfrm/policy.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// An algorithm by the kernel's name with its key.
struct Algorithm {
    std::string name;
    Secret key;
    std::uint32_t tag_bits = 0; // length of ICV or truncated HMAC; 0 for a cipher

    friend bool operator==(const Algorithm& a, const Algorithm& b);
};

enum class SaDirection : std::uint8_t { unstated = 0, in = 1, out = 2 }; // as XFRMA_SA_DIR

// By what the SAD finds an ESP entry.
struct StateId {
    IpAddress destination;
    std::uint32_t spi = 0;  // host byte order
    std::uint32_t mark = 0; // of the packets that it takes, under kGroupMarkMask; 0: any

    friend auto operator<=>(const StateId&, const StateId&) = default;
};

// An SAD entry for ESP.
struct State {
    StateId id;
    IpAddress source;
    child::Mode mode = child::Mode::tunnel;
    std::uint32_t link = 0;  // if_id; 0: of no virtual interface
    std::uint32_t reqid = 0; // by which policies find it; ours is always of the range of link numbers

    std::optional<Algorithm> aead; // either this
    std::optional<Algorithm> cipher;
    std::optional<Algorithm> integrity; // or these two

    bool esn = false;
    std::uint32_t replay_window = 0; // packets

    struct Encapsulation { // RFC 3948
        std::uint16_t source_port = 0;
        std::uint16_t destination_port = 0;
        friend bool operator==(const Encapsulation&, const Encapsulation&) = default;
    };
    std::optional<Encapsulation> encapsulation;

    std::uint32_t output_mark = 0; // what outer packets are marked with, under the mask
    std::uint32_t output_mark_mask = 0;
    SaDirection direction = SaDirection::unstated;
    child::SaLimits limits{};
    // What concerns the other direction stays as it is by default.
    child::OuterHeader outer{};
    // What packets it is for, in case of transport mode (RFC 4301 4.4.1.2); none: all that policies lead to it.
    std::optional<Selector> selector{};

    [[nodiscard]] std::string
    to_string() const; // "SA 2001:db8::1 -> 2001:db8::2 SPI 0x00000101 (link 0x53000001)"
    friend bool operator==(const State&, const State&) = default;
};

// The largest window that the kernel keeps.
inline constexpr std::uint32_t kMaxReplayWindow = 4096;

// How far an entry has come, which goes along when it is made anew elsewhere.
struct Progress {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t added = 0; // seconds of UTC; 0: now
    std::uint64_t used = 0;  // for the first time; 0: never
    std::uint64_t sent = 0;  // the last sequence number; of 64 bits with ESN, else of 32
    std::uint64_t received = 0;
    std::vector<std::uint32_t> window; // which packets of the replay window came, in the kernel's form

    friend bool operator==(const Progress&, const Progress&) = default;
};

[[nodiscard]] netlink::Message install_state(const State& state); // fails when there is one with the same id
[[nodiscard]] netlink::Message install_state(const State& state, const Progress& progress);
// Changes ports and limits of the entry with the same id, and nothing else.
[[nodiscard]] netlink::Message update_state(const State& state);
// What the entry sends counts on behind `sent`; of one without a replay window of its own.
[[nodiscard]] netlink::Message count_on(const StateId& id, const IpAddress& source, std::uint32_t sent);
[[nodiscard]] netlink::Message query_state(const StateId& id); // answered as dump_states()
[[nodiscard]] netlink::Message remove_state(const StateId& id);
[[nodiscard]] netlink::Message dump_states(); // ESP only, where the kernel can select
// XFRM_MSG_NEWSA. Nothing for other protocols than ESP, nor for what holds the place of an SA that the kernel
// has asked for (XFRM_MSG_ACQUIRE), which has no SPI.
[[nodiscard]] std::optional<State> parse_state(const nlmsghdr& message);

// The same for counting: what many entries are listed for, so it looks at no attribute, keys included.
struct CountedState {
    StateId id;
    IpAddress source;
    std::uint32_t reqid = 0;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t replayed = 0; // dropped: they came again, or too late
    std::uint64_t forged = 0;   // dropped: the integrity check failed
};
[[nodiscard]] std::optional<CountedState> parse_counted(const nlmsghdr& message);

[[nodiscard]] std::optional<Progress> parse_progress(const nlmsghdr& message); // of the same messages

// The limits of an entry that is to be made anew elsewhere, with so many packets in all at most. When the kernel
// has removed such a one, nothing is lost: StateNotice::passing.
[[nodiscard]] child::SaLimits confined(child::SaLimits limits, std::uint64_t packets);

// What events tell of an entry that has an SPI.
struct StateNotice {
    StateId id; // without the mark
    IpAddress source;
    std::uint32_t reqid = 0;
    bool hard = true;     // of an expiry: the kernel has removed the entry
    bool passing = false; // it had the limit of confined()
};
[[nodiscard]] std::optional<StateNotice> parse_expiry(const nlmsghdr& message);  // XFRM_MSG_EXPIRE
[[nodiscard]] std::optional<StateNotice> parse_removal(const nlmsghdr& message); // XFRM_MSG_DELSA

} // namespace sheaf::xfrm

#pragma once

#include "lib/base/time.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/key_schedule.h"
#include "lib/group/put.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace sheaf::group {

// An endpoint holds an old SA, the present one and the next while it rolls over; a gateway of ours never has
// more than two alive.
inline constexpr std::size_t kMaxHeld = 3;
// How many rolled-over SAs an endpoint remembers, so that a late announcement does not bring them back.
inline constexpr std::size_t kMaxRemembered = 4;

// From now on packets under this SA are taken from any member, and outbound instances of it may be made. One
// key set is for both directions.
struct InstallSa {
    wire::ChildSpi spi = 0;
    Suite suite;
    crypto::DirectionKeys keys;
    std::chrono::seconds life{0};     // a hard limit for the kernel, in case nobody removes it
    std::uint32_t first_sequence = 0; // what our senders have counted already, see first_sequence()
};
// Outbound packets use this one, and only this one.
struct SendWith {
    wire::ChildSpi spi = 0;
};
// It ends at another time than was told before.
struct RefreshSa {
    wire::ChildSpi spi = 0;
    std::chrono::seconds life{0};
};
enum class Removal : std::uint8_t { rolled_over, expired, deleted, refused };
// Neither direction uses it any more. When it was the last one, packets are dropped from now on.
struct RemoveSa {
    wire::ChildSpi spi = 0;
    Removal why{};
};
using Step = std::variant<InstallSa, SendWith, RefreshSa, RemoveSa>;

inline constexpr std::uint32_t kSequencesPerSecond = 1 << 20; // of an SA's life

// Where a sender begins to count (RFC 4303 2.2) under an SA that ends in `life`. All members watch replays for
// each sender, so one that has restarted must go on above what it had sent; it has forgotten where, and what
// is left of the SA's life tells it: a million packets for each second that has passed. 0 beyond kMaxLifetime,
// where there is no telling.
[[nodiscard]] std::uint32_t first_sequence(std::chrono::seconds life);

struct HeldSa {
    wire::ChildSpi spi = 0;
    Suite suite;
    Instant received;
    Instant expires;
    bool sending = false;
};

// An endpoint's half of a multi-point SA (draft-yamaya-ipsecme-mpsa-00 3.3.2, 3.3.3): which SAs it can read,
// and with which it sends. What is to be done in the kernel comes out as steps, in order.
//
// Rollover (RFC 5374 4.2.1, RFC 6407 5.4.1): both delays count from receipt of the new SA. Inbound it is in
// use at once, outbound after the first; the old one is gone after the second, and the first ends early when
// the old one does.
//
// The gateway's loss is nothing that an endpoint has to be told: it goes on until the SA ends, and then there
// is none. Keep the object when the IKE SA is lost and another takes its place.
//
// Announcements may come twice, late, or in the wrong order.
class EndpointSas {
  public:
    // An MPSA_PUT that was read. `spi_in_use`: a Child SA that is not the group's has this inbound SPI; it
    // should be rekeyed, and the gateway will ask again. After a breach nothing has changed.
    [[nodiscard]] std::expected<void, Breach> put(Put put, Instant now, crypto::Backend& backend,
                                                  bool spi_in_use);
    void not_installed(wire::ChildSpi spi, Instant now); // the kernel refused: answer no_resources
    void deleted(wire::ChildSpi spi, Instant now);       // by a Delete payload for ESP
    void gateway_deleted();                              // the gateway has deleted the IKE SA

    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);

    [[nodiscard]] std::vector<Step> take_steps() { return std::exchange(steps_, {}); }
    [[nodiscard]] std::optional<wire::ChildSpi> sending() const { return sending_; }
    [[nodiscard]] std::vector<HeldSa> held() const; // in the order of their generations

  private:
    struct Sa {
        SharedSa shared;
        Instant received{};
        Instant expires{};
        Instant send_from{};
        Instant older_until{}; // when those before it are removed
    };
    struct Remembered {
        SharedSa shared;
        Instant expires{};
    };

    [[nodiscard]] std::size_t find(wire::ChildSpi spi) const; // held_.size(): none
    [[nodiscard]] Instant removed_at(std::size_t index) const;
    [[nodiscard]] bool is_late(const Put& put, Instant now) const;
    void add(Put put, Instant now, crypto::Backend& backend);
    void choose(Instant now, std::optional<wire::ChildSpi> leaving = {});
    void remove(std::size_t index, Removal why);
    void drop(wire::ChildSpi spi, Removal why, Instant now);

    std::vector<Sa> held_; // by generation
    std::vector<Remembered> rolled_over_;
    std::optional<wire::ChildSpi> sending_;
    std::vector<Step> steps_;
};

} // namespace sheaf::group

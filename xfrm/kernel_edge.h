#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "xfrm/abilities.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// How many objects of an earlier life were removed.
struct Removed {
    std::size_t states = 0;
    std::size_t policies = 0;
    std::size_t routes = 0;
    std::size_t rules = 0;
    std::size_t links = 0;
    std::size_t addresses = 0; // on interfaces of others, and those that we answered for

    [[nodiscard]] std::size_t total() const { return states + policies + routes + rules + links + addresses; }
    friend bool operator==(const Removed&, const Removed&) = default;
};

// What an SAD entry of ours has carried.
struct SaUsage {
    IpAddress destination; // with the SPI, by what the SAD finds it
    std::uint32_t spi = 0;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    IpAddress source{};           // outer
    child::LinkNumber number = 0; // of the link, the Child SA or the group
    std::uint64_t replayed = 0;   // packets that were dropped because they came again, or too late
    std::uint64_t forged = 0;     // packets whose integrity check failed
};

// Which endpoint of a group a prefix is behind, as the kernel has it at the moment.
struct GroupRoute {
    Prefix prefix;
    IpAddress endpoint;
    bool configured = false; // otherwise by a route of the kernel's
};

// What the daemon needs of a kernel: the real one (Kernel) or a recording one (RecordingKernel).
//
// Order of use: reconcile(), probe(), then apply() and the loop's calls. Not thread-safe.
class KernelEdge {
  public:
    KernelEdge() = default;
    KernelEdge(const KernelEdge&) = delete;
    KernelEdge& operator=(const KernelEdge&) = delete;
    virtual ~KernelEdge() = default;

    // Blocking, for the start: tries what we need and leaves nothing behind. An error means that the kernel
    // could not be asked at all.
    [[nodiscard]] virtual std::expected<Abilities, std::string> probe() = 0;

    // Blocking: removes all that is ours (SAD and SPD entries, routes, rules, interfaces), whoever of us
    // installed it, and nothing that is not. For the start, after a crash, and for the end. Intents that are
    // still under way are finished first; their events stay to be taken.
    [[nodiscard]] virtual std::expected<Removed, std::string> reconcile() = 0;

    // Takes an intent into the queue. Each one ends in exactly one IntentDone; intents about the same link
    // are carried out in the order of apply().
    virtual void apply(child::KernelIntent&& intent, Instant now) = 0;

    // Sends what waits. Call it once after a round of apply(), so that many intents share few system calls;
    // until then next_timeout() is in the past.
    virtual void flush(Instant now) = 0;

    // To be watched for reading; constant over the object's life.
    [[nodiscard]] virtual std::span<const int> fds() const = 0;
    virtual void on_readable(Instant now) = 0;

    [[nodiscard]] virtual std::optional<Instant> next_timeout() const = 0;
    virtual void on_timeout(Instant now) = 0;

    // Look after apply(), flush(), on_readable(), on_timeout() and reconcile(). SasPresent tells of the
    // kernel at that place in the sequence: it includes the effect of every intent whose IntentDone came
    // before, and of no other.
    [[nodiscard]] virtual std::vector<child::KernelEvent> take_events() = 0;

    // Asks what all SAD entries of ours have carried up to now; take_usage() has the answer once, some turns
    // later. To ask again before it has come changes nothing.
    virtual void ask_usage(Instant now) = 0;
    [[nodiscard]] virtual std::optional<std::vector<SaUsage>> take_usage() = 0;

    // Where the packets of a group go; empty if there is none of this number.
    [[nodiscard]] virtual std::vector<GroupRoute> group_routes(child::LinkNumber group) const = 0;
};

} // namespace sheaf::xfrm

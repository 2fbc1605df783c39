#pragma once

#include "lib/address/demand.h"
#include "lib/auth/authenticator.h"
#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/random.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/ike/announcer.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/group_record.h"
#include "lib/ike/key_record.h"
#include "lib/ike/mobility_header.h"
#include "lib/ike/name_servers.h"
#include "lib/ike/status.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sheaf::ike {

// A UDP datagram with the addresses that it travels between. On the NAT port the non-ESP marker
// (RFC 3948 2.2) is the caller's affair: `bytes` begins with the IKE header.
struct Datagram {
    Endpoint local; // the address may be "any" in one that goes out: the system then chooses
    Endpoint peer;
    Bytes bytes;
    bool keepalive = false; // RFC 3948 2.3: the one octet goes out without a marker
};

// Facts about the host that the engine asks for.
class Surroundings {
  public:
    virtual ~Surroundings() = default;
    // Octets that are this host's alone and the same for ever, for RFC 7217; at least 16. Never told.
    [[nodiscard]] virtual View stable_secret() = 0;
    // Which of our addresses a datagram to a peer would leave from, which NAT detection needs before anything
    // is sent (RFC 7296 2.23). None if there is no route.
    [[nodiscard]] virtual std::optional<IpAddress> source_for(const IpAddress& peer) = 0;
    // Likewise where it leaves by one of the configured uplinks (ike::Uplink), whatever the other routes say:
    // what is sent from this address to this peer goes out there. Error: why there is none, as a clause
    // ("wwan0 has no carrier"), which also says so where another uplink has the same address.
    [[nodiscard]] virtual std::expected<IpAddress, std::string> source_over(const std::string& uplink,
                                                                            const IpAddress& /*peer*/) {
        return std::unexpected(uplink + " is no uplink of this host");
    }
    // Whether the address is of a prefix that is on-link at an uplink: that of a usable address there. What is sent from
    // it to a peer that source_over() was asked about leaves by the first such uplink.
    [[nodiscard]] virtual bool is_on_link(const std::string& /*uplink*/, const IpAddress& /*address*/) {
        return false;
    }
    [[nodiscard]] virtual WallTime wall_time() = 0;
};

// Initiate now. Answers an error if the connection is unknown or we cannot begin it.
struct Up {
    std::string connection;
};
// Ends all IKE SAs of a connection, or those of one peer identity. What we may begin stays down until Up; its
// traps go on dropping what they match.
struct Down {
    std::string name;
};
// Takes the new configuration. Connections that are gone or different end their IKE SAs; the others keep
// them.
struct Reload {
    Config config;
};
// Replaces the keys of all IKE SAs of a connection or peer identity now, or those of their Child SAs.
struct Rekey {
    std::string name;
    enum class What : std::uint8_t { ike, children } what = What::children;
};
// One more IKE SA for each login of a connection or peer identity (RFC 7791).
struct Clone {
    std::string name;
};
// Authenticates anew, make before break, what we have begun of a connection.
struct Reauthenticate {
    std::string connection;
};
// Ends the Child SAs of a name (ChildConfig::name) and leaves their IKE SAs up.
struct DownChild {
    std::string connection;
    std::string child;
};
// Replaces the SA of a group that we serve, as soon as no rollover is under way.
struct RekeyGroup {
    std::string group;
};
// Ends everything. The engine is done when idle() is true. IKE SAs of members of a group that we serve are
// forgotten without a word: to delete one would be to take the group's SA from a member, which is to go on with
// it while we are away.
struct Shutdown {};
using Command = std::variant<Up, Down, Reload, Rekey, Clone, Reauthenticate, DownChild, RekeyGroup,
                             SetBinding, RemoveBinding, Shutdown>;

// The engine: the whole of IKEv2 as a function from datagrams, commands, kernel events and time to datagrams,
// kernel intents and operator events. It holds no socket, clock, thread or log.
//
// Use: call a verb, then take() and carry out what came out; wait until next_timeout() or the next input.
// Ownership: the engine owns all of its state. Random and Surroundings must outlive it.
// Threads: none; an engine is used by one thread at a time. Several engines share nothing.
// Time: `now` never goes backwards between calls.
// Limits: Config::limits and the constants of lib/wire/payload.h bound what peers can make it keep.
class Engine {
  public:
    // Clients with `start` initiate at the first on_timeout().
    // `methods` makes what authenticates out of the credentials of this configuration and of each later one.
    Engine(Config config, Random& random, Surroundings& host, Instant now,
           auth::MethodsMaker methods = auth::Authority::make);
    ~Engine();
    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;

    void datagram(Instant now, const Datagram& datagram);
    // Error: a sentence for the person who gave the command.
    [[nodiscard]] std::expected<void, std::string> command(Instant now, Command command);
    void kernel_event(Instant now, const child::KernelEvent& event);
    // Addresses, links or routes of the host have changed: what Surroundings answers may be another thing now.
    void network_changed(Instant now);
    // The answer to a demand of Outputs.
    void addresses(Instant now, const address::Assigned& answer);
    // What an earlier life has stored of a group that we serve. For the start, before the first on_timeout(),
    // which founds the groups of which nothing was recalled. Error: a sentence for the operator, whose remedy
    // is to take the record away: all members then roll over to a new SA.
    [[nodiscard]] std::expected<void, std::string> recall_group(Instant now, const std::string& group,
                                                                View octets);
    // The record of this change is safe. Until then its SA is told to nobody.
    void group_stored(Instant now, const std::string& group, std::uint64_t change);
    // A message of Mobile IPv6 came in.
    void mobility_header(Instant now, const MobilityHeader& header);
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);

    struct Outputs {
        std::vector<Datagram> datagrams;
        std::vector<child::KernelIntent> intents; // to be carried out in this order, across calls as well
        std::vector<address::Demand> demands;     // in this order, too
        std::vector<NameServers> name_servers;
        std::vector<Event> events;
        std::vector<KeyRecord> keys;            // while write_keys is on
        std::vector<GroupRecord> group_records; // to be stored, in this order
        std::vector<MobilityHeader> headers;    // to be sent when the kernel has carried out the intents
        std::vector<NeighbourAdvertisement> advertisements; // of what the kernel has carried out: at once
    };
    [[nodiscard]] Outputs take();

    [[nodiscard]] Status status() const;
    [[nodiscard]] const Counters& counters() const;
    // True when no IKE SA is left and no intent is unanswered.
    [[nodiscard]] bool idle() const;
    // Whether MessageTraced events are told.
    void trace(bool on);
    // Whether the keys of SAs are told, for a decoder beside us. Off unless an operator asks.
    void write_keys(bool on);

  private:
    class Core;
    std::unique_ptr<Core> core_;
};

} // namespace sheaf::ike

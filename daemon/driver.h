#pragma once

#include "daemon/address_source.h"
#include "daemon/group_keeper.h"
#include "daemon/host_network.h"
#include "daemon/key_writer.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/mobility_carrier.h"
#include "daemon/neighbour_socket.h"
#include "daemon/overload.h"
#include "daemon/rate_limit.h"
#include "daemon/udp_ports.h"
#include "lib/ike/engine.h"
#include "xfrm/kernel_edge.h"

#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::daemon {

// Joins the engine to the world: what sockets, kernel and clock tell goes into it, what it wants is done.
//
// Each turn carries out all outputs, then arms one timer for the engine and the kernel together. How many
// datagrams of a socket one turn takes is bounded, so that timers, kernel events and operators get their turn
// under a flood, too.
//
// Ownership: all references must outlive the driver; the engine becomes its own.
// Reentrancy: the hooks run within a turn and must not call a verb.
class Driver {
  public:
    struct Hooks {
        std::function<void(const ike::Event&)> event; // each event, in order
        std::function<void()> turned;                 // after each turn
        std::function<void(const ike::NameServers&)> name_servers;
        std::function<void(std::vector<xfrm::SaUsage>)> usage; // the answer to ask_usage()
    };

    Driver(Loop& loop, Log& log, UdpPorts& ports, xfrm::KernelEdge& kernel, AddressSource& addresses,
           ike::Engine engine);
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    void hooks(Hooks hooks) { hooks_ = std::move(hooks); }
    // From now on the keys of SAs are written there.
    void write_keys(KeyWriter writer);
    // From now on changes of the host are told to the engine, and a reload takes its uplinks there. Must
    // outlive the driver.
    void watch(Loop& loop, HostNetwork& network);
    // From now on what groups must have again after a restart is kept there; what an earlier life has kept is told to the
    // engine now. Without it nothing is kept. Must outlive the driver, and be given before start(). Error: a sentence.
    [[nodiscard]] std::expected<void, std::string> keep_groups(GroupKeeper& keeper);
    // From now on messages of Mobile IPv6, and what neighbours on a home link are told, go by raw sockets, if the
    // configuration needs them; a reload that comes to need one opens it, too. Error: a sentence.
    [[nodiscard]] std::expected<void, std::string> carry_mobility(const ike::Config& config);
    // Takes connections with `start` up.
    void start();

    [[nodiscard]] std::expected<void, std::string> command(ike::Command command);
    // The new configuration for all: where addresses come from learns of it first, so that whoever asks
    // next is given one of the new pools. What is refused changes nothing.
    [[nodiscard]] std::expected<void, std::string> reload(ike::Config config);
    [[nodiscard]] ike::Status status() const { return engine_.status(); }
    [[nodiscard]] std::vector<address::PoolUsage> pools() const { return addresses_.usage(); }
    // Asks the kernel what SAs have carried. To ask again before it has answered changes nothing.
    void ask_usage();
    // Where the packets of a group that we are in go, as the kernel has it.
    [[nodiscard]] std::vector<xfrm::GroupRoute> group_routes(child::LinkNumber group) const {
        return kernel_.group_routes(group);
    }
    [[nodiscard]] bool idle() const { return engine_.idle(); }
    // What the kernel has been asked for up to now, as a mark to compare with later.
    [[nodiscard]] child::IntentId last_intent() const { return last_intent_; }
    // Whether the kernel has answered everything up to and with this mark.
    [[nodiscard]] bool answered(child::IntentId mark) const {
        return unanswered_.empty() || *unanswered_.begin() > mark;
    }

  private:
    void on_socket(UdpSocket& socket, Overload& overload);
    void on_kernel();
    void on_addresses();
    void on_network();
    void on_mobility(std::uint8_t protocol);
    [[nodiscard]] std::expected<void, std::string> open_mobility(const ike::Config& config);
    void watch_mobility(int fd, std::uint8_t protocol);
    void on_timer();
    void turn();
    // Carries out what the engine wants; true if that brought answers, so that there may be more.
    [[nodiscard]] bool carry_out(Instant now);
    [[nodiscard]] bool supply(Instant now);
    [[nodiscard]] bool keep(std::vector<ike::GroupRecord> records, Instant now);
    void send(const ike::Datagram& datagram, Instant now);
    void send_headers(Instant now);
    void advertise(const std::vector<ike::NeighbourAdvertisement>& advertisements, Instant now);
    void write_out(const std::vector<ike::KeyRecord>& keys);
    void arm(Instant now, bool unfinished);

    Loop& loop_;
    Log& log_;
    UdpPorts& ports_;
    xfrm::KernelEdge& kernel_;
    AddressSource& addresses_;
    ike::Engine engine_;
    Hooks hooks_;
    RateLimit send_failures_;
    RateLimit overloads_told_;
    std::deque<Overload> overloads_; // one for each socket
    std::optional<KeyWriter> key_writer_;
    bool key_failure_told_ = false;
    bool ending_ = false;
    std::set<child::IntentId> unanswered_;
    child::IntentId last_intent_ = 0;
    HostNetwork* network_ = nullptr;
    GroupKeeper* groups_ = nullptr;
    std::optional<MobilityCarrier> mobility_;
    std::optional<NeighbourSocket> neighbours_;
    LoopSource timer_;
    std::vector<LoopSource> sources_;
};

} // namespace sheaf::daemon

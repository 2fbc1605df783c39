#pragma once

#include "conf/settings.h"
#include "daemon/commands.h"
#include "daemon/control_server.h"
#include "daemon/driver.h"
#include "daemon/event_feed.h"
#include "daemon/history.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/udp_ports.h"
#include "xfrm/kernel_edge.h"

#include <functional>
#include <optional>
#include <string>

namespace sheaf::daemon {

// The process as a whole, from its sockets to its end: signals, reload, and what systemd is told.
//
// Before: the kernel is reconciled and probed, the sockets are open. After run(): the peers have been told,
// as far as kFarewell allowed, and the kernel holds nothing of ours.
class Daemon {
  public:
    static constexpr Duration kFarewell = std::chrono::seconds(3);   // for answers to our DELETEs
    static constexpr Duration kStatusPace = std::chrono::seconds(5); // of what systemd is told

    struct Parts {
        Log& log;
        Loop& loop;
        xfrm::KernelEdge& kernel;
        const xfrm::Abilities& abilities;
        UdpPorts& ports;
        AddressSource& addresses;
        Random& random;
        ike::Surroundings& host;
        std::function<void(const ike::NameServers&)> resolve; // whom this host is to ask for names
        HostNetwork* network = nullptr;                       // none: the host does not change
    };
    struct Place {
        std::string config_path;
        conf::Environment environment;
    };

    Daemon(Parts parts, Place place, conf::Settings settings, FileDescriptor control);

    // Has the keys of SAs written, for a decoder. To be called before run().
    void write_keys(KeyWriter writer) { driver_.write_keys(std::move(writer)); }

    // Where groups that we serve are kept, see Driver. To be called before run(). Error: a sentence.
    [[nodiscard]] std::expected<void, std::string> keep_groups(GroupKeeper& keeper) {
        return driver_.keep_groups(keeper);
    }

    // Likewise for messages of Mobile IPv6. Error: a sentence.
    [[nodiscard]] std::expected<void, std::string> carry_mobility() {
        return driver_.carry_mobility(settings_.engine);
    }

    // Until the end, by signal: SIGTERM or SIGINT end it (the second one at once), SIGHUP reloads. The result
    // is 0 or an exit code.
    [[nodiscard]] int run();
    // What run() begins with. Alone it serves a loop that someone else runs; then signals are theirs, too.
    void begin();

  private:
    void take_signals();
    [[nodiscard]] ReloadOutcome reload(); // and logs how it went
    [[nodiscard]] ReloadOutcome try_reload();
    void reload_by_signal();
    void end();
    void on_event(const ike::Event& event);
    void on_turn();
    void tell_status();
    [[nodiscard]] std::string summary() const;

    Parts parts_;
    Place place_;
    conf::Settings settings_; // what a reload does not change: listen addresses and ports, files
    Driver driver_;
    History history_;
    Commands commands_;
    ControlServer control_;
    EventFeed feed_;
    LoopSource terminate_;
    LoopSource interrupt_;
    LoopSource hangup_;
    LoopSource farewell_;
    LoopSource status_pace_;
    bool ending_ = false;
};

} // namespace sheaf::daemon

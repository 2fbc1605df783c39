#pragma once

#include "daemon/control_message.h"
#include "daemon/control_server.h"
#include "daemon/driver.h"
#include "daemon/history.h"
#include "daemon/status_json.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::daemon {

// What a reload came to. `error` empty: done.
struct ReloadOutcome {
    struct Mistake {
        std::string file;
        std::size_t line = 0;
        std::size_t column = 0;
        std::string message;
        std::string hint;
        std::string text; // the whole of it with excerpt and caret, as `sheafd --check` prints it
    };
    std::string error;
    std::vector<Mistake> mistakes;
    std::vector<std::string> notes; // what only a restart will change
};

// Carries out the requests of the control socket. `up` and `down` are answered when what they ask for has
// come about, has failed, or has taken kPatience; `status`, `clients`, `paths`, `groups` and `bindings` when the kernel has told what SAs have
// carried, or without that after kCountPatience.
class Commands {
  public:
    static constexpr Duration kPatience = std::chrono::seconds(30);
    static constexpr Duration kCountPatience = std::chrono::seconds(3); // for 100,000 clients it takes one

    using Reload = std::function<ReloadOutcome()>;

    Commands(Loop& loop, Driver& driver, const History& history, Reload reload);
    void attach(ControlServer& server) { server_ = &server; }

    void handle(ControlServer::ClientId client, std::string_view line);
    // To be told by the driver.
    void on_event(const ike::Event& event);
    void on_usage(std::vector<xfrm::SaUsage> usage);
    void on_turn();

  private:
    struct Waiting {
        ControlServer::ClientId client;
        Request request;
        Instant deadline;
        std::optional<child::IntentId> mark{}; // down: the IKE SAs are gone, the kernel has yet to follow
        std::string failure{};                 // up: the attempt ended so
    };

    void perform(ControlServer::ClientId client, const Request& request);
    void change(ControlServer::ClientId client, const Request& request);
    void count(ControlServer::ClientId client, const Request& request);
    [[nodiscard]] Snapshot snapshot(std::optional<Usage> usage = std::nullopt) const;
    // The answer to status, clients, paths, groups or bindings.
    [[nodiscard]] nlohmann::ordered_json told(const Request& request, const Snapshot& snapshot) const;
    [[nodiscard]] nlohmann::ordered_json explain(const Request& request) const;
    [[nodiscard]] nlohmann::ordered_json order(ike::Command command);
    [[nodiscard]] nlohmann::ordered_json order(const BindingRequest& request);
    [[nodiscard]] nlohmann::ordered_json reload() const;
    // The answer, when it is time for it.
    [[nodiscard]] std::optional<nlohmann::ordered_json> look(Waiting& waiting) const;
    [[nodiscard]] std::optional<nlohmann::ordered_json> look_up(const Waiting& waiting) const;
    [[nodiscard]] std::optional<nlohmann::ordered_json> look_down(Waiting& waiting) const;
    void arm();

    Driver& driver_;
    const History& history_;
    Reload reload_;
    ControlServer* server_ = nullptr;
    LoopSource timer_;
    std::vector<Waiting> waiting_;
    Instant started_;
};

} // namespace sheaf::daemon

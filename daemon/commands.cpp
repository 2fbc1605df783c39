#include "daemon/commands.h"

#include "daemon/bindings_json.h"
#include "daemon/clients_json.h"
#include "daemon/clock.h"
#include "daemon/groups_json.h"
#include "daemon/paths_json.h"
#include "daemon/version.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

Json mistake_json(const ReloadOutcome::Mistake& mistake) {
    return {
        {"file", mistake.file},       {"line", mistake.line}, {"column", mistake.column},
        {"message", mistake.message}, {"hint", mistake.hint}, {"text", mistake.text},
    };
}

// The connection whose IKE SA an event of failure is about.
struct Failed {
    std::string connection;
    std::string why;
};

std::optional<Failed> failed(const ike::Event& event) {
    const auto* down = std::get_if<ike::IkeDown>(&event);
    if (down == nullptr) return std::nullopt;
    return Failed{down->sa.connection,
                  fmt::format("{}{}{}{}", ike::name(down->reason), down->detail.empty() ? "" : ": ",
                              down->detail, down->retrying ? "; sheafd goes on trying" : "")};
}

bool named(const ike::IkeSaStatus& sa, const std::string& name) {
    return sa.connection == name || sa.peer_id == name;
}

ike::Command rekey(const Request& request) {
    switch (request.what) {
    case Rekeyed::group: return ike::RekeyGroup{request.name};
    case Rekeyed::ike: return ike::Rekey{request.name, ike::Rekey::What::ike};
    case Rekeyed::children: break;
    }
    return ike::Rekey{request.name, ike::Rekey::What::children};
}

bool counts(const Request& request) {
    return request.verb == Verb::status || request.verb == Verb::clients || request.verb == Verb::paths ||
           request.verb == Verb::groups || request.verb == Verb::bindings;
}

// Of a `down` that names a child, whether the IKE SA still has it; else whether it is there at all.
bool still_there(const ike::IkeSaStatus& sa, const Request& request) {
    if (request.child.empty())
        return sa.state != "deleting"; // what only waits for the peer's word is gone here
    return std::ranges::any_of(sa.children, [&](const ike::ChildStatus& child) {
        return child.name == request.child && child.state != "deleting";
    });
}

} // namespace

Commands::Commands(Loop& loop, Driver& driver, const History& history, Reload reload)
    : driver_(driver), history_(history), reload_(std::move(reload)),
      timer_(loop.on_timer([this] { on_turn(); })), started_(now()) {}

void Commands::handle(ControlServer::ClientId client, std::string_view line) {
    const auto request = parse_request(line);
    if (request)
        perform(client, *request);
    else
        server_->answer(client, one_line(failure(request.error())));
}

void Commands::perform(ControlServer::ClientId client, const Request& request) {
    Json answer = success();
    switch (request.verb) {
    case Verb::status:
    case Verb::clients:
    case Verb::paths:
    case Verb::groups:
    case Verb::bindings: return count(client, request);
    case Verb::binding: answer = order(request.binding); break;
    case Verb::list: answer.update(list_json(snapshot())); break;
    case Verb::pools: answer.update(pools_json(snapshot())); break;
    case Verb::version: answer["version"] = kVersion; break;
    case Verb::watch: server_->watch(client); break;
    case Verb::reload: answer = reload(); break;
    case Verb::explain: answer.update(explain(request)); break;
    case Verb::rekey: answer = order(rekey(request)); break;
    case Verb::reauth: answer = order(ike::Reauthenticate{request.name}); break;
    case Verb::clone: answer = order(ike::Clone{request.name}); break;
    case Verb::up:
    case Verb::down: return change(client, request);
    }
    server_->answer(client, one_line(answer));
}

void Commands::change(ControlServer::ClientId client, const Request& request) {
    const bool up = request.verb == Verb::up;
    // Put on the list first: the turn that carries the command out may bring its end, too.
    waiting_.push_back({client, request, now() + kPatience});
    const auto done = driver_.command(up                      ? ike::Command(ike::Up{request.name})
                                      : request.child.empty() ? ike::Command(ike::Down{request.name})
                                                              : ike::DownChild{request.name, request.child});
    if (done) return;
    std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.client == client; });
    server_->answer(client, one_line(failure(done.error())));
    arm();
}

// On the list first here, too. Whoever asks while the kernel is being asked shares its answer.
void Commands::count(ControlServer::ClientId client, const Request& request) {
    waiting_.push_back({client, request, now() + kCountPatience});
    driver_.ask_usage();
    arm();
}

void Commands::on_usage(std::vector<xfrm::SaUsage> usage) {
    if (std::ranges::none_of(waiting_, [](const Waiting& waiting) { return counts(waiting.request); }))
        return;
    const auto all = snapshot(Usage(std::move(usage)));
    std::erase_if(waiting_, [&](const Waiting& waiting) {
        if (!counts(waiting.request)) return false;
        server_->answer(waiting.client, one_line(told(waiting.request, all)));
        return true;
    });
    arm();
}

Snapshot Commands::snapshot(std::optional<Usage> usage) const {
    Snapshot out{driver_.status(), driver_.pools(), std::move(usage), now(), wall_time()};
    for (const auto& group : out.status.groups)
        if (!group.serves) out.group_routes.emplace(group.number, driver_.group_routes(group.number));
    return out;
}

Json Commands::told(const Request& request, const Snapshot& snapshot) const {
    Json out = success();
    switch (request.verb) {
    case Verb::clients: out.update(clients_json(snapshot, request.name)); return out;
    case Verb::paths: out.update(paths_json(snapshot, request.name)); return out;
    case Verb::groups: out.update(groups_json(snapshot, request.name)); return out;
    case Verb::bindings: out.update(bindings_json(snapshot, request.name)); return out;
    default: break;
    }
    out["version"] = kVersion;
    out["uptime_s"] = std::chrono::duration_cast<std::chrono::seconds>(snapshot.now - started_).count();
    out.update(status_json(snapshot));
    out.update(paths_json(snapshot));
    out.update(groups_json(snapshot));
    out.update(bindings_json(snapshot));
    return out;
}

Json Commands::explain(const Request& request) const {
    Json out{{"entries", history_.explain(request.name, now())}};
    const auto status = driver_.status();
    const auto known = std::ranges::find(status.connections, request.name, &ike::ConnectionStatus::name);
    if (known != status.connections.end()) out["connection"] = to_json(*known, now());
    if (auto unused = unused_paths_json(status, request.name, now()); !unused.empty())
        out["paths"] = std::move(unused);
    if (auto unwell = unwell_groups_json(status, request.name); !unwell.empty())
        out["groups"] = std::move(unwell);
    return out;
}

// What is done when the engine has taken it; how it goes is told by events.
Json Commands::order(ike::Command command) {
    const auto done = driver_.command(std::move(command));
    return done ? success() : failure(done.error());
}

Json Commands::order(const BindingRequest& request) {
    auto binding = to_order(request);
    if (!binding) return failure(binding.error());
    return std::visit([this](auto& decided) { return order(ike::Command(std::move(decided))); }, *binding);
}

Json Commands::reload() const {
    const auto outcome = reload_();
    Json out = outcome.error.empty() ? success() : failure(outcome.error);
    if (!outcome.error.empty()) {
        out["diagnostics"] = Json::array();
        for (const auto& mistake : outcome.mistakes)
            out["diagnostics"].push_back(mistake_json(mistake));
    }
    out["notes"] = outcome.notes;
    return out;
}

void Commands::on_event(const ike::Event& event) {
    if (waiting_.empty()) return;
    const auto failure = failed(event);
    if (!failure) return;
    for (auto& waiting : waiting_)
        if (waiting.request.verb == Verb::up && waiting.request.name == failure->connection)
            waiting.failure = failure->why;
}

void Commands::on_turn() {
    if (waiting_.empty()) return;
    std::erase_if(waiting_, [this](Waiting& waiting) {
        const auto answer = look(waiting);
        if (answer) server_->answer(waiting.client, one_line(*answer));
        return answer.has_value();
    });
    arm();
}

std::optional<Json> Commands::look(Waiting& waiting) const {
    if (counts(waiting.request))
        return now() < waiting.deadline ? std::nullopt : std::optional(told(waiting.request, snapshot()));
    const bool up = waiting.request.verb == Verb::up;
    auto answer = up ? look_up(waiting) : look_down(waiting);
    if (answer || now() < waiting.deadline) return answer;
    return failure(fmt::format("{}: not {} after {} s; sheafctl status shows how far it is",
                               waiting.request.name, name(waiting.request.verb),
                               std::chrono::duration_cast<std::chrono::seconds>(kPatience).count()));
}

std::optional<Json> Commands::look_up(const Waiting& waiting) const {
    const std::string& name = waiting.request.name;
    if (!waiting.failure.empty()) return failure(fmt::format("{}: {}", name, waiting.failure));
    const auto status = driver_.status();
    const auto up = std::ranges::find_if(status.ike_sas, [&](const ike::IkeSaStatus& sa) {
        return sa.connection == name && sa.state == "established" &&
               (sa.children.empty() || // childless, or every child waits for its first packet
                std::ranges::any_of(sa.children, &ike::ChildStatus::installed));
    });
    if (up == status.ike_sas.end()) return std::nullopt;
    Json answer = success();
    answer["ike_sa"] = to_json(*up, now());
    return answer;
}

std::optional<Json> Commands::look_down(Waiting& waiting) const {
    if (!waiting.mark) {
        const auto status = driver_.status();
        const bool left = std::ranges::any_of(status.ike_sas, [&](const ike::IkeSaStatus& sa) {
            return named(sa, waiting.request.name) && still_there(sa, waiting.request);
        });
        if (left) return std::nullopt;
        waiting.mark = driver_.last_intent();
    }
    if (!driver_.answered(*waiting.mark)) return std::nullopt;
    return success();
}

void Commands::arm() {
    if (waiting_.empty()) return timer_.disarm();
    timer_.arm(std::ranges::min_element(waiting_, {}, &Waiting::deadline)->deadline);
}

} // namespace sheaf::daemon

#include "daemon/daemon.h"

#include "daemon/clock.h"
#include "daemon/kernel_fit.h"
#include "daemon/notifier.h"
#include "daemon/options.h"
#include "daemon/stable_secret.h"
#include "daemon/version.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <utility>

namespace sheaf::daemon {
namespace {

ReloadOutcome::Mistake describe(const conf::Diagnostic& d) {
    return {d.file, d.line, d.column, d.message, d.hint, conf::to_string(d)};
}

// A log line for what `sheafd --check` shows with excerpt and caret.
std::string one_sentence(const ReloadOutcome::Mistake& m) {
    std::string out = m.file;
    if (m.line != 0) out += fmt::format(":{}:{}", m.line, m.column);
    return out + ": " + m.message + (m.hint.empty() ? "" : "; " + m.hint);
}

ike::Engine make_engine(const Daemon::Parts& parts, const conf::Settings& settings) {
    return {settings.engine, parts.random, parts.host, now()};
}

} // namespace

Daemon::Daemon(Parts parts, Place place, conf::Settings settings, FileDescriptor control)
    : parts_(parts), place_(std::move(place)), settings_(std::move(settings)),
      driver_(parts.loop, parts.log, parts.ports, parts.kernel, parts.addresses,
              make_engine(parts, settings_)),
      commands_(parts.loop, driver_, history_, [this] { return reload(); }),
      control_(parts.loop, std::move(control),
               [this](auto client, auto line) { commands_.handle(client, line); }),
      feed_(parts.loop, parts.log,
            {[this] { return control_.watched(); }, [this](auto json) { control_.tell_watchers(json); }}),
      farewell_(parts.loop.on_timer([this] { parts_.loop.stop(); })),
      status_pace_(parts.loop.on_timer([this] { tell_status(); })) {
    commands_.attach(control_);
    if (parts_.network != nullptr) driver_.watch(parts_.loop, *parts_.network);
    driver_.hooks({.event = [this](const ike::Event& event) { on_event(event); },
                   .turned = [this] { on_turn(); },
                   .name_servers = [this](const ike::NameServers& names) { parts_.resolve(names); },
                   .usage = [this](auto usage) { commands_.on_usage(std::move(usage)); }});
}

void Daemon::take_signals() {
    terminate_ = parts_.loop.on_signal(SIGTERM, [this] { end(); });
    interrupt_ = parts_.loop.on_signal(SIGINT, [this] { end(); });
    hangup_ = parts_.loop.on_signal(SIGHUP, [this] { reload_by_signal(); });
}

void Daemon::begin() {
    parts_.loop.enable_watchdog();
    parts_.log.info(fmt::format("sheafd {} ready, {}", kVersion, summary()));
    notify_ready(summary());
    driver_.start();
}

int Daemon::run() {
    take_signals();
    begin();
    const int error = parts_.loop.run();
    const auto removed = parts_.kernel.reconcile();
    if (!removed)
        parts_.log.error(fmt::format("kernel state is left behind: {}", removed.error()));
    else if (removed->total() > 0)
        parts_.log.info(fmt::format("swept {} kernel objects", removed->total()));
    if (error != 0) parts_.log.error(fmt::format("event loop: {}", std::strerror(error)));
    parts_.log.info("ended");
    return error == 0 && removed ? 0 : kExitFailed;
}

ReloadOutcome Daemon::reload() {
    const auto outcome = try_reload();
    auto& log = parts_.log;
    for (const auto& mistake : outcome.mistakes)
        log.error(one_sentence(mistake));
    for (const auto& note : outcome.notes)
        log.warning(note);
    if (outcome.error.empty())
        log.info(fmt::format("{} reloaded", place_.config_path));
    else
        log.error(outcome.error);
    return outcome;
}

ReloadOutcome Daemon::try_reload() {
    constexpr std::string_view kUnchanged = "the configuration stays as it was";
    ReloadOutcome outcome;
    auto environment = place_.environment;
    environment.now = wall_time();
    auto loaded = conf::load(place_.config_path, environment);
    if (!loaded) {
        outcome.error = fmt::format("{} has mistakes; {}", place_.config_path, kUnchanged);
        for (const auto& diagnostic : loaded.error())
            outcome.mistakes.push_back(describe(diagnostic));
        return outcome;
    }
    outcome.notes = std::move(loaded->notes);
    auto& engine = loaded->engine;
    if (loaded->listen_addresses != settings_.listen_addresses || engine.port != settings_.engine.port ||
        engine.nat_port != settings_.engine.nat_port)
        outcome.notes.emplace_back("\"listen\" has changed; it takes effect when sheafd is restarted");
    if (loaded->lease_file != settings_.lease_file)
        outcome.notes.emplace_back("\"lease_file\" has changed; it takes effect when sheafd is restarted");
    if (loaded->group_file != settings_.group_file)
        outcome.notes.emplace_back("\"group_file\" has changed; it takes effect when sheafd is restarted");
    engine.port = settings_.engine.port;
    engine.nat_port = settings_.engine.nat_port;
    if (const auto connection = needs_stable_secret(engine);
        !connection.empty() && parts_.host.stable_secret().empty()) {
        outcome.error =
            fmt::format("connections.{}: there was no machine ID in {} when sheafd started; make one "
                        "with systemd-machine-id-setup and restart sheafd, or set \"interface_ids\" "
                        "of the connection to \"random\"; {}",
                        connection, kMachineIdPath, kUnchanged);
        return outcome;
    }
    const auto fitted = fit(engine, parts_.abilities);
    if (!fitted) {
        outcome.error = fmt::format("{}; {}", fitted.error(), kUnchanged);
        return outcome;
    }
    outcome.notes.insert(outcome.notes.end(), fitted->begin(), fitted->end());
    if (const auto done = driver_.reload(std::move(engine)); !done)
        outcome.error = fmt::format("{}; {}", done.error(), kUnchanged);
    return outcome;
}

void Daemon::reload_by_signal() {
    notify_reloading();
    const auto outcome = reload();
    notify_ready(outcome.error.empty() ? summary() : outcome.error);
}

// A second signal does not wait any longer.
void Daemon::end() {
    if (std::exchange(ending_, true)) return parts_.loop.stop();
    notify_stopping();
    parts_.log.info("ending: telling the peers");
    farewell_.arm(now() + kFarewell);
    if (!driver_.command(ike::Shutdown{})) parts_.loop.stop();
}

void Daemon::on_event(const ike::Event& event) {
    feed_.tell(event);
    history_.note(event, now());
    commands_.on_event(event);
    const bool counts =
        std::holds_alternative<ike::IkeUp>(event) || std::holds_alternative<ike::IkeDown>(event);
    if (counts && !status_pace_.armed()) status_pace_.arm(now() + kStatusPace);
}

void Daemon::on_turn() {
    commands_.on_turn();
    if (ending_ && driver_.idle()) parts_.loop.stop();
}

void Daemon::tell_status() {
    if (!ending_) notify_status(summary());
}

std::string Daemon::summary() const {
    const auto status = driver_.status();
    return fmt::format("connections: {}, IKE SAs: {}", status.connections.size(), status.ike_sas.size());
}

} // namespace sheaf::daemon

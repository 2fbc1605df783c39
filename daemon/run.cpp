#include "daemon/run.h"

#include "daemon/clock.h"
#include "daemon/control_socket.h"
#include "daemon/daemon.h"
#include "daemon/group_keeper.h"
#include "daemon/host_network.h"
#include "daemon/kernel_fit.h"
#include "daemon/key_writer.h"
#include "daemon/pool_source.h"
#include "daemon/resolver.h"
#include "daemon/route_lookup.h"
#include "daemon/stable_secret.h"
#include "lib/crypto/system_random.h"
#include "netlink/os.h"
#include "xfrm/kernel.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <unistd.h>
#include <utility>

namespace sheaf::daemon {
namespace {

conf::Environment environment() {
    const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
    return {credentials == nullptr ? "" : credentials, wall_time()};
}

// Sweeps the kernel clean of an earlier life and asks what it can do.
std::expected<xfrm::Abilities, std::string> prepare(xfrm::KernelEdge& kernel, Log& log) {
    const auto removed = kernel.reconcile();
    if (!removed) return std::unexpected(removed.error());
    if (removed->total() > 0)
        log.warning(
            fmt::format("removed what an earlier sheafd left in the kernel: SAs {}, policies {}, routes "
                        "{}, rules {}, interfaces {}",
                        removed->states, removed->policies, removed->routes, removed->rules, removed->links));
    return kernel.probe();
}

// The control socket, and its name in the file system if it is we who gave it one.
struct ControlSocket {
    FileDescriptor fd;
    std::string path;

    ControlSocket(FileDescriptor listening, std::string name)
        : fd(std::move(listening)), path(std::move(name)) {}
    ControlSocket(ControlSocket&& other) noexcept
        : fd(std::move(other.fd)), path(std::exchange(other.path, {})) {}
    ControlSocket& operator=(ControlSocket&&) = delete;
    ~ControlSocket() {
        if (!path.empty()) ::unlink(path.c_str());
    }
};

std::expected<ControlSocket, std::string> control_socket(const std::string& path) {
    if (auto inherited = inherited_listener()) return ControlSocket(std::move(*inherited), {});
    auto listening = listen_at(path);
    if (!listening) return std::unexpected(std::move(listening.error()));
    return ControlSocket(std::move(*listening), path);
}

// Where the keys of SAs go, if that was asked for.
std::expected<void, std::string> open_key_files(const RunOptions& options, Log& log,
                                                std::optional<KeyWriter>& writer) {
    if (options.write_keys.empty()) return {};
    auto opened = KeyWriter::open(options.write_keys);
    if (!opened) return std::unexpected(opened.error());
    log.warning(fmt::format(
        "--write-keys: THE KEYS OF ALL SAs ARE WRITTEN to {}: whoever reads the files there reads "
        "all traffic; delete them when you are done",
        options.write_keys));
    writer.emplace(std::move(*opened));
    return {};
}

// Empty where there is none, and nothing needs one.
std::expected<Secret, std::string> stable_secret_for(const ike::Config& config) {
    auto secret = stable_secret();
    if (secret) return secret;
    const auto connection = needs_stable_secret(config);
    if (connection.empty()) return Secret();
    return std::unexpected(fmt::format("connections.{}: {}", connection, secret.error()));
}

// Threads that a library begins (Botan has some for RSA) must not be the ones that a signal ends, so it is blocked before
// there can be any.
void leave_signals_to_the_loop() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&signals, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

// The order matters: whoever finds the control socket or a port taken leaves the kernel as it is, for its
// state may be a living sheafd's; and the IKE sockets' IPsec options need what opening the kernel loads.
std::expected<int, std::string> serve(const RunOptions& options, conf::Settings settings, Log& log) {
    std::optional<KeyWriter> keys;
    if (auto done = open_key_files(options, log, keys); !done) return std::unexpected(done.error());
    auto stable = stable_secret_for(settings.engine);
    if (!stable) return std::unexpected(std::move(stable.error()));
    auto control = control_socket(options.control);
    if (!control) return std::unexpected(std::move(control.error()));
    const auto os = netlink::system_os();
    const auto kernel = xfrm::Kernel::open(*os);
    if (!kernel) return std::unexpected(kernel.error());
    auto ports = UdpPorts::open({settings.listen_addresses, settings.engine.port, settings.engine.nat_port});
    if (!ports) return std::unexpected(std::move(ports.error()));
    for (const auto& sentence : ports->shortcomings())
        log.warning(sentence);
    const auto abilities = prepare(**kernel, log);
    if (!abilities) return std::unexpected(abilities.error());
    const auto fitted = fit(settings.engine, *abilities);
    if (!fitted) return std::unexpected(fitted.error());
    for (const auto& sentence : abilities->lacks)
        log.warning(sentence);
    for (const auto& sentence : *fitted)
        log.warning(sentence);
    for (const auto& sentence : settings.notes)
        log.warning(sentence);

    const auto addresses = PoolSource::open(settings.lease_file, settings.engine.pools, wall_time);
    if (!addresses) return std::unexpected(addresses.error());

    GroupKeeper groups(settings.group_file);
    if (auto done = groups.serve(settings.engine.group_services); !done)
        return std::unexpected(std::move(done.error()));

    crypto::SystemRandom random;
    // After the sweep, which knows its rules and routes as ours.
    const auto network = HostNetwork::open(*os, kSocketMark);
    if (!network) return std::unexpected(network.error());
    (*network)->configure(settings.engine);
    RouteLookup host(settings.listen_addresses, kSocketMark, std::move(*stable));
    host.over((*network)->uplinks());
    Loop loop;
    Resolver resolver(loop, log);
    Daemon daemon({log, loop, **kernel, *abilities, *ports, **addresses, random, host,
                   [&](const ike::NameServers& names) { resolver.set(names); }, network->get()},
                  {options.config, environment()}, std::move(settings), std::move(control->fd));
    if (keys) daemon.write_keys(std::move(*keys));
    if (auto done = daemon.keep_groups(groups); !done) return std::unexpected(std::move(done.error()));
    if (auto done = daemon.carry_mobility(); !done) return std::unexpected(std::move(done.error()));
    return daemon.run();
}

} // namespace

int check_file(const CheckOptions& options) {
    const auto loaded = conf::load(options.config, environment());
    if (loaded) {
        fmt::print("{}: ok\n", options.config);
        for (const auto& note : loaded->notes)
            fmt::print(stderr, "note: {}\n", note);
        return 0;
    }
    fmt::print(stderr, "{}", conf::to_string(loaded.error()));
    return kExitFailed;
}

int run(const RunOptions& options) {
    leave_signals_to_the_loop();
    Log log = log_to_stderr(options.log_level);
    auto settings = conf::load(options.config, environment());
    if (!settings) {
        fmt::print(stderr, "{}", conf::to_string(settings.error()));
        log.error(fmt::format("{} has mistakes; sheafd does not start", options.config));
        return kExitFailed;
    }
    const auto code = serve(options, std::move(*settings), log);
    if (code) return *code;
    log.error(code.error());
    return kExitFailed;
}

} // namespace sheaf::daemon

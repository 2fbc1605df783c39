#include "test/bench/gateway_process.h"

#include "daemon/clock.h"
#include "daemon/control_message.h"
#include "daemon/control_socket.h"
#include "daemon/ctl_client.h"
#include "daemon/daemon.h"
#include "daemon/pool_source.h"
#include "daemon/route_lookup.h"
#include "lib/crypto/system_random.h"
#include "xfrm/recording_kernel.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace sheaf::bench {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr const char* kAddress = "127.0.0.1";

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "bench: %s\n", why.c_str());
    std::exit(1);
}

std::string configuration() {
    return fmt::format(R"({{
  "listen": {{ "addresses": ["{}"] }},
  "pools": {{ "v6": {{ "prefix": "2001:db8:100::/48", "delegate": 64 }}, "v4": {{ "prefix": "10.77.0.0/16" }} }},
  "secrets": {{ "all": {{ "id": "*.example.org", "text": "{}" }} }},
  "connections": {{
    "clients": {{
      "role": "gateway",
      "local": {{ "id": "gw.example.org" }},
      "remote": {{ "id": "*.example.org" }},
      "pools": ["v6", "v4"]
    }}
  }}
}})",
                       kAddress, kSharedSecret);
}

// As daemon/run.cpp does it, with a kernel that only records.
int serve(daemon::UdpPorts ports, const std::string& control, const std::string& log_path) {
    std::ofstream log_file(log_path);
    daemon::Log log(daemon::LogLevel::info, daemon::LogPrefix::timestamp,
                    [&](std::string_view line) { log_file << line << std::flush; });
    auto settings = conf::parse("flood.json", configuration(), {});
    if (!settings) give_up(conf::to_string(settings.error()));
    settings->engine.port = ports.sockets()[0].bound().port;
    settings->engine.nat_port = ports.sockets()[1].bound().port;
    auto listening = daemon::listen_at(control);
    if (!listening) give_up(listening.error());
    xfrm::RecordingKernel kernel;
    const auto abilities = kernel.probe();
    crypto::SystemRandom random;
    daemon::RouteLookup host(settings->listen_addresses, std::nullopt, Secret());
    daemon::Loop loop;
    const auto addresses = daemon::PoolSource::open({}, settings->engine.pools, daemon::wall_time);
    if (!addresses) give_up(addresses.error());
    daemon::Daemon gateway({log, loop, kernel, *abilities, ports, **addresses, random, host, {}},
                           {"flood.json", {}}, std::move(*settings), std::move(*listening));
    return gateway.run();
}

// The column "drops" of our socket. Zero if it cannot be read.
std::uint64_t lost_before(std::uint16_t port) {
    std::ifstream table("/proc/net/udp");
    const std::string ours = fmt::format("0100007F:{:04X}", port);
    for (std::string line; std::getline(table, line);) {
        if (line.find(ours + " ") == std::string::npos) continue;
        return std::strtoull(line.substr(line.find_last_of(' ', line.find_last_not_of(' '))).c_str(), nullptr,
                             10);
    }
    return 0;
}

std::chrono::nanoseconds processor_time(pid_t pid) {
    clockid_t clock{};
    timespec spent{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &spent) != 0) return {};
    return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

} // namespace

GatewayProcess::GatewayProcess() : control_(folder_.file("control.sock")) {
    auto ports = daemon::UdpPorts::open({{*IpAddress::parse(kAddress)}, 0, 0, std::nullopt, false});
    if (!ports) give_up(ports.error());
    endpoint_ = ports->sockets()[0].bound();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) give_up("cannot start a process");
    if (pid_ > 0) return; // `ports` closes on our side
    // No orphan, however we end.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::_exit(serve(std::move(*ports), control_, folder_.file("log")));
}

GatewayProcess::~GatewayProcess() {
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 500; ++i) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return;
        std::this_thread::sleep_for(10ms);
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

GatewayProcess::Counters GatewayProcess::counters() const {
    const auto begin = Clock::now();
    auto client = daemon::CtlClient::connect(control_);
    for (int i = 0; !client && i < 500; ++i) { // it may just be starting
        std::this_thread::sleep_for(10ms);
        client = daemon::CtlClient::connect(control_);
    }
    if (!client) give_up(client.error());
    if (const auto sent = client->send(daemon::encode({daemon::Verb::status, {}})); !sent)
        give_up(sent.error());
    const auto line = client->receive(10s);
    if (!line) give_up(line.error());
    Counters out;
    out.answered_in = Clock::now() - begin;
    const auto status = nlohmann::json::parse(*line, nullptr, false);
    if (status.is_discarded()) give_up("the status is no JSON");
    const auto& told = status["counters"];
    out.datagrams_in = told["datagrams_in"];
    out.datagrams_out = told["datagrams_out"];
    out.retransmits = told["retransmits"];
    out.half_open = status["half_open"];
    for (const auto& sa : status["ike_sas"])
        out.established += sa["state"] == "established" ? 1U : 0U;
    for (const auto& [rule, count] : told["refused"].items())
        out.refused[rule] = count;
    out.lost = lost_before(endpoint_.port);
    out.worked = processor_time(pid_);
    return out;
}

} // namespace sheaf::bench

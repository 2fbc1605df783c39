// Sheaf's side of the scripted peers: an engine with UDP sockets of 127.0.0.1, a kernel that only keeps what it is
// given, and a clock that can be put forward.
//
// sheaf-process CONFIGURATION: tells its ports, then each event, as lines of JSON; obeys the lines that it reads,
// with one line of JSON for each: up, clone, rekey or down and a name; rekey-group and the name of a group; advance and a
// number of seconds; refuse-group-sa, what the kernel then does with the next one; status. It ends with its input.

#include "conf/settings.h"
#include "daemon/clock.h"
#include "daemon/event_json.h"
#include "daemon/groups_json.h"
#include "daemon/line_reader.h"
#include "daemon/status_json.h"
#include "daemon/udp_ports.h"
#include "test/support/hex.h"
#include "test/support/wire_net.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace sheaf;

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestLine = 1000;
constexpr const char* kAddress = "127.0.0.1";

void print(const Json& value) {
    std::printf("%s\n", daemon::one_line(value).c_str());
    std::fflush(stdout);
}

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "sheaf-process: %s\n", why.c_str());
    std::exit(1);
}

class Sheaf {
  public:
    Sheaf(ike::Config config, daemon::UdpPorts ports)
        : ports_(std::move(ports)), host_(kAddress, std::move(config), 1, now()) {}

    // Until its input ends.
    void run() {
        settle();
        while (!ended_)
            turn();
    }

  private:
    [[nodiscard]] Instant now() const { return daemon::now() + ahead_; }

    void turn() {
        std::vector<pollfd> all{{STDIN_FILENO, POLLIN, 0}};
        for (const auto& socket : ports_.sockets())
            all.push_back({socket.fd(), POLLIN, 0});
        int wait = -1;
        if (const auto next = host_.engine.next_timeout())
            wait = static_cast<int>(
                std::chrono::ceil<std::chrono::milliseconds>(std::max(*next - now(), Duration{})).count());
        ::poll(all.data(), all.size(), wait);
        for (auto& socket : ports_.sockets())
            receive(socket);
        settle();
        if (all.front().revents != 0) listen();
    }

    void receive(daemon::UdpSocket& socket) {
        for (;;) {
            const auto received = socket.receive();
            if (std::holds_alternative<daemon::UdpSocket::Empty>(received)) return;
            if (const auto* datagram = std::get_if<ike::Datagram>(&received))
                host_.engine.datagram(now(), *datagram);
            host_.pump(now());
        }
    }

    // Lets the engine do what is due, and carries out what it wants.
    void settle() {
        if (const auto next = host_.engine.next_timeout(); next && *next <= now())
            host_.engine.on_timeout(now());
        host_.pump(now());
        for (const auto& event : std::exchange(host_.events, {}))
            print(daemon::to_json(event, daemon::utc_timestamp()));
        for (const auto& datagram : std::exchange(host_.outbox, {}))
            (void)ports_.send(datagram);
    }

    void listen() {
        std::string some(kLongestLine, '\0');
        const auto count = ::read(STDIN_FILENO, some.data(), some.size());
        if (count <= 0) {
            ended_ = true;
            return;
        }
        input_.append(std::string_view(some).substr(0, static_cast<std::size_t>(count)));
        while (const auto line = input_.next()) {
            Json answer = obey(*line);
            settle(); // what came of it stands before the answer
            print(answer);
        }
    }

    Json obey(const std::string& line) {
        const auto space = std::min(line.find(' '), line.size());
        const std::string verb = line.substr(0, space);
        const std::string what = line.substr(std::min(space + 1, line.size()));
        if (verb == "status") return status();
        if (verb == "advance") {
            ahead_ += std::chrono::seconds(std::strtol(what.c_str(), nullptr, 10));
            return {{"answer", verb}};
        }
        if (verb == "up") return command(verb, ike::Up{what});
        if (verb == "clone") return command(verb, ike::Clone{what});
        if (verb == "rekey") return command(verb, ike::Rekey{what, ike::Rekey::What::ike});
        if (verb == "rekey-group") return command(verb, ike::RekeyGroup{what});
        if (verb == "down") return command(verb, ike::Down{what});
        if (verb == "refuse-group-sa") {
            host_.kernel.fail_step = child::KernelStep(child::InstallGroupSa{}).index();
            return {{"answer", verb}};
        }
        give_up("no command \"" + verb + "\"");
    }

    Json command(const std::string& verb, ike::Command command) {
        const auto done = host_.engine.command(now(), std::move(command));
        Json out{{"answer", verb}};
        if (!done) out["error"] = done.error();
        return out;
    }

    // With the keys of the SAs, which the peer has derived as well: they protect nothing.
    Json status() {
        const daemon::Snapshot snapshot{host_.engine.status(), host_.leases.usage(host_.wall), std::nullopt,
                                        now(), host_.wall};
        Json out = daemon::status_json(snapshot);
        out.update(daemon::groups_json(snapshot));
        out["answer"] = "status";
        Json sas = Json::array();
        for (const auto& [spi, pair] : host_.kernel.sas)
            sas.push_back({{"spi_in", daemon::child_spi_text(spi)},
                           {"spi_out", daemon::child_spi_text(pair.id.spi_out)},
                           {"peer", pair.id.peer.to_string()},
                           {"in", test::to_hex(pair.in.encryption.view())},
                           {"out", test::to_hex(pair.out.encryption.view())}});
        out["kernel"] = {{"sas", std::move(sas)},
                         {"policies", host_.kernel.policies.size()},
                         {"links", host_.kernel.links.size()},
                         {"groups", groups()},
                         {"breaches", host_.kernel.breaches}};
        return out;
    }

    [[nodiscard]] Json groups() const {
        Json all = Json::array();
        for (const auto& [number, group] : host_.kernel.groups) {
            Json sas = Json::array();
            for (const auto& [spi, sa] : group.sas)
                sas.push_back({{"spi", daemon::child_spi_text(spi)},
                               {"expires_in", daemon::seconds(sa.expires - now())},
                               {"encryption", test::to_hex(sa.encryption)},
                               {"integrity", test::to_hex(sa.integrity)}});
            all.push_back({{"interface", group.link.interface}, {"sas", std::move(sas)}, {"sends", nullptr}});
            if (group.sending != 0) all.back()["sends"] = daemon::child_spi_text(group.sending);
        }
        return all;
    }

    daemon::UdpPorts ports_;
    Duration ahead_{};
    test::Host host_;
    daemon::LineReader input_{kLongestLine};
    bool ended_ = false;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) give_up("use: sheaf-process CONFIGURATION");
    auto settings = conf::load(argv[1], {});
    if (!settings) give_up(conf::to_string(settings.error()));
    auto ports = daemon::UdpPorts::open({{*IpAddress::parse(kAddress)}, 0, 0, std::nullopt, false});
    if (!ports) give_up(ports.error());
    settings->engine.port = ports->sockets()[0].bound().port;
    settings->engine.nat_port = ports->sockets()[1].bound().port;
    print({{"port", settings->engine.port}, {"nat_port", settings->engine.nat_port}});
    Sheaf(std::move(settings->engine), std::move(*ports)).run();
}

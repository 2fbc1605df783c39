// Longer than other sources: two daemons over loopback are set up once for all that is seen of them.

#include "daemon/clock.h"
#include "daemon/control_socket.h"
#include "daemon/ctl_client.h"
#include "daemon/daemon.h"
#include "daemon/group_keeper.h"
#include "daemon/pool_source.h"
#include "daemon/route_lookup.h"
#include "lib/crypto/system_random.h"
#include "lib/group/record.h"
#include "test/unit/daemon/configs.h"
#include "test/unit/daemon/scratch_folder.h"
#include "test/unit/daemon/without_capability.h"
#include "xfrm/recording_kernel.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

namespace {

UdpPorts loopback_ports() {
    return UdpPorts::open({{*IpAddress::parse("127.0.0.1")}, 0, 0, std::nullopt, false}).value();
}

// A recording kernel that may be slow to say what SAs have carried.
class Edge final : public xfrm::KernelEdge {
  public:
    explicit Edge(xfrm::RecordingKernel& kernel) : kernel_(kernel) {}
    std::atomic<bool> silent = false;    // it never says
    std::atomic<unsigned> questions = 0; // for what SAs have carried

    std::expected<xfrm::Abilities, std::string> probe() override { return kernel_.probe(); }
    std::expected<xfrm::Removed, std::string> reconcile() override { return kernel_.reconcile(); }
    void apply(child::KernelIntent&& intent, Instant at) override { kernel_.apply(std::move(intent), at); }
    void flush(Instant at) override { kernel_.flush(at); }
    [[nodiscard]] std::span<const int> fds() const override { return kernel_.fds(); }
    void on_readable(Instant at) override { kernel_.on_readable(at); }
    [[nodiscard]] std::optional<Instant> next_timeout() const override { return kernel_.next_timeout(); }
    void on_timeout(Instant at) override { kernel_.on_timeout(at); }
    std::vector<child::KernelEvent> take_events() override { return kernel_.take_events(); }
    void ask_usage(Instant at) override {
        ++questions;
        kernel_.ask_usage(at);
    }
    std::optional<std::vector<xfrm::SaUsage>> take_usage() override {
        return silent ? std::nullopt : kernel_.take_usage();
    }
    [[nodiscard]] std::vector<xfrm::GroupRoute> group_routes(child::LinkNumber group) const override {
        return kernel_.group_routes(group);
    }

  private:
    xfrm::RecordingKernel& kernel_;
};

// What belongs to one sheafd whose kernel is a recording one.
struct Site {
    explicit Site(const ScratchFolder& folder, const std::string& name)
        : config(folder.file(name + ".json")), control(folder.file(name + ".sock")),
          leases(folder.file(name + ".db")), groups(folder.file(name + ".groups.db")) {}

    [[nodiscard]] conf::Settings adapted(conf::Settings settings) {
        settings.engine.port = ports.sockets()[0].bound().port;
        settings.engine.nat_port = ports.sockets()[1].bound().port;
        return settings;
    }
    void begin(Loop& loop, conf::Settings settings) {
        auto listening = listen_at(control);
        REQUIRE(listening);
        auto opened = PoolSource::open(leases, settings.engine.pools, wall_time);
        REQUIRE(opened);
        addresses = std::move(*opened);
        daemon = std::make_unique<Daemon>(
            Daemon::Parts{log, loop, edge, abilities, ports, *addresses, random, source,
                          [this](const auto& names) { resolved.push_back(names); }},
            Daemon::Place{config, {}}, adapted(settings), std::move(*listening));
        REQUIRE(groups.serve(settings.engine.group_services));
        REQUIRE(daemon->keep_groups(groups));
    }
    [[nodiscard]] bool kernel_is_empty() const {
        const auto& held = kernel.installed();
        return held.links.empty() && held.sas.empty() && held.policies.empty();
    }

    std::string config;
    std::string control;
    std::string leases;
    GroupKeeper groups;
    std::string logged;
    Log log{LogLevel::debug, LogPrefix::journal, [this](std::string_view line) { logged += line; }};
    UdpPorts ports = loopback_ports();
    xfrm::RecordingKernel kernel;
    Edge edge{kernel};
    xfrm::Abilities abilities = kernel.probe().value();
    crypto::SystemRandom random;
    RouteLookup source{{*IpAddress::parse("127.0.0.1")}, std::nullopt, Secret(32)};
    std::unique_ptr<PoolSource> addresses;
    std::vector<ike::NameServers> resolved;
    std::unique_ptr<Daemon> daemon;
};

// Taking signals blocks them for the thread; the next test wants them as they were.
class SignalMask {
  public:
    SignalMask() { ::pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
    ~SignalMask() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalMask(const SignalMask&) = delete;
    SignalMask& operator=(const SignalMask&) = delete;

  private:
    sigset_t before_{};
};

void must(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error(what);
}

// A gateway and a client in one loop, and a second thread in the place of sheafctl.
struct Pair {
    SignalMask mask;
    ScratchFolder folder;
    Loop loop;
    Site client{folder, "client"};
    Site gateway{folder, "gateway"};
    int code = -1;
    // Where signals go: libraries have threads of their own that block nothing.
    pthread_t loop_thread = ::pthread_self();
    std::function<void()> prepared = [] {}; // called when both are there, before they run
    conf::Settings gateway_conf = gateway_settings();
    conf::Settings client_conf = client_settings(gateway.ports.sockets()[0].bound());

    // Runs until the script has ended and SIGTERM after it has ended the gateway. The script may not use
    // Catch, which knows one thread only: it throws.
    void run(const std::function<void()>& script) {
        client.begin(loop, client_conf);
        gateway.begin(loop, gateway_conf);
        prepared();
        client.daemon->begin();
        std::string failure;
        // The signals must be blocked before the second thread begins, or it would be the one that they end.
        sigset_t taken;
        sigemptyset(&taken);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP})
            sigaddset(&taken, signal);
        ::pthread_sigmask(SIG_BLOCK, &taken, nullptr);
        std::thread other([&] {
            try {
                script();
            } catch (const std::exception& error) {
                failure = error.what();
            }
            ::pthread_kill(loop_thread, SIGTERM);
        });
        code = gateway.daemon->run();
        other.join();
        INFO(gateway.logged << client.logged);
        CHECK(failure == "");
    }
};

Json ask(const Site& site, const Request& request) {
    auto client = CtlClient::connect(site.control);
    if (!client) throw std::runtime_error(client.error());
    if (const auto sent = client->send(encode(request)); !sent) throw std::runtime_error(sent.error());
    const auto line = client->receive(10s);
    if (!line) throw std::runtime_error(line.error());
    return Json::parse(*line);
}

} // namespace

TEST_CASE("A client goes up and down, by the control socket", "[daemon]") {
    Pair pair;
    pair.run([&] {
        const Json up = ask(pair.client, {Verb::up, "home"});
        must(up["ok"] == true, up.dump());
        must(up["ike_sa"]["peer_id"] == "gw.example.org", up.dump());
        must(up["ike_sa"]["children"][0]["installed"] == true, up.dump());
        must(up["ike_sa"]["link"]["addresses"].dump().find("\"2001:db8:100:") != std::string::npos,
             up.dump());
        must(pair.client.kernel.installed().sas.size() == 1, "the client's SAs");
        must(pair.gateway.kernel.installed().links.size() == 1, "the gateway's link");

        const Json status = ask(pair.gateway, {Verb::status, {}});
        must(status["ike_sas"].size() == 1, status.dump());
        must(status["ike_sas"][0]["state"] == "established", status.dump());
        must(status["ike_sas"][0]["peer_id"] == "alice.example.org", status.dump());
        must(status["ike_sas"][0]["link"]["prefixes"].size() == 2, status.dump());
        must(status["counters"]["handshakes"] == 1, status.dump());
        must(status.dump().find("correct horse") == std::string::npos, "a secret in the status");

        const Json down = ask(pair.client, {Verb::down, "home"});
        must(down["ok"] == true, down.dump());
        must(pair.client.kernel_is_empty(), "the client's kernel is empty");
        const Json after = ask(pair.gateway, {Verb::status, {}});
        must(after["ike_sas"].empty(), after.dump());
        must(pair.gateway.kernel_is_empty(), "the gateway's kernel is empty");
    });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.logged.find("correct horse") == std::string::npos);
    CHECK(pair.gateway.logged.find("IKE SA up, aes256gcm16-prfsha256-x25519") != std::string::npos);
    CHECK(pair.gateway.logged.find("<7>in IKE_AUTH request 1 127.0.0.1:") != std::string::npos);
}

TEST_CASE("A gateway ends a peer by its identity, and the events tell", "[daemon]") {
    Pair pair;
    pair.run([&] {
        auto watcher = CtlClient::connect(pair.gateway.control);
        must(watcher.has_value() && watcher->send(encode({Verb::watch, {}})).has_value(), "watch");
        must(Json::parse(watcher->receive(5s).value())["ok"] == true, "watch is answered");
        const Json up = ask(pair.client, {Verb::up, "home"});
        must(up["ok"] == true, up.dump());
        const Json down = ask(pair.gateway, {Verb::down, "alice.example.org"});
        must(down["ok"] == true, down.dump());
        std::string seen;
        while (seen.find("lease_released") == seen.npos) {
            const Json event = Json::parse(watcher->receive(5s).value());
            if (event["event"] != "message") seen += event["event"].get<std::string>() + " ";
            must(event["schema"] == 1 && event.contains("time"), event.dump());
        }
        must(seen == "ike_up lease_assigned child_up ike_down child_down lease_released ", seen);
    });
    CHECK(pair.code == 0);
}

TEST_CASE("A group is served, told, changed and kept", "[daemon]") {
    Pair pair;
    pair.gateway_conf = group_gateway_settings();
    pair.client_conf = group_client_settings(pair.gateway.ports.sockets()[0].bound());
    const auto first = [](const Site& site) { return ask(site, {Verb::groups, "sites"})["groups"][0]; };
    // What takes an exchange or two.
    const auto comes = [&](const Site& site, const std::function<bool(const Json&)>& good) {
        for (int i = 0; i < 500; ++i) {
            if (good(first(site))) return;
            std::this_thread::sleep_for(20ms);
        }
        throw std::runtime_error(first(site).dump());
    };
    std::string spi;
    pair.run([&] {
        const Json before = first(pair.gateway);
        must(before["generation"] == 1 && before["members"].empty(), before.dump());
        must(first(pair.client)["state"] == "down", "nothing is told yet");
        const Json why = ask(pair.client, {Verb::explain, "sites"});
        must(why["groups"][0]["group"] == "sites", why.dump());
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
        comes(pair.client, [&](const Json& group) {
            return group["state"] == "up" && group["sas"][0]["spi"] == before["spi"] &&
                   group["sites"][0]["endpoint"] == "127.0.0.9";
        });
        comes(pair.gateway, [](const Json& group) {
            return group["state"] == "settled" && group["members"][0]["state"] == "current" &&
                   group["members"][0]["peer_id"] == "alice.example.org";
        });
        must(!ask(pair.client, {Verb::explain, "sites"}).contains("groups"), "all is well");
        must(ask(pair.gateway, {Verb::status})["groups"].size() == 1, "in the status, too");

        must(ask(pair.gateway, {Verb::rekey, "unknown", {}, Rekeyed::group})["ok"] == false, "no such group");
        must(ask(pair.gateway, {Verb::rekey, "sites", {}, Rekeyed::group})["ok"] == true, "rekey");
        comes(pair.client, [](const Json& group) { return group["sas"].size() == 2; });
        const Json after = first(pair.gateway);
        must(after["generation"] == 2 && after["state"] == "rollover", after.dump());
        must(after["old_spi"] == before["spi"], after.dump());
        spi = after["spi"];
    });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.logged.find("group \"sites\": SA " + spi + " (generation 2) made") !=
          std::string::npos);

    pair.gateway.daemon.reset();
    auto keeper = std::exchange(pair.gateway.groups, GroupKeeper(""));
    const auto path = keeper.path();
    { const auto closed = std::move(keeper); }
    GroupKeeper next(path);
    REQUIRE(next.serve(pair.gateway_conf.engine.group_services));
    const auto recalled = next.recalled();
    REQUIRE(recalled.size() == 1);
    const auto record = group::record_from(recalled[0].octets.view());
    REQUIRE(record);
    CHECK(record->newest.generation == 2);
    CHECK(child_spi_text(record->newest.sa.spi) == spi);
}

TEST_CASE("A connection that fails says why", "[daemon]") {
    Pair pair;
    pair.client.kernel.refuse_when([](const child::KernelIntent&) { return "SAD: no such cipher"; });
    pair.run([&] {
        const Json up = ask(pair.client, {Verb::up, "home"});
        must(up["ok"] == false, up.dump());
        must(up["error"] == "home: kernel: SAD: no such cipher", up.dump());
    });
}

TEST_CASE("What failed is explained, also by the peer's side", "[daemon]") {
    Pair pair;
    pair.client.kernel.refuse_when([](const child::KernelIntent&) { return "SAD: no such cipher"; });
    pair.run([&] {
        must(ask(pair.client, {Verb::explain})["entries"].empty(), "nothing to explain yet");
        must(ask(pair.client, {Verb::up, "home"})["ok"] == false, "refused");
        const Json why = ask(pair.client, {Verb::explain, "home"});
        must(why["ok"] == true && why["connection"]["name"] == "home", why.dump());
        must(why["entries"][0]["event"] == "ike_down" && why["entries"][0]["reason"] == "kernel" &&
                 why["entries"][0]["detail"] == "SAD: no such cipher",
             why.dump());
        must(ask(pair.client, {Verb::explain, "bob"})["entries"].empty(), "nothing of bob");
        const Json theirs = ask(pair.gateway, {Verb::explain, "alice.example.org"});
        must(theirs["entries"].size() >= 1, theirs.dump());
    });
    CHECK(pair.code == 0);
}

TEST_CASE("Keys are written for a decoder if that was asked for", "[daemon]") {
    Pair pair;
    pair.prepared = [&] { pair.gateway.daemon->write_keys(KeyWriter::open(pair.folder.file("")).value()); };
    pair.run([&] { must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up"); });
    const auto lines = [&](const char* name) {
        std::ifstream in(pair.folder.file(name));
        std::vector<std::string> out;
        for (std::string line; std::getline(in, line);)
            out.push_back(line);
        return out;
    };
    const auto ike = lines("ikev2_decryption_table");
    REQUIRE(ike.size() == 1);
    CHECK(ike.front().ends_with(",\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\""));
    const auto esp = lines("esp_sa");
    REQUIRE(esp.size() == 2);
    for (const auto& line : esp) {
        CHECK(line.starts_with("\"IPv4\",\"127.0.0.1\",\"127.0.0.1\",\"0x"));
        CHECK(line.size() == esp.front().size());
    }
    CHECK(esp.front() != esp.back());
}

TEST_CASE("Keys can be replaced on command", "[daemon]") {
    Pair pair;
    pair.run([&] {
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
        const auto spi = [&] {
            return ask(pair.client, {Verb::status})["ike_sas"][0]["children"][0]["spi_in"];
        };
        const Json before = spi();
        const Json done = ask(pair.client, {Verb::rekey, "home"});
        must(done["ok"] == true, done.dump());
        for (int i = 0; spi() == before; ++i) {
            must(i < 100, "the Child SA was not rekeyed");
            std::this_thread::sleep_for(20ms);
        }
        must(ask(pair.client, {Verb::rekey, "nobody"})["ok"] == false, "nobody");
        must(ask(pair.client, {Verb::reauth, "nobody"})["ok"] == false, "nobody");
        must(ask(pair.client, {Verb::clone, "nobody"})["ok"] == false, "nobody");
        must(ask(pair.client, {Verb::down, "home", "nobody"})["ok"] == false, "nobody");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("Names that fit nothing are errors", "[daemon]") {
    Pair pair;
    pair.run([&] {
        const Json unknown = ask(pair.client, {Verb::up, "hom"});
        must(unknown["ok"] == false, unknown.dump());
        must(unknown["error"].get<std::string>().find("\"hom\"") != std::string::npos, unknown.dump());
        const Json role = ask(pair.gateway, {Verb::up, "clients"});
        must(role["ok"] == false, role.dump());
        const Json nobody = ask(pair.gateway, {Verb::down, "bob.example.org"});
        must(nobody["ok"] == false, nobody.dump());
        const Json idle = ask(pair.gateway, {Verb::down, "clients"});
        must(idle["ok"] == true, idle.dump());
    });
    CHECK(pair.code == 0);
}

TEST_CASE("A reload takes a good file and refuses a bad one", "[daemon]") {
    Pair pair;
    std::string changed = gateway_file();
    changed.replace(changed.find("2001:db8:100::/48"), 17, "2001:db8:200::/48");
    changed.replace(changed.find("\"127.0.0.1\""), 11, "\"127.0.0.9\"");
    pair.run([&] {
        (void)pair.folder.write("gateway.json", "{ \"conections\": 1 }");
        const Json bad = ask(pair.gateway, {Verb::reload, {}});
        must(bad["ok"] == false, bad.dump());
        must(bad["diagnostics"][0]["line"] == 1 && bad["diagnostics"][0]["column"] == 3, bad.dump());
        must(ask(pair.gateway, {Verb::list, {}})["connections"][0]["name"] == "clients", "the old one stays");
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "the old one works");

        (void)pair.folder.write("gateway.json", changed);
        const Json good = ask(pair.gateway, {Verb::reload, {}});
        must(good["ok"] == true, good.dump());
        must(good["notes"] == Json{"\"listen\" has changed; it takes effect when sheafd is restarted"},
             good.dump());
        const Json list = ask(pair.gateway, {Verb::list, {}});
        must(list["pools"].dump().find("2001:db8:200::/48") != std::string::npos, list.dump());
    });
    CHECK(pair.code == 0);
}

TEST_CASE("A reload that needs a raw socket which we may not have changes nothing", "[daemon]") {
    Pair pair;
    std::string changed = gateway_file();
    changed.replace(changed.find("2001:db8:100::/48"), 17, "2001:db8:200::/48");
    const std::string_view before = R"("connections": {)";
    changed.insert(changed.find(before) + before.size(), R"(
    "homes": { "role": "home-agent", "local": { "id": "gw.example.org", "address": "2001:db8:13::2" },
      "remote": { "id": "frank.example.org" }, "home_agent": { "prefixes": ["2001:db8:a::/64"],
        "nodes": { "frank.example.org": { "homes": ["2001:db8:a::100"] } } } },)");
    const WithoutCapability without(CAP_NET_RAW);
    pair.run([&] {
        (void)pair.folder.write("gateway.json", changed);
        const Json bad = ask(pair.gateway, {Verb::reload, {}});
        must(bad["ok"] == false, bad.dump());
        must(bad.dump().find("CAP_NET_RAW") != std::string::npos, bad.dump());
        const Json pools = ask(pair.gateway, {Verb::pools, {}});
        must(pools.dump().find("2001:db8:100::/48") != std::string::npos, pools.dump());
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "the old one works");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("SIGHUP reloads, too, and a bad file is told in the log", "[daemon]") {
    Pair pair;
    pair.run([&] {
        (void)pair.folder.write("gateway.json", "{ \"conections\": 1 }");
        ::pthread_kill(pair.loop_thread, SIGHUP);
        const Json status = ask(pair.gateway, {Verb::list, {}});
        must(status["connections"][0]["name"] == "clients", status.dump());
    });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.logged.find("gateway.json:1:3: unknown key \"conections\"") != std::string::npos);
    CHECK(pair.gateway.logged.find("has mistakes; the configuration stays as it was") != std::string::npos);
}

TEST_CASE("A configuration that the kernel cannot carry is not taken", "[daemon]") {
    Pair pair;
    pair.gateway.abilities.suites.clear();
    pair.run([&] {
        (void)pair.folder.write("gateway.json", gateway_file());
        const Json bad = ask(pair.gateway, {Verb::reload, {}});
        must(bad["error"] ==
                 "connections.clients: this kernel carries none of the ESP algorithms of \"esp\"; the "
                 "configuration stays as it was",
             bad.dump());
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "the old one works");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("SIGTERM tells the peers and leaves nothing in the kernel", "[daemon]") {
    Pair pair;
    pair.run([&] { must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up"); });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.kernel_is_empty());
    CHECK(pair.gateway.logged.find("IKE SA down, shutdown") != std::string::npos);
    CHECK(pair.client.logged.find("IKE SA down, deleted_by_peer") != std::string::npos);
}

TEST_CASE("Floods of refused datagrams are counted, and told in part", "[daemon]") {
    Pair pair;
    pair.run([&] {
        auto flooder = UdpSocket::open({{*IpAddress::parse("127.0.0.1"), 0}, false, std::nullopt, false});
        must(flooder.has_value(), "socket");
        for (int i = 0; i < 200; ++i)
            (void)flooder->send({flooder->bound(), pair.gateway.ports.sockets()[0].bound(), Bytes(20)});
        for (int i = 0; i < 100; ++i) {
            const Json status = ask(pair.gateway, {Verb::status, {}});
            if (status["counters"]["refused"].value("datagram_too_short", 0) == 200) break;
            must(i < 99, status.dump());
            std::this_thread::sleep_for(20ms);
        }
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
    });
    std::size_t told = 0;
    for (std::size_t at = 0; (at = pair.gateway.logged.find("datagram_too_short", at)) != std::string::npos;
         ++at)
        ++told;
    CHECK(told >= 1);
    CHECK(told <= 2 * EventFeed::kRefusalsPerSecond);
}

TEST_CASE("A gateway says who has what since when, and what was carried", "[daemon]") {
    Pair pair;
    pair.run([&] {
        must(ask(pair.gateway, {Verb::clients})["clients"].empty(), "nobody yet");
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
        const Json before = ask(pair.gateway, {Verb::clients});
        must(before["ok"] == true && before["clients"].size() == 1, before.dump());
        const Json& client = before["clients"][0];
        must(client["peer_id"] == "alice.example.org" && client["name"] == "clients", before.dump());
        must(client["leases"].size() == 2 && client["prefixes"].size() == 2, before.dump());
        must(client["link_s"].get<double>() >= 0, before.dump());
        must(client["bytes_in"] == 0 && client["counted_s"].get<double>() >= 0, before.dump());
        must(client["paths"][0]["state"] == "established", before.dump());

        const auto sa = pair.gateway.kernel.installed().in.front();
        pair.gateway.kernel.carry({sa.local.address, sa.spi_in, 1500, 1});
        pair.gateway.kernel.carry({sa.peer.address, sa.spi_out, 3000, 2});
        must(ask(pair.gateway, {Verb::paths})["paths"].empty(), "one IKE SA is no family");
        const Json after = ask(pair.gateway, {Verb::clients, "alice.example.org"});
        must(after["clients"][0]["bytes_in"] == 1500 && after["clients"][0]["packets_out"] == 2,
             after.dump());
        const Json status = ask(pair.gateway, {Verb::status});
        must(status["ike_sas"][0]["children"][0]["bytes_out"] == 3000, status.dump());
        must(status["paths"].is_array(), status.dump());
        const auto prefix = Prefix::parse(client["leases"][0]["block"].get<std::string>()).value();
        must(ask(pair.gateway, {Verb::clients, prefix.last().to_string()})["clients"].size() == 1,
             "by address");
        must(ask(pair.gateway, {Verb::clients, "bob"})["clients"].empty(), "nobody of that name");
        must(ask(pair.client, {Verb::clients})["clients"].empty(), "a client has no clients");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("A kernel that does not say what was carried holds nobody up", "[daemon]") {
    Pair pair;
    pair.gateway.edge.silent = true;
    pair.run([&] {
        auto patient = CtlClient::connect(pair.gateway.control);
        must(patient.has_value() && patient->send(encode({Verb::status})).has_value(), "asked");
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up"); // by way of the gateway
        must(ask(pair.gateway, {Verb::list})["ok"] == true, "others are answered");
        const Json status = Json::parse(patient->receive(10s).value());
        must(status["ok"] == true && status["ike_sas"].size() == 1, status.dump());
        must(!status["ike_sas"][0]["children"][0].contains("bytes_in"), status.dump());
        must(pair.gateway.edge.questions == 1, "one question");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("All who ask while the kernel is counting are answered by one count", "[daemon]") {
    Pair pair;
    pair.gateway.edge.silent = true;
    pair.run([&] {
        std::vector<CtlClient> askers;
        for (const auto verb : {Verb::status, Verb::clients, Verb::status}) {
            askers.push_back(CtlClient::connect(pair.gateway.control).value());
            must(askers.back().send(encode({verb})).has_value(), "asked");
        }
        for (int i = 0; pair.gateway.edge.questions < 3; ++i) {
            must(i < 100, "three questions");
            std::this_thread::sleep_for(20ms);
        }
        pair.gateway.edge.silent = false;
        must(ask(pair.gateway, {Verb::list})["ok"] == true, "list");
        must(ask(pair.gateway, {Verb::clients})["ok"] == true, "a turn");
        for (auto& asker : askers)
            must(Json::parse(asker.receive(1s).value())["ok"] == true, "answered");
    });
    CHECK(pair.code == 0);
}

TEST_CASE("Pools and the leases out of them are told", "[daemon]") {
    Pair pair;
    pair.run([&] {
        auto watcher = CtlClient::connect(pair.gateway.control);
        must(watcher.has_value() && watcher->send(encode({Verb::watch, {}})).has_value(), "watch");
        must(Json::parse(watcher->receive(5s).value())["ok"] == true, "watch is answered");
        const Json fresh = ask(pair.gateway, {Verb::pools});
        must(fresh["pools"].size() == 2 && fresh["pools"][0]["state"] == "ok", fresh.dump());
        must(fresh["pools"][0]["used"] == 0 && fresh["pools"][0]["kept"] == 0, fresh.dump());
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
        must(ask(pair.gateway, {Verb::pools})["pools"][0]["used"] == 1, "used");
        must(ask(pair.client, {Verb::down, "home"})["ok"] == true, "down");
        const Json kept = ask(pair.gateway, {Verb::pools});
        must(kept["pools"][0]["used"] == 0 && kept["pools"][0]["kept"] == 1, kept.dump());
        must(kept["pools"][0]["next_free_s"].get<double>() > 80000, kept.dump());
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up again");
        std::string seen;
        while (seen.find("lease_renewed") == seen.npos) {
            const Json event = Json::parse(watcher->receive(5s).value());
            if (event["event"].get<std::string>().starts_with("lease_")) {
                seen += event["event"].get<std::string>() + " ";
                must(event["blocks"].size() == 2 && event["peer_id"] == "alice.example.org", event.dump());
            }
        }
        must(seen == "lease_assigned lease_released lease_renewed ", seen);
    });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.logged.find(": assigned again 2001:db8:100:") != std::string::npos);
}

TEST_CASE("A client hands the gateway's name servers on while it is up", "[daemon]") {
    Pair pair;
    pair.run([&] {
        must(ask(pair.client, {Verb::up, "home"})["ok"] == true, "up");
        must(ask(pair.client, {Verb::status})["ike_sas"][0]["dns_domains"][0] == "example.org", "status");
        must(ask(pair.client, {Verb::down, "home"})["ok"] == true, "down");
    });
    CHECK(pair.code == 0);
    CHECK(pair.gateway.resolved.empty());
    REQUIRE(pair.client.resolved.size() == 2);
    CHECK(pair.client.resolved[0] ==
          ike::NameServers{"sheaf0", {*IpAddress::parse("2001:db8:9::53")}, {"example.org"}});
    CHECK(pair.client.resolved[1] == ike::NameServers{"sheaf0", {}, {}});
}

TEST_CASE("A client that needs a machine ID and has none is not configured", "[daemon]") {
    Pair pair;
    pair.client.source = RouteLookup({*IpAddress::parse("127.0.0.1")}, std::nullopt, {});
    pair.run([&] {
        const auto file = client_file(pair.gateway.ports.sockets()[0].bound());
        (void)pair.folder.write("client.json", file);
        const Json bad = ask(pair.client, {Verb::reload});
        must(bad["error"] ==
                 "connections.home: there was no machine ID in /etc/machine-id when sheafd started; make one "
                 "with "
                 "systemd-machine-id-setup and restart sheafd, or set \"interface_ids\" of the connection to "
                 "\"random\"; the configuration stays as it was",
             bad.dump());
    });
    CHECK(pair.code == 0);
}

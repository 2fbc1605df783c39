#include "daemon/clock.h"
#include "daemon/resolver.h"
#include "test/unit/daemon/quiet.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <vector>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace std::chrono_literals;

namespace {

constexpr const char* kManager = "org.freedesktop.resolve1.Manager";

// systemd-resolved's end of a bus with two ends: writes down what it is asked for, and answers.
class FakeResolved {
  public:
    FakeResolved(Loop& loop, int fd) {
        REQUIRE(sd_bus_new(&bus_) >= 0);
        REQUIRE(sd_bus_set_fd(bus_, fd, fd) >= 0);
        REQUIRE(sd_bus_set_server(
                    bus_, 1, SD_ID128_MAKE(01, 23, 45, 67, 89, ab, cd, ef, 01, 23, 45, 67, 89, ab, cd, ef)) >=
                0);
        REQUIRE(sd_bus_set_anonymous(bus_, 1) >= 0);
        REQUIRE(sd_bus_start(bus_) >= 0);
        REQUIRE(sd_bus_attach_event(bus_, loop.handle(), SD_EVENT_PRIORITY_NORMAL) >= 0);
        REQUIRE(sd_bus_add_filter(bus_, nullptr, on_message, this) >= 0);
    }
    FakeResolved(const FakeResolved&) = delete;
    FakeResolved& operator=(const FakeResolved&) = delete;
    ~FakeResolved() { sd_bus_close_unref(bus_); }

    // As the bus tells that the service has come, or gone.
    void owner_changed(const char* name, const char* owner) {
        sd_bus_message* signal = nullptr;
        REQUIRE(sd_bus_message_new_signal(bus_, &signal, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                          "NameOwnerChanged") >= 0);
        REQUIRE(sd_bus_message_set_sender(signal, "org.freedesktop.DBus") >= 0);
        REQUIRE(sd_bus_message_append(signal, "sss", name, "", owner) >= 0);
        REQUIRE(sd_bus_send(bus_, signal, nullptr) >= 0);
        sd_bus_message_unref(signal);
    }

    std::vector<std::string> calls;
    std::string refused_method; // whose answer is an error; "*": of all
    std::string error;
    unsigned refusals = 100;
    bool silent = false;
    bool all_may_not_start_it = true;

  private:
    static int on_message(sd_bus_message* message, void* data, sd_bus_error*) {
        return static_cast<FakeResolved*>(data)->serve(message);
    }
    int serve(sd_bus_message* message) {
        if (sd_bus_message_is_method_call(message, kManager, nullptr) <= 0) return 0;
        const std::string method = sd_bus_message_get_member(message);
        all_may_not_start_it = all_may_not_start_it && sd_bus_message_get_auto_start(message) == 0;
        calls.push_back(method + arguments(message));
        if (silent) return 1;
        if ((refused_method == method || refused_method == "*") && refusals > 0) {
            --refusals;
            const sd_bus_error answer = {error.c_str(), "the words", 0};
            return sd_bus_reply_method_error(message, &answer);
        }
        return sd_bus_reply_method_return(message, "");
    }
    static std::string arguments(sd_bus_message* message) {
        int index = 0;
        REQUIRE(sd_bus_message_read(message, "i", &index) >= 0);
        std::string out = fmt::format(" {}", index);
        const std::string rest = sd_bus_message_get_signature(message, 1);
        if (rest == "ib") {
            int flag = 0;
            REQUIRE(sd_bus_message_read(message, "b", &flag) >= 0);
            out += flag != 0 ? " true" : " false";
        } else if (rest == "ia(sb)") {
            out += domains(message);
        } else if (rest == "ia(iay)") {
            out += servers(message);
        } else {
            CHECK(rest == "i");
        }
        CHECK(sd_bus_message_at_end(message, 1) > 0);
        return out;
    }
    static std::string domains(sd_bus_message* message) {
        std::string out;
        REQUIRE(sd_bus_message_enter_container(message, 'a', "(sb)") > 0);
        const char* domain = nullptr;
        int route_only = 0;
        while (sd_bus_message_read(message, "(sb)", &domain, &route_only) > 0)
            out += fmt::format(" {}{}", route_only != 0 ? "~" : "", domain);
        REQUIRE(sd_bus_message_exit_container(message) >= 0);
        return out;
    }
    static std::string servers(sd_bus_message* message) {
        std::string out;
        REQUIRE(sd_bus_message_enter_container(message, 'a', "(iay)") > 0);
        while (sd_bus_message_enter_container(message, 'r', "iay") > 0) {
            int family = 0;
            const void* octets = nullptr;
            std::size_t size = 0;
            REQUIRE(sd_bus_message_read(message, "i", &family) >= 0);
            REQUIRE(sd_bus_message_read_array(message, 'y', &octets, &size) >= 0);
            const auto address = IpAddress::from_bytes({static_cast<const std::uint8_t*>(octets), size});
            REQUIRE(address);
            CHECK(family == (address->is_v6() ? AF_INET6 : AF_INET));
            out += " " + address->to_string();
            REQUIRE(sd_bus_message_exit_container(message) >= 0);
        }
        REQUIRE(sd_bus_message_exit_container(message) >= 0);
        return out;
    }

    sd_bus* bus_ = nullptr;
};

struct Bench {
    Loop loop;
    std::string logged;
    Log log{LogLevel::debug, LogPrefix::journal, [this](std::string_view line) { logged += line; }};
    std::unique_ptr<FakeResolved> resolved;
    unsigned connections = 0;
    bool bus_is_there = true;
    unsigned index = 7; // of sheaf0
    std::unique_ptr<Resolver> resolver = std::make_unique<Resolver>(
        loop, log,
        Resolver::World{.connect = [this] { return connect(); },
                        .index = [this](const auto& name) { return name == "sheaf0" ? index : index + 1; }});

    sd_bus* connect() {
        ++connections;
        errno = ENOENT;
        if (!bus_is_there) return nullptr;
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        auto next = std::make_unique<FakeResolved>(loop, ends[0]);
        if (resolved) next->calls = resolved->calls;
        resolved = std::move(next);
        sd_bus* bus = nullptr;
        REQUIRE(sd_bus_new(&bus) >= 0);
        REQUIRE(sd_bus_set_fd(bus, ends[1], ends[1]) >= 0);
        REQUIRE(sd_bus_start(bus) >= 0);
        return bus;
    }
    // A little longer, in which nothing is to happen.
    void run(Duration quiet = 20ms) { sheaf::daemon::test::run_until_quiet(loop, quiet); }
    // Until it holds; machines can be slow.
    template <class Condition>
    bool until(Condition holds) {
        for (const Instant end = now() + 10s; !holds() && now() < end;)
            run(2ms);
        return holds();
    }
    bool told(std::string_view text) {
        return until([&] { return logged.find(text) != std::string::npos; });
    }
    // The calls that come of it, of which at least so many are expected.
    std::vector<std::string> set(const ike::NameServers& names, std::size_t calls) {
        if (resolved) resolved->calls.clear();
        resolver->set(names);
        (void)until([&] { return calls == 0 || (resolved && resolved->calls.size() >= calls); });
        run();
        return resolved ? resolved->calls : std::vector<std::string>{};
    }
};

ike::NameServers servers(std::vector<std::string> domains = {}) {
    return {
        "sheaf0", {*IpAddress::parse("2001:db8:9::53"), *IpAddress::parse("10.9.0.53")}, std::move(domains)};
}

ike::NameServers nobody() { return {"sheaf0", {}, {}}; }

using Calls = std::vector<std::string>;

} // namespace

TEST_CASE("Name servers without domains are asked for everything", "[daemon]") {
    Bench bench;
    CHECK(bench.set(servers(), 3) == Calls{"SetLinkDefaultRoute 7 true", "SetLinkDomains 7 ~.",
                                           "SetLinkDNS 7 2001:db8:9::53 10.9.0.53"});
    CHECK(bench.resolved->all_may_not_start_it);
    CHECK(bench.told("\n"));
    CHECK(bench.logged == "<6>sheaf0: names are asked of 2001:db8:9::53, 10.9.0.53\n");
}

TEST_CASE("Name servers with domains are asked for those alone", "[daemon]") {
    Bench bench;
    CHECK(bench.set(servers({"example.org", "corp.example"}), 3) ==
          Calls{"SetLinkDefaultRoute 7 false", "SetLinkDomains 7 ~example.org ~corp.example",
                "SetLinkDNS 7 2001:db8:9::53 10.9.0.53"});
    CHECK(bench.told("\n"));
    CHECK(bench.logged ==
          "<6>sheaf0: names below example.org, corp.example are asked of 2001:db8:9::53, 10.9.0.53\n");
}

TEST_CASE("When the link goes its name servers go, by the index that it had", "[daemon]") {
    Bench bench;
    (void)bench.set(servers(), 3);
    bench.index = 9; // a new interface of that name
    CHECK(bench.set(nobody(), 1) == Calls{"RevertLink 7"});
    CHECK(bench.told("<6>sheaf0: name servers are given back\n"));
    CHECK(bench.set(nobody(), 0).empty());
    CHECK(bench.connections == 1);
}

TEST_CASE("Links have name servers of their own", "[daemon]") {
    Bench bench;
    (void)bench.set(servers(), 3);
    auto other = servers({"example.org"});
    other.interface = "sheaf1";
    CHECK(bench.set(other, 3).front() == "SetLinkDefaultRoute 8 false");
    CHECK(bench.set(nobody(), 1) == Calls{"RevertLink 7"});
    CHECK(bench.set({"sheaf1", {}, {}}, 1) == Calls{"RevertLink 8"});
}

TEST_CASE("A host without a bus is no error, and is told once", "[daemon]") {
    Bench bench;
    bench.bus_is_there = false;
    (void)bench.set(servers(), 0);
    CHECK(bench.logged ==
          "<6>sheaf0: name servers are only shown in sheafctl status: no systemd-resolved runs "
          "here (No such file or directory)\n");
    (void)bench.set(servers(), 0);
    CHECK(std::ranges::count(bench.logged, '\n') == 1);
}

TEST_CASE("A bus without systemd-resolved is no error, and is told once", "[daemon]") {
    Bench bench;
    (void)bench.set(nobody(), 0);
    CHECK(bench.connections == 0);
    bench.resolver->set(servers());
    bench.resolved->refused_method = "*";
    bench.resolved->error = SD_BUS_ERROR_SERVICE_UNKNOWN;
    CHECK(bench.told("\n"));
    CHECK(bench.set(nobody(), 0).empty()); // nothing is to be taken back
    CHECK(bench.logged ==
          "<6>sheaf0: name servers are only shown in sheafctl status: no systemd-resolved runs "
          "here (the words)\n");
}

TEST_CASE("systemd-resolved is told when it starts later", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers({"example.org"}));
    bench.resolved->refused_method = "*";
    bench.resolved->error = SD_BUS_ERROR_SERVICE_UNKNOWN;
    REQUIRE(bench.told("\n"));
    bench.resolved->refused_method.clear();
    bench.resolved->calls.clear();
    bench.resolved->owner_changed("org.freedesktop.resolve1", "");
    bench.resolved->owner_changed("org.freedesktop.hostname1", ":1.8");
    bench.run();
    CHECK(bench.resolved->calls.empty());
    bench.resolved->owner_changed("org.freedesktop.resolve1", ":1.9");
    CHECK(bench.told("<6>sheaf0: names below example.org are asked of 2001:db8:9::53, 10.9.0.53\n"));
    CHECK(bench.resolved->calls.size() == 3);
    CHECK(bench.set(nobody(), 1) == Calls{"RevertLink 7"});
    bench.resolved->calls.clear();
    bench.resolved->owner_changed("org.freedesktop.resolve1", ":1.10");
    bench.run();
    CHECK(bench.resolved->calls.empty());
}

TEST_CASE("A refusal is warned about once, with the remedy", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers());
    bench.resolved->refused_method = "*";
    bench.resolved->error = SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED;
    CHECK(bench.told("\n"));
    CHECK(bench.set(nobody(), 0).empty());
    CHECK(bench.logged ==
          "<4>sheaf0: name servers are not used, systemd-resolved refuses them: the words; the polkit rule "
          "sheaf-resolved.rules lets the user sheaf set them, see \"Name servers\" in docs/operating.md\n");
}

TEST_CASE("What was taken in part is taken back", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers({"example.org"}));
    bench.resolved->refused_method = "SetLinkDomains";
    bench.resolved->error = "org.freedesktop.DBus.Error.InvalidArgs";
    CHECK(bench.until([&] { return std::ranges::count(bench.resolved->calls, "RevertLink 7") == 1; }));
    CHECK(bench.logged.starts_with("<4>sheaf0: name servers are not used: systemd-resolved: the words\n"));
}

TEST_CASE("An earlier failure does not take back what came later", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers());
    bench.resolved->refused_method = "SetLinkDomains";
    bench.resolved->error = "org.freedesktop.DBus.Error.InvalidArgs";
    bench.resolved->refusals = 1;
    bench.resolver->set(servers({"example.org"}));
    CHECK(bench.told("names below example.org are asked of"));
    bench.run();
    CHECK(bench.logged.find("name servers are not used: systemd-resolved: the words") != std::string::npos);
    CHECK(std::ranges::count(bench.resolved->calls, "RevertLink 7") == 0);
}

TEST_CASE("What is no domain is left out, and none left does not mean all", "[daemon]") {
    Bench bench;
    const auto calls = bench.set(servers({"example.org", "", ".", "a..b", "a b", std::string("a\0b", 3),
                                          "\xff", std::string(254, 'a')}),
                                 3);
    REQUIRE(calls.size() == 3);
    CHECK(calls[1] == "SetLinkDomains 7 ~example.org");
    CHECK(
        bench.logged.find("sheaf0: domains that the gateway names and that are none are left out: 7 of 8") !=
        std::string::npos);
    CHECK(bench.set(servers({"."}), 1) == Calls{"RevertLink 7"});
    CHECK(bench.set(servers({"."}), 0).empty());
}

TEST_CASE("An interface that is not there is warned about", "[daemon]") {
    Bench bench;
    bench.index = 0;
    CHECK(bench.set(servers(), 0).empty());
    CHECK(bench.logged == "<4>sheaf0: name servers are not used: there is no such interface\n");
    CHECK(bench.connections == 0);
}

TEST_CASE("A bus that is gone is connected to again", "[daemon]") {
    Bench bench;
    (void)bench.set(servers(), 3);
    bench.resolved.reset();
    bench.run();
    CHECK(bench.set(servers({"example.org"}), 3).size() == 3);
    CHECK(bench.connections == 2);
    CHECK(bench.told("names below example.org are asked of 2001:db8:9::53, 10.9.0.53\n"));
}

TEST_CASE("A bus that ends with calls unanswered is a warning", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers());
    bench.resolved->silent = true;
    CHECK(bench.until([&] { return bench.resolved->calls.size() == 3; }));
    CHECK(bench.logged.empty());
    bench.resolved.reset();
    CHECK(bench.told("\n"));
    CHECK(bench.logged.starts_with("<4>sheaf0: name servers are not used: systemd-resolved: "));
}

TEST_CASE("A resolver may end while calls are on their way", "[daemon]") {
    Bench bench;
    bench.resolver->set(servers());
    bench.resolver.reset();
    bench.run();
    CHECK(bench.logged.empty());
}

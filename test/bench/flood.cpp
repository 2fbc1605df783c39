// What a flood of IKE_SA_INIT requests from spoofed addresses does to those who are honest: an established
// client with liveness checks of one second, and new clients, one each second. The same without a flood comes
// first, in the same run, to compare with.

#include "daemon/clock.h"
#include "lib/crypto/system_random.h"
#include "test/bench/gateway_process.h"
#include "test/bench/spoofer.h"
#include "test/bench/udp_client.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <optional>
#include <poll.h>
#include <unistd.h>
#include <vector>

using namespace sheaf;
using namespace sheaf::bench;
using namespace std::chrono_literals;

namespace {

constexpr unsigned kGuard = 60; // seconds, after which the system ends all of it
constexpr Duration kAim = 5s;   // for a new client under the flood

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// The honest ones: the first is there all the time.
class Clients {
  public:
    explicit Clients(const Endpoint& gateway) : gateway_(gateway) { add(1s); }

    UdpClient& first() { return all_.front(); }
    UdpClient& add(Duration liveness = 30s) {
        const Instant now = daemon::now();
        auto& client =
            all_.emplace_back(gateway_, static_cast<unsigned>(all_.size()), liveness, random_, now);
        client.start(now);
        return client;
    }
    // Lets them work until then.
    void run_until(Instant end) {
        for (Instant now = daemon::now(); now < end; now = daemon::now())
            turn(now, end);
    }
    Bytes request() {
        return UdpClient(gateway_, 0, 0s, random_, daemon::now()).first_request(daemon::now());
    }

  private:
    void turn(Instant now, Instant end) {
        std::vector<pollfd> sockets;
        Instant next = end;
        for (auto& client : all_) {
            sockets.push_back({client.fd(), POLLIN, 0});
            if (const auto at = client.next_timeout()) next = std::min(next, *at);
        }
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now, Duration{}));
        ::poll(sockets.data(), sockets.size(), static_cast<int>(wait.count()));
        now = daemon::now();
        auto socket = sockets.begin();
        for (auto& client : all_) {
            if ((socket++)->revents != 0) client.on_readable(now);
            if (const auto at = client.next_timeout(); at && *at <= now) client.on_timeout(now);
        }
    }

    Endpoint gateway_;
    crypto::SystemRandom random_;
    std::list<UdpClient> all_; // an engine keeps the address of its surroundings
};

// What one stretch of time showed.
struct Stretch {
    std::vector<double> took; // milliseconds, of the new clients that got in
    std::size_t started = 0;
    UdpClient::Liveness liveness; // of the established client
    std::size_t sent_again = 0;
    double seconds = 0;
    std::uint64_t spoofed = 0;
    GatewayProcess::Counters before;
    GatewayProcess::Counters after;

    [[nodiscard]] double per_second() const { return static_cast<double>(spoofed) / seconds; }
    [[nodiscard]] bool all_in() const {
        return took.size() == started && std::ranges::max(took) <= milliseconds(kAim);
    }
    [[nodiscard]] std::uint64_t refused(const char* rule) const {
        const auto count = [&](const GatewayProcess::Counters& of) {
            const auto found = of.refused.find(rule);
            return found == of.refused.end() ? 0 : found->second;
        };
        return count(after) - count(before);
    }
};

// Starts `count` clients, one each `pace`, and waits for the last of them as long as the aim allows.
Stretch observe(const GatewayProcess& gateway, Clients& clients, std::size_t count, Duration pace,
                const Spoofer* spoofer) {
    Stretch out;
    out.before = gateway.counters();
    const auto spoofed = [&] { return spoofer ? spoofer->sent() : 0; };
    const Instant begin = daemon::now();
    const std::uint64_t spoofed_before = spoofed();
    UdpClient& first = clients.first();
    const auto message_id = first.next_message_id();
    const auto sent_again = first.sent_again();
    std::vector<UdpClient*> started;
    for (; started.size() < count; clients.run_until(begin + pace * started.size()))
        started.push_back(&clients.add());
    const auto missing = [&] {
        return std::ranges::any_of(started, [](const UdpClient* client) { return !client->took(); });
    };
    const Instant patience = daemon::now() + kAim;
    while (missing() && daemon::now() < patience)
        clients.run_until(daemon::now() + 10ms);
    out.seconds = std::chrono::duration<double>(daemon::now() - begin).count();
    out.spoofed = spoofed() - spoofed_before;
    out.liveness = first.liveness_since(message_id);
    out.sent_again = first.sent_again() - sent_again;
    out.started = started.size();
    for (const UdpClient* client : started)
        if (const auto took = client->took()) out.took.push_back(milliseconds(*took));
    std::ranges::sort(out.took);
    out.after = gateway.counters();
    return out;
}

void print(const char* title, const Stretch& s) {
    const auto ms = [](std::chrono::nanoseconds t) {
        return std::chrono::duration<double, std::milli>(t).count();
    };
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("%s, %.1f s\n", title, s.seconds);
    std::printf("  spoofed IKE_SA_INIT         %.0f a second (%llu)\n", s.per_second(), number(s.spoofed));
    std::printf("  new clients                 %zu of %zu are in", s.took.size(), s.started);
    if (!s.took.empty())
        std::printf(", after %.1f / %.1f / %.1f ms (min / median / max)", s.took.front(),
                    s.took[s.took.size() / 2], s.took.back());
    std::printf("\n  liveness of the first       %zu asked, %zu answered, %zu sent again\n", s.liveness.asked,
                s.liveness.answered, s.sent_again);
    std::printf("  sheafd: datagrams           %llu taken, %llu sent, %llu lost before it\n",
                number(s.after.datagrams_in - s.before.datagrams_in),
                number(s.after.datagrams_out - s.before.datagrams_out), number(s.after.lost - s.before.lost));
    // What was sent and neither taken nor lost; those under way and the honest ones are few.
    const auto reached = s.spoofed - std::min(s.spoofed, s.after.lost - s.before.lost);
    const auto taken = s.after.datagrams_in - s.before.datagrams_in;
    std::printf("  sheafd: dropped as overload about %llu\n", number(reached - std::min(reached, taken)));
    std::printf("  sheafd: IKE SAs             %llu established, %llu half open\n",
                number(s.after.established), number(s.after.half_open));
    std::printf(
        "  sheafd: refused             cookie_required %llu, bad_cookie %llu, too_many_half_open %llu\n",
        number(s.refused("cookie_required")), number(s.refused("bad_cookie")),
        number(s.refused("too_many_half_open")));
    std::printf("  sheafd: retransmits         %llu\n", number(s.after.retransmits - s.before.retransmits));
    std::printf("  sheafd: processor           %.0f %% of one; `status` answered in %.1f ms\n",
                100 * ms(s.after.worked - s.before.worked) / (1000 * s.seconds), ms(s.after.answered_in));
}

} // namespace

int main(int argc, char** argv) {
    const unsigned long per_second = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20000;
    if (per_second == 0 || per_second > 1'000'000) {
        std::fprintf(stderr, "usage: flood [REQUESTS PER SECOND, 1 to 1000000]\n");
        return 2;
    }
    ::alarm(kGuard);
    GatewayProcess gateway;
    (void)gateway.counters(); // it is there
    Clients clients(gateway.endpoint());
    clients.run_until(daemon::now() + 1s);
    if (!clients.first().took()) {
        std::fprintf(stderr, "bench: the first client did not come up\n");
        return 1;
    }
    const Stretch quiet = observe(gateway, clients, 20, 250ms, nullptr);
    print("without a flood", quiet);
    Spoofer spoofer(gateway.endpoint(), clients.request(), static_cast<unsigned>(per_second));
    const Stretch flood = observe(gateway, clients, 20, 1s, &spoofer);
    spoofer.stop();
    print("under the flood", flood);

    // One may be under way at the end.
    const bool stayed = clients.first().losses() == 0 && flood.liveness.answered > 0 &&
                        flood.liveness.answered + 1 >= flood.liveness.asked;
    if (!quiet.took.empty() && !flood.took.empty())
        std::printf("flood / quiet, median        %.1f, and the slowest %.1f times the quiet median\n",
                    flood.took[flood.took.size() / 2] / quiet.took[quiet.took.size() / 2],
                    flood.took.back() / quiet.took[quiet.took.size() / 2]);
    std::printf("the established SA stayed    %s\n", stayed ? "yes" : "NO");
    std::printf("all new clients within 5 s   %s\n", flood.all_in() ? "yes" : "NO");
    return stayed && flood.all_in() ? 0 : 1;
}

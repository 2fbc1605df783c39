// Many clients at one engine: does the last one cost what the first one did, in time and in memory?

#include "lib/crypto/system_random.h"
#include "test/bench/simulated_client.h"
#include "test/support/wire_net.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <vector>

using namespace sheaf;
using namespace sheaf::bench;

namespace {

using Clock = CpuClock;

// As few as give a steady median.
constexpr std::size_t kSample = 500;

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

// So many that /64s and addresses suffice.
ike::Config gateway_for(std::size_t clients) {
    auto config = test::gateway_config(clients);
    config.pools[0] = {.name = "v6", .prefix = *Prefix::parse("2001:db8::/40"), .delegate = 64};
    config.limits.ike_sas = clients + 1;
    return config;
}

// How long the engine needs to see that nothing is due for anybody, and to tell what there is.
void measure_standing(ike::Engine& engine, Instant now, std::size_t clients) {
    const auto before = Clock::now();
    engine.on_timeout(now + std::chrono::seconds(1));
    const auto idle = Clock::now();
    const auto status = engine.status();
    const auto told = Clock::now();
    std::printf("a timeout with nothing due %.3f ms\n", milliseconds(idle - before));
    std::printf("status of all              %.1f ms, %.1f us for each\n", milliseconds(told - idle),
                milliseconds(told - idle) * 1000 / static_cast<double>(clients));
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t clients = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20000;
    if (clients < 2 * kSample || clients > 100000) {
        std::fprintf(stderr, "usage: clients [CLIENTS, %zu to 100000]\n", 2 * kSample);
        return 2;
    }
    crypto::SystemRandom random;
    const Instant now{std::chrono::seconds(1)};
    SimulatedGateway gateway(gateway_for(clients), random, now);
    std::vector<double> handshakes;
    handshakes.reserve(clients);
    const std::size_t before = mallinfo2().uordblks;
    for (std::size_t i = 0; i < clients; ++i) {
        // The client is gone before the next one comes: what stays on the heap is the gateway's.
        SimulatedClient client(i, random, now);
        handshakes.push_back(handshake(gateway, client, now).count());
    }
    const double heap = static_cast<double>(mallinfo2().uordblks - before);
    const auto status = gateway.engine().status();
    const auto established = static_cast<std::size_t>(std::ranges::count_if(
        status.ike_sas, [](const ike::IkeSaStatus& sa) { return sa.state == "established"; }));
    const double first = median({handshakes.begin(), handshakes.begin() + kSample});
    const double last = median({handshakes.end() - kSample, handshakes.end()});
    std::printf("clients established        %zu of %zu\n", established, clients);
    std::printf("handshake, first %zu       %.1f us (median)\n", kSample, first);
    std::printf("handshake, last %zu        %.1f us (median), %.2f times the first\n", kSample, last,
                last / first);
    std::printf("memory per client          %.0f octets\n", heap / static_cast<double>(clients));
    measure_standing(gateway.engine(), now, clients);
    return established == clients ? 0 : 1;
}

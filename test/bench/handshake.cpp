// How long a handshake takes the responder, and how much memory an established client takes: simulated
// clients against one engine whose kernel only records. The raw cost of the two X25519 operations that no
// responder can avoid is measured in the same process, in turns with the handshakes, so that the ratio holds
// on a noisy machine.

#include "lib/crypto/backend.h"
#include "lib/crypto/key_exchange.h"
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
using namespace sheaf::test;

namespace {

using Clock = CpuClock;

struct Result {
    std::vector<double> handshakes; // microseconds that the responder worked, per client
    std::vector<double> raw;        // two X25519 operations
    std::size_t established = 0;
    double bytes_per_client = 0;
};

std::size_t heap_in_use() { return mallinfo2().uordblks; }

// The two operations of a responder: a fresh key pair, and the shared secret.
double raw_exchange(crypto::Backend& backend, Random& random, const Bytes& peer_public) {
    const auto before = Clock::now();
    const auto exchange = crypto::KeyExchange::create(backend, crypto::KeId::x25519, random);
    const auto shared = exchange.agree(peer_public, random);
    const auto after = Clock::now();
    if (!shared) std::abort();
    return Microseconds(after - before).count();
}

Result run(std::size_t clients) {
    crypto::SystemRandom random;
    crypto::Backend backend;
    const Instant now{std::chrono::seconds(1)};
    SimulatedGateway gateway(gateway_config(clients), random, now);
    const Bytes peer = crypto::KeyExchange::create(backend, crypto::KeId::x25519, random).public_value();
    Result result;
    result.handshakes.reserve(clients);
    result.raw.reserve(clients);
    const std::size_t before = heap_in_use();
    for (std::size_t i = 0; i < clients; ++i) {
        // The client is gone before the next one comes: what stays on the heap is the gateway's.
        SimulatedClient client(i, random, now);
        result.raw.push_back(raw_exchange(backend, random, peer));
        result.handshakes.push_back(handshake(gateway, client, now).count());
    }
    result.bytes_per_client = static_cast<double>(heap_in_use() - before) / static_cast<double>(clients);
    for (const auto& sa : gateway.engine().status().ike_sas)
        result.established += sa.state == "established" ? 1U : 0U;
    return result;
}

double quantile(std::vector<double> values, double q) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t clients = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
    if (clients == 0 || clients > 60000) {
        std::fprintf(stderr, "usage: handshake [CLIENTS, 1 to 60000]\n");
        return 2;
    }
    const Result result = run(clients);
    const double handshake_us = quantile(result.handshakes, 0.5);
    const double raw_us = quantile(result.raw, 0.5);
    std::printf("clients established        %zu of %zu\n", result.established, clients);
    std::printf("handshake, responder       %.1f us (median), %.1f us (p99)\n", handshake_us,
                quantile(result.handshakes, 0.99));
    std::printf("two X25519 operations      %.1f us (median), %.1f us (p99)\n", raw_us,
                quantile(result.raw, 0.99));
    std::printf("handshake / raw            %.2f (aim: at most 1.80)\n", handshake_us / raw_us);
    std::printf("memory per client          %.0f octets (aim: at most 6144)\n", result.bytes_per_client);
    return result.established == clients ? 0 : 1;
}

#pragma once

#include "lib/address/lease_book.h"
#include "lib/base/random.h"
#include "lib/ike/engine.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Engines against one another without network and kernel, to see what one of them costs.
namespace sheaf::bench {

using Microseconds = std::chrono::duration<double, std::micro>;

// What this thread has worked, whatever else the machine does.
struct CpuClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<CpuClock>;
    static constexpr bool is_steady = true;
    [[nodiscard]] static time_point now();
};

struct FixedSource final : ike::Surroundings {
    std::optional<IpAddress> address;
    Bytes secret = Bytes(16, 1);
    View stable_secret() override { return secret; }
    std::optional<IpAddress> source_for(const IpAddress&) override { return address; }
    WallTime wall_time() override { return {}; }
};

// A gateway with its pools and without a kernel: its intents succeed, and what it stores is stored. What the pools,
// the kernel and the disk take is not the engine's time.
class SimulatedGateway {
  public:
    SimulatedGateway(ike::Config config, Random& random, Instant now);
    [[nodiscard]] ike::Engine& engine() { return *engine_; }

    struct Worked {
        Microseconds time{};
        std::vector<ike::Datagram> datagrams;
    };
    // One datagram, and all that follows from it until it is quiet.
    Worked datagram(Instant now, const ike::Datagram& datagram);
    // Likewise for another verb of the engine's.
    Worked work(Instant now, const std::function<void()>& verb);

  private:
    FixedSource source_;
    address::LeaseBook leases_;
    std::unique_ptr<ike::Engine> engine_;
};

// A client without a kernel. Identity and address come from the number, below 16,777,216. `group`: one that it joins
// by its connection.
struct SimulatedClient {
    SimulatedClient(std::size_t index, Random& random, Instant now, const std::string& group = {});
    // A datagram of the gateway's, with its answers.
    std::vector<ike::Datagram> datagram(Instant now, const ike::Datagram& datagram);
    std::vector<ike::Datagram> take(Instant now);
    FixedSource source;
    std::unique_ptr<ike::Engine> engine;
};

// IKE_SA_INIT and IKE_AUTH; what the gateway worked for them.
Microseconds handshake(SimulatedGateway& gateway, SimulatedClient& client, Instant now);

} // namespace sheaf::bench

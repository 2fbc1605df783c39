#pragma once

#include "daemon/udp_socket.h"
#include "lib/base/random.h"
#include "lib/ike/engine.h"

#include <cstdint>
#include <optional>
#include <set>

namespace sheaf::bench {

// An honest client: an engine with a UDP socket on loopback and a kernel that agrees to everything.
class UdpClient final : ike::Surroundings {
  public:
    // Identity and address come from the number. `random` must outlive it.
    UdpClient(const Endpoint& gateway, unsigned number, Duration liveness, Random& random, Instant now);

    [[nodiscard]] int fd() const { return socket_.fd(); }
    [[nodiscard]] std::optional<Instant> next_timeout() const { return engine_.next_timeout(); }

    void start(Instant now);
    void on_readable(Instant now);
    void on_timeout(Instant now);
    // The IKE_SA_INIT request that it would send; it is not sent, and the client is of no further use.
    [[nodiscard]] Bytes first_request(Instant now);

    // From start() until the Child SA is there; none before.
    [[nodiscard]] std::optional<Duration> took() const { return took_; }
    [[nodiscard]] unsigned losses() const { return losses_; } // how often its IKE SA ended
    [[nodiscard]] std::size_t sent_again() const { return sent_again_; }

    // Its INFORMATIONAL requests from this one on, and how many of them were answered.
    struct Liveness {
        std::size_t asked = 0;
        std::size_t answered = 0;
    };
    [[nodiscard]] Liveness liveness_since(std::uint32_t message_id) const;
    [[nodiscard]] std::uint32_t next_message_id() const { return asked_.empty() ? 0 : *asked_.rbegin() + 1; }

  private:
    std::optional<IpAddress> source_for(const IpAddress&) override { return socket_.bound().address; }
    View stable_secret() override { return secret_; }
    WallTime wall_time() override { return {}; }
    void carry_out(Instant now);
    void note_sent(const ike::Datagram& datagram);
    void note_received(const ike::Datagram& datagram);

    Bytes secret_ = Bytes(16, 1);
    daemon::UdpSocket socket_;
    ike::Engine engine_;
    Instant started_;
    std::optional<Duration> took_;
    unsigned losses_ = 0;
    Bytes last_sent_;
    std::set<std::uint32_t> asked_; // message IDs of INFORMATIONAL requests
    std::set<std::uint32_t> answered_;
    std::size_t sent_again_ = 0;
};

} // namespace sheaf::bench

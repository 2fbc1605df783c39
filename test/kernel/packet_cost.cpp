#include "test/kernel/packet_cost.h"

#include "test/kernel/crowd.h"
#include "test/kernel/star.h"
#include "test/kernel/world.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace sheaf::kernel_test {
namespace {

constexpr unsigned kBurst = 8; // packets under way together; some milliseconds

enum class Layout : std::uint8_t { shared, thresholds, devices };
constexpr std::array kLayouts{Layout::shared, Layout::thresholds, Layout::devices};

const char* name_of(Layout layout) {
    switch (layout) {
    case Layout::shared: return "one interface, if_id per client";
    case Layout::thresholds: return "the same, SPD hash thresholds 0 64";
    case Layout::devices: return "an xfrm interface per client";
    }
    return "?";
}

// ICMPv6 echo from a client to a host of the gateway's.
class Echo {
  public:
    explicit Echo(const World& world) {
        world.enter();
        socket_ = ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
        icmp6_filter replies;
        ICMP6_FILTER_SETBLOCKALL(&replies);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies);
        setsockopt(socket_, IPPROTO_ICMPV6, ICMP6_FILTER, &replies, sizeof replies);
        const timeval patience{.tv_sec = 1, .tv_usec = 0};
        setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        std::ranges::copy(ip("2001:db8:9::53").view(), to.sin6_addr.s6_addr);
        connected_ = connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    }
    ~Echo() { ::close(socket_); }
    Echo(const Echo&) = delete;
    Echo& operator=(const Echo&) = delete;

    // Seconds for kBurst round trips; none when one was lost.
    [[nodiscard]] std::optional<double> burst() const {
        if (!connected_) return std::nullopt;
        icmp6_hdr request{};
        request.icmp6_type = ICMP6_ECHO_REQUEST;
        std::array<std::uint8_t, 256> reply{};
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < kBurst; ++i) {
            if (::send(socket_, &request, sizeof request, 0) < 0) return std::nullopt;
        }
        for (unsigned i = 0; i < kBurst; ++i) {
            if (::recv(socket_, reply.data(), reply.size(), 0) < 0) return std::nullopt;
        }
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }

  private:
    int socket_ = -1;
    bool connected_ = false;
};

// A gateway with one client that is measured, its number 1, and a crowd.
struct Place {
    Star star{1};
    std::unique_ptr<Echo> echo;
    std::vector<double> bursts; // in seconds
    double filled_in = 0;       // seconds

    std::string fill(Layout layout, unsigned crowd) {
        const Range all{1, 1 + crowd};
        star.gateway.enter();
        if (layout == Layout::thresholds) shell("ip xfrm policy set hthresh6 0 64");
        std::string error;
        if (layout == Layout::devices) {
            error = install_with_devices(star.gateway, all);
            star.gateway.enter();
            shell("ip -6 rule add priority 5300 table 5300");
        } else {
            error = install(*star.at_gateway, all);
        }
        if (!error.empty()) return error;
        const Outcome outcome = apply(*star.client(1).kernel, opening(1, child::LinkRole::client));
        if (outcome.error) return *outcome.error;
        echo = std::make_unique<Echo>(star.client(1).world);
        if (!echo->burst()) return "no answer through the tunnel";
        return {};
    }
};

// The lower quartile: what a shared machine does meanwhile makes single bursts slower, never faster.
double typical(std::vector<double> values) {
    std::ranges::sort(values);
    return values.at(values.size() / 4);
}

bool sample(Place& place) {
    const auto seconds = place.echo->burst();
    if (seconds) place.bursts.push_back(*seconds);
    return seconds.has_value();
}

bool measure(Layout layout, const std::vector<unsigned>& crowds, unsigned rounds, Place& reference) {
    std::vector<std::unique_ptr<Place>> places;
    for (const unsigned crowd : crowds) {
        places.push_back(std::make_unique<Place>());
        const Instant begin = now();
        if (const std::string error = places.back()->fill(layout, crowd); !error.empty()) {
            std::printf("  %-36s %6u others: %s\n", name_of(layout), crowd, error.c_str());
            return false;
        }
        places.back()->filled_in = std::chrono::duration<double>(now() - begin).count();
    }
    reference.bursts.clear();
    shell("sleep 2"); // hash tables grow in the background
    for (unsigned round = 0; round < rounds; ++round) {
        bool answered = sample(reference);
        for (const auto& place : places)
            answered = answered && sample(*place);
        if (!answered) {
            std::printf("  %s: a packet was lost\n", name_of(layout));
            return false;
        }
    }
    const double least = typical(places.front()->bursts), known = typical(reference.bursts);
    for (std::size_t i = 0; i < places.size(); ++i) {
        const double own = typical(places[i]->bursts);
        std::printf("  %-36s %6u others: %5.0f us, %.2f of that with %u others, %.2f of the reference; "
                    "installed at %.0f clients per second\n",
                    name_of(layout), crowds[i], own / kBurst * 1e6, own / least, crowds.front(), own / known,
                    crowds[i] / places[i]->filled_in);
    }
    std::fflush(stdout);
    return true;
}

} // namespace

bool measure_packets(const std::vector<unsigned>& crowds, unsigned rounds) {
    std::printf(
        "packets of one client through ESP (median of %u interleaved rounds; reference: one interface, "
        "10 others)\n",
        rounds);
    Place reference;
    if (const std::string error = reference.fill(Layout::shared, 10); !error.empty()) {
        std::printf("  %s\n", error.c_str());
        return false;
    }
    bool good = true;
    for (const Layout layout : kLayouts) {
        auto sizes = crowds;
        // Its interfaces take the kernel longer to make than all else together.
        if (layout == Layout::devices) sizes.pop_back();
        good &= measure(layout, sizes, rounds, reference);
    }
    return good;
}

} // namespace sheaf::kernel_test

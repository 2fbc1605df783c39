#include "test/kernel/packet_cost.h"

#include "test/kernel/crowd.h"
#include "test/kernel/star.h"
#include "test/kernel/world.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace sheaf::kernel_test {
namespace {

constexpr unsigned kInFlight = 8;
constexpr Duration kSample = std::chrono::milliseconds(500);

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

    // Round trips per second; 0 when one was lost.
    [[nodiscard]] double rate() const {
        if (!connected_) return 0;
        icmp6_hdr request{};
        request.icmp6_type = ICMP6_ECHO_REQUEST;
        std::array<std::uint8_t, 256> reply{};
        std::size_t trips = 0;
        const Instant begin = now();
        Instant at = begin;
        for (; at < begin + kSample; at = now(), trips += kInFlight) {
            for (unsigned i = 0; i < kInFlight; ++i) {
                if (::send(socket_, &request, sizeof request, 0) < 0) return 0;
            }
            for (unsigned i = 0; i < kInFlight; ++i) {
                if (::recv(socket_, reply.data(), reply.size(), 0) < 0) return 0;
            }
        }
        return static_cast<double>(trips) / std::chrono::duration<double>(at - begin).count();
    }

  private:
    int socket_ = -1;
    bool connected_ = false;
};

// A gateway with one client that is measured, its number 1, and a crowd.
struct Place {
    Star star{1};
    std::unique_ptr<Echo> echo;
    std::vector<double> rates;

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
        if (echo->rate() == 0) return "no answer through the tunnel";
        return {};
    }
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.at(values.size() / 2);
}

// Ratios are of neighbours in time: a machine's mood changes from second to second.
double cost_against(const Place& reference, const Place& place) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < place.rates.size(); ++i)
        ratios.push_back(reference.rates.at(i) / place.rates[i]);
    return median(std::move(ratios));
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
        std::fprintf(stderr, "%s, %u others: installed in %.1f s\n", name_of(layout), crowd,
                     std::chrono::duration<double>(now() - begin).count());
    }
    reference.rates.clear();
    shell("sleep 2"); // hash tables grow in the background
    bool lost = false;
    for (unsigned round = 0; round < rounds; ++round) {
        reference.rates.push_back(reference.echo->rate());
        for (const auto& place : places)
            place->rates.push_back(place->echo->rate());
        lost |= reference.rates.back() == 0;
        for (const auto& place : places)
            lost |= place->rates.back() == 0;
    }
    for (std::size_t i = 0; i < places.size(); ++i)
        std::printf("  %-36s %6u others: %6.0f round trips per second, cost against 10 others %.2f, against "
                    "the reference %.2f\n",
                    name_of(layout), crowds[i], median(places[i]->rates),
                    cost_against(*places[0], *places[i]), cost_against(reference, *places[i]));
    std::fflush(stdout);
    return !lost;
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
    for (const Layout layout : kLayouts)
        good &= measure(layout, crowds, rounds, reference);
    return good;
}

} // namespace sheaf::kernel_test

// Seeded bad networks: datagrams are lost, doubled and late, so that they overtake each other; gateway and
// clients come and go, rekey and authenticate anew. Whatever happens, when the network is good again both
// ends agree, and nothing is left behind.

#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr std::size_t kClients = 3;

class BadNetwork {
  public:
    explicit BadNetwork(std::uint64_t seed) : chance_(seed) {
        net.add(kGateway, gateway_config(kClients));
        for (std::size_t i = 0; i < kClients; ++i)
            net.add("198.51.100." + std::to_string(i + 1), client_config(kGateway, i));
        net.on_wire = [this](ike::Datagram& datagram) { return meddle(datagram); };
    }

    void run_for(Duration duration) {
        for (const Instant end = net.now + duration; net.now < end;) {
            net.run_for(20ms);
            deliver_late();
            check();
        }
    }

    void heal() {
        bad_ = false;
        late_.clear();
    }

    // What must hold at every moment.
    void check() {
        for (std::size_t i = 0; i <= kClients; ++i)
            CHECK(net.host(i).kernel.breaches.empty());
        std::set<Prefix> routed;
        for (const auto& [number, link] : net.host(0).kernel.links) {
            for (const Prefix& route : link.routes)
                CHECK(routed.insert(route).second);
        }
    }

    // An operator who pulls something now and then.
    void disturb() {
        Host& client = net.host(1 + chance_.below(kClients));
        Host& gateway = net.host(0);
        switch (chance_.below(11)) {
        case 0: static_cast<void>(client.engine.command(net.now, ike::Down{"home"})); break;
        case 1: static_cast<void>(client.engine.command(net.now, ike::Up{"home"})); break;
        case 2: static_cast<void>(gateway.engine.command(net.now, ike::Down{"clients"})); break;
        case 3: // as after SIGKILL
            gateway.engine = ike::Engine(gateway_config(kClients), gateway.random, gateway, net.now);
            gateway.kernel = {};
            break;
        case 4: gateway.kernel.fail_step = chance_.below(2) == 0 ? 0 : 4; break;
        case 5: rekey(client, "home"); break;
        case 6: rekey(gateway, "clients"); break;
        case 7: // both at once
            rekey(client, "home");
            rekey(gateway, "clients");
            break;
        case 8: static_cast<void>(client.engine.command(net.now, ike::Reauthenticate{"home"})); break;
        default: break;
        }
        net.settle();
    }

    WireNet net;

  private:
    void rekey(Host& host, const char* name) {
        const auto what = chance_.below(2) == 0 ? ike::Rekey::What::ike : ike::Rekey::What::children;
        static_cast<void>(host.engine.command(net.now, ike::Rekey{name, what}));
    }

    bool meddle(ike::Datagram& datagram) {
        if (!bad_) return true;
        const auto dice = chance_.below(100);
        if (dice < 20) return false;
        if (dice < 50) {
            late_.push_back({net.now + std::chrono::milliseconds(chance_.below(900)), datagram});
            return dice < 35; // doubled, or only late
        }
        return true;
    }

    void deliver_late() {
        for (bool found = true; found;) {
            const auto due = std::ranges::find_if(late_, [this](const Late& l) { return l.at <= net.now; });
            found = due != late_.end();
            if (!found) return;
            const ike::Datagram datagram = due->datagram;
            late_.erase(due);
            const bool was_bad = std::exchange(bad_, false);
            net.inject(datagram);
            bad_ = was_bad;
        }
    }

    struct Late {
        Instant at;
        ike::Datagram datagram;
    };
    SeededRandom chance_;
    bool bad_ = true;
    std::vector<Late> late_;
};

} // namespace

TEST_CASE("on any bad network both ends agree once it is good again") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        INFO("seed " << seed);
        BadNetwork sim(seed);
        for (int round = 0; round < 10; ++round) {
            sim.run_for(5s);
            sim.disturb();
        }
        sim.heal();
        for (std::size_t i = 1; i <= kClients; ++i)
            REQUIRE(sim.net.host(i).engine.command(sim.net.now, ike::Up{"home"}));
        sim.net.run_for(200s);
        sim.check();
        const Host& gateway = sim.net.host(0);
        REQUIRE(gateway.established() == kClients);
        CHECK(gateway.kernel.sas.size() == kClients);
        CHECK(gateway.kernel.links.size() == kClients);
        for (std::size_t i = 1; i <= kClients; ++i) {
            const Host& client = sim.net.host(i);
            REQUIRE(client.kernel.sas.size() == 1);
            const auto& ours = client.kernel.sas.begin()->second;
            const auto theirs = gateway.kernel.sas.find(ours.id.spi_out);
            REQUIRE(theirs != gateway.kernel.sas.end());
            CHECK(equal(theirs->second.in.encryption.view(), ours.out.encryption.view()));
            CHECK(equal(theirs->second.out.encryption.view(), ours.in.encryption.view()));
        }
        for (std::size_t i = 0; i <= kClients; ++i)
            REQUIRE(sim.net.host(i).engine.command(sim.net.now, ike::Shutdown{}));
        sim.net.run_for(60s);
        for (std::size_t i = 0; i <= kClients; ++i) {
            CHECK(sim.net.host(i).kernel.empty());
            CHECK(sim.net.host(i).engine.idle());
        }
    }
}

// NAT on the way, and fragments that have to get smaller.

#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

// A NAT between clients with private addresses and a gateway: what goes out gets its address and a port, what
// comes back is translated again. Mappings can be forgotten, so that new ports follow.
class Nat {
  public:
    explicit Nat(WireNet& net) : net_(net) {
        net.on_wire = [this](ike::Datagram& datagram) { return translate(datagram); };
    }
    void forget() {
        out_.clear();
        back_.clear();
    }
    // Packets that came without a mapping.
    std::size_t unmapped = 0;

  private:
    bool translate(ike::Datagram& datagram) {
        const IpAddress gateway = *IpAddress::parse(kGateway);
        if (datagram.peer.address == gateway) {
            const std::pair inside(datagram.local, datagram.peer.port);
            auto found = out_.find(inside);
            if (found == out_.end()) {
                found = out_.emplace(inside, Endpoint{address_, next_port_++}).first;
                back_.emplace(found->second, datagram.local);
            }
            datagram.local = found->second;
            return true;
        }
        const auto found = back_.find(datagram.peer);
        if (found == back_.end()) {
            ++unmapped;
            return false;
        }
        datagram.peer = found->second;
        return true;
    }
    WireNet& net_;
    IpAddress address_ = *IpAddress::parse("203.0.113.1");
    std::uint16_t next_port_ = 20000;
    std::map<std::pair<Endpoint, std::uint16_t>, Endpoint> out_;
    std::map<Endpoint, Endpoint> back_;
};

struct Behind {
    WireNet net;
    Host& gateway;
    Host& one;
    Host& two;
    Nat nat;
    Behind()
        : gateway(net.add(kGateway, gateway_config(2))), one(net.add("10.9.0.1", client_config(kGateway, 0))),
          two(net.add("10.9.0.2", client_config(kGateway, 1))), nat(net) {
        net.run_for(1s);
    }
};

std::size_t keepalives(const WireNet& net, const Host& from) {
    return static_cast<std::size_t>(std::ranges::count_if(
        net.log, [&](const ike::Datagram& d) { return d.keepalive && d.local.address == from.address; }));
}

} // namespace

TEST_CASE("two clients behind one NAT are told apart by their ports") {
    Behind all;
    REQUIRE(all.gateway.established() == 2);
    CHECK(all.gateway.kernel.pairs() == 2);
    std::set<Endpoint> peers;
    for (const auto& [spi, pair] : all.gateway.kernel.sas) {
        CHECK(pair.udp_encapsulation);
        CHECK(pair.id.peer.address == *IpAddress::parse("203.0.113.1"));
        peers.insert(pair.id.peer);
    }
    CHECK(peers.size() == 2);
}

TEST_CASE("who is behind a NAT keeps its mapping alive, the other side does not") {
    Behind all;
    all.net.run_for(5min);
    CHECK(keepalives(all.net, all.one) >= 10);
    CHECK(keepalives(all.net, all.gateway) == 0);
    CHECK(all.nat.unmapped == 0);
    const auto found = std::ranges::find_if(all.net.log, [](const ike::Datagram& d) { return d.keepalive; });
    CHECK(found->bytes == Bytes{0xff});
    CHECK(found->peer.port == 4500);
}

TEST_CASE("without a NAT there are no keepalives") {
    WireNet net;
    net.add(kGateway, gateway_config());
    const Host& client = net.add("198.51.100.2", client_config(kGateway));
    net.run_for(5min);
    CHECK(keepalives(net, client) == 0);
}

TEST_CASE("a peer whose NAT gives it another port is followed by its next authentic request") {
    Behind all;
    const auto before = all.gateway.kernel.sas.begin()->second.id.peer;
    all.nat.forget();
    // The clients' liveness questions come from other ports.
    all.net.run_for(70s);
    CHECK(all.gateway.established() == 2);
    CHECK(all.gateway.count<ike::IkeUp>() == 2);
    CHECK(all.gateway.count<ike::PeerMoved>() >= 2);
    for (const auto& [spi, pair] : all.gateway.kernel.sas)
        CHECK(pair.id.peer != before);
    CHECK(all.gateway.kernel.breaches.empty());
    // What was moved can be rekeyed and removed.
    REQUIRE(all.gateway.engine.command(all.net.now, ike::Rekey{"clients"}));
    all.net.run_for(6s);
    CHECK(all.gateway.kernel.pairs() == 2);
    CHECK(all.gateway.kernel.sas.size() == 2);
    REQUIRE(all.gateway.engine.command(all.net.now, ike::Shutdown{}));
    all.net.run_for(1s);
    CHECK(all.gateway.kernel.empty());
    CHECK(all.gateway.kernel.breaches.empty());
}

TEST_CASE("a peer whose NAT gives it another port is followed when the kernel tells so") {
    Behind all;
    const auto pair = all.gateway.kernel.sas.begin()->second.id;
    const Endpoint next{pair.peer.address, 31000};
    all.gateway.engine.kernel_event(all.net.now, child::PeerMoved{pair.local.address, pair.spi_in, next});
    all.gateway.pump(all.net.now);
    CHECK(all.gateway.kernel.sas.at(pair.spi_in).id.peer == next);
    CHECK(all.gateway.last<ike::PeerMoved>()->sa.peer == next);
}

TEST_CASE("what the kernel is still moving is not missed where it was") {
    Behind all;
    const auto pair = all.gateway.kernel.sas.begin()->second.id;
    child::SasPresent before;
    for (const auto& [spi, sas] : all.gateway.kernel.sas) {
        before.sas.push_back({sas.id.local.address, sas.id.spi_in});
        before.sas.push_back({sas.id.peer.address, sas.id.spi_out});
    }
    const Endpoint next{*IpAddress::parse("203.0.113.9"), 31000};
    all.gateway.engine.kernel_event(all.net.now, child::PeerMoved{pair.local.address, pair.spi_in, next});
    all.gateway.engine.kernel_event(all.net.now, before);
    all.gateway.pump(all.net.now);
    CHECK(all.gateway.refused(Rule::kernel_refused) == 0);
    CHECK(all.gateway.kernel.sas.at(pair.spi_in).id.peer == next);
    // Afterwards it is.
    all.gateway.engine.kernel_event(all.net.now, before);
    all.gateway.pump(all.net.now);
    CHECK(all.gateway.refused(Rule::kernel_refused) == 1);
}

TEST_CASE("a forged request from elsewhere moves nobody") {
    Behind all;
    const auto sent = std::ranges::find_if(all.net.log, [&](const ike::Datagram& d) {
        return d.local.address == all.one.address && d.peer.port == 4500 && !d.keepalive;
    });
    REQUIRE(sent != all.net.log.end());
    auto forged = *sent;
    forged.local = {*IpAddress::parse("198.51.100.66"), 4500};
    forged.bytes.back() ^= 1;
    all.gateway.engine.datagram(all.net.now, {forged.peer, forged.local, forged.bytes});
    // Nor does an old one that is authentic.
    all.gateway.engine.datagram(all.net.now, {sent->peer, forged.local, sent->bytes});
    all.gateway.pump(all.net.now);
    CHECK(all.gateway.count<ike::PeerMoved>() == 0);
}

TEST_CASE("ESP in UDP can be wanted without a NAT") {
    for (const bool by_client : {true, false}) {
        auto gateway_side = gateway_config();
        auto client_side = client_config(kGateway);
        (by_client ? client_side : gateway_side).connections[0].force_encapsulation = true;
        WireNet net;
        const Host& gateway = net.add(kGateway, gateway_side);
        const Host& client = net.add("198.51.100.2", client_side);
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        CHECK(gateway.kernel.sas.begin()->second.udp_encapsulation);
        CHECK(client.kernel.sas.begin()->second.udp_encapsulation);
        CHECK(client.kernel.sas.begin()->second.id.peer.port == 4500);
    }
}

TEST_CASE("fragments that are too large for the path get smaller") {
    auto client_side = client_config(kGateway);
    auto& connection = client_side.connections[0];
    // Large enough to be cut: many networks.
    connection.networks.clear();
    for (unsigned i = 0; i < 60; ++i)
        connection.networks.push_back(*Prefix::parse("2001:db8:" + std::to_string(1000 + i) + "::/48"));
    WireNet net;
    const Host& gateway = net.add(kGateway, gateway_config());
    net.add("198.51.100.2", client_side);
    std::size_t swallowed = 0;
    net.on_wire = [&](ike::Datagram& datagram) {
        const bool passes = datagram.bytes.size() <= 548;
        swallowed += passes ? 0 : 1;
        return passes;
    };
    net.run_for(20s);
    CHECK(gateway.established() == 1);
    CHECK(swallowed > 0);
}

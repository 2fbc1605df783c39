// The IKE SA of a mobile node that moves: it follows (the K bit), or is left and made anew.

#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;

namespace {

std::vector<wire::ChildSpi> payload_pairs(const Host& host) {
    std::vector<wire::ChildSpi> out;
    for (const auto& [spi, pair] : host.kernel.sas) {
        if (pair.mode == child::Mode::tunnel && pair.outbound) out.push_back(spi);
    }
    return out;
}

IpAddress ike_at(const Host& host) {
    const auto status = host.engine.status();
    return status.ike_sas.size() == 1 ? status.ike_sas[0].peer.address : IpAddress{};
}

// Time passes in small steps; empty, or what was not reachable at which of them.
std::string run_talking(Roaming& roaming, Duration duration, std::uint16_t bid) {
    const Instant begin = roaming.net.now;
    while (roaming.net.now < begin + duration) {
        roaming.run(10ms);
        const auto wrong = roaming.unreachable(bid);
        const auto gone = std::chrono::duration_cast<std::chrono::milliseconds>(roaming.net.now - begin);
        if (!wrong.empty()) return "after " + std::to_string(gone.count()) + " ms: " + wrong;
    }
    return {};
}

} // namespace

TEST_CASE("with the K bit the IKE SA follows the mobile node, and can be rekeyed afterwards") {
    Roaming roaming;
    roaming.run(1s);
    CHECK(ike_at(roaming.agent) == v6(kFirstPlace));
    const auto pairs = payload_pairs(roaming.agent);
    roaming.leave("wlan0");
    CHECK(run_talking(roaming, 2s, 2) == "");
    CHECK(ike_at(roaming.agent) == v6(kSecondPlace));
    CHECK(roaming.agent.engine.counters().handshakes == 1);
    CHECK(roaming.agent.count<ike::PeerMoved>() == 1);
    CHECK(roaming.node.count<ike::Moved>() == 1);
    CHECK(roaming.node.count<ike::PeerMoved>() == 0);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Rekey{"home", ike::Rekey::What::ike}));
    roaming.run(2s);
    CHECK(roaming.node.count<ike::IkeRekeyed>() == 1);
    REQUIRE(roaming.agent.engine.command(roaming.net.now, ike::Rekey{"homes", ike::Rekey::What::ike}));
    roaming.run(2s);
    CHECK(roaming.agent.count<ike::IkeRekeyed>() == 2);
    CHECK(payload_pairs(roaming.agent) == pairs);
    CHECK(roaming.unreachable(2) == "");
    roaming.check_sound();
}

TEST_CASE("without the K bit a new IKE SA is made, and its Child SAs take over without a gap") {
    auto config = agent_config();
    only(config).home_service->key_mobility = false;
    Roaming roaming(config);
    roaming.run(1s);
    const auto pairs = payload_pairs(roaming.agent);
    roaming.leave("wlan0");
    CHECK(run_talking(roaming, 10s, 2) == "");
    CHECK(ike_at(roaming.agent) == v6(kSecondPlace));
    CHECK(roaming.agent.engine.counters().handshakes == 2);
    CHECK(payload_pairs(roaming.agent) != pairs);
    const auto* down = roaming.node.last<ike::IkeDown>();
    REQUIRE(down != nullptr);
    CHECK(down->reason == ike::DownReason::moved);
    CHECK(roaming.node.established() == 1);
    CHECK(roaming.agent.established() == 1);
    CHECK(roaming.node.kernel.pairs() == 2); // signalling, and the one binding that is left
    roaming.check_sound();
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    roaming.run(10s);
    CHECK(roaming.node.kernel.empty());
    CHECK(roaming.agent.kernel.empty());
}

TEST_CASE("Child SAs outlive an IKE SA that was left, until they are replaced") {
    auto config = node_config();
    only(config).mobile->key_mobility = false;
    Roaming roaming(agent_config(), config);
    roaming.run(1s);
    roaming.net.on_wire = [](ike::Datagram&) { return false; }; // IKE gets nowhere
    roaming.leave("wlan0");
    CHECK(run_talking(roaming, 30s, 2) == "");
    CHECK(roaming.agent.established() == 0);
    roaming.net.on_wire = nullptr;
    CHECK(run_talking(roaming, 90s, 2) == "");
    CHECK(roaming.agent.established() == 1);
    roaming.check_sound();
}

TEST_CASE("a mobile node that authenticates anew takes its home address along without a gap") {
    Roaming roaming;
    roaming.run(1s);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Reauthenticate{"home"}));
    CHECK(run_talking(roaming, 20s, 1) == "");
    CHECK(roaming.agent.engine.counters().handshakes == 2);
    CHECK(roaming.agent.established() == 1);
    CHECK(roaming.node.kernel.pairs() == 3);
    roaming.check_sound();
}

TEST_CASE("another mobility stack moves the IKE SA by the kernel") {
    Roaming roaming;
    roaming.run(1s);
    child::EndpointsMigrated moved;
    moved.mode = child::Mode::tunnel;
    moved.old_local = v6(kAgent);
    moved.old_peer = v6(kFirstPlace);
    moved.new_local = v6(kAgent);
    moved.new_peer = v6("2001:db8:9::9");
    moved.ike_local = v6(kAgent);
    moved.ike_peer = moved.new_peer;
    // What it says it has done.
    for (auto& [spi, pair] : roaming.agent.kernel.sas) {
        if (pair.id.peer.address == moved.old_peer) pair.id.peer.address = moved.new_peer;
    }
    roaming.agent.engine.kernel_event(roaming.net.now, moved);
    roaming.agent.pump(roaming.net.now);
    CHECK(ike_at(roaming.agent) == moved.new_peer);
    const auto bindings = roaming.agent.engine.status().homes.at(0).registration.bindings;
    CHECK(std::ranges::count(bindings, moved.new_peer, &mobility::Binding::care_of) == 1);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    roaming.check_sound();
}

TEST_CASE("a new IKE SA stays where it was made, whichever care-of address is preferred") {
    auto config = node_config();
    only(config).mobile->access = {{"wlan0", 1, 2}, {"wwan0", 2, 1}};
    Roaming roaming(agent_config(), config);
    roaming.run(1s);
    CHECK(roaming.picture(roaming.agent)->default_bid == 2);
    CHECK(roaming.sent.at(0).care_of == v6(kFirstPlace));
    CHECK(ike_at(roaming.agent) == v6(kFirstPlace));
}

TEST_CASE("the IKE SA follows to an address where an earlier one was") {
    Roaming roaming;
    roaming.run(1s);
    roaming.leave("wlan0");
    roaming.headers_arrive = false;
    roaming.node.engine = ike::Engine(node_config(), roaming.node.random, roaming.node, roaming.net.now);
    roaming.node.kernel = FakeKernel{};
    roaming.change();
    roaming.run(100ms);
    REQUIRE(ike_at(roaming.agent) == v6(kSecondPlace));
    roaming.place("wlan0", kFirstPlace);
    roaming.leave("wwan0");
    roaming.headers_arrive = true;
    roaming.run(5s);
    CHECK(ike_at(roaming.agent) == v6(kFirstPlace));
    CHECK(roaming.unreachable(1) == "");
}

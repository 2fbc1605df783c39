#include "lib/wire/codec.h"
#include "test/support/pipe.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <ranges>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kClient = "198.51.100.2";

struct Established {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Established(ike::Config g = gateway_config(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add(kClient, std::move(c))) {
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        REQUIRE(client.established() == 1);
    }
    // What either side still keeps.
    void check_clean() const {
        CHECK(gateway.kernel.empty());
        CHECK(client.kernel.empty());
        CHECK(gateway.kernel.breaches.empty());
        CHECK(client.kernel.breaches.empty());
    }
};

} // namespace

TEST_CASE("down at the client deletes at both ends and the client stays down") {
    Established pair;
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
    pair.net.run_for(60s);
    pair.check_clean();
    CHECK(pair.gateway.engine.idle());
    CHECK(pair.client.engine.idle());
    CHECK(pair.gateway.blocks_used() == 0);
    CHECK(pair.gateway.last<ike::IkeDown>()->reason == ike::DownReason::deleted_by_peer);
    CHECK(pair.client.last<ike::IkeDown>()->reason == ike::DownReason::command);
    CHECK_FALSE(pair.client.last<ike::IkeDown>()->retrying);
    CHECK(pair.client.engine.status().connections.at(0).state == "down");
}

TEST_CASE("up brings a connection back that was taken down") {
    Established pair;
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
    pair.net.run_for(1s);
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Up{"home"}));
    pair.net.run_for(1s);
    CHECK(pair.client.established() == 1);
    CHECK(pair.gateway.established() == 1);
}

TEST_CASE("up and down name what they do not know") {
    Established pair;
    const auto up = pair.client.engine.command(pair.net.now, ike::Up{"hmoe"});
    REQUIRE_FALSE(up);
    CHECK(up.error().find("\"hmoe\"") != std::string::npos);
    CHECK_FALSE(pair.gateway.engine.command(pair.net.now, ike::Up{"clients"}));
    CHECK_FALSE(pair.gateway.engine.command(pair.net.now, ike::Down{"nobody"}));
    CHECK(pair.gateway.engine.command(pair.net.now, ike::Down{"clients"}));
}

TEST_CASE("a gateway can take one peer down, who comes back because it is to be up") {
    Established pair;
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Down{client_name(0)}));
    pair.net.settle();
    CHECK(pair.gateway.kernel.empty());
    CHECK(pair.client.last<ike::IkeDown>()->reason == ike::DownReason::deleted_by_peer);
    CHECK(pair.client.last<ike::IkeDown>()->retrying);
    pair.net.run_for(5s);
    CHECK(pair.client.established() == 1);
}

TEST_CASE("shutdown says good-bye and leaves both kernels empty") {
    Established pair;
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Shutdown{}));
    pair.net.settle();
    CHECK(pair.gateway.engine.idle());
    CHECK(pair.gateway.kernel.empty());
    // The client is to be up: its interface stays, so that nothing leaves in clear meanwhile.
    CHECK(pair.client.kernel.sas.empty());
    CHECK(pair.client.kernel.policies.empty());
    CHECK(pair.client.kernel.links.size() == 1);
}

TEST_CASE("a client's link goes when the client is taken down while it tries to come back") {
    Established pair;
    pair.net.on_wire = [](ike::Datagram&) { return false; };
    pair.net.run_for(60s);
    CHECK(pair.client.established() == 0);
    CHECK(pair.client.kernel.links.size() == 1);
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
    pair.net.run_for(10s);
    CHECK(pair.client.kernel.empty());
}

TEST_CASE("a client comes back onto the link that stayed open, with its number") {
    Established pair;
    const auto before = pair.client.kernel.links.begin()->first;
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Down{client_name(0)}));
    pair.net.run_for(5s);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.client.kernel.links.size() == 1);
    CHECK(pair.client.kernel.links.begin()->first == before);
    CHECK(pair.client.kernel.breaches.empty());
}

TEST_CASE("shutdown with a dead peer ends after the retransmissions") {
    Established pair;
    pair.net.on_wire = [](ike::Datagram&) { return false; };
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Shutdown{}));
    pair.net.settle();
    CHECK(pair.gateway.kernel.empty());
    CHECK_FALSE(pair.gateway.engine.idle());
    pair.net.run_for(20s);
    CHECK(pair.gateway.engine.idle());
}

TEST_CASE("a silent peer is asked, and given up when it does not answer") {
    Established pair;
    pair.net.on_wire = [](ike::Datagram&) { return false; };
    pair.net.run_for(29s);
    CHECK(pair.gateway.established() == 1);
    pair.net.run_for(10s);
    CHECK(pair.gateway.established() == 0);
    CHECK(pair.gateway.kernel.empty());
    CHECK(pair.client.kernel.sas.empty());
    CHECK(pair.gateway.last<ike::IkeDown>()->reason == ike::DownReason::peer_silent);
    CHECK(pair.gateway.blocks_used() == 0);
}

TEST_CASE("a living peer answers for liveness and nothing changes") {
    Established pair;
    const auto spi = pair.client.engine.status().ike_sas.at(0).spi_i;
    pair.net.run_for(600s);
    CHECK(pair.client.engine.status().ike_sas.at(0).spi_i == spi);
    CHECK(pair.net.log.size() > 10);
    CHECK(pair.gateway.engine.counters().handshakes == 1);
}

TEST_CASE("after the gateway lost everything the client comes back by itself") {
    Established pair;
    // A gateway at the same address that knows nothing, as after SIGKILL.
    pair.gateway.engine = ike::Engine(gateway_config(), pair.gateway.random, pair.gateway, pair.net.now);
    pair.gateway.kernel = {};
    pair.net.run_for(60s);
    CHECK(pair.client.established() == 1);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.kernel.sas.size() == 1);
    CHECK(pair.client.kernel.links.size() == 1);
    CHECK(pair.client.kernel.breaches.empty());
}

TEST_CASE("that the peer denies the IKE SA without protection is a hint and no more") {
    Established pair;
    const auto sa = pair.client.engine.status().ike_sas.at(0);
    wire::Header header;
    header.initiator_spi = sa.spi_i;
    header.responder_spi = sa.spi_r;
    header.exchange = wire::ExchangeType::informational;
    header.response = true;
    const wire::Notify denial{wire::Protocol::none, {}, wire::NotifyType::invalid_ike_spi, {}};
    const auto before = pair.net.log.size();
    pair.net.inject({pair.gateway.last<ike::IkeUp>()->sa.peer, sa.local,
                     wire::encode_message(header, std::vector<wire::Payload>{denial})});
    CHECK(pair.net.log.size() == before + 3); // the forged one, a question, and the answer
    CHECK(pair.client.engine.status().ike_sas.at(0).spi_i == sa.spi_i);
    CHECK(pair.client.refused(Rule::missing_encrypted_payload) == 1);
}

TEST_CASE("a client that begins anew replaces its old IKE SA at once") {
    Established pair;
    pair.client.engine = ike::Engine(client_config(kGateway), pair.client.random, pair.client, pair.net.now);
    pair.client.kernel = {};
    pair.net.run_for(2s);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.gateway.kernel.links.size() == 1);
    CHECK(pair.gateway.kernel.sas.size() == 1);
    CHECK(std::ranges::any_of(pair.gateway.events, [](const ike::Event& event) {
        const auto* down = std::get_if<ike::IkeDown>(&event);
        return down && down->reason == ike::DownReason::replaced;
    }));
    CHECK(pair.gateway.blocks_used() == 2);
}

TEST_CASE("a returning client finds its prefix again, also after a restart of the gateway") {
    Established pair;
    const auto before = pair.gateway.kernel.links.begin()->second.routes;
    pair.gateway.engine = ike::Engine(gateway_config(), pair.gateway.random, pair.gateway, pair.net.now);
    pair.gateway.kernel = {};
    pair.net.run_for(60s);
    REQUIRE(pair.gateway.kernel.links.size() == 1);
    CHECK(pair.gateway.kernel.links.begin()->second.routes == before);
}

TEST_CASE("a Child SA that vanishes from the kernel is made anew") {
    Established pair;
    // The kernel of the gateway loses the SA: the gateway gives the IKE SA up, and the client comes back.
    const auto spi = pair.gateway.kernel.sas.begin()->first;
    pair.gateway.kernel.sas.clear();
    pair.gateway.engine.kernel_event(pair.net.now, child::SaGone{*IpAddress::parse(kGateway), spi, true});
    pair.net.run_for(5s);
    CHECK(pair.gateway.established() == 1);
    CHECK(pair.client.established() == 1);
    CHECK(pair.gateway.kernel.sas.begin()->first != spi);
}

TEST_CASE("after lost kernel events, SAs that are not listed count as gone") {
    Established pair;
    const auto spi = pair.gateway.kernel.sas.begin()->first;
    const auto out = pair.gateway.kernel.sas.begin()->second.id.spi_out;
    pair.gateway.engine.kernel_event(pair.net.now, child::SasPresent{{{*IpAddress::parse(kGateway), spi},
                                                                      {*IpAddress::parse(kClient), out}}});
    pair.net.run_for(1s);
    CHECK(pair.gateway.kernel.sas.contains(spi));
    pair.gateway.kernel.sas.clear();
    pair.gateway.engine.kernel_event(pair.net.now, child::SasPresent{});
    pair.net.run_for(5s);
    CHECK_FALSE(pair.gateway.kernel.sas.contains(spi));
    CHECK(pair.gateway.established() == 1);
}

TEST_CASE("a reload with an equal connection keeps its IKE SA") {
    Established pair;
    const auto spi = pair.gateway.engine.status().ike_sas.at(0).spi_r;
    auto config = gateway_config(3);
    config.limits.half_open = 7;
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Reload{config}));
    pair.net.run_for(5s);
    REQUIRE(pair.gateway.established() == 1);
    CHECK(pair.gateway.engine.status().ike_sas.at(0).spi_r == spi);
}

TEST_CASE("a reload that changes a connection ends its IKE SA, and the client comes back to the new one") {
    Established pair;
    auto config = gateway_config();
    config.connections[0].networks = {*Prefix::parse("2001:db8:9::/64")};
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Reload{config}));
    pair.net.run_for(5s);
    REQUIRE(pair.client.established() == 1);
    CHECK(pair.client.kernel.links.begin()->second.routes == std::vector{*Prefix::parse("2001:db8:9::/64")});
}

TEST_CASE("a reload without the client's connection takes it down for good") {
    Established pair;
    REQUIRE(pair.client.engine.command(pair.net.now, ike::Reload{ike::Config{}}));
    pair.net.run_for(60s);
    pair.check_clean();
    CHECK(pair.client.engine.idle());
}

TEST_CASE("half-open IKE SAs are forgotten, and never more are kept than the limit says") {
    auto config = gateway_config();
    config.limits.half_open = 10;
    config.limits.half_open_for_cookies = 1000;
    WireNet net;
    Host& gateway = net.add(kGateway, config);
    Host& client = net.add(kClient, client_config(kGateway));
    net.settle();
    // The first request of many clients, all from different ports and with different SPIs.
    client.engine.on_timeout(net.now);
    client.pump(net.now);
    REQUIRE(client.outbox.size() == 1);
    for (std::uint8_t i = 0; i < 50; ++i) {
        auto request = client.outbox.front();
        request.bytes[0] = static_cast<std::uint8_t>(request.bytes[0] ^ i);
        gateway.engine.datagram(net.now, {request.peer, request.local, request.bytes});
        gateway.pump(net.now);
    }
    CHECK(gateway.engine.status().half_open == 10);
    CHECK(gateway.refused(Rule::too_many_half_open) == 40);
    gateway.outbox.clear();
    net.on_wire = [](ike::Datagram&) { return false; };
    net.run_for(31s);
    CHECK(gateway.engine.status().half_open == 0);
    CHECK(gateway.refused(Rule::half_open_timeout) == 10);
    CHECK(gateway.engine.idle());
}

TEST_CASE("attempts that fail one after the other wait ever longer, up to a minute") {
    WireNet net;
    Host& client = net.add(kClient, client_config(kGateway));
    std::vector<Instant> starts;
    wire::Spi last = 0;
    net.on_wire = [&](ike::Datagram& datagram) {
        const auto spi = wire::parse_header(datagram.bytes)->initiator_spi;
        if (spi != last) starts.push_back(net.now);
        last = spi;
        return false;
    };
    net.run_for(20min);
    REQUIRE(starts.size() > 10);
    const Duration span = 500ms + 1s + 2s + 4s; // of the retransmissions of one attempt
    CHECK(starts[1] - starts[0] == span);
    CHECK(starts[2] - starts[1] == span + 1s);
    CHECK(starts[3] - starts[2] == span + 2s);
    CHECK(starts[10] - starts[9] == span + 60s);
    CHECK(client.engine.status().connections.at(0).last_error.find("4 times without an answer") !=
          std::string::npos);
}

TEST_CASE("a host without a route tries again later") {
    struct NoRoute final : ike::Surroundings {
        View stable_secret() override { return {}; }
        std::optional<IpAddress> source_for(const IpAddress&) override { return std::nullopt; }
        WallTime wall_time() override { return {}; }
    } no_route;
    SeededRandom random(1);
    ike::Engine engine(client_config(kGateway), random, no_route, Instant{});
    engine.on_timeout(Instant{});
    engine.on_timeout(Instant{});
    CHECK(engine.take().datagrams.empty());
    CHECK(engine.status().connections.at(0).state == "waiting");
    CHECK(engine.status().connections.at(0).last_error == "there is no route to 192.0.2.2");
}

TEST_CASE("a peer that gives the IKE SA up by a notification needs no DELETE") {
    Pipe pipe;
    REQUIRE(pipe.command(pipe.b(), ike::DownChild{"tunnel", "net"}));
    const Flight request = pipe.hold(pipe.a());
    REQUIRE(request.what() == "delete child");
    const auto [type, ends] = GENERATE(std::pair(wire::NotifyType::authentication_failed, true),
                                       std::pair(wire::NotifyType::invalid_syntax, true),
                                       std::pair(wire::NotifyType::temporary_failure, false));
    const wire::Notify notify{wire::Protocol::none, {}, type, {}};
    pipe.deliver(pipe.a(), pipe.with_payloads(request, {notify}));
    CHECK(pipe.pass(pipe.b()) == "empty");
    CHECK(pipe.a().established() == (ends ? 0 : 1));
    CHECK(pipe.a().kernel.sas.empty() == ends);
    CHECK(pipe.a().count<ike::IkeDown>() == (ends ? 1 : 0));
}

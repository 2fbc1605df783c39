// MOBIKE (RFC 4555): the addresses of an IKE SA change, and nothing else does.

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kOtherGateway = "2001:db8:2::2";
constexpr const char* kClient = "198.51.100.2";
constexpr const char* kMoved = "203.0.113.9";

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

ike::Config mobile_gateway() {
    auto out = gateway_config();
    out.connections[0].mobike = true;
    out.connections[0].addresses = {ip(kGateway), ip(kOtherGateway)};
    return out;
}

ike::Config mobile_client() {
    auto out = client_config(kGateway);
    out.connections[0].mobike = true;
    out.connections[0].liveness = 10s;
    return out;
}

struct Net {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Net(ike::Config c = mobile_client(), ike::Config g = mobile_gateway())
        : gateway(net.add(kGateway, std::move(g))), client(net.add(kClient, std::move(c))) {
        gateway.further = {ip(kOtherGateway)};
        net.run_for(1s);
        REQUIRE(client.established() == 1);
        REQUIRE(gateway.established() == 1);
    }
    void roam(std::string_view to) {
        client.address = ip(to);
        client.engine.network_changed(net.now);
        client.pump(net.now);
        net.settle();
    }
    // Where the two kernels think that the tunnel runs, and how: "A - B" from the client's side.
    static std::string outer(const Host& host, bool client_side) {
        if (host.kernel.sas.size() != 1) return std::to_string(host.kernel.sas.size()) + " Child SAs";
        const auto& pair = host.kernel.sas.begin()->second;
        const auto& set = host.kernel.policies.at(0);
        if (set.local != pair.id.local.address || set.peer != pair.id.peer.address)
            return "policies elsewhere";
        const auto& first = client_side ? pair.id.local : pair.id.peer;
        const auto& second = client_side ? pair.id.peer : pair.id.local;
        return first.address.to_string() + " - " + second.address.to_string() +
               (pair.udp_encapsulation ? " udp" : "");
    }
    [[nodiscard]] std::string at_client() const { return outer(client, true); }
    [[nodiscard]] std::string at_gateway() const { return outer(gateway, false); }
    // Either side can still rekey either SA.
    void check_usable() {
        for (Host* host : {&client, &gateway}) {
            const std::string name = host == &client ? "home" : "clients";
            for (const auto what : {ike::Rekey::What::children, ike::Rekey::What::ike}) {
                CHECK(host->engine.command(net.now, ike::Rekey{name, what}));
                net.run_for(10s);
            }
        }
        CHECK(client.established() == 1);
        CHECK(gateway.established() == 1);
        CHECK(client.kernel.pairs() == 1);
        CHECK(gateway.kernel.pairs() == 1);
        CHECK(client.kernel.breaches.empty());
        CHECK(gateway.kernel.breaches.empty());
    }
};

std::vector<wire::NotifyType> notifies(const Flight& flight) {
    std::vector<wire::NotifyType> out;
    for (const auto& payload : flight.payloads) {
        if (const auto* notify = std::get_if<wire::Notify>(&payload)) out.push_back(notify->type);
    }
    return out;
}

bool has(const Flight& flight, wire::NotifyType type) {
    const auto all = notifies(flight);
    return std::ranges::find(all, type) != all.end();
}

} // namespace

TEST_CASE("a Child SA that the kernel does not move along is removed where it is") {
    Net n;
    const bool at_gateway = GENERATE(true, false);
    Host& refuses = at_gateway ? n.gateway : n.client;
    refuses.kernel.fail_step = child::KernelStep(child::MoveSas{}).index();
    n.roam(kMoved);
    n.net.run_for(1min);
    CHECK(refuses.refused(Rule::kernel_refused) >= 1);
    CHECK(n.gateway.kernel.sas.size() == n.client.kernel.sas.size());
    CHECK(n.client.kernel.breaches.empty());
    CHECK(n.gateway.kernel.breaches.empty());
}

TEST_CASE("a client that moves takes its IKE SA and Child SAs along") {
    Net n;
    const auto before = n.client.engine.status().ike_sas.at(0);
    CHECK(n.at_client() == "198.51.100.2 - 192.0.2.2");
    CHECK(before.local.port == 4500); // from IKE_AUTH on, although there is no NAT
    n.roam(kMoved);
    CHECK(n.at_client() == "203.0.113.9 - 192.0.2.2");
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    const auto after = n.client.engine.status().ike_sas.at(0);
    CHECK(after.spi_i == before.spi_i);
    CHECK(after.children.at(0).spi_in == before.children.at(0).spi_in);
    CHECK(n.gateway.engine.counters().handshakes == 1);
    CHECK(n.client.kernel.links.size() == 1);
    n.check_usable();
    n.roam(kClient); // and back, on rekeyed SAs
    CHECK(n.at_gateway() == "198.51.100.2 - 192.0.2.2");
    n.net.run_for(1min);
    n.check_usable();
}

TEST_CASE("a client goes from IPv4 to IPv6 and back, as the gateway has addresses of both") {
    Net n;
    n.roam("2001:db8:7::9");
    CHECK(n.at_client() == "2001:db8:7::9 - 2001:db8:2::2");
    CHECK(n.at_gateway() == "2001:db8:7::9 - 2001:db8:2::2");
    n.check_usable();
    n.roam(kMoved);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    n.check_usable();
}

TEST_CASE("without an address the client waits, and goes on where it comes up again") {
    auto config = mobile_client();
    config.connections[0].retransmit = {500ms, 6};
    Net n(config);
    n.net.on_wire = [](ike::Datagram&) { return false; };
    n.net.run_for(5s);
    n.net.on_wire = nullptr;
    n.roam(kMoved);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    CHECK(n.client.count<ike::IkeDown>() == 0);
    n.check_usable();
}

TEST_CASE("ESP goes to the new place only when the client has shown that answers reach it") {
    Net n;
    std::size_t to_new = 0;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        // Nothing of the gateway's own questions reaches the place that it was told of.
        const auto header = wire::parse_header(datagram.bytes);
        const bool question = header && !header->response && datagram.local.address == ip(kGateway);
        to_new += question && datagram.peer.address == ip(kMoved);
        return !question;
    };
    n.roam(kMoved);
    n.net.run_for(2s);
    CHECK(to_new >= 1);
    CHECK(n.at_gateway() == "198.51.100.2 - 192.0.2.2");
    n.net.on_wire = nullptr;
    n.net.run_for(3s);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    n.check_usable();
}

TEST_CASE("a gateway that trusts its clients moves ESP at once") {
    auto config = mobile_gateway();
    config.connections[0].route_proof = false;
    Net n(mobile_client(), config);
    n.net.on_wire = [&](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        return header->response || datagram.local.address != ip(kGateway);
    };
    n.roam(kMoved);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
}

TEST_CASE("a NAT on the new way, or none any more, turns ESP in UDP on and off") {
    Net n;
    const auto public_side = ip("203.0.113.77");
    n.net.on_wire = [&](ike::Datagram& datagram) { // 10.0.0.0/8 is behind a NAT
        if (datagram.local.address == ip("10.0.0.5"))
            datagram.local = {public_side, 30000};
        else if (datagram.peer == Endpoint{public_side, 30000})
            datagram.peer = {ip("10.0.0.5"), 4500};
        return true;
    };
    n.roam("10.0.0.5");
    CHECK(n.at_client() == "10.0.0.5 - 192.0.2.2 udp");
    CHECK(n.at_gateway() == "203.0.113.77 - 192.0.2.2 udp");
    n.check_usable();
    n.roam(kMoved);
    CHECK(n.at_client() == "203.0.113.9 - 192.0.2.2");
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    n.check_usable();
}

TEST_CASE("behind a NAT that gives another port, liveness finds out and the client says so") {
    Net n;
    std::uint16_t port = 30000;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == ip("10.0.0.5"))
            datagram.local = {ip("203.0.113.77"), port};
        else if (datagram.peer.address == ip("203.0.113.77")) {
            if (datagram.peer.port != port) return false;
            datagram.peer = {ip("10.0.0.5"), 4500};
        }
        return true;
    };
    n.roam("10.0.0.5");
    REQUIRE(n.gateway.engine.status().ike_sas.at(0).peer.port == 30000);
    port = 40000;
    n.net.run_for(40s);
    CHECK(n.gateway.engine.status().ike_sas.at(0).peer.port == 40000);
    CHECK(n.gateway.kernel.sas.begin()->second.id.peer.port == 40000);
    n.check_usable();
}

TEST_CASE("a client that allows no NAT is told of one, and gives up that way") {
    auto config = mobile_client();
    config.connections[0].nats_allowed = false;
    Net n(config);
    n.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == ip("10.0.0.5"))
            datagram.local = {ip("203.0.113.77"), 30000};
        else if (datagram.peer.address == ip("203.0.113.77"))
            datagram.peer = {ip("10.0.0.5"), 4500};
        return true;
    };
    n.roam("10.0.0.5");
    CHECK(n.gateway.refused(Rule::unexpected_nat) >= 1);
    CHECK(n.at_gateway() != "203.0.113.77 - 192.0.2.2 udp");
    CHECK(n.gateway.kernel.breaches.empty());
}

TEST_CASE("when the gateway's address dies, what gets no answer is tried at its other one") {
    auto config = mobile_client();
    config.connections[0].retransmit = {500ms, 6};
    Net n(config);
    n.client.further = {ip("2001:db8:7::9")};
    n.net.on_wire = [&](ike::Datagram& datagram) {
        return datagram.local.address != ip(kGateway) && datagram.peer.address != ip(kGateway);
    };
    n.net.run_for(30s);
    CHECK(n.at_client() == "2001:db8:7::9 - 2001:db8:2::2");
    CHECK(n.at_gateway() == "2001:db8:7::9 - 2001:db8:2::2");
    CHECK(n.client.count<ike::IkeDown>() == 0);
    CHECK(n.gateway.engine.counters().handshakes == 1);
    n.net.on_wire = nullptr;
    n.check_usable();
}

// A gateway may tell all that it has (RFC 4555 3.4), those of the network behind it, too.
TEST_CASE("an address of the gateway that nobody reaches from outside costs time, and nothing else") {
    auto config = mobile_client();
    config.connections[0].retransmit = {500ms, 6};
    auto gateway = mobile_gateway();
    gateway.connections[0].addresses = {ip(kGateway), ip("10.9.0.1"), ip("2001:db8:9::1"), ip(kOtherGateway)};
    Net n(config, gateway);
    n.roam("2001:db8:7::9");
    CHECK(n.at_client() == "198.51.100.2 - 192.0.2.2"); // no ESP goes there
    n.net.run_for(3s);
    CHECK(n.at_client() == "2001:db8:7::9 - 2001:db8:2::2");
    CHECK(n.at_gateway() == "2001:db8:7::9 - 2001:db8:2::2");
    CHECK(n.client.count<ike::IkeDown>() == 0);
    CHECK(n.gateway.engine.counters().handshakes == 1);
    n.check_usable();
    n.roam(kMoved);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
}

TEST_CASE("a peer that does not know MOBIKE stays where it is") {
    const bool client_knows = GENERATE(true, false);
    auto client = mobile_client();
    auto gateway = mobile_gateway();
    (client_knows ? gateway : client).connections[0].mobike = false;
    Net n(client, gateway);
    n.net.log.clear();
    n.roam(kMoved);
    CHECK(n.net.log.empty());
    CHECK(n.at_gateway() == "198.51.100.2 - 192.0.2.2");
}

TEST_CASE("a gateway with one address for its clients takes no move to another") {
    auto gateway = mobile_gateway();
    gateway.connections[0].local_address = ip(kGateway);
    gateway.connections[0].addresses.clear();
    auto client = mobile_client();
    client.connections[0].addresses = {ip(kOtherGateway)};
    Net n(client, gateway);
    n.roam("2001:db8:7::9");
    CHECK(n.gateway.refused(Rule::unacceptable_addresses) >= 1);
    REQUIRE(n.client.last<ike::IkeDown>());
    CHECK(n.client.last<ike::IkeDown>()->detail == "the peer takes none of our addresses");
    CHECK(n.gateway.kernel.sas.empty());
    CHECK(n.gateway.kernel.breaches.empty());
}

namespace {

struct Joined {
    Pipe pipe;
    Host& client;
    Host& gateway;
    Joined() : pipe(mobile_client(), mobile_gateway(), false), client(pipe.a()), gateway(pipe.b()) {
        pipe.run(1s);
        REQUIRE(pipe.wrong() == "");
        client.address = ip(kMoved);
        client.engine.network_changed(pipe.now);
        pipe.collect();
        REQUIRE(pipe.to(gateway).size() == 1);
    }
};

} // namespace

TEST_CASE("a move is told with both hashes and a cookie, and answered likewise") {
    Joined j;
    const Flight request = j.pipe.hold(j.gateway);
    CHECK(notifies(request) ==
          std::vector{wire::NotifyType::update_sa_addresses, wire::NotifyType::nat_detection_source_ip,
                      wire::NotifyType::nat_detection_destination_ip, wire::NotifyType::cookie2});
    j.pipe.deliver(j.gateway, request);
    REQUIRE(j.pipe.to(j.client).size() == 2);
    const Flight answer = j.pipe.hold(j.client);
    CHECK(notifies(answer) == std::vector{wire::NotifyType::nat_detection_source_ip,
                                          wire::NotifyType::nat_detection_destination_ip,
                                          wire::NotifyType::cookie2});
    const Flight proof = j.pipe.hold(j.client);
    CHECK(notifies(proof) == std::vector{wire::NotifyType::cookie2});
    j.pipe.deliver(j.client, proof); // the proof may overtake the answer
    j.pipe.deliver(j.client, answer);
    j.pipe.run(5s);
    CHECK(j.pipe.wrong() == "");
    CHECK(j.gateway.kernel.sas.begin()->second.id.peer.address == ip(kMoved));
}

TEST_CASE("an answer without the cookie ends the IKE SA") {
    Joined j;
    const bool to_gateway = GENERATE(true, false);
    j.pipe.deliver(j.gateway, j.pipe.hold(j.gateway));
    Host& victim = to_gateway ? j.gateway : j.client;
    Flight answer = j.pipe.hold(j.client);
    if (to_gateway) {
        j.pipe.deliver(j.client, answer);
        j.pipe.deliver(j.client, j.pipe.hold(j.client));
        answer = j.pipe.hold(j.gateway);
        REQUIRE(has(answer, wire::NotifyType::cookie2));
    }
    auto payloads = answer.payloads;
    for (auto& payload : payloads) {
        auto* notify = std::get_if<wire::Notify>(&payload);
        if (notify && notify->type == wire::NotifyType::cookie2) notify->data[0] ^= 1;
    }
    j.pipe.deliver(victim, j.pipe.with_payloads(answer, payloads));
    CHECK(victim.refused(Rule::wrong_route_cookie) == 1);
    CHECK(victim.established() == 0);
    CHECK(victim.kernel.sas.empty());
}

TEST_CASE("an answer to a move that was followed by another one changes nothing") {
    Joined j;
    const Flight first = j.pipe.hold(j.gateway);
    j.pipe.deliver(j.gateway, first);
    const Flight late = j.pipe.hold(j.client);
    j.client.address = ip("203.0.113.10");
    j.client.engine.network_changed(j.pipe.now);
    j.pipe.collect();
    j.pipe.deliver(j.client, late);
    j.pipe.run(5s);
    CHECK(j.pipe.wrong() == "");
    CHECK(j.gateway.kernel.sas.begin()->second.id.peer.address == ip("203.0.113.10"));
    CHECK(j.client.kernel.sas.begin()->second.id.local.address == ip("203.0.113.10"));
}

TEST_CASE("only who began may move the IKE SA") {
    Joined j;
    j.pipe.run(5s);
    // The gateway's question for liveness, with more in it than it may say.
    j.pipe.settle();
    REQUIRE(j.pipe.rekey_child(j.gateway) == false); // its connection is called otherwise
    REQUIRE(j.pipe.command(j.gateway, ike::Rekey{"clients"}));
    Flight request = j.pipe.hold(j.client);
    request.header.exchange = wire::ExchangeType::informational;
    Flight forged = j.pipe.with_payloads(
        request, {wire::Notify{wire::Protocol::none, {}, wire::NotifyType::update_sa_addresses, {}},
                  wire::Notify{wire::Protocol::none, {}, wire::NotifyType::cookie2, Bytes(16, 1)}});
    j.pipe.deliver(j.client, forged);
    CHECK(j.client.refused(Rule::unacceptable_addresses) == 1);
    REQUIRE_FALSE(j.pipe.to(j.gateway).empty());
    CHECK(has(j.pipe.to(j.gateway).front(), wire::NotifyType::unacceptable_addresses));
    CHECK(has(j.pipe.to(j.gateway).front(), wire::NotifyType::cookie2));
}

TEST_CASE("a question that was repeated to another place proves nothing of the first") {
    Net n;
    const auto victim = ip(kMoved);
    std::vector<ike::Datagram> answers;
    bool hold = true;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.peer.address == victim) return false; // the client only pretends to be there
        const auto header = wire::parse_header(datagram.bytes);
        const bool answer = header && header->response && datagram.peer.address == ip(kGateway);
        if (answer && hold) answers.push_back(datagram);
        return !(answer && hold);
    };
    n.roam(kMoved);
    n.roam(kClient);
    n.net.run_for(2s); // the question for the victim's address is repeated to the client's
    REQUIRE_FALSE(answers.empty());
    n.roam(kMoved);
    hold = false;
    n.net.inject(answers.front());
    CHECK(n.at_gateway() == "198.51.100.2 - 192.0.2.2");
}

TEST_CASE("an IKE SA that is rekeyed before the client has shown where it is asks again") {
    Net n;
    bool deaf = true;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        const bool question = header && !header->response && datagram.local.address == ip(kGateway);
        return !(deaf && question);
    };
    n.roam(kMoved);
    REQUIRE(n.at_gateway() == "198.51.100.2 - 192.0.2.2");
    CHECK(n.client.engine.command(n.net.now, ike::Rekey{"home", ike::Rekey::What::ike}));
    n.net.settle();
    deaf = false;
    n.net.run_for(10s);
    CHECK(n.at_gateway() == "203.0.113.9 - 192.0.2.2");
    n.check_usable();
}

TEST_CASE("an authentication that comes from elsewhere than its first exchange is not answered") {
    WireNet net;
    Host& gateway = net.add(kGateway, mobile_gateway());
    net.add(kClient, mobile_client());
    bool spoof = true;
    net.on_wire = [&](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        const bool auth = header && header->exchange == wire::ExchangeType::ike_auth && !header->response;
        if (auth && spoof) datagram.local.address = ip(kMoved);
        return true;
    };
    net.run_for(300ms);
    CHECK(gateway.established() == 0);
    CHECK(gateway.refused(Rule::unacceptable_addresses) == 1);
    CHECK(gateway.kernel.empty());
    spoof = false;
    net.run_for(2s);
    CHECK(gateway.established() == 1);
}

#include "daemon/nat_framing.h"
#include "daemon/route_lookup.h"
#include "daemon/udp_ports.h"
#include "daemon/udp_socket.h"

#include <catch2/catch.hpp>

#include <cerrno>
#include <numeric>
#include <poll.h>
#include <string_view>

using namespace sheaf;
using namespace sheaf::daemon;

namespace {

UdpSocket plain(std::string_view address, bool nat = false) {
    auto socket = UdpSocket::open({{*IpAddress::parse(address), 0}, nat, std::nullopt, false});
    REQUIRE(socket);
    return std::move(*socket);
}

// The next of what arrives, but not Empty unless nothing comes at all.
UdpSocket::Received arrival(UdpSocket& socket) {
    pollfd wait{socket.fd(), POLLIN, 0};
    constexpr int kMilliseconds = 2000;
    ::poll(&wait, 1, kMilliseconds);
    return socket.receive();
}

ike::Datagram datagram(UdpSocket& socket) {
    auto received = arrival(socket);
    REQUIRE(std::holds_alternative<ike::Datagram>(received));
    return std::get<ike::Datagram>(std::move(received));
}

Endpoint at(std::string_view address, const UdpSocket& socket) {
    return {*IpAddress::parse(address), socket.bound().port};
}

} // namespace

TEST_CASE("A datagram carries the address that it came to, and the answer leaves from there", "[daemon]") {
    UdpSocket gateway = plain("0.0.0.0");
    UdpSocket client = plain("127.0.0.1");
    const Bytes hello{1, 2, 3, 4};
    REQUIRE(client.send({client.bound(), at("127.0.0.77", gateway), hello}) == 0);
    const auto request = datagram(gateway);
    CHECK(request.local == at("127.0.0.77", gateway));
    CHECK(request.peer == client.bound());
    CHECK(request.bytes == hello);
    REQUIRE(gateway.send({request.local, request.peer, {5, 6}}) == 0);
    const auto answer = datagram(client);
    CHECK(answer.peer == at("127.0.0.77", gateway));
    CHECK(answer.local == client.bound());
    CHECK(answer.bytes == Bytes{5, 6});
    CHECK(std::holds_alternative<UdpSocket::Empty>(client.receive()));
}

TEST_CASE("The same over IPv6, beside an IPv4 socket on the same port", "[daemon]") {
    UdpSocket gateway = plain("::");
    auto beside =
        UdpSocket::open({{IpAddress::any(Family::ipv4), gateway.bound().port}, false, std::nullopt, false});
    REQUIRE(beside);
    UdpSocket client = plain("::1");
    REQUIRE(client.send({{IpAddress::any(Family::ipv6), 0}, at("::1", gateway), {9}}) == 0);
    const auto request = datagram(gateway);
    CHECK(request.local == at("::1", gateway));
    CHECK(request.peer == client.bound());
    REQUIRE(gateway.send({request.local, request.peer, {8}}) == 0);
    CHECK(datagram(client).bytes == Bytes{8});
    CHECK(std::holds_alternative<UdpSocket::Empty>(beside->receive()));
}

TEST_CASE("A message of several times 1280 octets arrives whole", "[daemon]") {
    UdpSocket gateway = plain("::1");
    UdpSocket client = plain("::1");
    Bytes large(6000);
    std::iota(large.begin(), large.end(), std::uint8_t{0});
    REQUIRE(client.send({client.bound(), gateway.bound(), large}) == 0);
    CHECK(datagram(gateway).bytes == large);
}

TEST_CASE("On the NAT port IKE has a marker, and what has none is passed over", "[daemon]") {
    UdpSocket gateway = plain("127.0.0.1", true);
    UdpSocket client = plain("127.0.0.1", true);
    UdpSocket stranger = plain("127.0.0.1");
    const auto send_raw = [&](Bytes bytes) {
        REQUIRE(stranger.send({stranger.bound(), gateway.bound(), std::move(bytes)}) == 0);
    };
    send_raw({0xff});                      // keepalive
    send_raw({0x11, 0x22, 0x33, 0x44, 1}); // ESP without a state
    send_raw({0, 0, 0});
    send_raw({0, 0, 0, 0}); // a marker and nothing else
    send_raw({});
    for (int i = 0; i < 5; ++i)
        CHECK(std::holds_alternative<UdpSocket::Skipped>(arrival(gateway)));
    REQUIRE(client.send({client.bound(), gateway.bound(), {7, 7}}) == 0);
    CHECK(datagram(gateway).bytes == Bytes{7, 7});
    REQUIRE(gateway.send({gateway.bound(), stranger.bound(), {1}}) == 0);
    CHECK(datagram(stranger).bytes == Bytes{0, 0, 0, 0, 1});
}

TEST_CASE("A keepalive goes out without a marker, and comes in as nothing", "[daemon]") {
    UdpSocket ours = plain("127.0.0.1", true);
    UdpSocket theirs = plain("127.0.0.1", true);
    UdpSocket raw = plain("127.0.0.1");
    const auto keepalive = [&](const Endpoint& peer) {
        return ike::Datagram{ours.bound(), peer, {0xff}, true};
    };
    REQUIRE(ours.send(keepalive(raw.bound())) == 0);
    CHECK(datagram(raw).bytes == Bytes{0xff});
    REQUIRE(ours.send(keepalive(theirs.bound())) == 0);
    CHECK(std::holds_alternative<UdpSocket::Skipped>(arrival(theirs)));
}

TEST_CASE("The marker alone decides what is IKE", "[daemon]") {
    const Bytes message{0, 0, 0, 0, 5};
    REQUIRE(ike_message(message));
    CHECK(equal(*ike_message(message), Bytes{5}));
    CHECK_FALSE(ike_message(View(message).first(4)));
    CHECK_FALSE(ike_message(Bytes{0, 0, 0, 1, 5}));
    CHECK_FALSE(ike_message(Bytes{0xff}));
    CHECK_FALSE(ike_message(Bytes{}));
}

TEST_CASE("A peer that refuses datagrams does not stop us from sending", "[daemon]") {
    UdpSocket client = plain("127.0.0.1");
    Endpoint nobody;
    {
        UdpSocket gone = plain("127.0.0.1");
        nobody = gone.bound();
    }
    for (int i = 0; i < 3; ++i)
        CHECK(client.send({client.bound(), nobody, {1}}) == 0);
    CHECK(std::holds_alternative<UdpSocket::Empty>(client.receive()));
}

TEST_CASE("A datagram that cannot be sent says why", "[daemon]") {
    UdpSocket client = plain("127.0.0.1");
    CHECK(client.send({at("192.0.2.1", client), at("127.0.0.1", client), {1}}) != 0);
    CHECK(client.send({client.bound(), at("127.0.0.1", client), Bytes(65530)}) == EMSGSIZE);
}

TEST_CASE("A port that is taken is told with its remedy", "[daemon]") {
    const UdpSocket first = plain("127.0.0.1");
    const auto second = UdpSocket::open({first.bound(), false, std::nullopt, false});
    REQUIRE_FALSE(second);
    CHECK(second.error().text ==
          "UDP socket " + first.bound().to_string() +
              ": Address already in use: another IKE daemon holds the port (see: ss -lunp); "
              "stop it, or set listen.port and listen.nat_port");
    CHECK_FALSE(second.error().no_family);
}

TEST_CASE("An address that is not ours is told with its remedy", "[daemon]") {
    const auto socket = UdpSocket::open({{*IpAddress::parse("192.0.2.1"), 0}, false, std::nullopt, false});
    REQUIRE_FALSE(socket);
    CHECK(socket.error().text ==
          "UDP socket 192.0.2.1:0: Cannot assign requested address: no interface has this "
          "address; correct listen.addresses");
}

TEST_CASE("Datagrams leave by the socket of their local endpoint", "[daemon]") {
    auto ports = UdpPorts::open(
        {{*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")}, 0, 0, std::nullopt, false});
    REQUIRE(ports);
    REQUIRE(ports->sockets().size() == 4);
    CHECK_FALSE(ports->sockets()[0].nat());
    CHECK(ports->sockets()[1].nat());
    UdpSocket peer = plain("127.0.0.1");
    REQUIRE(ports->send({ports->sockets()[0].bound(), peer.bound(), {1}}) == 0);
    CHECK(datagram(peer).bytes == Bytes{1});
    REQUIRE(ports->send({{IpAddress(), ports->sockets()[1].bound().port}, peer.bound(), {2}}) == 0);
    CHECK(datagram(peer).bytes == Bytes{0, 0, 0, 0, 2});
    CHECK(ports->send({{IpAddress(), 1}, peer.bound(), {3}}) == EADDRNOTAVAIL);
}

TEST_CASE("The route to a peer says our address, as far as we listen there", "[daemon]") {
    const auto loopback = *IpAddress::parse("127.0.0.1");
    RouteLookup anywhere({IpAddress::any(Family::ipv4), IpAddress::any(Family::ipv6)}, std::nullopt,
                         Secret());
    CHECK(anywhere.source_for(loopback) == loopback);
    CHECK(anywhere.source_for(*IpAddress::parse("::1")) == IpAddress::parse("::1"));
    RouteLookup fixed({*IpAddress::parse("127.0.0.5")}, std::nullopt, Secret());
    CHECK(fixed.source_for(loopback) == IpAddress::parse("127.0.0.5"));
    CHECK_FALSE(fixed.source_for(*IpAddress::parse("::1")));
    const auto wall = std::chrono::system_clock::now() - anywhere.wall_time();
    CHECK(wall >= std::chrono::seconds(0));
    CHECK(wall < std::chrono::seconds(5));
}

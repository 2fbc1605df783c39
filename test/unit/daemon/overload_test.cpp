#include "daemon/overload.h"
#include "daemon/udp_socket.h"
#include "lib/wire/header.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::daemon;

namespace {

ike::Datagram message(wire::ExchangeType exchange, wire::PayloadType next, bool response = false) {
    wire::Header header;
    header.initiator_spi = 1;
    header.exchange = exchange;
    header.next = next;
    header.response = response;
    header.length = wire::kHeaderSize;
    ike::Datagram out;
    encode(header, out.bytes);
    return out;
}

const auto kNew = message(wire::ExchangeType::ike_sa_init, wire::PayloadType::sa);

} // namespace

TEST_CASE("An overload begins before the buffer is full and ends well below", "[daemon]") {
    Overload overload;
    CHECK_FALSE(overload.observe(Overload::kBegins - 1));
    CHECK_FALSE(overload.drops(kNew));
    CHECK(overload.observe(Overload::kBegins));
    CHECK(overload.drops(kNew));
    CHECK_FALSE(overload.observe(Overload::kEnds));
    CHECK(overload.drops(kNew));
    CHECK_FALSE(overload.observe(Overload::kEnds - 1));
    CHECK_FALSE(overload.drops(kNew));
    CHECK_FALSE(overload.observe(Overload::kBegins - 1));
    CHECK_FALSE(overload.drops(kNew));
    CHECK(overload.dropped() == 2);
}

TEST_CASE("An overload costs only new requests that return no cookie", "[daemon]") {
    Overload overload;
    REQUIRE(overload.observe(100));
    using enum wire::ExchangeType;
    CHECK_FALSE(overload.drops(message(ike_sa_init, wire::PayloadType::notify)));
    CHECK_FALSE(overload.drops(message(ike_sa_init, wire::PayloadType::sa, true)));
    CHECK_FALSE(overload.drops(message(ike_auth, wire::PayloadType::sk)));
    CHECK_FALSE(overload.drops(message(informational, wire::PayloadType::sk)));
    CHECK_FALSE(overload.drops({}));
    CHECK(overload.drops(kNew));
}

TEST_CASE("A socket tells how full it is", "[daemon]") {
    const auto open = [] {
        return UdpSocket::open({{*IpAddress::parse("127.0.0.1"), 0}, false, std::nullopt, false}).value();
    };
    UdpSocket receiver = open();
    UdpSocket sender = open();
    CHECK(receiver.fill() == 0);
    const ike::Datagram datagram{sender.bound(), receiver.bound(), Bytes(16384), false};
    int sent = 0;
    for (int i = 0; i < 2000; ++i) // 32 MB, more than any buffer of ours
        sent += sender.send(datagram) == 0 ? 1 : 0;
    CHECK(sent == 2000);
    CHECK(receiver.fill() >= Overload::kBegins);
    while (!std::holds_alternative<UdpSocket::Empty>(receiver.receive())) {
    }
    CHECK(receiver.fill() < Overload::kEnds);
}

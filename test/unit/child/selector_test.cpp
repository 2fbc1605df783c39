#include "lib/child/selector.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::child;

namespace {

TrafficSelector net(std::string_view text) { return selector(*Prefix::parse(text)); }

TrafficSelector range(std::string_view from, std::string_view to) {
    return {0, 0, 65535, *IpAddress::parse(from), *IpAddress::parse(to)};
}

TrafficSelector port(std::string_view text, std::uint8_t protocol, std::uint16_t from, std::uint16_t to) {
    auto s = net(text);
    s.ip_protocol = protocol;
    s.start_port = from;
    s.end_port = to;
    return s;
}

using List = std::vector<TrafficSelector>;

} // namespace

TEST_CASE("two selectors let through what both let through") {
    CHECK(intersect(net("10.0.0.0/8"), net("10.1.0.0/16")) == net("10.1.0.0/16"));
    CHECK(intersect(range("10.0.0.5", "10.0.0.20"), range("10.0.0.10", "10.0.0.30")) ==
          range("10.0.0.10", "10.0.0.20"));
    CHECK_FALSE(intersect(net("10.0.0.0/8"), net("11.0.0.0/8")));
    CHECK_FALSE(intersect(net("::/0"), net("0.0.0.0/0")));
    CHECK(intersect(port("::/0", 6, 20, 30), port("::/0", 0, 25, 99)) == port("::/0", 6, 25, 30));
    CHECK_FALSE(intersect(port("::/0", 6, 20, 30), port("::/0", 17, 20, 30)));
    CHECK_FALSE(intersect(port("::/0", 6, 20, 30), port("::/0", 6, 31, 40)));
}

TEST_CASE("OPAQUE ports are met by OPAQUE and by any port alone") {
    const auto opaque = port("::/0", 6, 65535, 0);
    CHECK(intersect(opaque, opaque) == opaque);
    CHECK(intersect(opaque, port("::/0", 6, 0, 65535)) == opaque);
    CHECK_FALSE(intersect(opaque, port("::/0", 6, 0, 100)));
    CHECK_FALSE(intersect(port("::/0", 6, 5, 65535), opaque));
}

TEST_CASE("a range is taken apart into the fewest prefixes") {
    const auto texts = [](const TrafficSelector& s, std::size_t most) {
        std::vector<std::string> out;
        for (const auto& p : prefixes_of(s, most).value_or(std::vector<Prefix>{}))
            out.push_back(p.to_string());
        return out;
    };
    CHECK(texts(range("10.0.0.1", "10.0.0.6"), 8) ==
          std::vector<std::string>{"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"});
    CHECK(texts(net("0.0.0.0/0"), 1) == std::vector<std::string>{"0.0.0.0/0"});
    CHECK(texts(net("::/0"), 1) == std::vector<std::string>{"::/0"});
    CHECK(texts(range("255.255.255.254", "255.255.255.255"), 1) ==
          std::vector<std::string>{"255.255.255.254/31"});
    CHECK_FALSE(prefixes_of(range("10.0.0.1", "10.0.0.6"), 3));
}

TEST_CASE("the responder narrows to what the offer and its policy share") {
    const List any{net("::/0"), net("0.0.0.0/0")};
    const List client{net("fe80::1/128"), net("2001:db8:1::/64"), net("10.0.0.7/32")};
    const List lan{net("2001:db8:9::/64"), net("10.9.0.0/24")};
    const auto narrowed = Narrowed::narrow(any, client, any, lan);
    REQUIRE(narrowed);
    CHECK(narrowed->initiator() == client);
    CHECK(narrowed->responder() == lan);
}

TEST_CASE("a family that only one side keeps is dropped") {
    const List any{net("::/0"), net("0.0.0.0/0")};
    const auto narrowed = Narrowed::narrow(any, List{net("10.0.0.7/32")}, any, any);
    REQUIRE(narrowed);
    CHECK(narrowed->responder() == List{net("0.0.0.0/0")});
    CHECK(Narrowed::narrow(any, List{net("10.0.0.7/32")}, List{net("::/0")}, any).error() ==
          Rule::ts_unacceptable);
}

TEST_CASE("nothing in common is TS_UNACCEPTABLE") {
    const auto narrowed = Narrowed::narrow(List{net("10.0.0.0/8")}, List{net("10.0.0.7/32")},
                                           List{net("11.0.0.0/8")}, List{net("12.0.0.0/8")});
    REQUIRE_FALSE(narrowed);
    CHECK(narrowed.error() == Rule::ts_unacceptable);
}

TEST_CASE("the initiator takes a subset of its offer and nothing else") {
    const List offer{net("::/0")};
    CHECK(Narrowed::accept(List{net("2001:db8::/64")}, offer, List{net("::/0")}, offer));
    const auto wider = Narrowed::accept(List{net("2001:db8::/64")}, List{net("2001:db8::/96")}, offer, offer);
    REQUIRE_FALSE(wider);
    CHECK(wider.error() == Rule::ts_not_narrowed);
    CHECK_FALSE(Narrowed::accept(List{}, offer, offer, offer));
    CHECK_FALSE(Narrowed::accept(List{net("0.0.0.0/0")}, offer, offer, offer));
}

TEST_CASE("selectors are written as people write them") {
    CHECK(to_string(net("2001:db8::/64")) == "2001:db8::/64");
    CHECK(to_string(range("10.0.0.1", "10.0.0.9")) == "10.0.0.1-10.0.0.9");
    CHECK(to_string(port("10.0.0.0/8", 6, 22, 22)) == "10.0.0.0/8 tcp/22");
    CHECK(to_string(port("10.0.0.0/8", 17, 1, 9)) == "10.0.0.0/8 udp/1-9");
    CHECK(to_string(port("10.0.0.0/8", 99, 65535, 0)) == "10.0.0.0/8 99/opaque");
}

TEST_CASE("a selector is written as the configuration writes it") {
    TrafficSelector ping = net("10.0.0.0/8");
    ping.ip_protocol = 1;
    ping.start_port = 8 << 8;
    ping.end_port = 8 << 8 | 0xff;
    CHECK(to_string(ping) == "10.0.0.0/8 icmp/8");
    ping.start_port = ping.end_port = 3 << 8 | 1;
    CHECK(to_string(ping) == "10.0.0.0/8 icmp/3/1");
    TrafficSelector web = net("2001:db8::/64");
    web.ip_protocol = 6;
    web.start_port = 80;
    web.end_port = 443;
    CHECK(to_string(web) == "2001:db8::/64 tcp/80-443");
    CHECK(to_string(range("10.0.0.1", "10.0.0.9")) == "10.0.0.1-10.0.0.9");
}

#include "test/kernel/samples.h"
#include "xfrm/expansion.h"
#include "xfrm/links.h"
#include "xfrm/marks.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using kernel_test::prefix;
using kernel_test::selector;

std::vector<Prefix> split(const char* first, const char* last) {
    return prefixes_of(ip(first), ip(last), kMaxPrefixesPerSelector).value();
}

child::PolicySet set_of(std::vector<wire::TrafficSelector> local, std::vector<wire::TrafficSelector> remote) {
    auto set = Client{.n = 1}.policies();
    set.local_selectors = std::move(local);
    set.remote_selectors = std::move(remote);
    return set;
}

std::vector<std::string> texts(const child::PolicySet& set) {
    std::vector<std::string> out;
    const auto policies = policies_of(set);
    for (const Policy& policy : policies.value())
        out.push_back(std::string(to_string(policy.direction)) + " " + policy.selector.to_string());
    return out;
}

} // namespace

TEST_CASE("a range becomes the fewest prefixes", "[xfrm]") {
    CHECK(split("0.0.0.0", "255.255.255.255") == std::vector{prefix("0.0.0.0/0")});
    CHECK(split("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == std::vector{prefix("::/0")});
    CHECK(split("10.0.0.1", "10.0.0.1") == std::vector{prefix("10.0.0.1/32")});
    CHECK(split("10.0.0.1", "10.0.0.6") == std::vector{prefix("10.0.0.1/32"), prefix("10.0.0.2/31"),
                                                       prefix("10.0.0.4/31"), prefix("10.0.0.6/32")});
    CHECK(split("255.255.255.254", "255.255.255.255") == std::vector{prefix("255.255.255.254/31")});
    CHECK(split("2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff") == std::vector{prefix("2001:db8::/63")});
    CHECK(split("0.0.0.1", "255.255.255.254").size() == 62);
    CHECK_FALSE(prefixes_of(ip("::1"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), 64));
    CHECK_FALSE(prefixes_of(ip("10.0.0.1"), ip("10.0.0.6"), 3));
}

TEST_CASE("policies admit exactly the pairs of selectors, each way", "[xfrm]") {
    CHECK(texts(set_of({selector("::/0"), selector("0.0.0.0/0")}, {selector("2001:db8:1::/64")})) ==
          std::vector<std::string>{"in 2001:db8:1::/64 -> ::/0", "fwd 2001:db8:1::/64 -> ::/0",
                                   "out ::/0 -> 2001:db8:1::/64"});
    CHECK(texts(set_of({selector("fe80::1")}, {selector("fe80::2")})) ==
          std::vector<std::string>{"in fe80::2/128 -> fe80::1/128", "out fe80::1/128 -> fe80::2/128"});
    auto set = set_of({selector("::/0")}, {selector("2001:db8:1::/64")});
    set.mode = child::Mode::transport;
    CHECK(texts(set).size() == 2);
    const auto policies = policies_of(set_of({selector("::/0")}, {selector("2001:db8:1::/64")}));
    for (const Policy& policy : *policies) {
        const bool out = policy.direction == PolicyDirection::out;
        CHECK(policy.source == (out ? ip("2001:db8:13::2") : ip("::")));
        CHECK(policy.destination == (out ? ip("2001:db8:7::1") : ip("::")));
        CHECK(policy.link == child::kFirstLink + 1);
        CHECK(policy.reqid == policy.link);
    }
}

TEST_CASE("a port and a protocol stand on the right side in each direction", "[xfrm]") {
    auto dns = selector("2001:db8:9::53");
    dns.ip_protocol = 17;
    dns.start_port = dns.end_port = 53;
    CHECK(texts(set_of({dns}, {selector("2001:db8:1::/64")})) ==
          std::vector<std::string>{"in 2001:db8:1::/64 -> 2001:db8:9::53/128 protocol 17 port any -> 53",
                                   "fwd 2001:db8:1::/64 -> 2001:db8:9::53/128 protocol 17 port any -> 53",
                                   "out 2001:db8:9::53/128 -> 2001:db8:1::/64 protocol 17 port 53 -> any"});
    auto tcp = selector("2001:db8:1::/64");
    tcp.ip_protocol = 6;
    CHECK_FALSE(policies_of(set_of({dns}, {tcp})));
}

TEST_CASE("a range of ports becomes the fewest blocks", "[xfrm]") {
    using Blocks = std::vector<PortMatch>;
    CHECK(blocks_of(0, 65535) == Blocks{{0, 0}});
    CHECK(blocks_of(53, 53) == Blocks{{53, 0xffff}});
    CHECK(blocks_of(1024, 2047) == Blocks{{1024, 0xfc00}});
    CHECK(blocks_of(32768, 65535) == Blocks{{32768, 0x8000}});
    CHECK(blocks_of(0, 1) == Blocks{{0, 0xfffe}});
    CHECK(blocks_of(65535, 65535) == Blocks{{65535, 0xffff}});
    CHECK(blocks_of(1, 65534).size() == 30);
    for (const auto& [first, last] : {std::pair{1000, 2000}, {1, 65534}, {1023, 1025}, {0, 9}}) {
        const auto blocks = blocks_of(static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last));
        for (int port = 0; port < 65536; port += 1 + port % 7) {
            const auto matching = std::ranges::count_if(
                blocks, [&](const PortMatch& block) { return ((port ^ block.value) & block.mask) == 0; });
            if (matching != (port >= first && port <= last ? 1 : 0)) FAIL("port " << port);
        }
    }
    CHECK(PortMatch{1024, 0xfc00}.to_string() == "1024-2047");
    CHECK(PortMatch{53, 0xffff}.to_string() == "53");
    CHECK(PortMatch{}.to_string() == "any");
}

TEST_CASE("ranges of ports take a policy for each block, or pair of blocks", "[xfrm]") {
    auto local = selector("2001:db8:9::53"), remote = selector("2001:db8:1::/64");
    local.ip_protocol = remote.ip_protocol = 6;
    local.start_port = 1024, local.end_port = 65535;
    CHECK(texts(set_of({local}, {remote})).size() == 6 * 3);
    remote.start_port = 8, remote.end_port = 11;
    const auto both = texts(set_of({local}, {remote}));
    CHECK(both.size() == 6 * 3);
    CHECK(both.back() == "out 2001:db8:9::53/128 -> 2001:db8:1::/64 protocol 6 port 32768-65535 -> 8-11");
    local.start_port = remote.start_port = 1;
    local.end_port = remote.end_port = 65534;
    CHECK(policies_of(set_of({local}, {remote})).error().find("more than 1024") != std::string::npos);
}

TEST_CASE("OPAQUE ports are those that the kernel does not see", "[xfrm]") {
    auto local = selector("10.0.0.0/8"), remote = selector("10.77.0.1/32");
    local.ip_protocol = remote.ip_protocol = 17;
    local.start_port = remote.start_port = 65535;
    local.end_port = remote.end_port = 0;
    CHECK(texts(set_of({local}, {remote})).back() ==
          "out 10.0.0.0/8 -> 10.77.0.1/32 protocol 17 port 0 -> 0");
}

TEST_CASE("message types and codes are those that a side sends", "[xfrm]") {
    auto local = selector("2001:db8:9::/64"), remote = selector("2001:db8:1::1/128");
    local.ip_protocol = remote.ip_protocol = 58;
    const auto policies = [&] {
        auto out = texts(set_of({local}, {remote}));
        std::erase_if(out, [](const std::string& text) { return text.starts_with("fwd"); });
        return out;
    };
    const std::string out = "out 2001:db8:9::/64 -> 2001:db8:1::1/128 protocol 58";
    const std::string in = "in 2001:db8:1::1/128 -> 2001:db8:9::/64 protocol 58";
    local.start_port = 128 << 8, local.end_port = 128 << 8 | 0xff; // all codes of a type
    remote.start_port = remote.end_port = 129 << 8;                // one code
    CHECK(policies() == std::vector{in + " port 129 -> 0", out + " port 128 -> any"});
    remote.start_port = 0, remote.end_port = 65535;
    CHECK(policies() == std::vector{in, out + " port 128 -> any"});
    remote.start_port = 65535, remote.end_port = 0; // OPAQUE: sends none
    CHECK(policies() == std::vector{out + " port 128 -> any"});
    remote = selector("2001:db8:1::1/128"); // any protocol
    CHECK(policies() == std::vector{in, out + " port 128 -> any"});
    local.start_port = local.end_port = 1 << 8 | 4;
    CHECK(policies().back() == out + " port 1 -> 4");
    const auto read = policies_of(set_of({local}, {remote}));
    CHECK(read->back().selector.source_port == PortMatch{1, 0xffff});
    local.start_port = 133 << 8, local.end_port = 137 << 8 | 0xff; // 133 to 137
    CHECK(policies().size() == 1 + 3);
    CHECK(std::ranges::count(policies(), out + " port 134-135 -> any") == 1);
    local.start_port = 65535, local.end_port = 0;
    remote.ip_protocol = 58, remote.start_port = 65535, remote.end_port = 0;
    CHECK_FALSE(policies_of(set_of({local}, {remote}))); // neither sends
}

TEST_CASE("narrower policies win, and repeated selectors count once", "[xfrm]") {
    const auto policies = policies_of(set_of({selector("::/0"), selector("::/0")},
                                             {selector("2001:db8::/32"), selector("2001:db8:1::/64")}));
    REQUIRE(policies);
    CHECK(policies->size() == 6);
    const auto& wide = policies->at(0);
    const auto& narrow = policies->at(3);
    CHECK(narrow.priority < wide.priority);
}

TEST_CASE("selectors that the SPD cannot hold are refused by name", "[xfrm]") {
    const auto refusal = [](wire::TrafficSelector odd) {
        const auto policies = policies_of(set_of({odd}, {selector("::/0"), selector("0.0.0.0/0")}));
        return policies ? std::string("taken") : policies.error();
    };
    auto ports = selector("2001:db8::/64");
    ports.start_port = 1000;
    ports.end_port = 2000;
    CHECK(refusal(ports) ==
          "traffic selector 2001:db8::-2001:db8::ffff:ffff:ffff:ffff ports 1000-2000: a port without "
          "a protocol means nothing to the kernel's policies");
    ports.ip_protocol = 17;
    CHECK(refusal(ports) == "taken");
    std::swap(ports.start_port, ports.end_port);
    CHECK(refusal(ports).find("the last port lies before the first") != std::string::npos);
    for (const std::uint8_t protocol : std::array<std::uint8_t, 3>{135, 47, 50}) {
        auto type = selector("2001:db8::/64");
        type.ip_protocol = protocol;
        type.start_port = type.end_port = 5 << 8;
        CHECK(refusal(type).find("does not read ports or message types") != std::string::npos);
        type.start_port = 0, type.end_port = 65535;
        CHECK(refusal(type) == "taken");
        type.start_port = 65535, type.end_port = 0;
        CHECK(refusal(type) == "taken");
    }
    auto range = selector("::/0");
    range.start = ip("::1");
    CHECK(refusal(range).find("too many prefixes") != std::string::npos);
    auto backwards = selector("10.0.0.0/8");
    std::swap(backwards.start, backwards.end);
    CHECK(refusal(backwards).find("before the first") != std::string::npos);
    CHECK(policies_of(set_of({selector("::/0")}, {selector("0.0.0.0/0")})).error().find("share a family") !=
          std::string::npos);
    std::vector<wire::TrafficSelector> many;
    for (unsigned n = 0; n < 32; ++n)
        many.push_back(selector(Client{.n = n + 1}.prefix6().to_string()));
    CHECK(policies_of(set_of(many, many)).error().find("more than 1024") != std::string::npos);
}

TEST_CASE("a client's routes go into two tables with the own address as source; a gateway's name the link",
          "[xfrm]") {
    const Client client{.n = 5, .role = child::LinkRole::client};
    const auto routes = routes_of(client.link(), 42);
    REQUIRE(routes.size() == 3);
    CHECK(routes[0].table == kDefaultRouteTable);
    CHECK(routes[0].preferred_source == ip("2001:db8:100:5::1"));
    CHECK(routes[1].table == kDefaultRouteTable);
    CHECK(routes[1].preferred_source == ip("10.77.0.5"));
    CHECK(routes[2].table == kRouteTable);
    CHECK_FALSE(routes[2].link);
    for (const auto& route : routes_of(Client{.n = 5}.link(), 42)) {
        CHECK(route.table == kRouteTable);
        CHECK(route.link == client.number());
        CHECK(route.interface_index == 42);
        CHECK(route.protocol == kProtocol);
        CHECK_FALSE(route.preferred_source);
    }
}

} // namespace sheaf::xfrm

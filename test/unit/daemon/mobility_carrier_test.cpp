// Mobility Headers between the engine's form and the raw socket's.
#include "daemon/mobility_carrier.h"
#include "lib/child/mobility_link.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace sheaf;
using namespace sheaf::daemon;

namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

ike::MobilityHeader sample_header(bool to_agent) {
    ike::MobilityHeader out;
    out.home = ip("2001:db8:a::100");
    out.care_of = ip("2001:db8:2::5");
    out.agent = ip("2001:db8:a::1");
    out.to_agent = to_agent;
    out.bid = to_agent ? 2 : 0;
    out.octets = {59, 0, 0, 0, 0, 0, 0, 0};
    return out;
}

} // namespace

TEST_CASE("A mobile node's message goes from its home address, marked with its care-of address", "[daemon]") {
    const auto out = to_datagram(sample_header(true));
    CHECK(out.addresses == MobilityAddresses{ip("2001:db8:a::100"), ip("2001:db8:a::1"), std::nullopt});
    CHECK(out.mark == child::path_mark(2));
    auto at_home = sample_header(true);
    at_home.bid = 0;
    CHECK(to_datagram(at_home).mark == 0);
}

TEST_CASE("A home agent's message names the care-of address, unless the mobile node is at home", "[daemon]") {
    CHECK(to_datagram(sample_header(false)).addresses ==
          MobilityAddresses{ip("2001:db8:a::1"), ip("2001:db8:a::100"), ip("2001:db8:2::5")});
    auto at_home = sample_header(false);
    at_home.care_of = at_home.home;
    CHECK_FALSE(to_datagram(at_home).addresses.care_of.has_value());
}

TEST_CASE("What comes in is of the home address that it speaks for", "[daemon]") {
    const MobilityAddresses from{ip("2001:db8:a::100"), ip("2001:db8:a::1"), ip("2001:db8:2::5")};
    const auto at_agent = to_header({from, {1}}, true);
    CHECK(at_agent.home == ip("2001:db8:a::100"));
    CHECK(at_agent.care_of == ip("2001:db8:2::5"));
    CHECK(at_agent.agent == ip("2001:db8:a::1"));
    const MobilityAddresses back{ip("2001:db8:a::1"), ip("2001:db8:a::100"), std::nullopt};
    const auto at_node = to_header({back, {1}}, false);
    CHECK(at_node.home == ip("2001:db8:a::100"));
    CHECK(at_node.care_of == at_node.home);
    CHECK_FALSE(at_node.to_agent);
}

TEST_CASE("A message of prefix discovery is told from a Mobility Header", "[daemon]") {
    const MobilityAddresses from{ip("2001:db8:a::100"), ip("2001:db8:a::1"), ip("2001:db8:2::5")};
    CHECK(to_header({from, {1}}, true).protocol == mobility::kMobilityProtocol);
    CHECK(to_header({from, {1}}, true, mobility::kIcmp6Protocol).protocol == mobility::kIcmp6Protocol);
}

TEST_CASE("Questions come in for home agents that answer, answers for mobile nodes that ask", "[daemon]") {
    using Type = mobility::PrefixMessageType;
    ike::Config config;
    CHECK(prefix_messages(config).empty());
    config.connections.resize(2);
    config.connections[0].home_service.emplace();
    config.connections[1].mobile.emplace();
    CHECK(prefix_messages(config) == std::set{Type::solicitation});
    config.connections[1].mobile->prefix_discovery = true;
    CHECK(prefix_messages(config) == std::set{Type::solicitation, Type::advertisement});
    config.connections[0].home_service->prefix_discovery = false;
    CHECK(prefix_messages(config) == std::set{Type::advertisement});
}

TEST_CASE("A message that is not sent is told with its addresses and the remedy", "[daemon]") {
    const auto text = unsent(sample_header(true), EINVAL);
    CHECK(text.find("from 2001:db8:a::100 to 2001:db8:a::1 (home address 2001:db8:a::100, care-of address "
                    "2001:db8:2::5) not sent: ") != std::string::npos);
    CHECK(text.find("ip -6 addr show to 2001:db8:a::100") != std::string::npos);
    auto at_home = sample_header(false);
    at_home.care_of = at_home.home;
    CHECK(unsent(at_home, ENETUNREACH).find(", at home) not sent: ") != std::string::npos);
    CHECK(unsent(at_home, ENETUNREACH).find("ip -6 route get 2001:db8:a::100") != std::string::npos);
}

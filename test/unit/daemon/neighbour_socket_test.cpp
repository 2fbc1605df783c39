#include "daemon/neighbour_socket.h"
#include "test/support/hex.h"
#include "test/unit/daemon/configs.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::daemon;

TEST_CASE("an unsolicited Neighbour Advertisement overrides and names the link-layer address",
          "[neighbour]") {
    const Bytes link_layer{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01};
    const Bytes octets = neighbour_advertisement(*IpAddress::parse("2001:db8:a::100"), link_layer);
    CHECK(sheaf::test::to_hex(octets) == "88000000"                         // type 136, code, checksum
                                         "20000000"                         // O, neither R nor S
                                         "20010db8000a00000000000000000100" // target
                                         "020102005e100001");               // target link-layer address
}

TEST_CASE("home agents on a home link and mobile nodes speak to neighbours", "[neighbour]") {
    ike::Config config;
    config.connections.emplace_back();
    CHECK_FALSE(needs_neighbours(config));
    config.connections[0].home_service.emplace();
    CHECK_FALSE(needs_neighbours(config));
    config.connections[0].home_service->home_link = "lan0";
    CHECK(needs_neighbours(config));
    config.connections[0].home_service.reset();
    config.connections[0].mobile.emplace();
    CHECK(needs_neighbours(config));
}

#pragma once

#include "lib/child/selector.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

// A gateway with several pools, and a client.
namespace sheaf::test {

using namespace std::chrono_literals;

inline constexpr const char* kGateway = "192.0.2.2";

inline Prefix prefix(std::string_view text) { return *Prefix::parse(text); }

// Three entries of IPv6, the second with an alternative, and one of IPv4.
inline ike::Config rich_gateway(std::size_t clients = 2) {
    auto config = gateway_config(clients);
    config.pools = {{.name = "a", .prefix = prefix("2001:db8:a00::/40"), .delegate = 56},
                    {.name = "b", .prefix = prefix("2001:db8:b00::/64"), .delegate = 64},
                    {.name = "b2", .prefix = prefix("2001:db8:b10::/48"), .delegate = 64},
                    {.name = "v4", .prefix = prefix("10.64.0.0/16"), .delegate = 32}};
    config.connections[0].pools = {{{"a"}}, {{"b", "b2"}}, {{"v4"}}};
    return config;
}

struct Net {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Net(ike::Config g = rich_gateway(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add("198.51.100.2", std::move(c))) {}
    void connect() {
        net.run_for(1s);
        REQUIRE(gateway.established() == 1);
        REQUIRE(client.established() == 1);
    }
    const child::Link& link() { return client.kernel.links.begin()->second; }
    const child::Link& at_gateway() { return gateway.kernel.links.begin()->second; }
};

inline std::vector<Prefix> blocks(const Host& gateway) {
    std::vector<Prefix> out;
    for (const auto& grant : gateway.engine.status().ike_sas.at(0).leases)
        out.push_back(grant.block);
    return out;
}

inline std::optional<child::InterfaceAddress> address_in(const child::Link& link, const Prefix& prefix) {
    const auto found = std::ranges::find_if(
        link.addresses, [&](const auto& address) { return prefix.contains(address.address); });
    return found == link.addresses.end() ? std::nullopt : std::optional(*found);
}

} // namespace sheaf::test

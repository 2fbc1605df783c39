#include "lib/child/selector.h"
#include "lib/wire/codec.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "2001:db8:13::2";
constexpr const char* kClient = "2001:db8:7::2";

struct Pair {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Pair(ike::Config g = gateway_config(), ike::Config c = client_config(kGateway))
        : gateway(net.add(kGateway, std::move(g))), client(net.add(kClient, std::move(c))) {}
    void connect() { net.run_for(1s); }
    [[nodiscard]] bool up() const { return gateway.established() == 1 && client.established() == 1; }
};

Bytes bytes(View view) { return {view.begin(), view.end()}; }

wire::ExchangeType exchange_of(const ike::Datagram& datagram) {
    return wire::parse_header(datagram.bytes)->exchange;
}

} // namespace

TEST_CASE("client and gateway agree on one Child SA") {
    Pair pair;
    pair.connect();
    REQUIRE(pair.up());
    REQUIRE(pair.net.log.size() == 4);
    const auto gw = pair.gateway.engine.status().ike_sas.at(0);
    const auto cl = pair.client.engine.status().ike_sas.at(0);
    CHECK(gw.peer_id == "client0.example.org");
    CHECK(cl.peer_id == "gw.example.org");
    CHECK(gw.suite == "aes256gcm16-prfsha256-x25519");
    CHECK(cl.suite == gw.suite);
    CHECK_FALSE(gw.nat_there);
    CHECK(gw.children.at(0).spi_in == cl.children.at(0).spi_out);
    CHECK(gw.children.at(0).spi_out == cl.children.at(0).spi_in);
    CHECK(pair.gateway.kernel.breaches.empty());
    CHECK(pair.client.kernel.breaches.empty());
}

TEST_CASE("both kernels hold the same keys, crosswise") {
    Pair pair;
    pair.connect();
    REQUIRE(pair.gateway.kernel.sas.size() == 1);
    REQUIRE(pair.client.kernel.sas.size() == 1);
    const auto& gw = pair.gateway.kernel.sas.begin()->second;
    const auto& cl = pair.client.kernel.sas.begin()->second;
    CHECK(gw.in.encryption.size() == 36);
    CHECK(bytes(gw.in.encryption.view()) == bytes(cl.out.encryption.view()));
    CHECK(bytes(gw.out.encryption.view()) == bytes(cl.in.encryption.view()));
    CHECK(bytes(gw.in.encryption.view()) != bytes(gw.out.encryption.view()));
}

TEST_CASE("the client gets a /64 of its own, a link-local address and an IPv4 address") {
    Pair pair;
    pair.connect();
    const auto& given = pair.gateway.kernel.links.begin()->second;
    REQUIRE(given.routes.size() == 3);
    CHECK(given.role == child::LinkRole::gateway);
    CHECK(given.routes[0].length() == 64);
    CHECK(Prefix::parse("2001:db8:100::/48")->contains(given.routes[0]));
    CHECK(given.routes[1].length() == 32);
    CHECK(given.routes[2].address().is_link_local());
    REQUIRE(given.addresses.size() == 1);
    CHECK(given.addresses[0].address.is_link_local());
    CHECK(given.addresses[0].address != given.routes[2].address());
    const auto& link = pair.client.kernel.links.begin()->second;
    CHECK(link.interface == "sheaf0");
    REQUIRE(link.addresses.size() == 3);
    const auto in_prefix = std::ranges::count_if(
        link.addresses, [&](const auto& a) { return given.routes[0].contains(a.address); });
    CHECK(in_prefix == 1);
    CHECK(std::ranges::any_of(link.addresses, [](const auto& a) { return a.address.is_link_local(); }));
    CHECK(std::ranges::any_of(link.addresses,
                              [&](const auto& a) { return Prefix::host(a.address) == given.routes[1]; }));
    CHECK(pair.client.engine.status().ike_sas.at(0).dns == std::vector{*IpAddress::parse("2001:db8:9::53")});
}

TEST_CASE("the gateway's SPD admits the client's own addresses and nothing else") {
    Pair pair;
    pair.connect();
    const auto& policy = pair.gateway.kernel.policies.at(0);
    const auto& routes = pair.gateway.kernel.links.begin()->second.routes;
    REQUIRE(policy.remote_selectors.size() == 3);
    for (const auto& selector : policy.remote_selectors) {
        const bool own = std::ranges::any_of(
            routes, [&](const Prefix& p) { return child::contains(child::selector(p), selector); });
        CHECK((own || selector.start.is_link_local()));
        CHECK((own || selector.start == selector.end));
    }
    CHECK(pair.client.kernel.policies.at(0).local_selectors == policy.remote_selectors);
    CHECK(pair.client.kernel.policies.at(0).remote_selectors == policy.local_selectors);
}

TEST_CASE("two clients never share a prefix or an address") {
    WireNet net;
    Host& gateway = net.add(kGateway, gateway_config(40));
    for (std::size_t i = 0; i < 40; ++i)
        net.add("2001:db8:7::" + std::to_string(100 + i), client_config(kGateway, i));
    net.run_for(5s);
    REQUIRE(gateway.established() == 40);
    std::set<Prefix> seen;
    for (const auto& [number, link] : gateway.kernel.links) {
        for (const Prefix& route : link.routes)
            CHECK(seen.insert(route).second);
    }
    CHECK(seen.size() == 120);
}

TEST_CASE("a client that knows no RFC 5739 gets one address out of a /64 that is routed to it") {
    auto config = client_config(kGateway);
    config.connections[0].request = {false, true, false};
    Pair pair(gateway_config(), config);
    pair.connect();
    REQUIRE(pair.up());
    const auto& given = pair.gateway.kernel.links.begin()->second.routes;
    REQUIRE(given.size() == 1);
    const auto& addresses = pair.client.kernel.links.begin()->second.addresses;
    REQUIRE(addresses.size() == 1);
    CHECK(given[0].contains(addresses[0].address));
}

TEST_CASE("a client that asks for IPv4 alone has no IPv6 in its Child SA") {
    auto config = client_config(kGateway);
    config.connections[0].request = {false, false, true};
    Pair pair(gateway_config(), config);
    pair.connect();
    REQUIRE(pair.up());
    CHECK(pair.client.kernel.policies.at(0).remote_selectors ==
          std::vector{child::selector(Prefix::all(Family::ipv4))});
}

TEST_CASE("an exhausted pool is INTERNAL_ADDRESS_FAILURE to that client alone") {
    auto config = gateway_config(2);
    config.pools = {{"v6", *Prefix::parse("2001:db8:100::/64"), 64}};
    config.connections[0].pools = {{{"v6"}}};
    WireNet net;
    Host& gateway = net.add(kGateway, config);
    net.add(kClient, client_config(kGateway, 0));
    net.run_for(1s);
    Host& second = net.add("2001:db8:7::3", client_config(kGateway, 1));
    net.run_for(1s);
    CHECK(gateway.kernel.links.size() == 1);
    CHECK(gateway.refused(Rule::address_failure) >= 1);
    CHECK(second.kernel.empty());
    REQUIRE(second.last<ike::IkeDown>());
    CHECK(second.last<ike::IkeDown>()->detail == "the peer answered INTERNAL_ADDRESS_FAILURE");
}

TEST_CASE("every combination of algorithms leads to a Child SA") {
    using namespace crypto;
    const std::vector<std::pair<Encryption, std::vector<IntegId>>> ciphers{
        {{EncrId::aes_gcm_16, 128}, {}},
        {{EncrId::chacha20_poly1305, 0}, {}},
        {{EncrId::aes_cbc, 256}, {IntegId::hmac_sha2_256_128}},
        {{EncrId::aes_cbc, 128}, {IntegId::hmac_sha2_512_256}},
    };
    for (const auto& [cipher, integrity] : ciphers) {
        for (const KeId group : {KeId::x25519, KeId::ecp256, KeId::modp2048}) {
            auto config = client_config(kGateway);
            config.connections[0].ike = {{{cipher}, integrity, {PrfId::hmac_sha2_384}, {group}}};
            config.connections[0].child.esp = {{{cipher}, integrity, {}}};
            Pair pair(gateway_config(), config);
            pair.connect();
            CHECK(pair.up());
        }
    }
}

TEST_CASE("a gateway that wants another group says so and the client follows") {
    auto gateway = gateway_config();
    for (auto& proposal : gateway.connections[0].ike)
        proposal.key_exchange = {crypto::KeId::ecp384};
    Pair pair(gateway);
    pair.connect();
    REQUIRE(pair.up());
    CHECK(pair.net.log.size() == 6);
    CHECK(pair.gateway.refused(Rule::invalid_ke_group) == 1);
    CHECK(pair.client.engine.status().ike_sas.at(0).suite == "aes256gcm16-prfsha256-ecp384");
}

TEST_CASE("under load the gateway keeps no state for a client that has not returned its cookie") {
    auto gateway = gateway_config();
    gateway.limits.half_open_for_cookies = 0;
    Pair pair(gateway);
    bool state_before_cookie = false;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == pair.gateway.address && pair.net.log.size() == 2)
            state_before_cookie = pair.gateway.engine.status().half_open != 0;
        return true;
    };
    pair.connect();
    CHECK_FALSE(state_before_cookie);
    REQUIRE(pair.up());
    CHECK(pair.net.log.size() == 6);
    CHECK(pair.gateway.refused(Rule::cookie_required) == 1);
}

TEST_CASE("a cookie and another group may both be asked for") {
    auto gateway = gateway_config();
    gateway.limits.half_open_for_cookies = 0;
    for (auto& proposal : gateway.connections[0].ike)
        proposal.key_exchange = {crypto::KeId::ecp256};
    Pair pair(gateway);
    pair.connect();
    REQUIRE(pair.up());
    CHECK(pair.net.log.size() == 8);
}

TEST_CASE("a peer that asks for retries without end is not followed") {
    Pair pair;
    unsigned sent = 0;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == pair.client.address) {
            ++sent;
            const auto header = *wire::parse_header(datagram.bytes);
            wire::Header answer = header;
            answer.response = true;
            answer.from_initiator = false;
            const wire::Notify cookie{wire::Protocol::none, {}, wire::NotifyType::cookie, Bytes(8, 7)};
            const ike::Datagram forged{datagram.peer, datagram.local,
                                       wire::encode_message(answer, std::vector<wire::Payload>{cookie})};
            pair.client.engine.datagram(pair.net.now, {forged.peer, forged.local, forged.bytes});
        }
        return false;
    };
    pair.net.run_for(200ms);
    CHECK(sent == 4);
    CHECK(pair.client.refused(Rule::repeated_redirect) == 1);
}

TEST_CASE("no common algorithm is NO_PROPOSAL_CHOSEN") {
    auto config = client_config(kGateway);
    config.connections[0].ike = {{{{crypto::EncrId::aes_cbc, 192}},
                                  {crypto::IntegId::hmac_sha2_256_128},
                                  {crypto::PrfId::hmac_sha2_256},
                                  {crypto::KeId::x25519}}};
    Pair pair(gateway_config(), config);
    pair.connect();
    CHECK(pair.gateway.refused(Rule::no_proposal_chosen) >= 1);
    // Anybody can have sent that answer: a better one is waited for, for a while.
    CHECK_FALSE(pair.client.last<ike::IkeDown>());
    pair.net.run_for(2s);
    REQUIRE(pair.client.last<ike::IkeDown>());
    CHECK(pair.client.last<ike::IkeDown>()->detail == "the peer answered NO_PROPOSAL_CHOSEN");
}

TEST_CASE("a wrong secret is AUTHENTICATION_FAILED and leaves nothing behind") {
    auto config = client_config(kGateway);
    config.credentials.shared_keys[0].key =
        std::make_shared<const Secret>(Secret::copy_of(Bytes{'w', 'r', 'o', 'n', 'g'}));
    Pair pair(gateway_config(), config);
    pair.connect();
    CHECK(pair.gateway.refused(Rule::authentication_failed) >= 1);
    CHECK(pair.gateway.kernel.empty());
    CHECK(pair.client.kernel.empty());
    CHECK(pair.client.last<ike::IkeDown>()->detail == "the peer answered AUTHENTICATION_FAILED");
    static_cast<void>(pair.client.engine.command(pair.net.now, ike::Down{"home"}));
    pair.net.run_for(120s);
    CHECK(pair.gateway.engine.idle());
}

TEST_CASE("an identity that no connection is meant for is refused as one with a wrong secret is") {
    auto config = client_config(kGateway);
    config.connections[0].local_id = *auth::Identity::parse("mallory.example.net");
    Pair pair(gateway_config(), config);
    pair.connect();
    CHECK(pair.gateway.refused(Rule::unknown_identity) >= 1);
    CHECK(pair.client.last<ike::IkeDown>()->detail == "the peer answered AUTHENTICATION_FAILED");
}

TEST_CASE("a gateway with another identity than the configured one is not accepted") {
    auto config = client_config(kGateway);
    config.connections[0].remote_id = *auth::IdentityPattern::parse("other.example.org");
    config.credentials.shared_keys.push_back(
        {*auth::IdentityPattern::parse("other.example.org"), config.credentials.shared_keys[0].key});
    Pair pair(gateway_config(), config);
    pair.connect();
    CHECK(pair.client.established() == 0);
    CHECK(pair.client.kernel.empty());
}

TEST_CASE("any single lost datagram is sent again, and no second IKE SA comes of it") {
    for (std::size_t lost = 0; lost < 4; ++lost) {
        Pair pair;
        std::size_t seen = 0;
        pair.net.on_wire = [&](ike::Datagram&) { return seen++ != lost; };
        pair.net.run_for(5s);
        CHECK(pair.up());
        CHECK(pair.gateway.kernel.sas.size() == 1);
        CHECK(pair.gateway.engine.counters().handshakes == 1);
    }
}

TEST_CASE("every datagram doubled changes nothing") {
    Pair pair;
    std::vector<ike::Datagram> copies;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        copies.push_back(datagram);
        return true;
    };
    pair.connect();
    pair.net.on_wire = nullptr;
    for (const auto& copy : copies)
        pair.net.inject(copy);
    CHECK(pair.up());
    CHECK(pair.gateway.kernel.sas.size() == 1);
    CHECK(pair.client.kernel.sas.size() == 1);
    CHECK(pair.gateway.kernel.breaches.empty());
}

TEST_CASE("NAT on the path leads to the other port and to ESP in UDP") {
    Pair pair;
    const auto outside = *IpAddress::parse("2001:db8:ff::1");
    // The client's address is translated on its way out, and back on the way in.
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == pair.client.address) datagram.local = {outside, 40000};
        if (datagram.peer.address == outside)
            datagram.peer = {pair.client.address, static_cast<std::uint16_t>(datagram.local.port)};
        return true;
    };
    pair.connect();
    REQUIRE(pair.up());
    const auto gw = pair.gateway.engine.status().ike_sas.at(0);
    CHECK(gw.nat_there);
    CHECK_FALSE(gw.nat_here);
    CHECK(gw.local.port == 4500);
    CHECK(gw.peer == Endpoint{outside, 40000});
    CHECK(gw.children.at(0).udp_encapsulation);
    const auto cl = pair.client.engine.status().ike_sas.at(0);
    CHECK(cl.nat_here);
    CHECK(cl.peer.port == 4500);
    CHECK(cl.children.at(0).udp_encapsulation);
}

TEST_CASE("the answer to IKE_AUTH waits for the kernel, and a repeated request does not ask it twice") {
    Pair pair;
    pair.gateway.kernel_answers = false;
    pair.net.run_for(1200ms);
    CHECK(pair.gateway.held.size() == 1);
    CHECK(pair.client.established() == 0);
    CHECK(pair.gateway.engine.status().ike_sas.at(0).state == "installing");
    pair.gateway.kernel_answers = true;
    pair.gateway.engine.kernel_event(pair.net.now,
                                     pair.gateway.kernel.apply(std::move(pair.gateway.held.front())));
    pair.gateway.held.clear();
    pair.net.run_for(1s);
    CHECK(pair.up());
}

TEST_CASE("a kernel that refuses any step leaves nothing behind on either side") {
    for (const std::size_t step : {0U, 2U, 4U}) {
        Pair at_gateway;
        at_gateway.gateway.kernel.fail_step = step;
        at_gateway.net.run_for(400ms);
        CHECK(at_gateway.gateway.refused(Rule::kernel_refused) == 1);
        at_gateway.net.run_for(3s); // the client comes back and finds a kernel that works
        CHECK(at_gateway.up());
        CHECK(at_gateway.gateway.kernel.sas.size() == 1);

        Pair at_client;
        at_client.client.kernel.fail_step = step;
        at_client.net.run_for(3s);
        CHECK(at_client.up());
        CHECK(at_client.gateway.kernel.sas.size() == 1);
        CHECK(at_client.client.count<ike::IkeDown>() == 1);
    }
}

TEST_CASE("a large message travels in fragments both ways") {
    auto gateway = gateway_config();
    auto config = client_config(kGateway);
    for (unsigned i = 0; i < 60; ++i) {
        gateway.connections[0].dns.push_back(*IpAddress::parse("2001:db8:9::" + std::to_string(1000 + i)));
        config.connections[0].networks.push_back(*Prefix::parse("2001:db8:" + std::to_string(i) + "::/48"));
    }
    Pair pair(gateway, config);
    pair.connect();
    REQUIRE(pair.up());
    const auto auth = std::ranges::count_if(pair.net.log, [](const ike::Datagram& datagram) {
        return exchange_of(datagram) == wire::ExchangeType::ike_auth;
    });
    CHECK(auth > 2);
    for (const auto& datagram : pair.net.log)
        CHECK(datagram.bytes.size() <= 1280 - 48 - 4);
    CHECK(pair.client.engine.status().ike_sas.at(0).dns.size() == 61);
}

TEST_CASE("a request that overtakes the answer to IKE_AUTH has to wait, and harms nobody") {
    // The gateway is taken down in the moment in which it has answered: its DELETE overtakes the answer.
    Pair pair;
    std::optional<ike::Datagram> answer;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (pair.net.log.size() != 4) return true;
        answer = datagram;
        return false;
    };
    pair.net.run_for(100ms);
    REQUIRE(answer);
    REQUIRE(pair.gateway.established() == 1);
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Down{"clients"}));
    pair.net.settle();
    CHECK(pair.client.refused(Rule::unexpected_exchange) == 1);
    pair.net.inject(*answer);
    CHECK(pair.client.established() == 1);
    pair.net.on_wire = nullptr;
    pair.net.run_for(600ms); // the DELETE comes again and is now answered
    CHECK(pair.client.count<ike::IkeDown>() == 1);
    pair.net.run_for(5s);
    CHECK(pair.up());
}

TEST_CASE("a gateway that is taken down while the kernel is at work still answers IKE_AUTH") {
    Pair pair;
    pair.gateway.kernel_answers = false;
    pair.net.run_for(100ms);
    REQUIRE(pair.gateway.held.size() == 1);
    const auto before = pair.net.log.size();
    REQUIRE(pair.gateway.engine.command(pair.net.now, ike::Shutdown{}));
    pair.net.settle();
    CHECK(pair.net.log.size() == before + 1);
    CHECK(pair.client.last<ike::IkeDown>()->detail == "the peer answered AUTHENTICATION_FAILED");
    while (!pair.gateway.held.empty()) {
        auto intent = std::move(pair.gateway.held.front());
        pair.gateway.held.pop_front();
        pair.gateway.engine.kernel_event(pair.net.now, pair.gateway.kernel.apply(std::move(intent)));
        pair.gateway.pump(pair.net.now);
    }
    CHECK(pair.gateway.kernel.empty());
    CHECK_FALSE(pair.gateway.engine.command(pair.net.now, ike::Reload{}));
}

TEST_CASE("answers go to where the request came from") {
    Pair pair;
    pair.connect();
    REQUIRE(pair.up());
    const auto rebound = *IpAddress::parse("2001:db8:ff::9");
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == pair.client.address) datagram.local = {rebound, 41000};
        if (datagram.peer.address == rebound) datagram.peer = {pair.client.address, 500};
        return true;
    };
    pair.net.run_for(45s); // a question for liveness from behind the new mapping
    CHECK(pair.client.established() == 1);
    CHECK(pair.client.engine.counters().handshakes == 1);
}

TEST_CASE("an IKE_SA_INIT request larger than any honest one is refused") {
    Pair pair;
    pair.net.on_wire = [&](ike::Datagram& datagram) {
        if (pair.net.log.size() != 1) return true;
        const auto outer = wire::parse_message(datagram.bytes);
        auto payloads = outer->payloads;
        payloads.emplace_back(wire::VendorId{Bytes(9000, 1)});
        datagram.bytes = wire::encode_message(outer->header, payloads);
        return true;
    };
    pair.net.run_for(100ms);
    CHECK(pair.gateway.refused(Rule::datagram_too_long) == 1);
    CHECK(pair.gateway.engine.idle());
}

TEST_CASE("a link is never made of a block that is longer than a /64") {
    auto gateway = gateway_config();
    gateway.pools = {{"single", *Prefix::parse("2001:db8:5::/64"), 128},
                     {"v6", *Prefix::parse("2001:db8:100::/48"), 64}};
    gateway.connections[0].pools = {{{"single", "v6"}}};
    auto client = client_config(kGateway);
    client.connections[0].request = {true, false, false};
    Pair pair(gateway, client);
    pair.connect();
    REQUIRE(pair.up());
    CHECK(pair.gateway.kernel.links.begin()->second.routes.at(0).length() == 64);
}

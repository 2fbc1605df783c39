// The name of a virtual link (RFC 5739 4.2, 4.3): who may go on with one, and which Child SAs belong to it.

#include "lib/child/selector.h"
#include "lib/ike/interface_id.h"
#include "lib/wire/cfg.h"
#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

// A Child SA beside the virtual link, between the interfaces that IKE itself runs over.
ike::ChildConfig beside(std::string_view local, std::string_view remote) {
    ike::ChildConfig out;
    out.name = "beside";
    out.local = {child::selector(*Prefix::parse(local))};
    out.remote = {child::selector(*Prefix::parse(remote))};
    out.terms.esp = child::default_esp_proposals();
    return out;
}

ike::Config gateway() {
    auto out = gateway_config();
    out.connections[0].children = {beside("192.0.2.2/32", "192.0.2.1/32")};
    return out;
}

ike::Config client() {
    auto out = client_config(kGateway);
    out.connections[0].children = {beside("192.0.2.1/32", "192.0.2.2/32")};
    return out;
}

struct Connected {
    Pipe pipe;
    Host& client;
    Host& gateway;
    explicit Connected(ike::Config c = ::client(), ike::Config g = ::gateway())
        : pipe(std::move(c), std::move(g), false), client(pipe.a()), gateway(pipe.b()) {
        pipe.run(1s);
        REQUIRE(client.established() == 1);
    }
};

template <typename T>
T* find(std::vector<wire::Payload>& payloads) {
    for (auto& payload : payloads) {
        if (auto* found = std::get_if<T>(&payload)) return found;
    }
    return nullptr;
}

wire::CfgAttribute* link_attribute(Flight& flight) {
    auto* cp = find<wire::Configuration>(flight.payloads);
    if (!cp) return nullptr;
    const auto found = std::ranges::find(cp->attributes, wire::CfgAttributeType::internal_ip6_link,
                                         &wire::CfgAttribute::type);
    return found == cp->attributes.end() ? nullptr : &*found;
}

std::optional<Bytes> link_id_of(const Flight& flight) {
    for (const auto& payload : flight.payloads) {
        const auto* notify = std::get_if<wire::Notify>(&payload);
        if (notify && notify->type == wire::NotifyType::link_id) return notify->data;
    }
    return std::nullopt;
}

bool is_auth(const Flight& flight, bool response) {
    return flight.header.exchange == wire::ExchangeType::ike_auth && flight.header.response == response;
}

// Delivers up to and without the first IKE_AUTH message to `host`, which is handed over.
Flight hold_auth(Pipe& pipe, Host& host, bool response) {
    for (int i = 0; i < 10; ++i) {
        pipe.collect();
        for (Host* to : {&pipe.a(), &pipe.b()}) {
            if (pipe.to(*to).empty()) continue;
            if (to == &host && is_auth(pipe.to(*to).front(), response)) return pipe.hold(*to);
            pipe.pass(*to);
        }
    }
    return {};
}

} // namespace

TEST_CASE("authenticating anew, a client names its link, and both keep it as it is") {
    Connected c;
    const auto ours = c.client.kernel.links.begin()->second;
    const auto theirs = c.gateway.kernel.links.begin()->second;
    REQUIRE(c.pipe.command(c.client, ike::Reauthenticate{"home"}));
    Flight request = hold_auth(c.pipe, c.gateway, false);
    const auto asked = wire::read_link(*link_attribute(request));
    REQUIRE(asked);
    CHECK(asked->link_id.size() == 16);
    c.pipe.deliver(c.gateway, request);
    Flight answer = hold_auth(c.pipe, c.client, true);
    const auto told = wire::read_link(*link_attribute(answer));
    REQUIRE(told);
    CHECK(told->link_id == asked->link_id);
    CHECK(told->interface_id != asked->interface_id);
    CHECK(theirs.addresses.at(0).address == ike::link_local(told->interface_id));
    c.pipe.deliver(c.client, answer);
    c.pipe.run(30s);
    CHECK(c.pipe.wrong() == "");
    CHECK(c.client.kernel.links.begin()->second == ours);
    CHECK(c.gateway.kernel.links.begin()->second == theirs);
    CHECK(c.gateway.blocks_used() == 2);
    CHECK(c.gateway.refused(Rule::foreign_link) == 0);
}

TEST_CASE("a Link ID of somebody else gives nothing, and leaves them alone") {
    // One host with two identities, so that one pipe has them both.
    auto both = client_config(kGateway, 0);
    auto second = client_config(kGateway, 1);
    second.connections[0].name = "other";
    second.connections[0].interface = "sheaf1";
    second.connections[0].start = false;
    both.connections.push_back(second.connections[0]);
    both.connections[1].remote_id = *auth::IdentityPattern::parse("gw2.example.org");
    auto two = gateway_config(2);
    two.connections[0].remote_id = *auth::IdentityPattern::parse(client_name(0));
    two.connections.push_back(two.connections[0]);
    two.connections[1].name = "others";
    two.connections[1].local_id = *auth::Identity::parse("gw2.example.org");
    two.connections[1].remote_id = *auth::IdentityPattern::parse(client_name(1));
    both.credentials.shared_keys.push_back(second.credentials.shared_keys[0]);
    both.credentials.shared_keys[1].peer = *auth::IdentityPattern::parse("gw2.example.org");
    Connected d(both, two);
    Bytes first_id;
    REQUIRE(d.pipe.command(d.client, ike::Reauthenticate{"home"}));
    {
        Flight request = hold_auth(d.pipe, d.gateway, false);
        first_id = wire::read_link(*link_attribute(request))->link_id;
        d.pipe.deliver(d.gateway, request);
        d.pipe.run(30s);
    }
    const auto victim = d.gateway.kernel.links.begin()->second;
    REQUIRE(d.pipe.command(d.client, ike::Up{"other"}));
    Flight request = hold_auth(d.pipe, d.gateway, false);
    REQUIRE(link_attribute(request));
    auto claimed = *wire::read_link(*link_attribute(request));
    CHECK(claimed.link_id.empty());
    claimed.link_id = first_id;
    *link_attribute(request) = wire::link_attribute(claimed);
    d.pipe.deliver(d.gateway, d.pipe.with_payloads(request, request.payloads));
    Flight answer = hold_auth(d.pipe, d.client, true);
    REQUIRE(link_attribute(answer));
    const auto given = wire::read_link(*link_attribute(answer));
    CHECK(given->link_id != first_id);
    CHECK(given->link_id.size() == 16);
    d.pipe.deliver(d.client, answer);
    d.pipe.run(5s);
    CHECK(d.gateway.refused(Rule::foreign_link) == 1);
    CHECK(d.gateway.kernel.links.size() == 2);
    CHECK(d.gateway.kernel.links.begin()->second == victim);
    CHECK(d.gateway.established() == 2);
    CHECK(d.gateway.kernel.breaches.empty());
}

TEST_CASE("a client must not take the gateway's interface identifier") {
    Connected c;
    REQUIRE(c.pipe.command(c.client, ike::Reauthenticate{"home"}));
    Flight request = hold_auth(c.pipe, c.gateway, false);
    auto asked = *wire::read_link(*link_attribute(request));
    const auto ours = c.gateway.kernel.links.begin()->second.addresses.at(0).address;
    std::ranges::copy(ours.view().subspan(8), asked.interface_id.begin());
    *link_attribute(request) = wire::link_attribute(asked);
    // IPv6 alone, so that nothing is left to be given.
    auto* cp = find<wire::Configuration>(request.payloads);
    std::erase_if(cp->attributes, [](const auto& attribute) {
        return attribute.type == wire::CfgAttributeType::internal_ip4_address;
    });
    c.pipe.deliver(c.gateway, c.pipe.with_payloads(request, request.payloads));
    CHECK(c.gateway.refused(Rule::address_failure) == 1);
    CHECK(c.gateway.kernel.links.size() == 1);
    c.pipe.run(2min);
    CHECK(c.pipe.wrong() == "");
}

TEST_CASE("a gateway that does not know the link any more gives another name, and the client takes it") {
    Connected c;
    const auto before = c.client.kernel.links.begin()->second;
    REQUIRE(c.pipe.command(c.client, ike::Reauthenticate{"home"}));
    Flight request = hold_auth(c.pipe, c.gateway, false);
    auto asked = *wire::read_link(*link_attribute(request));
    asked.link_id.assign(16, 0xaa);
    *link_attribute(request) = wire::link_attribute(asked);
    c.pipe.deliver(c.gateway, c.pipe.with_payloads(request, request.payloads));
    c.pipe.run(30s);
    CHECK(c.pipe.wrong() == "");
    CHECK(c.gateway.refused(Rule::foreign_link) == 1);
    CHECK(c.client.kernel.links.begin()->second.addresses == before.addresses);
    // From now on it is known by that name, in both directions.
    for (Host* host : {&c.client, &c.gateway}) {
        REQUIRE(c.pipe.command(*host, ike::Rekey{host == &c.client ? "home" : "clients"}));
        c.pipe.run(6s);
        CHECK(c.pipe.wrong() == "");
    }
    CHECK(c.gateway.refused(Rule::foreign_link) == 1);
}

TEST_CASE("requests that concern the link name it, and those of the IKE SA do not") {
    Connected c;
    for (Host* host : {&c.client, &c.gateway}) {
        Host& other = host == &c.client ? c.gateway : c.client;
        const std::string name = host == &c.client ? "home" : "clients";
        REQUIRE(c.pipe.command(*host, ike::Rekey{name}));
        REQUIRE(c.pipe.to(other).size() == 1);
        const auto id = link_id_of(c.pipe.to(other).front());
        REQUIRE(id);
        CHECK(id->size() == 16);
        const auto request = c.pipe.hold(other);
        c.pipe.deliver(other, request);
        REQUIRE_FALSE(c.pipe.to(*host).empty());
        CHECK_FALSE(link_id_of(c.pipe.to(*host).front())); // not in the answer
        c.pipe.run(6s);
        REQUIRE(c.pipe.command(*host, ike::Rekey{name, ike::Rekey::What::ike}));
        REQUIRE(c.pipe.to(other).size() == 1);
        CHECK_FALSE(link_id_of(c.pipe.to(other).front()));
        c.pipe.run(6s);
        CHECK(c.pipe.wrong() == "");
    }
}

TEST_CASE("a request that rekeys the link's Child SA without its name, or with another, is refused") {
    Connected c;
    REQUIRE(c.pipe.command(c.client, ike::Rekey{"home"}));
    Flight request = c.pipe.hold(c.gateway);
    auto payloads = request.payloads;
    const bool wrong = GENERATE(false, true);
    for (auto& payload : payloads) {
        auto* notify = std::get_if<wire::Notify>(&payload);
        if (notify && notify->type == wire::NotifyType::link_id && wrong) notify->data.assign(16, 1);
    }
    if (!wrong)
        std::erase_if(payloads, [](const auto& payload) {
            const auto* notify = std::get_if<wire::Notify>(&payload);
            return notify && notify->type == wire::NotifyType::link_id;
        });
    const auto before = c.pipe.child_spi(c.gateway);
    c.pipe.deliver(c.gateway, c.pipe.with_payloads(request, payloads));
    REQUIRE_FALSE(c.pipe.to(c.client).empty());
    CHECK(c.pipe.to(c.client).front().what() == "TS_UNACCEPTABLE");
    CHECK(c.gateway.refused(Rule::foreign_link) == 1);
    CHECK(c.pipe.child_spi(c.gateway) == before);
    CHECK(c.gateway.kernel.pairs() == 1);
}

TEST_CASE("a Child SA of the link and one of the interface beneath live side by side") {
    Connected c;
    REQUIRE(c.pipe.command(c.client, ike::Up{"home"}));
    REQUIRE_FALSE(c.pipe.to(c.gateway).empty());
    CHECK_FALSE(link_id_of(c.pipe.to(c.gateway).front()));
    c.pipe.run(2s);
    CHECK(c.pipe.wrong(2) == "");
    for (Host* host : {&c.client, &c.gateway}) {
        const auto on_interface =
            std::ranges::count_if(host->kernel.policies, [](const auto& set) { return set.on_interface; });
        CHECK(on_interface == 1);
        CHECK(host->kernel.links.size() == 1);
    }
    // Each is rekeyed as what it is, by either side.
    for (Host* host : {&c.client, &c.gateway}) {
        REQUIRE(c.pipe.command(*host, ike::Rekey{host == &c.client ? "home" : "clients"}));
        c.pipe.run(6s);
        CHECK(c.pipe.wrong(2) == "");
    }
    CHECK(c.gateway.refused(Rule::foreign_link) == 0);
    CHECK(c.client.refused(Rule::foreign_link) == 0);
    // The one beside ends, and the link goes on.
    REQUIRE(c.pipe.command(c.client, ike::DownChild{"home", "beside"}));
    c.pipe.run(6s);
    CHECK(c.pipe.wrong(1) == "");
    CHECK(c.client.kernel.policies.at(0).on_interface);
}

TEST_CASE("an offer beside the link is not taken for the link's, nor the other way round") {
    Connected c;
    REQUIRE(c.pipe.command(c.client, ike::Up{"home"}));
    Flight request = c.pipe.hold(c.gateway);
    auto payloads = request.payloads;
    payloads.emplace_back(wire::Notify{wire::Protocol::none, {}, wire::NotifyType::link_id, Bytes(16, 9)});
    c.pipe.deliver(c.gateway, c.pipe.with_payloads(request, payloads));
    REQUIRE_FALSE(c.pipe.to(c.client).empty());
    CHECK(c.pipe.to(c.client).front().what() == "TS_UNACCEPTABLE");
    CHECK(c.gateway.kernel.pairs() == 1);
}

TEST_CASE("a client whose Child SA beside the link is lost keeps the link") {
    auto config = client();
    config.connections[0].children[0].start = ike::Start::now;
    Connected c(config);
    REQUIRE(c.client.kernel.pairs() == 2);
    REQUIRE(c.pipe.command(c.gateway, ike::DownChild{"clients", "beside"}));
    c.pipe.run(1s);
    CHECK(c.client.established() == 1);
    CHECK(c.client.kernel.pairs() == 1);
    c.pipe.run(30s); // and it comes back, as the operator wanted it
    CHECK(c.client.kernel.pairs() == 2);
    CHECK(c.gateway.kernel.pairs() == 2);
    CHECK(c.client.count<ike::IkeDown>() == 0);
    CHECK(c.client.kernel.breaches.empty());
    CHECK(c.gateway.kernel.breaches.empty());
}

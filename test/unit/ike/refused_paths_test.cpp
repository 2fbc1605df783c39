// Each step of a kernel refused in turn, while a client's uplinks come and go.

#include "test/unit/ike/agreement.h"

#include <catch2/catch.hpp>

#include <map>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

ike::Config gateway_side(ike::PathUse use) {
    auto out = gateway_config();
    out.connections[0].mobike = true;
    out.connections[0].ike_sas_per_login = 4;
    out.connections[0].paths.use = use;
    return out;
}

ike::Config client_side(ike::PathUse use) {
    auto out = client_config(kGateway);
    auto& connection = out.connections[0];
    connection.mobike = true;
    connection.ike_sas_per_login = 4;
    connection.paths = {{{"lte", 3, 0x10}, {"dsl", 1, 0x20}}, ike::PathSet::uplinks, use, 0s};
    return out;
}

struct Uplinked {
    WireNet net;
    Host& gateway;
    Host& client;
    Host& refuses;
    bool late;
    Uplinked(ike::PathUse use, bool at_gateway, bool late_answers, std::size_t nth)
        : gateway(net.add(kGateway, gateway_side(use))), client(net.add("0.0.0.0", client_side(use))),
          refuses(at_gateway ? gateway : client), late(late_answers) {
        client.strict = true;
        client.uplinks = {{"lte", {ip("198.51.100.2")}}, {"dsl", {ip("203.0.113.9")}}};
        refuses.kernel.fail_after = nth;
    }
    void run(Duration duration) { sheaf::test::run(net, {&gateway, &client}, late, duration); }
    void changed() {
        client.engine.network_changed(net.now);
        client.pump(net.now);
        run(10s);
    }
    void cut(const std::string& uplink) {
        client.uplinks.erase(uplink);
        changed();
    }
    void restore(const std::string& uplink, std::string_view address) {
        client.uplinks[uplink] = {ip(address)};
        changed();
    }
    // Whether it is accepted: what it would be about may not be there any more.
    bool tell(Host& host, ike::Command command, Duration duration) {
        const bool accepted = host.engine.command(net.now, std::move(command)).has_value();
        host.pump(net.now);
        run(duration);
        return accepted;
    }
    [[nodiscard]] bool refused() const { return !refuses.kernel.fail_after; }
    // Each path runs where it belongs, and what is sent into the link is shared out among both as configured.
    void check_paths(ike::PathUse use) {
        for (const auto& path : client.engine.status().paths)
            CHECK(path.uplink + " " + path.state + path.why == path.uplink + " up");
        for (const Host* host : {&client, &gateway}) {
            REQUIRE(host->kernel.links.size() == 1);
            const child::Link& link = host->kernel.links.begin()->second;
            std::map<child::LinkNumber, unsigned> weights{{link.number, link.weight}};
            for (const auto& way : link.ways)
                weights[way.number] = way.weight;
            std::set<child::LinkNumber> used;
            for (const auto& [spi, pair] : host->kernel.sas)
                used.insert(pair.id.link);
            for (const auto& way : link.ways)
                CHECK(used.contains(way.number));
            std::size_t carrying = 0;
            for (const auto& [number, weight] : weights)
                carrying += weight > 0 && used.contains(number);
            CHECK(carrying == (use == ike::PathUse::balance ? 2 : 1));
            CHECK((used.contains(link.number) || link.weight == 0));
        }
        CHECK(gateway.blocks_used() == 2);
    }
    void check_gone() {
        CHECK(remains(client) == "");
        CHECK(remains(gateway) == "");
        CHECK(gateway.blocks_used() == 0);
    }
};

} // namespace

TEST_CASE("whichever step is refused while uplinks come and go, all paths are up in the end") {
    constexpr std::size_t kMoreThanThereAre = 150;
    const auto use = GENERATE(ike::PathUse::primary, ike::PathUse::balance);
    const bool at_gateway = GENERATE(true, false);
    const bool late = GENERATE(false, true);
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        INFO((use == ike::PathUse::primary ? "primary, " : "balance, ")
             << (at_gateway ? "gateway" : "client") << (late ? ", late" : "") << ", step " << nth);
        Uplinked n(use, at_gateway, late, nth);
        n.run(5s);
        n.cut("lte");
        n.restore("lte", "198.51.100.77");
        n.cut("dsl");
        n.restore("dsl", "203.0.113.10");
        n.tell(n.client, ike::Rekey{"home", ike::Rekey::What::children}, 10s);
        n.tell(n.client, ike::Rekey{"home", ike::Rekey::What::ike}, 5s);
        n.tell(n.client, ike::Reauthenticate{"home"}, 30s);
        n.run(5min);
        const bool refused = n.refused();
        CHECK(deluded(n.client) == "");
        CHECK(deluded(n.gateway) == "");
        CHECK(disagreement(n.client, n.gateway, 2) == "");
        n.check_paths(use);
        n.tell(n.client, ike::Shutdown{}, 1min);
        n.check_gone();
        if (!refused) break;
    }
    CHECK(nth > 10);
    CHECK(nth < kMoreThanThereAre);
}

// Many paths, one login: IKE SAs that are cloned (RFC 7791) and moved (RFC 4555) to where the paths are.

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kOtherGateway = "192.0.2.3";

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

ike::Config gateway(unsigned logins = 8, ike::PathUse use = ike::PathUse::primary) {
    auto out = gateway_config();
    out.connections[0].mobike = true;
    out.connections[0].addresses = {ip(kGateway), ip(kOtherGateway)};
    out.connections[0].ike_sas_per_login = logins;
    out.connections[0].paths.use = use;
    return out;
}

ike::Config client(ike::PathSet set = ike::PathSet::uplinks, ike::PathUse use = ike::PathUse::primary) {
    auto out = client_config(kGateway);
    auto& connection = out.connections[0];
    connection.mobike = true;
    connection.ike_sas_per_login = 8;
    connection.addresses = {ip(kOtherGateway)};
    connection.paths = {{{"lte", 3, 0x10}, {"dsl", 1, 0x20}}, set, use, 0s};
    return out;
}

struct Net {
    WireNet net;
    Host& gateway;
    Host& client;
    explicit Net(ike::Config c = ::client(), ike::Config g = ::gateway())
        : gateway(net.add(kGateway, std::move(g))), client(net.add("0.0.0.0", std::move(c))) {
        gateway.further = {ip(kOtherGateway)};
        client.strict = true;
        client.uplinks = {{"lte", {ip("198.51.100.2")}}, {"dsl", {ip("203.0.113.9")}}};
    }
    void connect() { net.run_for(3s); }
    void changed() {
        client.engine.network_changed(net.now);
        client.pump(net.now);
    }
    void cut(const std::string& uplink) {
        client.uplinks.erase(uplink);
        changed();
    }
    void restore(const std::string& uplink, std::string_view address) {
        client.uplinks[uplink] = {ip(address)};
        changed();
    }
    // Each path as "uplink gateway state local-peer", one by one.
    [[nodiscard]] std::vector<std::string> paths() const {
        std::vector<std::string> out;
        for (const auto& path : client.engine.status().paths) {
            out.push_back(path.uplink + " " + path.state);
            if (path.spi != 0)
                out.back() += " " + path.local.address.to_string() + "-" + path.peer.address.to_string();
            if (path.carries) out.back() += " carries";
        }
        return out;
    }
    // Where the Child SAs of a kernel run, from the client's side.
    [[nodiscard]] static std::multiset<std::string> outer(const Host& host, bool at_client) {
        std::multiset<std::string> out;
        for (const auto& [spi, pair] : host.kernel.sas) {
            const auto& here = at_client ? pair.id.local : pair.id.peer;
            const auto& there = at_client ? pair.id.peer : pair.id.local;
            out.insert(here.address.to_string() + "-" + there.address.to_string());
        }
        return out;
    }
    // Both ends agree, one login carries it all, and nothing is left over.
    void check_sound(std::size_t paths) {
        CHECK(client.established() == paths);
        CHECK(gateway.established() == paths);
        CHECK(gateway.engine.counters().handshakes == 1);
        CHECK(outer(client, true) == outer(gateway, false));
        for (const Host* host : {&client, &gateway}) {
            CHECK(host->kernel.pairs() == paths);
            REQUIRE(host->kernel.links.size() == 1);
            CHECK(host->kernel.links.begin()->second.ways.size() == paths - 1);
            for (const auto& breach : host->kernel.breaches)
                FAIL_CHECK(breach);
        }
        CHECK(gateway.blocks_used() == 2);
    }
    [[nodiscard]] const child::Link& link() const { return client.kernel.links.begin()->second; }
    [[nodiscard]] const child::Link& gateway_link() const { return gateway.kernel.links.begin()->second; }
};

using Strings = std::vector<std::string>;

} // namespace

TEST_CASE("each uplink gets a path, from one authentication") {
    Net n;
    n.connect();
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
    const auto& way = n.link().ways.at(0);
    CHECK(way.interface == n.link().interface + "-2");
    CHECK(way.weight == 0);
    CHECK(n.link().weight == 1);
    CHECK(n.gateway_link().weight == 1);
    CHECK(n.gateway_link().ways.at(0).weight == 0);
    // Each has a Child SA of its own, with a number of its own.
    std::set<child::LinkNumber> numbers;
    for (const auto& [spi, pair] : n.client.kernel.sas)
        numbers.insert(pair.id.link);
    CHECK(numbers == std::set{n.link().number, way.number});
    CHECK(n.client.count<ike::IkeUp>() == 1);
    CHECK(n.client.count<ike::IkeCloned>() == 1);
    n.net.run_for(10min);
    n.check_sound(2);
}

TEST_CASE("all pairs of uplinks and addresses of the gateway") {
    Net n(client(ike::PathSet::pairs));
    n.connect();
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "lte up 198.51.100.2-192.0.2.3",
                               "dsl up 203.0.113.9-192.0.2.2", "dsl up 203.0.113.9-192.0.2.3"});
    n.check_sound(4);
}

TEST_CASE("a path for each address of the gateway") {
    Net n(client(ike::PathSet::gateways));
    n.connect();
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "lte up 198.51.100.2-192.0.2.3"});
    n.check_sound(2);
}

TEST_CASE("paths take their shares, by weight or by mark") {
    SECTION("by weight, at both ends") {
        Net n(client(ike::PathSet::uplinks, ike::PathUse::balance), gateway(8, ike::PathUse::balance));
        n.connect();
        CHECK(n.link().weight == 3);
        CHECK(n.link().ways.at(0).weight == 1);
        CHECK(n.gateway_link().weight == 1);
        CHECK(n.gateway_link().ways.at(0).weight == 1);
        n.check_sound(2);
    }
    SECTION("by mark; the rest takes the first") {
        Net n(client(ike::PathSet::uplinks, ike::PathUse::mark));
        n.connect();
        CHECK(n.link().weight == 1);
        CHECK(n.link().mark == 0x10);
        CHECK(n.link().ways.at(0).weight == 0);
        CHECK(n.link().ways.at(0).mark == 0x20);
        n.check_sound(2);
    }
}

TEST_CASE("a path whose uplink is cut borrows another at once, and is back without another login") {
    Net n;
    n.connect();
    const auto before = n.net.log.size();
    n.cut("lte");
    // At the client nothing waits for the gateway: what it sends goes out over the other uplink.
    CHECK(n.outer(n.client, true).count("203.0.113.9-192.0.2.2") == 2);
    n.net.settle();
    // One request and its answer: the gateway knows already that the client is there.
    CHECK(n.outer(n.gateway, false).count("203.0.113.9-192.0.2.2") == 2);
    CHECK(n.net.log.size() - before == 2);
    CHECK(n.paths() == Strings{"lte away 203.0.113.9-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    CHECK(n.client.engine.status().paths.at(0).why == "lte has no carrier");
    n.check_sound(2);
    n.net.run_for(1min);
    n.restore("lte", "198.51.100.77"); // another address than before
    n.net.run_for(2s);
    CHECK(n.paths() == Strings{"lte up 198.51.100.77-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
    n.cut("dsl");
    n.net.run_for(2s);
    CHECK(n.outer(n.gateway, false).count("198.51.100.77-192.0.2.2") == 2);
    n.check_sound(2);
    CHECK(n.client.count<ike::IkeDown>() == 0);
}

TEST_CASE("an uplink that is not there at first gets its path later") {
    Net n;
    n.client.uplinks.erase("lte");
    n.connect();
    CHECK(n.paths() == Strings{"lte away 203.0.113.9-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.restore("lte", "198.51.100.2");
    n.net.run_for(2s);
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
}

TEST_CASE("a silent path is left within its time, and taken back when it answers again") {
    auto config = client();
    config.connections[0].paths.probe = 300ms;
    config.connections[0].addresses.clear();
    auto one = gateway();
    one.connections[0].addresses.clear();
    Net n(config, one);
    n.connect();
    bool silent = true;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        const bool lte =
            datagram.local.address == ip("198.51.100.2") || datagram.peer.address == ip("198.51.100.2");
        return !(lte && silent);
    };
    n.net.run_for(300ms);
    CHECK(n.paths() == Strings{"lte away 203.0.113.9-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    CHECK(n.client.engine.status().paths.at(0).why == "no answer from 192.0.2.2 over lte");
    n.net.run_for(2min);
    n.check_sound(2);
    silent = false;
    n.net.run_for(12s);
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
    const auto path = n.client.engine.status().paths.at(1);
    CHECK(path.round_trip);
    CHECK(path.probes > 100);
    CHECK(path.unanswered == 0);
    CHECK(n.client.engine.status().paths.at(0).unanswered > 0);
}

TEST_CASE("a gateway that clones no IKE SAs keeps one path, which moves") {
    Net n(client(), gateway(1));
    n.connect();
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl refused"});
    CHECK(n.client.engine.status().paths.at(1).why.find("RFC 7791") != std::string::npos);
    n.check_sound(1);
    n.cut("lte");
    n.net.run_for(2s);
    CHECK(n.paths().at(0) == "lte away 203.0.113.9-192.0.2.2 carries");
    n.check_sound(1);
}

TEST_CASE("a gateway that allows fewer IKE SAs than there are paths says so once") {
    Net n(client(ike::PathSet::pairs), gateway(3));
    n.connect();
    n.net.run_for(5min);
    CHECK(n.paths().at(3) == "dsl refused");
    n.check_sound(3);
}

TEST_CASE("a gateway that puts a path off for long is left alone for a while, and the path says why") {
    auto full = gateway();
    full.limits.ike_sas = 1;
    Net n(client(), full);
    n.connect();
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl opening"});
    n.net.run_for(8min); // some five to eight until it is given up, and one that is left
    const auto refused = [](const ike::Event& event) {
        const auto* changed = std::get_if<ike::PathChanged>(&event);
        return changed && changed->state == "refused" &&
               changed->why == "the peer answered TEMPORARY_FAILURE to our request for a clone, 6 times";
    };
    CHECK(std::ranges::count_if(n.client.events, refused) == 1);
    n.gateway.reload(n.net.now, gateway());
    n.net.run_for(5min);
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
}

TEST_CASE("paths of one login count as one IKE SA of the identity") {
    auto hub = gateway();
    hub.limits.ike_sas_per_identity = 2;
    Net n(client(ike::PathSet::pairs), hub);
    n.connect();
    n.check_sound(4);
    REQUIRE(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(1min);
    CHECK(n.gateway.refused(Rule::too_many_of_identity) == 0);
    CHECK(n.gateway.engine.counters().handshakes == 2);
    CHECK(n.client.established() == 4);
}

TEST_CASE("a path that the gateway ends is made anew, and the login goes on") {
    Net n;
    n.connect();
    // The first IKE SA goes: the other one carries the login.
    const auto first = n.client.engine.status().paths.at(0).spi;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        return !(header && header->initiator_spi == first);
    };
    n.net.run_for(3min);
    n.net.on_wire = nullptr;
    n.net.run_for(2min);
    CHECK(n.gateway.engine.counters().handshakes == 1);
    CHECK(n.client.engine.status().paths.at(0).spi != first);
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
}

TEST_CASE("paths live through rekeying and another authentication") {
    Net n;
    n.connect();
    for (Host* host : {&n.client, &n.gateway}) {
        const std::string name = host == &n.client ? "home" : "clients";
        for (const auto what : {ike::Rekey::What::children, ike::Rekey::What::ike}) {
            CHECK(host->engine.command(n.net.now, ike::Rekey{name, what}));
            n.net.run_for(30s);
            n.check_sound(2);
        }
    }
    CHECK(n.client.engine.command(n.net.now, ike::Reauthenticate{"home"}));
    n.net.run_for(30s);
    CHECK(n.gateway.engine.counters().handshakes == 2);
    CHECK(n.client.established() == 2);
    CHECK(n.gateway.established() == 2);
    CHECK(n.client.kernel.pairs() == 2);
    CHECK(n.client.kernel.links.size() == 1);
    CHECK(n.link().ways.size() == 1);
    CHECK(n.gateway_link().ways.size() == 1);
    CHECK(n.client.kernel.breaches.empty());
    CHECK(n.gateway.kernel.breaches.empty());
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
}

TEST_CASE("the end of the connection is the end of all paths") {
    Net n(client(ike::PathSet::pairs));
    n.connect();
    REQUIRE(n.client.engine.command(n.net.now, ike::Down{"home"}));
    n.net.run_for(1min);
    CHECK(n.client.established() == 0);
    CHECK(n.gateway.established() == 0);
    CHECK(n.client.kernel.empty());
    CHECK(n.gateway.kernel.empty());
    REQUIRE(n.client.engine.command(n.net.now, ike::Up{"home"}));
    n.net.run_for(5s);
    CHECK(n.client.established() == 4);
    CHECK(n.client.kernel.breaches.empty());
}

TEST_CASE("an uplink that comes when the last one has gone gets a path that runs over it at both ends") {
    Net n;
    n.client.uplinks.erase("dsl");
    n.connect();
    n.cut("lte");
    n.restore("dsl", "203.0.113.9"); // move and clone go out together
    n.net.run_for(5s);
    CHECK(n.paths() == Strings{"lte away 203.0.113.9-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    CHECK(n.outer(n.gateway, false).count("203.0.113.9-192.0.2.2") == 2);
    n.check_sound(2);
}

TEST_CASE("one lost datagram moves no path") {
    auto config = client();
    config.connections[0].paths.probe = 300ms;
    Net n(config);
    n.connect();
    const auto moves = n.client.count<ike::Moved>();
    bool lose = true;
    n.net.on_wire = [&](ike::Datagram& datagram) {
        const bool lost = lose && datagram.local.address == ip("198.51.100.2");
        if (lost) lose = false;
        return !lost;
    };
    n.net.run_for(2s);
    CHECK_FALSE(lose);
    CHECK(n.client.count<ike::Moved>() == moves);
    n.check_sound(2);
}

TEST_CASE("a path that borrows stays where it is while its own uplink is asked in vain") {
    auto config = client(ike::PathSet::pairs);
    config.connections[0].paths.probe = 300ms;
    Net n(config);
    n.connect();
    n.net.on_wire = [](ike::Datagram& datagram) {
        return datagram.local.address != ip("198.51.100.2") && datagram.peer.address != ip("198.51.100.2");
    };
    n.net.run_for(20s);
    const auto moves = n.client.count<ike::Moved>();
    n.net.run_for(2min);
    CHECK(n.client.count<ike::Moved>() == moves);
    n.check_sound(4);
}

TEST_CASE("a tunnel without any uplink ends nothing, and what comes first afterwards is taken") {
    auto config = client();
    config.connections[0].paths.probe = 300ms;
    auto patient = gateway();
    patient.connections[0].liveness = 10min;
    Net n(config, patient);
    n.connect();
    n.client.uplinks.clear();
    n.changed();
    n.net.run_for(3min);
    n.restore("dsl", "203.0.113.10");
    n.net.run_for(2s);
    CHECK(n.paths() == Strings{"lte away 203.0.113.10-192.0.2.2 carries", "dsl up 203.0.113.10-192.0.2.2"});
    n.check_sound(2);
}

TEST_CASE("a clone of the gateway's making serves as a path") {
    Net n(client(ike::PathSet::uplinks), gateway());
    n.client.uplinks.erase("dsl");
    n.connect();
    REQUIRE(n.gateway.engine.command(n.net.now, ike::Clone{"clients"}));
    n.net.settle();
    CHECK(n.client.established() == 2);
    n.restore("dsl", "203.0.113.9");
    n.net.run_for(5s);
    CHECK(n.paths() == Strings{"lte up 198.51.100.2-192.0.2.2 carries", "dsl up 203.0.113.9-192.0.2.2"});
    n.check_sound(2);
}

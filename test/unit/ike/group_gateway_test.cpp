// A group at its gateway: who is a member, what is told, stored and told again.

#include "test/unit/ike/group_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
using What = ike::GroupChanged::What;

namespace {

// Ends soon enough for a test.
group::Terms short_terms() {
    group::Terms terms;
    terms.lifetime = 600s;
    return terms;
}

std::vector<ike::MessageTraced> traced(const Host& host, std::string_view payloads) {
    std::vector<ike::MessageTraced> out;
    for (const auto& event : host.events) {
        const auto* message = std::get_if<ike::MessageTraced>(&event);
        if (message && message->payloads == payloads) out.push_back(*message);
    }
    return out;
}

} // namespace

TEST_CASE("a group's SA is there before its members, and told to whoever joins") {
    Mesh mesh(0);
    CHECK(times(mesh.hub, What::made) == 1);
    CHECK(mesh.hub.stored.contains("mesh"));
    CHECK(mesh.status().standing.stored);
    Host& one = mesh.add();
    one.engine.trace(true);
    mesh.add();
    mesh.run(1s);
    CHECK(mesh.silent().empty());
    CHECK(group_of(one).sending >= group::kFirstGroupSpi);
    CHECK(group_of(one).sending == mesh.status().standing.spi);
    CHECK(group_of(one).link.interface == "mesh0");
    CHECK(group_of(one).link.local == std::vector{one.address});
    const auto told = traced(one, "N(40960)");
    REQUIRE(told.size() == 1);
    CHECK(told[0].header.message_id == 0); // the first request after IKE_AUTH
    CHECK(told[0].header.exchange == wire::ExchangeType::informational);

    const auto status = mesh.status();
    CHECK(status.serves);
    CHECK(status.suite == "aes256-sha256-prfsha256");
    CHECK(status.standing.members == 2);
    CHECK(status.standing.behind == 0);
    REQUIRE(status.members.size() == 2);
    CHECK(status.members[0].sa.peer_id == client_name(0));
    CHECK(status.members[0].generation == 1);
    CHECK_FALSE(status.members[0].asked);
    CHECK(times(mesh.hub, What::joined) == 2);
    CHECK(times(one, What::installed) == 1);
    CHECK(times(one, What::sending) == 1);

    const auto joined = one.engine.status().groups.at(0);
    CHECK_FALSE(joined.serves);
    CHECK(joined.connection == "hub");
    CHECK(joined.connected);
    REQUIRE(joined.sas.size() == 1);
    CHECK(joined.sas[0].sending);
    CHECK(joined.sas[0].suite == "aes256-sha256-prfsha256");
}

TEST_CASE("nobody is told an SA that is not stored") {
    Mesh mesh(0);
    mesh.hub.stores = false;
    REQUIRE(mesh.rekey());
    Host& one = mesh.add();
    mesh.run(3s);
    CHECK(spis_of(one).size() == 1); // the one from before
    CHECK(mesh.status().standing.generation == 2);
    CHECK_FALSE(mesh.status().standing.stored);
    mesh.hub.store(mesh.net.now);
    mesh.run(2s);
    mesh.hub.store(mesh.net.now); // the delays began anew, if storing took long
    mesh.run(2s);
    CHECK(spis_of(one).contains(mesh.status().standing.spi));
}

TEST_CASE("who joins during a rollover is told the old SA before the new one") {
    Mesh mesh(2);
    const auto before = group_of(*mesh.sites[0]).sending;
    REQUIRE(mesh.rekey());
    REQUIRE(mesh.run_talking(10s).empty());
    const auto after = mesh.status().standing.spi;
    CHECK(after != before);
    CHECK(group_of(*mesh.sites[0]).sending == before);
    Host& late = mesh.add();
    late.engine.trace(true);
    mesh.run(2s);
    CHECK(traced(late, "N(40960)").size() == 2);
    CHECK(group_of(late).sending == before);
    CHECK(spis_of(late) == std::set{before, after});
    CHECK(mesh.run_talking(130s).empty());
    for (Host* site : mesh.sites) {
        CHECK(group_of(*site).sending == after);
        CHECK(spis_of(*site) == std::set{after});
    }
    mesh.run(60s);
    CHECK(times(mesh.hub, What::settled) == 1);
    CHECK(times(mesh.hub, What::retired) == 1);
}

TEST_CASE("the SA is replaced in time, and members talk all the while") {
    Mesh mesh(3, short_terms());
    REQUIRE(mesh.silent().empty());
    CHECK(mesh.run_talking(1300s) == "");
    CHECK(mesh.status().standing.generation >= 3);
    CHECK(mesh.status().standing.behind == 0);
    CHECK(why(mesh.hub, What::made) == "the one before ends soon");
}

TEST_CASE("who leaves is left out from the next SA on") {
    Mesh mesh(3);
    const auto before = mesh.status().standing.spi;
    Host& gone = *mesh.sites[2];
    REQUIRE(gone.engine.command(mesh.net.now, ike::Down{"hub"}));
    gone.pump(mesh.net.now);
    mesh.sites.pop_back();
    CHECK(mesh.run_talking(200s) == "");
    CHECK(times(mesh.hub, What::left) == 1);
    CHECK(why(mesh.hub, What::left) == "it has deleted its IKE SA");
    CHECK(mesh.status().standing.generation == 2);
    CHECK(mesh.status().standing.members == 2);
    CHECK(spis_of(*mesh.sites[0]) == std::set{mesh.status().standing.spi});
    CHECK(mesh.status().standing.spi != before);
    // It has left by its operator's will, and sends nothing more; what it has no SA for it drops.
    CHECK(spis_of(gone).empty());
    CHECK(gone.kernel.groups.size() == 1);
}

TEST_CASE("who is sent away is left out, too") {
    Mesh mesh(2);
    REQUIRE(mesh.hub.engine.command(mesh.net.now, ike::Down{client_name(1)}));
    mesh.hub.pump(mesh.net.now);
    mesh.run(1s);
    CHECK(times(mesh.hub, What::left) == 1);
    CHECK(times(*mesh.sites[1], What::removed) >= 1);
    mesh.run(1s);
    CHECK(mesh.status().standing.generation == 2);
}

TEST_CASE("who is lost keeps the SA, and nobody else is disturbed") {
    Mesh mesh(3);
    mesh.cut = {mesh.sites[2]};
    CHECK(mesh.run_talking(120s) == "");
    CHECK(times(mesh.hub, What::left) == 1);
    CHECK(mesh.status().standing.members == 2);
    CHECK(mesh.status().standing.generation == 1);
    CHECK(unread(*mesh.sites[2], *mesh.sites[0], mesh.net.now).empty());
    mesh.cut.clear();
    CHECK(mesh.run_talking(120s) == "");
    CHECK(mesh.status().standing.members == 3);
    CHECK(mesh.status().standing.generation == 1);
    // The SA was told again, and was not another.
    CHECK(times(*mesh.sites[2], What::installed) == 1);
}

TEST_CASE("a member that does not answer holds up nobody") {
    Mesh mesh(3);
    mesh.cut = {mesh.sites[1]};
    REQUIRE(mesh.rekey());
    CHECK(mesh.run_talking(2s) == "");
    CHECK(mesh.status().standing.behind >= 1);
    const auto spi = mesh.status().standing.spi;
    CHECK(spis_of(*mesh.sites[0]).contains(spi));
    CHECK(spis_of(*mesh.sites[2]).contains(spi));
    CHECK(mesh.run_talking(70s) == "");
    CHECK(group_of(*mesh.sites[0]).sending == spi);
    CHECK(group_of(*mesh.sites[2]).sending == spi);
}

TEST_CASE("a gateway that is started again goes on with what it has stored") {
    Mesh mesh(2);
    const auto before = group_of(*mesh.sites[0]);
    SECTION("with its record") {
        mesh.restart_hub();
        CHECK(mesh.run_talking(120s) == "");
        CHECK(mesh.status().standing.members == 2);
        CHECK(mesh.status().standing.behind == 0);
        CHECK(mesh.status().standing.generation == 1);
        CHECK(mesh.status().standing.spi == before.sending);
        CHECK(spis_of(*mesh.sites[0]) == std::set{before.sending});
        CHECK(group_of(*mesh.sites[0]).sas.at(before.sending).encryption ==
              before.sas.at(before.sending).encryption);
        // Nothing that was given away comes again with other keys.
        REQUIRE(mesh.rekey());
        CHECK(mesh.run_talking(200s) == "");
        CHECK(mesh.status().standing.generation == 2);
        CHECK(spis_of(*mesh.sites[0]).size() == 1);
        CHECK(!spis_of(*mesh.sites[0]).contains(before.sending));
    }
    SECTION("in the middle of a rollover") {
        REQUIRE(mesh.rekey());
        mesh.run(20s);
        mesh.restart_hub();
        CHECK(mesh.run_talking(300s) == "");
        CHECK(mesh.status().standing.generation == 2);
        CHECK(mesh.status().standing.members == 2);
        CHECK(spis_of(*mesh.sites[1]) == std::set{mesh.status().standing.spi});
    }
    SECTION("with orders, not by death: members go on as they are") {
        REQUIRE(mesh.hub.engine.command(mesh.net.now, ike::Shutdown{}));
        mesh.hub.pump(mesh.net.now);
        CHECK(mesh.hub.engine.idle());
        CHECK(mesh.hub.stored.contains("mesh"));
        CHECK(mesh.run_talking(10s) == "");
        mesh.restart_hub();
        CHECK(mesh.run_talking(120s) == "");
        CHECK(mesh.status().standing.generation == 1);
        CHECK(mesh.status().standing.members == 2);
    }
    SECTION("without its record all roll over to another SA") {
        mesh.restart_hub({}, false);
        mesh.run(240s);
        CHECK(mesh.silent() == "");
        CHECK(mesh.status().standing.members == 2);
        CHECK(spis_of(*mesh.sites[0]) == std::set{mesh.status().standing.spi});
        CHECK(mesh.status().standing.spi != before.sending);
    }
}

TEST_CASE("a record that is none is refused with a sentence") {
    Mesh mesh(0);
    const Bytes junk(40, 7);
    const auto recalled = mesh.hub.engine.recall_group(mesh.net.now, "mesh", junk);
    REQUIRE_FALSE(recalled.has_value());
    CHECK(recalled.error().find("\"mesh\"") != std::string::npos);
    const auto unknown = mesh.hub.engine.recall_group(mesh.net.now, "other", junk);
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().find("\"other\"") != std::string::npos);
    CHECK_FALSE(mesh.hub.engine.command(mesh.net.now, ike::RekeyGroup{"other"}).has_value());
}

TEST_CASE("a member stays one when its IKE SA is rekeyed") {
    Mesh mesh(2);
    Host& asks = GENERATE(true, false) ? mesh.hub : *mesh.sites[0];
    const std::string name = &asks == &mesh.hub ? client_name(0) : std::string("hub");
    REQUIRE(asks.engine.command(mesh.net.now, ike::Rekey{name, ike::Rekey::What::ike}));
    asks.pump(mesh.net.now);
    mesh.run(1s);
    CHECK(asks.count<ike::IkeRekeyed>() == 1);
    CHECK(mesh.status().standing.members == 2);
    CHECK(mesh.status().standing.generation == 1);
    CHECK(mesh.status().members.size() == 2);
    CHECK(times(mesh.hub, What::joined) == 2);
    REQUIRE(mesh.rekey());
    CHECK(mesh.run_talking(200s) == "");
    CHECK(spis_of(*mesh.sites[0]) == std::set{mesh.status().standing.spi});
    CHECK(mesh.status().standing.behind == 0);
}

TEST_CASE("a member with clones is told on one of its IKE SAs, and leaves with the last") {
    Mesh mesh(0);
    auto config = site_config(0);
    config.connections[0].ike_sas_per_login = 3;
    auto hub = hub_config(8);
    hub.connections[0].ike_sas_per_login = 3;
    mesh.hub.reload(mesh.net.now, hub);
    Host& site = mesh.add(config);
    mesh.run(2s);
    REQUIRE(site.engine.command(mesh.net.now, ike::Clone{"hub"}));
    site.pump(mesh.net.now);
    mesh.run(1s);
    CHECK(site.established() == 2);
    CHECK(mesh.status().standing.members == 1);
    site.engine.trace(true);
    REQUIRE(mesh.rekey());
    mesh.run(5s);
    CHECK(traced(site, "N(40960)").size() == 1);
    CHECK(mesh.silent() == "");
    CHECK(times(mesh.hub, What::joined) == 1);
    REQUIRE(site.engine.command(mesh.net.now, ike::Down{"hub"}));
    site.pump(mesh.net.now);
    mesh.run(2s);
    CHECK(times(mesh.hub, What::left) == 1);
    CHECK(mesh.status().standing.members == 0);
}

TEST_CASE("who authenticates anew stays in the group and starts no rekeying") {
    Mesh mesh(2);
    Host& site = *mesh.sites[0];
    REQUIRE(site.engine.command(mesh.net.now, ike::Reauthenticate{"hub"}));
    site.pump(mesh.net.now);
    CHECK(mesh.run_talking(90s) == "");
    CHECK(mesh.hub.engine.counters().handshakes == 3);
    CHECK(mesh.status().standing.members == 2);
    CHECK(mesh.status().standing.generation == 1);
    CHECK(times(site, What::removed) == 0);
    CHECK(why(mesh.hub, What::left) == "it has authenticated anew");
}

TEST_CASE("with rekeying on join, who comes back is heard and starts no rekeying") {
    group::Terms terms;
    terms.rekey_on_join = true;
    Mesh mesh(2, terms);
    mesh.run(400s);
    REQUIRE(mesh.silent() == "");
    const auto generation = mesh.status().standing.generation;
    CHECK(generation == 2);
    SECTION("when it has authenticated anew") {
        REQUIRE(mesh.sites[0]->engine.command(mesh.net.now, ike::Reauthenticate{"hub"}));
        mesh.sites[0]->pump(mesh.net.now);
    }
    SECTION("when it was lost") {
        mesh.cut = {mesh.sites[1]};
        mesh.run(120s);
        CHECK(mesh.status().standing.members == 1);
        mesh.cut.clear();
    }
    SECTION("when it was the gateway") {
        mesh.restart_hub(terms);
        CHECK(mesh.status().standing.members == 0);
    }
    CHECK(mesh.run_talking(120s) == "");
    CHECK(mesh.status().standing.members == 2);
    CHECK(mesh.status().standing.behind == 0);
    CHECK(mesh.status().standing.generation == generation);
    CHECK_FALSE(mesh.status().standing.rekey_wanted);
}

TEST_CASE("who is behind a NAT is not told the SA") {
    Mesh mesh(1);
    const IpAddress inside = *IpAddress::parse("10.9.0.1"), outside = *IpAddress::parse("203.0.113.1");
    Host& hidden = mesh.net.add("10.9.0.1", site_config(1));
    mesh.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == inside) datagram.local.address = outside;
        if (datagram.peer.address == outside) datagram.peer.address = inside;
        return true;
    };
    mesh.run(2s);
    CHECK(hidden.established() == 1);
    CHECK(mesh.status().standing.members == 1);
    CHECK(times(mesh.hub, What::member_failed) == 1);
    CHECK(why(mesh.hub, What::member_failed).find("NAT") != std::string::npos);
    CHECK(spis_of(hidden).empty());
    CHECK(hidden.kernel.groups.size() == 1); // what goes there is dropped
}

TEST_CASE("a member that moves behind a NAT is told no more, and from elsewhere is one again") {
    Mesh mesh(0);
    auto hub = hub_config(8);
    hub.connections[0].mobike = true;
    mesh.hub.reload(mesh.net.now, hub);
    auto config = site_config(0);
    config.connections[0].mobike = true;
    Host& site = mesh.add(config);
    mesh.run(2s);
    REQUIRE(mesh.status().standing.members == 1);
    const IpAddress inside = *IpAddress::parse("10.9.0.1"), outside = *IpAddress::parse("203.0.113.1");
    mesh.net.on_wire = [&](ike::Datagram& datagram) {
        if (datagram.local.address == inside) datagram.local.address = outside;
        if (datagram.peer.address == outside) datagram.peer.address = inside;
        return true;
    };
    const auto roam = [&](const IpAddress& to) {
        site.address = to;
        site.engine.network_changed(mesh.net.now);
        site.pump(mesh.net.now);
        mesh.run(2s);
    };
    roam(inside);
    CHECK(mesh.hub.established() == 1);
    CHECK(mesh.status().standing.members == 0);
    CHECK(why(mesh.hub, What::left).find("NAT") != std::string::npos);
    CHECK(spis_of(site).size() == 1);
    roam(*IpAddress::parse("192.0.2.50"));
    CHECK(mesh.status().standing.members == 1);
    CHECK(mesh.status().standing.behind == 0);
    CHECK(group_of(site).link.local == std::vector{site.address});
    CHECK(mesh.status().standing.generation == 1);
}

TEST_CASE("a peer that knows no multi-point SAs is no member, and one that nobody serves is told nothing") {
    Mesh mesh(1);
    auto plain = site_config(1);
    plain.connections[0].group.clear();
    plain.connections[0].start = true;
    plain.group_memberships.clear();
    Host& other = mesh.add(plain);
    mesh.sites.pop_back();
    mesh.run(2s);
    CHECK(other.established() == 1);
    CHECK(mesh.status().standing.members == 1);
    CHECK(times(mesh.hub, What::member_failed) == 1);

    WireNet net;
    auto config = hub_config(1);
    config.connections[0].group.clear();
    config.group_services.clear();
    net.add(kHub, config).engine.trace(true);
    Host& site = net.add("192.0.2.1", site_config(0));
    site.engine.trace(true);
    net.run_for(2s);
    CHECK(site.established() == 1);
    CHECK_FALSE(site.engine.status().groups.at(0).connected);
    const auto sent = site.last<ike::MessageTraced>();
    REQUIRE(sent != nullptr);
    const auto vendor = [](const Host& host, bool out) {
        return std::ranges::count_if(host.events, [&](const ike::Event& event) {
            const auto* message = std::get_if<ike::MessageTraced>(&event);
            return message && message->sent == out && message->payloads.ends_with(" V");
        });
    };
    CHECK(vendor(site, true) == 1);
    CHECK(vendor(site, false) == 0);
}

TEST_CASE("another configuration of a group") {
    Mesh mesh(2);
    SECTION("with other algorithms makes another SA") {
        group::Terms terms;
        terms.suite.encr.key_bits = 128;
        mesh.hub.reload(mesh.net.now, hub_config(8, terms));
        CHECK(mesh.run_talking(200s) == "");
        CHECK(mesh.status().standing.generation == 2);
        CHECK(mesh.status().standing.members == 2);
        CHECK(group_of(*mesh.sites[0]).sas.begin()->second.encryption.size() == 16);
        CHECK(why(mesh.hub, What::made) == "the configuration asks for other algorithms");
    }
    SECTION("without the group forgets it and lets its members go") {
        auto config = hub_config(8);
        config.connections[0].group.clear();
        config.group_services.clear();
        mesh.hub.reload(mesh.net.now, config);
        mesh.run(3s);
        CHECK(mesh.hub.stored.empty());
        CHECK(mesh.hub.engine.status().groups.empty());
        CHECK(times(mesh.hub, What::left) == 2);
        // The same name again is another group.
        mesh.hub.reload(mesh.net.now, hub_config(8));
        mesh.run(5s);
        CHECK(mesh.silent() == "");
        CHECK(mesh.status().standing.members == 2);
        CHECK(mesh.hub.stored.contains("mesh"));
    }
    SECTION("with the same one changes nothing") {
        mesh.hub.reload(mesh.net.now, hub_config(8));
        mesh.run(3s);
        CHECK(mesh.status().standing.generation == 1);
        CHECK(mesh.status().standing.members == 2);
        CHECK(times(mesh.hub, What::left) == 0);
    }
}

TEST_CASE("the keys of a group are in no datagram, event or status") {
    Mesh mesh(0);
    mesh.hub.engine.trace(true);
    Host& site = mesh.add();
    site.engine.trace(true);
    mesh.add();
    mesh.run(2s);
    REQUIRE(mesh.rekey());
    mesh.run(3s);
    REQUIRE(spis_of(site).size() == 2);
    std::vector<Bytes> secrets;
    for (const auto& [spi, sa] : group_of(site).sas) {
        secrets.push_back(sa.encryption);
        secrets.push_back(sa.integrity);
    }
    const auto record = group::record_from(mesh.hub.stored.at("mesh"));
    REQUIRE(record.has_value());
    const View sk_d = record->newest.sa.sk_d.view();
    secrets.emplace_back(sk_d.begin(), sk_d.end());
    const auto holds = [&](View text) {
        return std::ranges::any_of(secrets, [&](const Bytes& secret) {
            return !std::ranges::search(text, View(secret).first(8)).empty();
        });
    };
    CHECK(holds(mesh.hub.stored.at("mesh"))); // there they are, and so it is seen where they are
    for (const auto& datagram : mesh.net.log)
        REQUIRE_FALSE(holds(datagram.bytes));
    for (const Host* host : {&mesh.hub, &site}) {
        for (const auto& event : host->events) {
            std::string text;
            if (const auto* traced = std::get_if<ike::MessageTraced>(&event)) text = traced->payloads;
            if (const auto* changed = std::get_if<ike::GroupChanged>(&event)) text = changed->why;
            if (const auto* refused = std::get_if<ike::Refused>(&event)) text = refused->detail;
            REQUIRE_FALSE(holds(View(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
        }
        CHECK(host->keys.empty());
    }
}

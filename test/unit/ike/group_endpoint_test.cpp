// A group at one of its endpoints: what a gateway tells, and what is refused.

#include "test/unit/ike/group_pair.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;
using What = ike::GroupChanged::What;
using wire::NotifyType;

TEST_CASE("an endpoint installs what it is told and answers when the kernel has it") {
    Two two;
    REQUIRE(two.held().size() == 1);
    CHECK(group_of(two.endpoint).sending == *two.held().begin());
    const auto before = *two.held().begin();
    two.endpoint.kernel_answers = false;
    two.pipe.deliver(two.endpoint, two.put_on_its_way());
    CHECK(two.answered() == "nothing");
    REQUIRE(two.endpoint.held.size() == 1);
    REQUIRE(two.endpoint.held[0].steps.size() == 1);
    const auto* install = std::get_if<child::InstallGroupSa>(&two.endpoint.held[0].steps[0]);
    REQUIRE(install != nullptr);
    CHECK(install->expires > two.pipe.now + 3500s);
    CHECK(install->expires <= two.pipe.now + 3600s);
    auto intent = std::move(two.endpoint.held.front());
    two.endpoint.held.clear();
    two.endpoint.kernel_answers = true;
    two.pipe.kernel_event(two.endpoint, two.endpoint.kernel.apply(std::move(intent)));
    CHECK(two.answered() == "empty");
    CHECK(two.held().size() == 2);
    CHECK(group_of(two.endpoint).sending == before);
    two.pipe.run(150s);
    CHECK(two.held().size() == 1);
    CHECK_FALSE(two.held().contains(before));
    CHECK(times(two.endpoint, What::sending) == 2);
    CHECK(why(two.endpoint, What::removed) == "rolled over to the next");
    CHECK(two.gateway.engine.status().groups.at(0).standing.behind == 0);
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("a request with an SA that comes again gets the same answer, and nothing is done twice") {
    Two two;
    const Flight put = two.put_on_its_way();
    two.pipe.deliver(two.endpoint, put);
    REQUIRE(two.answered() == "empty");
    const auto first = two.pipe.hold(two.gateway).datagram.bytes;
    two.pipe.deliver(two.endpoint, put);
    REQUIRE(two.answered() == "empty");
    CHECK(two.pipe.hold(two.gateway).datagram.bytes == first);
    CHECK(times(two.endpoint, What::installed) == 2);
}

TEST_CASE("an SA that is told again in another request has another end, and only that") {
    Two two;
    auto put = some_put();
    two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.put_on_its_way(), {group::write_put(put)}));
    REQUIRE(two.answered() == "empty");
    two.pipe.settle();
    const auto ends = group_of(two.endpoint).sas.at(put.sa.spi).expires;
    const auto installed = times(two.endpoint, What::installed);
    put.life = 300s;
    two.pipe.deliver(two.endpoint,
                     two.pipe.with_payloads(two.question(two.gateway), {group::write_put(put)}));
    CHECK(two.answered() == "empty");
    CHECK(group_of(two.endpoint).sas.at(put.sa.spi).expires < ends);
    CHECK(times(two.endpoint, What::installed) == installed);

    SECTION("with other keys it is malformed, which ends the IKE SA") {
        two.pipe.settle();
        put.sa.nonce[0] ^= 1;
        two.pipe.deliver(two.endpoint,
                         two.pipe.with_payloads(two.question(two.gateway), {group::write_put(put)}));
        CHECK(two.answered() == "INVALID_SYNTAX");
        CHECK(two.endpoint.last<ike::IkeDown>()->reason == ike::DownReason::failed);
        CHECK(two.held().contains(put.sa.spi)); // traffic goes on
    }
}

TEST_CASE("what must not or cannot be used is refused, and the IKE SA stays") {
    enum class Fault { counter_mode, sha1, spi_in_use };
    const Fault fault = GENERATE(Fault::counter_mode, Fault::sha1, Fault::spi_in_use);
    Two two;
    auto put = some_put();
    std::string answer = "NO_PROPOSAL_CHOSEN", reason;
    switch (fault) {
    case Fault::counter_mode:
        put.sa.suite.encr = {crypto::EncrId::aes_gcm_16, 256};
        put.sa.suite.integ = crypto::IntegId::none;
        reason = "counter mode";
        break;
    case Fault::sha1: // which the configuration does not allow
        put.sa.suite.integ = crypto::IntegId::hmac_sha1_96;
        reason = "SHA-1";
        break;
    case Fault::spi_in_use: // by a Child SA of ours, which is replaced then
        put.sa.spi = two.pipe.child_spi(two.endpoint);
        answer = "TEMPORARY_FAILURE";
        reason = "in use";
    }
    const auto before = two.held();
    two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.put_on_its_way(), {group::write_put(put)}));
    auto& sent = two.pipe.to(two.gateway);
    const bool answered = std::ranges::any_of(
        sent, [&](const Flight& flight) { return flight.header.response && flight.what() == answer; });
    CHECK(answered);
    CHECK(two.held() == before);
    CHECK(times(two.endpoint, What::refused) == 1);
    CHECK(why(two.endpoint, What::refused).find(reason) != std::string::npos);
    const bool rekeys = std::ranges::any_of(
        sent, [](const Flight& flight) { return !flight.header.response && flight.what() == "rekey child"; });
    CHECK(rekeys == (answer == "TEMPORARY_FAILURE"));
    two.pipe.run(8s);
    CHECK(two.endpoint.established() == 1);
    CHECK(two.gateway.established() == 1);
    CHECK(times(two.gateway, What::member_failed) == 1);
    CHECK(why(two.gateway, What::member_failed).find(answer) != std::string::npos);
    if (rekeys) CHECK(two.pipe.child_spi(two.endpoint) != put.sa.spi);
    two.pipe.run(40s);
    // What was refused for good is not told again; what was put off is, and here it is another SA.
    CHECK(times(two.gateway, What::member_failed) == 1);
    CHECK((two.held().size() == 2) == (answer == "TEMPORARY_FAILURE"));
}

TEST_CASE("a malformed announcement ends the IKE SA on both sides") {
    Two two;
    auto notify = group::write_put(some_put());
    notify.spi[3] ^= 1;
    two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.put_on_its_way(), {notify}));
    CHECK(two.answered() == "INVALID_SYNTAX");
    CHECK(two.endpoint.established() == 0);
    two.pipe.settle();
    CHECK(two.gateway.established() == 0);
    CHECK(two.gateway.last<ike::IkeDown>()->reason == ike::DownReason::failed);
    CHECK(times(two.gateway, What::left) == 1);
    CHECK(two.held().size() == 1); // what it has it keeps
}

TEST_CASE("what the kernel refuses is put off, and told again") {
    Two two;
    const auto before = two.held();
    two.endpoint.kernel.fail_step = child::KernelStep(child::InstallGroupSa{}).index();
    two.pipe.deliver(two.endpoint, two.put_on_its_way());
    CHECK(two.answered() == "TEMPORARY_FAILURE");
    CHECK(two.held() == before);
    CHECK(group_of(two.endpoint).sending == *before.begin());
    CHECK(times(two.endpoint, What::refused) == 1);
    two.pipe.run(15s);
    CHECK(two.held().size() == 2);
    CHECK(two.endpoint.kernel.breaches.empty());
    two.pipe.run(150s);
    CHECK(two.held().size() == 1);
    CHECK(two.held() != before);
}

TEST_CASE("an announcement means nothing where it was not agreed on") {
    const auto put = group::write_put(some_put());
    SECTION("without the gateway's Vendor ID") {
        Two two(endpoint_side(), sheaf::test::peer_config(false));
        two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.question(two.gateway), {put}));
        CHECK(two.answered() == "empty");
        CHECK(two.held().empty());
        CHECK(two.endpoint.kernel.groups.size() == 1);
    }
    SECTION("from whoever began the IKE SA") {
        auto other = gateway_side();
        other.group_services.clear();
        other.group_memberships = {{"mesh", "mesh0", {}, {}, {}}};
        Two two(endpoint_side(), other);
        two.pipe.deliver(two.gateway, two.pipe.with_payloads(two.question(two.endpoint), {put}));
        CHECK(two.pipe.to(two.endpoint).front().what() == "empty");
        CHECK(spis_of(two.gateway).empty());
    }
    SECTION("from a member to its gateway") {
        Two two;
        two.pipe.deliver(two.gateway, two.pipe.with_payloads(two.question(two.endpoint), {put}));
        CHECK(two.pipe.to(two.endpoint).front().what() == "empty");
        CHECK(two.gateway.kernel.groups.empty());
    }
    SECTION("outside of INFORMATIONAL") {
        Two two;
        const auto before = two.held();
        REQUIRE(two.pipe.rekey_child(two.gateway));
        auto request = two.pipe.hold(two.endpoint);
        REQUIRE(request.what() == "rekey child");
        auto payloads = request.payloads;
        payloads.emplace_back(put);
        two.pipe.deliver(two.endpoint, two.pipe.with_payloads(request, payloads));
        CHECK(two.answered() == "child");
        CHECK(two.held() == before);
    }
    SECTION("on a connection that is for no group") {
        Two two(sheaf::test::peer_config(true), gateway_side());
        two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.question(two.gateway), {put}));
        CHECK(two.answered() == "empty");
        CHECK(two.endpoint.kernel.groups.empty());
        CHECK(two.endpoint.engine.status().groups.empty());
    }
}

TEST_CASE("the gateway deletes the SA, or the IKE SA, and nothing is sent any more") {
    Two two;
    const auto spi = *two.held().begin();
    SECTION("by its SPI") {
        two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.question(two.gateway),
                                                              {wire::Delete{wire::Protocol::esp, {spi}}}));
        CHECK(two.answered() == "empty"); // there is no other half to name
        CHECK(two.endpoint.established() == 1);
        CHECK(two.endpoint.engine.status().ike_sas.at(0).children.size() == 1);
    }
    SECTION("the IKE SA") {
        REQUIRE(two.pipe.command(two.gateway, ike::Down{"tunnel"}));
        two.pipe.settle();
    }
    SECTION("or we leave ourselves") {
        REQUIRE(two.pipe.command(two.endpoint, ike::Down{"tunnel"}));
        two.pipe.settle();
        CHECK(times(two.gateway, What::left) == 1);
    }
    CHECK(two.held().empty());
    CHECK(group_of(two.endpoint).sending == 0);
    CHECK(two.endpoint.kernel.groups.size() == 1);
    CHECK(times(two.endpoint, What::removed) == 1);
    CHECK(why(two.endpoint, What::removed).find("deleted") != std::string::npos);
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("without its gateway a group goes on to the end of its SA, and then nothing passes") {
    Two two;
    const auto spi = *two.held().begin();
    for (int second = 0; second < 3590; ++second) {
        two.pipe.now += 1s;
        two.endpoint.engine.on_timeout(two.pipe.now);
        two.pipe.collect();
        two.pipe.to(two.gateway).clear();
    }
    CHECK(two.endpoint.established() == 0);
    CHECK(two.held() == std::set{spi});
    CHECK(group_of(two.endpoint).sending == spi);
    two.pipe.now += 20s;
    two.endpoint.engine.on_timeout(two.pipe.now);
    two.pipe.collect();
    CHECK(two.held().empty());
    CHECK(two.endpoint.kernel.groups.size() == 1);
    CHECK(why(two.endpoint, What::removed) == "its lifetime has ended");
}

TEST_CASE("a member that never asks for signs of life finds out that its gateway has restarted") {
    group::Terms terms;
    terms.lifetime = 600s;
    Mesh mesh(0, terms);
    auto config = site_config(0);
    config.connections[0].liveness = 0s;
    Host& site = mesh.add(config);
    mesh.run(10s);
    REQUIRE(spis_of(site).size() == 1);
    mesh.restart_hub(terms);
    for (int second = 0; second < 700; ++second) {
        mesh.run(1s);
        REQUIRE(spis_of(site).size() >= 1);
    }
    CHECK(mesh.status().standing.members == 1);
    CHECK(group_of(site).sending == mesh.status().standing.spi);
    CHECK(site.kernel.breaches.empty());
}

TEST_CASE("an answer that waits for the kernel finds the IKE SA that was rekeyed meanwhile") {
    Two two;
    two.endpoint.kernel_answers = false;
    two.pipe.deliver(two.endpoint, two.put_on_its_way());
    REQUIRE(two.endpoint.held.size() == 1);
    auto intent = std::move(two.endpoint.held.front());
    two.endpoint.held.clear();
    two.endpoint.kernel_answers = true;
    SECTION("and is given on the old one while that is there") {
        REQUIRE(two.pipe.rekey_ike(two.endpoint));
        REQUIRE(two.pipe.pass(two.gateway) == "rekey ike");
        REQUIRE(two.pipe.pass(two.endpoint) == "ike");
        two.pipe.kernel_event(two.endpoint, two.endpoint.kernel.apply(std::move(intent)));
    }
    SECTION("or told again on the new one") {
        REQUIRE(two.pipe.rekey_ike(two.endpoint));
        two.pipe.settle();
        two.pipe.kernel_event(two.endpoint, two.endpoint.kernel.apply(std::move(intent)));
    }
    two.pipe.run(150s);
    CHECK(two.endpoint.established() == 1);
    CHECK(two.held().size() == 1);
    CHECK(two.held().contains(two.gateway.engine.status().groups.at(0).standing.spi));
    CHECK(two.gateway.engine.status().groups.at(0).standing.behind == 0);
    CHECK(two.gateway.engine.status().groups.at(0).standing.members == 1);
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("the interface of a group is there from the start to the end") {
    Two two;
    REQUIRE(two.endpoint.kernel.groups.size() == 1);
    const auto number = two.endpoint.kernel.groups.begin()->first;
    CHECK(number >= child::kFirstLink);
    CHECK(number <= child::kLastLink);
    CHECK(group_of(two.endpoint).link.local == std::vector{two.endpoint.address});
    auto config = endpoint_side();
    SECTION("with other sites and addresses it is another, with the same SAs") {
        const IpAddress far = *IpAddress::parse("192.0.2.77");
        config.group_memberships[0].sites = {{far, {*Prefix::parse("10.7.0.0/16")}}};
        config.group_memberships[0].addresses = {*IpAddress::parse("198.51.100.1")};
        two.endpoint.reload(two.pipe.now, config);
        CHECK(two.endpoint.kernel.groups.begin()->first == number);
        CHECK(group_of(two.endpoint).link.sites == config.group_memberships[0].sites);
        CHECK(group_of(two.endpoint).link.local == config.group_memberships[0].addresses);
        CHECK(two.held().size() == 1);
    }
    SECTION("by another name it is opened anew, and told its SA again") {
        config.group_memberships[0].interface = "mesh1";
        two.endpoint.reload(two.pipe.now, config);
        REQUIRE(two.endpoint.kernel.groups.size() == 1);
        CHECK(two.endpoint.kernel.groups.begin()->first != number);
        CHECK(group_of(two.endpoint).link.interface == "mesh1");
        CHECK(two.held().empty());
    }
    SECTION("without the group it is closed") {
        config.group_memberships.clear();
        config.connections[0].group.clear();
        two.endpoint.reload(two.pipe.now, config);
        CHECK(two.endpoint.kernel.groups.empty());
        CHECK(times(two.endpoint, What::removed) == 1);
    }
    SECTION("and at the end") {
        REQUIRE(two.pipe.command(two.endpoint, ike::Shutdown{}));
        two.pipe.settle();
        CHECK(two.endpoint.kernel.empty());
        CHECK(two.endpoint.engine.idle());
    }
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("an interface that the kernel refuses is asked for again") {
    WireNet net;
    Host& site = net.add("192.0.2.1", site_config(0));
    site.kernel.fail_step = child::KernelStep(child::OpenGroup{}).index();
    site.pump(net.now);
    CHECK(site.kernel.groups.empty());
    CHECK(times(site, ike::GroupChanged::What::kernel_refused) == 1);
    net.run_for(6s);
    CHECK(site.kernel.groups.size() == 1);
    CHECK(times(site, ike::GroupChanged::What::kernel_refused) == 1);
    CHECK(times(site, ike::GroupChanged::What::repaired) == 1);
}

TEST_CASE("what the kernel refuses of a rollover is asked of it again") {
    Two two;
    const auto before = two.held();
    const auto step = GENERATE(child::KernelStep(child::SendWithGroupSa{}).index(),
                               child::KernelStep(child::RemoveGroupSa{}).index());
    two.pipe.deliver(two.endpoint, two.put_on_its_way());
    two.pipe.settle();
    REQUIRE(two.held().size() == 2);
    two.endpoint.kernel.fail_step = step;
    two.pipe.run(150s);
    CHECK_FALSE(two.endpoint.kernel.fail_step);
    CHECK(two.held().size() == 1);
    CHECK(two.held() != before);
    CHECK(group_of(two.endpoint).sending == *two.held().begin());
    CHECK(times(two.endpoint, What::sending) == 2);
    CHECK(times(two.endpoint, What::removed) == 1);
    CHECK(times(two.endpoint, What::kernel_refused) == 1);
    CHECK(times(two.endpoint, What::repaired) == 1);
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("a new SA does not wait for what the kernel has refused") {
    auto gateway = gateway_side();
    gateway.connections[0].liveness = 2s; // so that it asks again before the kernel is asked again
    Two two(endpoint_side(), gateway);
    two.endpoint.kernel.fail_step = child::KernelStep(child::RefreshGroupSa{}).index();
    auto put = some_put();
    two.pipe.deliver(two.endpoint, two.pipe.with_payloads(two.put_on_its_way(), {group::write_put(put)}));
    two.pipe.settle();
    put.life = 300s;
    two.pipe.deliver(two.endpoint,
                     two.pipe.with_payloads(two.question(two.gateway), {group::write_put(put)}));
    two.pipe.settle();
    REQUIRE(times(two.endpoint, What::kernel_refused) == 1);
    const auto another = some_put(0xf2345678);
    two.pipe.deliver(two.endpoint,
                     two.pipe.with_payloads(two.question(two.gateway), {group::write_put(another)}));
    CHECK(two.answered() == "empty");
    CHECK(two.held().contains(another.sa.spi));
    CHECK(times(two.endpoint, What::repaired) == 0);
    two.pipe.run(10s);
    CHECK(times(two.endpoint, What::repaired) == 1);
    CHECK(two.endpoint.kernel.breaches.empty());
}

TEST_CASE("a group that the kernel does not close is closed later") {
    Two two;
    auto config = endpoint_side();
    config.group_memberships.clear();
    config.connections[0].group.clear();
    two.endpoint.kernel.fail_step = child::KernelStep(child::CloseGroup{}).index();
    two.endpoint.reload(two.pipe.now, config);
    CHECK(two.endpoint.kernel.groups.size() == 1);
    CHECK(times(two.endpoint, What::kernel_refused) == 1);
    two.pipe.run(8s);
    CHECK(two.endpoint.kernel.groups.empty());
    CHECK(times(two.endpoint, What::kernel_refused) == 1);
}

TEST_CASE("a site that is among the sites knows itself before IKE is up") {
    WireNet net;
    auto config = site_config(0);
    const IpAddress own = *IpAddress::parse("192.0.2.1");
    config.group_memberships[0].sites = {{own, {*Prefix::parse("10.1.0.0/16")}},
                                         {*IpAddress::parse("192.0.2.2"), {*Prefix::parse("10.2.0.0/16")}}};
    const bool told = GENERATE(false, true);
    if (told) config.connections[0].local_address = *IpAddress::parse("192.0.2.77");
    Host& site = net.add("192.0.2.1", config);
    site.pump(net.now);
    REQUIRE(site.kernel.groups.size() == 1);
    CHECK(site.established() == 0);
    CHECK(group_of(site).link.local == std::vector{told ? *IpAddress::parse("192.0.2.77") : own});
}

TEST_CASE("what the kernel tells of a group's SA is not taken for a Child SA") {
    Two two;
    const auto spi = *two.held().begin();
    two.pipe.kernel_event(two.endpoint, child::SaGone{two.endpoint.address, spi, true});
    two.pipe.kernel_event(two.endpoint, child::SaGone{two.gateway.address, spi, false});
    two.pipe.settle();
    CHECK(two.endpoint.established() == 1);
    CHECK(two.endpoint.engine.status().ike_sas.at(0).children.at(0).state == "live");
    CHECK(two.endpoint.refused(Rule::kernel_refused) == 0);
    CHECK(two.held() == std::set{spi});
}

TEST_CASE("what the kernel refuses of a group is told, and that it has it again") {
    Two two;
    const auto number = two.endpoint.kernel.groups.begin()->first;
    const auto give = [&](child::LinkNumber group, std::optional<std::string> error) {
        two.pipe.kernel_event(two.endpoint, child::GroupRepaired{group, std::move(error)});
        two.pipe.settle();
    };
    give(number + 1, "of no group");
    CHECK(times(two.endpoint, What::kernel_refused) == 0);
    give(number, "no room");
    give(number, "no room");
    CHECK(times(two.endpoint, What::kernel_refused) == 1);
    CHECK(why(two.endpoint, What::kernel_refused) == "no room");
    CHECK(times(two.endpoint, What::repaired) == 0);
    give(number, {});
    give(number, {});
    CHECK(times(two.endpoint, What::repaired) == 1);
}

TEST_CASE("keys of a group's SA are told to a decoder that is asked for") {
    Mesh mesh(0);
    Host& site = mesh.add();
    site.engine.write_keys(true);
    mesh.run(1s);
    REQUIRE(spis_of(site).size() == 1);
    const auto& [spi, sa] = *site.kernel.groups.begin()->second.sas.begin();
    std::size_t told = 0;
    for (const auto& record : site.keys) {
        const auto* keys = std::get_if<ike::ChildKeys>(&record);
        if (!keys) continue;
        CHECK(keys->spi == spi);
        CHECK(keys->source == IpAddress::any(keys->source.family()));
        CHECK(keys->destination == keys->source);
        CHECK(equal(keys->encryption.view(), sa.encryption));
        CHECK(equal(keys->integrity.view(), sa.integrity));
        ++told;
    }
    CHECK(told == 2); // of either family
}

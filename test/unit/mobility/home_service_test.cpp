#include "test/unit/mobility/agent.h"

using namespace sheaf;
using namespace sheaf::mobility;
using namespace sheaf::test;
using namespace std::chrono_literals;

TEST_CASE("at home and away at the same time") {
    Agent agent;
    agent.register_two();
    auto changed = policy();
    CHECK(agent.send({at_home(3)}).status == Status::home_and_foreign_prohibited);
    changed.home_and_foreign = true;
    agent.cache.set_policy(changed);
    agent.arrival.care_of = kHome;
    CHECK(agent.send({bound(1), at_home(3)}).status == Status::accepted);
    CHECK(agent.bids() == Bids{1, 2, 3});
    CHECK(agent.care_of(3) == kHome);
    CHECK(agent.send({at_home(3), at_home(4)}).status == Status::malformed_binding);
    SECTION("a message without the H flag ends it") {
        agent.arrival.care_of = kFirst;
        CHECK(agent.send({bound(1)}).status == Status::accepted);
        CHECK(agent.bids() == Bids{1, 2});
    }
    SECTION("without neighbour discovery") {
        changed.neighbour_discovery_at_home = false;
        agent.cache.set_policy(changed);
        CHECK(agent.send({at_home(3)}).status == Status::home_without_neighbour_discovery);
        const auto ack = agent.send({bound(1), at_home(3)});
        CHECK(ack.status == Status::not_complete);
        CHECK(ack.options.bindings[1].status == Status::home_without_neighbour_discovery);
    }
    SECTION("with an address that is not the home address") {
        BindingId wrong = at_home(3);
        wrong.care_of = kSecond;
        CHECK(agent.send({wrong}).status == Status::malformed_binding);
    }
}

TEST_CASE("lifetimes are cut by policy and by the home prefix") {
    Agent agent;
    auto changed = policy();
    CHECK(agent.send({bound(1, kFirst)}, 0xffff).lifetime == 100);
    changed.refresh_advice = 200s;
    agent.cache.set_policy(changed);
    CHECK(agent.send({bound(1)}, 100).options.refresh_advice == 50);
    CHECK_FALSE(agent.send({bound(1)}, 50).options.refresh_advice.has_value());
    changed.home_prefixes[0].preferred_until = agent.now + 100s;
    agent.cache.set_policy(changed);
    CHECK(agent.send({bound(1)}, 24).status == Status::accepted);
    CHECK(agent.send({bound(1)}, 25).status == Status::prefix_discovery_needed);
    changed.home_prefixes[0].valid_until = agent.now + 103s;
    agent.cache.set_policy(changed);
    const auto ack = agent.send({bound(1)}, 100);
    CHECK(ack.status == Status::prefix_discovery_needed);
    CHECK(ack.lifetime == 25);
    changed.home_prefixes[0].valid_until = agent.now + 3s;
    agent.cache.set_policy(changed);
    CHECK(agent.send({bound(1)}, 100).status == Status::insufficient_resources);
    changed.home_prefixes[0].valid_until = agent.now;
    agent.cache.set_policy(changed);
    CHECK(agent.send({bound(1)}, 100).status == Status::not_home_subnet);
}

TEST_CASE("the K bit moves the IKE SA or lets it go") {
    Agent agent;
    SECTION("set by both") {
        auto ack = agent.send({bound(1, kFirst), bound(2, kSecond)}, 60, kKeyMobility);
        CHECK(ack.has(kAckKeyMobility));
        REQUIRE(agent.changes<KeyEndpointChange>().size() == 1);
        CHECK(agent.changes<KeyEndpointChange>()[0].move);
        CHECK(agent.changes<KeyEndpointChange>()[0].address == kFirst);
        CHECK(agent.send({bound(1), bound(2)}, 60, kKeyMobility).has(kAckKeyMobility));
        CHECK(agent.changes<KeyEndpointChange>().empty());
        agent.arrival.care_of = kSecond;
        CHECK(agent.send({bound(2)}, 60, kKeyMobility).has(kAckKeyMobility));
        CHECK(agent.changes<KeyEndpointChange>().at(0).address == kSecond);
        agent.arrival.care_of = kHome;
        CHECK(agent.send({}, 0, kKeyMobility).has(kAckKeyMobility));
        CHECK(agent.changes<KeyEndpointChange>().at(0).address == kHome);
    }
    SECTION("clear") {
        CHECK_FALSE(agent.send({bound(1, kFirst)}).has(kAckKeyMobility));
        CHECK_FALSE(agent.changes<KeyEndpointChange>().at(0).move);
        CHECK(agent.changes<KeyEndpointChange>().at(0).address == kHome);
        agent.arrival.care_of = kSecond;
        CHECK_FALSE(agent.send({bound(2, kSecond)}).has(kAckKeyMobility));
        CHECK(agent.changes<KeyEndpointChange>().empty()); // the first address is still good
        CHECK_FALSE(agent.send({bound(1)}, 0).has(kAckKeyMobility));
        CHECK(agent.changes<KeyEndpointChange>().at(0).address == kFirst);
        CHECK_FALSE(agent.changes<KeyEndpointChange>().at(0).move);
    }
    SECTION("not with manual keys, nor against the policy") {
        agent.authority.dynamic_keys = false;
        CHECK_FALSE(agent.send({bound(1, kFirst)}, 60, kKeyMobility).has(kAckKeyMobility));
        agent.authority.dynamic_keys = true;
        auto changed = policy();
        changed.key_mobility = false;
        agent.cache.set_policy(changed);
        CHECK_FALSE(agent.send({bound(1, kFirst)}, 60, kKeyMobility).has(kAckKeyMobility));
    }
}

TEST_CASE("a mobile router registers its networks") {
    Agent agent;
    auto update = agent.update({bound(1, kFirst)}, 60, kMobileRouter);
    const Prefix network(ip("2001:db8:f0:1::"), 64);
    update.options.prefixes = {network};
    SECTION("explicitly") {
        const auto ack = agent.send(update);
        CHECK(ack.status == Status::accepted);
        CHECK(ack.has(kAckMobileRouter));
        CHECK(agent.changes<PrefixChange>().at(0).prefix == network);
        SECTION("a prefix that is no longer named goes") {
            update.sequence = ++agent.sequence;
            update.options.prefixes = {Prefix(ip("2001:db8:f0:2::"), 64)};
            CHECK(agent.send(update).status == Status::accepted);
            REQUIRE(agent.changes<PrefixChange>().size() == 2);
            CHECK(agent.changes<PrefixChange>()[1].kind == ChangeKind::removed);
        }
        SECTION("and cannot become a host meanwhile") {
            CHECK(agent.send({bound(1)}).status == Status::registration_type_change);
            CHECK(agent.send({bound(1)}, 0).status == Status::accepted);
            CHECK(agent.changes<PrefixChange>().at(0).kind == ChangeKind::removed);
        }
    }
    SECTION("implicitly") {
        update.options.prefixes.clear();
        CHECK(agent.send(update).status == Status::accepted);
        CHECK(agent.cache.find(kHome)->prefixes == agent.authority.networks);
    }
    SECTION("without any that is known") {
        update.options.prefixes.clear();
        agent.authority.networks.clear();
        CHECK(agent.send(update).status == Status::no_prefix);
    }
    SECTION("not another's") {
        update.options.prefixes.emplace_back(ip("2001:db8:f1::"), 64);
        CHECK(agent.send(update).status == Status::foreign_prefix);
        CHECK(agent.cache.find(kHome) == nullptr);
    }
    SECTION("not an invalid one") {
        update.options.invalid_prefix = true;
        CHECK(agent.send(update).status == Status::invalid_prefix);
    }
    SECTION("not where there is no service for it") {
        auto changed = policy();
        changed.mobile_routers = false;
        agent.cache.set_policy(changed);
        CHECK(agent.send(update).status == Status::mobile_router_prohibited);
    }
}

TEST_CASE("flows are bound to bindings and follow them") {
    Agent agent;
    auto update = agent.update({bound(1, kFirst, 10), bound(2, kSecond, 20)}, 60, kOverwrite);
    update.options.flows = {flow(7, 30, {2, 1}, 5001), flow(8, 20, {2}, 5002)};
    const auto ack = agent.send(update);
    CHECK(ack.options.flows == update.options.flows);
    const auto* found = agent.cache.find(kHome);
    REQUIRE(found->flows.size() == 2);
    CHECK(found->flows[0].fid == 8); // by priority
    PacketFacts packet{ip("2001:db8:c::1"), kHome, 17, 0, 0, {}, 5001, 9};
    CHECK(path_for(packet, *found)->bid == 2);
    packet.source_port = 5003;
    CHECK(path_for(packet, *found)->bid == 1); // the default

    SECTION("to the next binding when one goes") {
        auto removal = agent.update({bound(2)}, 0);
        removal.options.flow_summary = {7, 8};
        CHECK(agent.send(removal).status == Status::accepted);
        const auto paths = agent.changes<PathChange>();
        REQUIRE(paths.size() == 2);
        CHECK(paths[0].fid == 8);
        CHECK_FALSE(paths[0].path.has_value()); // inactive, so that its packets take the default
        CHECK(paths[1].fid == 7);
        CHECK(paths[1].path->bid == 1);
        SECTION("and back when it returns") {
            auto back = agent.update({bound(2, kSecond, 20)});
            back.options.flow_summary = {7, 8};
            CHECK(agent.send(back).status == Status::accepted);
            CHECK(agent.changes<PathChange>().size() == 2);
        }
    }
    SECTION("what is not named goes") {
        auto refresh = agent.update({bound(1), bound(2)});
        refresh.options.flow_summary = {7, 9};
        const auto answer = agent.send(refresh);
        REQUIRE(answer.options.flows.size() == 1);
        CHECK(answer.options.flows[0].fid == 9);
        CHECK(answer.options.flows[0].status == FlowStatus::unknown_flow);
        CHECK(agent.cache.find(kHome)->flows.size() == 1);
        CHECK(agent.changes<FlowChange>().at(0).kind == ChangeKind::removed);
    }
    SECTION("a known flow changes in part") {
        auto change = agent.update({bound(1), bound(2)});
        change.options.flows = {{8, 40, FlowStatus::accepted, {1}, std::nullopt}};
        change.options.flow_summary = {7};
        CHECK(agent.send(change).options.flows[0].status == FlowStatus::accepted);
        CHECK(agent.cache.find(kHome)->flows[1].fid == 8);
        CHECK(agent.cache.find(kHome)->flows[1].selector.source_port->first == 5002);
    }
    SECTION("two flows change places") {
        auto change = agent.update({bound(1), bound(2)});
        change.options.flows = {flow(7, 20, {1}, 5001), flow(8, 30, {1}, 5002)};
        for (const auto& answer : agent.send(change).options.flows)
            CHECK(answer.status == FlowStatus::accepted);
    }
    SECTION("a plain deregistration ends all flows") {
        CHECK(agent.send({}, 0).status == Status::accepted);
        CHECK(agent.changes<FlowChange>().size() == 2);
    }
}

TEST_CASE("flows that cannot be are told why") {
    Agent agent;
    agent.register_two();
    const auto status = [&](FlowIdentification asked) {
        auto update = agent.update({bound(1), bound(2)});
        update.options.flows = {std::move(asked)};
        const auto ack = agent.send(update);
        CHECK(ack.status == Status::accepted);
        CHECK(agent.cache.find(kHome)->flows.empty());
        return ack.options.flows.at(0).status;
    };
    auto asked = flow(7, 30, {1}, 5001);
    SECTION("prohibited") {
        auto changed = policy();
        changed.flows = false;
        agent.cache.set_policy(changed);
        CHECK(status(asked) == FlowStatus::prohibited);
    }
    SECTION("no selector") {
        asked.selector.reset();
        CHECK(status(asked) == FlowStatus::malformed);
    }
    SECTION("no binding") {
        asked.bids.clear();
        CHECK(status(asked) == FlowStatus::malformed);
    }
    SECTION("reserved numbers") {
        asked.fid = 0;
        CHECK(status(asked) == FlowStatus::malformed);
        asked.fid = 7;
        asked.priority = 0;
        CHECK(status(asked) == FlowStatus::malformed);
    }
    SECTION("a binding that is not there") {
        asked.bids = {1, 9};
        CHECK(status(asked) == FlowStatus::unknown_binding);
    }
    SECTION("a format that is not known") {
        asked.selector.reset();
        asked.unsupported_selector = true;
        CHECK(status(asked) == FlowStatus::unsupported_selector);
    }
    SECTION("one flow twice") {
        auto update = agent.update({bound(1), bound(2)});
        update.options.flows = {asked, asked};
        for (const auto& answer : agent.send(update).options.flows)
            CHECK(answer.status == FlowStatus::malformed);
        CHECK(agent.cache.find(kHome)->flows.empty());
    }
    SECTION("one priority twice") {
        auto update = agent.update({bound(1), bound(2)});
        update.options.flows = {asked, flow(8, 30, {2}, 5002)};
        const auto answers = agent.send(update).options.flows;
        CHECK(answers[0].status == FlowStatus::accepted);
        CHECK(answers[1].status == FlowStatus::malformed);
    }
}

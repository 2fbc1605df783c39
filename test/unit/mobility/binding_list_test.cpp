#include "test/unit/mobility/node.h"

using namespace sheaf;
using namespace sheaf::test;

namespace {

using Ability = AbilityMissing::Ability;

} // namespace

TEST_CASE("a first registration says all and replaces what was there") {
    Node node;
    node.set(1, kFirst, 10);
    const auto update = node.sent();
    CHECK(update.sequence == 1000);
    CHECK(update.flags == (kAcknowledge | kHomeRegistration | kKeyMobility | kOverwrite));
    CHECK(update.lifetime == 100);
    CHECK(update.options.bindings == std::vector<BindingId>{{1, Status::accepted, false, 10, kFirst}});
    CHECK_FALSE(update.options.alternate_care_of.has_value());
    CHECK(node.packet.care_of == kFirst);
    CHECK(node.list.usable().bindings.empty()); // before it is acknowledged
    node.receive(node.answer());
    CHECK(node.list.usable().bindings.size() == 1);
    CHECK(node.changes<BindingChange>().at(0).kind == ChangeKind::added);
    CHECK(node.changes<KeyEndpointChange>().at(0).address == kFirst);
    CHECK(node.list.is_settled());
}

TEST_CASE("a message is sent again until it is answered") {
    Node node;
    node.set(1, kFirst, 10);
    CHECK(node.sent().sequence == 1000);
    // RFC 6275 11.8: 1.5 s at first, twice as long each time, 32 s at most; each with a new number.
    std::uint16_t sequence = 1000;
    for (const Duration wait : {Duration(1500ms), Duration(3s), Duration(6s), Duration(12s), Duration(24s),
                                Duration(32s), Duration(32s)}) {
        CHECK(node.list.next_timeout() == node.now + wait);
        node.pass(wait - 1ms);
        CHECK_FALSE(node.last.send.has_value());
        node.pass(1ms);
        CHECK(node.sent().sequence == ++sequence);
    }
    auto ack = node.answer();
    ack.sequence = 1002; // an earlier copy is as good
    node.receive(ack);
    CHECK(node.list.is_settled());
    // The lifetime runs from the first copy.
    CHECK(node.list.usable().bindings.at(0).expires == Instant(1h) + 400s);
}

TEST_CASE("acknowledgements of something else are dropped") {
    Node node;
    CHECK(node.list.receive(node.now, BindingAck{}).discarded == Rule::unmatched_acknowledgement);
    node.set(1, kFirst, 10);
    node.sent();
    const auto drops = [&](auto&& change) {
        auto ack = node.answer();
        change(ack);
        node.receive(ack);
        return node.last.discarded == Rule::unmatched_acknowledgement && node.list.usable().bindings.empty();
    };
    CHECK(drops([](BindingAck& ack) { ack.sequence = 999; }));
    CHECK(drops([](BindingAck& ack) { ack.options.bindings[0].bid = 2; }));
    CHECK(drops([](BindingAck& ack) { ack.lifetime = 0; }));
}

TEST_CASE("the home agent's sequence number is taken over") {
    Node node;
    node.set(1, kFirst, 10);
    node.sent();
    auto ack = node.answer(Status::sequence_out_of_window);
    SECTION("if it is ahead") {
        ack.sequence = 5000;
        node.receive(ack);
        CHECK(node.sent().sequence == 5001);
    }
    SECTION("not if it is behind") {
        ack.sequence = 900;
        node.receive(ack);
        CHECK_FALSE(node.last.send.has_value());
    }
}

TEST_CASE("not more than three messages are sent in a second") {
    Node node;
    std::size_t sent = 0;
    for (std::uint16_t i = 0; i < 10; ++i) {
        node.set(1, ip("2001:db8:1::" + std::to_string(i + 1)), 10);
        if (node.last.send) ++sent;
    }
    CHECK(sent == 3);
    CHECK(node.list.next_timeout() == node.now + 1s);
    node.pass(1s);
    CHECK(node.sent().options.bindings.at(0).care_of == ip("2001:db8:1::10"));
}

TEST_CASE("a second address is added in bulk, with the known one in short") {
    Node node;
    node.register_two();
    CHECK(node.bids() == Bids{1, 2});
    const auto& update = std::get<BindingUpdate>(node.packet.message);
    CHECK_FALSE(update.has(kOverwrite));
    CHECK_FALSE(update.options.bindings[0].care_of.has_value());
    CHECK(update.options.bindings[1].care_of == kSecond);
    CHECK(node.packet.care_of == kFirst); // IKE stays where it is
}

TEST_CASE("bindings are refreshed before they end") {
    Node node;
    node.register_two();
    const Instant registered = node.now - 1s;
    CHECK(node.list.next_timeout() == registered + 300s);
    node.pass(299s);
    CHECK(node.bids() == Bids{1, 2});
    CHECK_FALSE(node.sent().options.bindings[0].care_of.has_value());
    SECTION("and are gone if that fails") {
        node.pass(100s);
        CHECK(node.list.usable().bindings.empty());
        CHECK(node.sent().has(kOverwrite));
        CHECK(std::get<BindingUpdate>(node.packet.message).options.bindings[0].care_of == kFirst);
    }
    SECTION("or sooner, if the home agent advises so") {
        auto ack = node.answer();
        ack.options.refresh_advice = 10;
        node.receive(ack);
        CHECK(node.list.next_timeout() == node.now + 40s);
    }
    SECTION("or when it asks") {
        node.receive(node.answer());
        node.last = node.list.receive(node.now + 1s, RefreshRequest{});
        CHECK(node.sent().options.bindings.size() == 2);
    }
    SECTION("with the care-of address for a home agent that has lost it") {
        node.receive(node.answer(Status::unknown_care_of));
        CHECK(node.list.usable().bindings.empty());
        CHECK(node.sent().options.bindings.at(0).care_of == kFirst);
    }
}

TEST_CASE("an address that is gone is not used, and its binding is removed") {
    Node node;
    node.register_two();
    node.last = node.list.withdraw(node.now, 1);
    const auto paths = node.changes<PathChange>();
    REQUIRE(paths.size() == 1);
    CHECK(paths[0].path->bid == 2);
    const auto update = node.sent();
    CHECK(update.lifetime == 0);
    CHECK(node.bids() == Bids{1});
    CHECK(node.packet.care_of == kSecond); // the other one tells it
    SECTION("the home agent has it no longer, either") {
        node.receive(node.answer(Status::not_home_agent));
        CHECK(node.list.is_settled());
        CHECK(node.list.held().bindings.size() == 1);
    }
    SECTION("IKE follows") {
        node.receive(node.answer());
        CHECK(node.changes<KeyEndpointChange>().at(0).move);
        CHECK(node.changes<KeyEndpointChange>().at(0).address == kSecond);
    }
    SECTION("IKE starts anew without the K bit") {
        auto ack = node.answer();
        ack.flags = 0;
        node.receive(ack);
        CHECK_FALSE(node.changes<KeyEndpointChange>().at(0).move);
        CHECK(node.changes<KeyEndpointChange>().at(0).address == kFirst);
    }
    SECTION("what comes meanwhile is told with all the rest") {
        node.now += 1s;
        node.set(3, ip("2001:db8:3::5"), 5);
        CHECK(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{3, 2});
    }
}

TEST_CASE("the node returns home") {
    Node node;
    node.register_two();
    SECTION("and removes all") {
        node.last = node.list.arrive_home(node.now, 9, 1);
        CHECK(node.list.usable().bindings.empty());
        CHECK(node.sent().lifetime == 0);
        CHECK(node.bids().empty());
        CHECK(node.packet.care_of == kHome);
        node.receive(node.answer());
        CHECK(node.told<HomeLinkUsable>().at(0).neighbour_discovery);
        CHECK(node.changes<KeyEndpointChange>().at(0).address == kHome);
        node.last = node.list.leave_home(node.now + 5s);
        CHECK_FALSE(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{1, 2});
    }
    SECTION("and is at home and away") {
        auto both = settings();
        both.home_and_foreign = true;
        Node other(both);
        other.register_two();
        other.last = other.list.arrive_home(other.now, 9, 30);
        CHECK(other.sent().options.bindings.at(2) == BindingId{9, Status::accepted, true, 30, kHome});
        SECTION("without neighbour discovery") {
            auto ack = other.answer(Status::not_complete);
            ack.options.bindings[2].status = Status::home_without_neighbour_discovery;
            other.receive(ack);
            CHECK_FALSE(other.told<HomeLinkUsable>().at(0).neighbour_discovery);
            CHECK(other.list.usable().bindings.size() == 3);
        }
        SECTION("or may not") {
            other.receive(other.answer(Status::home_and_foreign_prohibited));
            CHECK(other.told<AbilityMissing>().at(0).ability == Ability::home_and_foreign);
            CHECK(other.sent().lifetime == 0); // so it is at home alone
        }
    }
}

TEST_CASE("the node stops and starts") {
    Node node;
    node.register_two();
    node.last = node.list.stop(node.now);
    CHECK(node.sent().lifetime == 0);
    CHECK(node.bids().empty());
    CHECK(node.packet.care_of == kFirst);
    node.receive(node.answer());
    CHECK(node.list.held().bindings.empty());
    CHECK_FALSE(node.list.next_timeout().has_value());
    node.last = node.list.start(node.now + 1s);
    CHECK(node.sent().options.bindings.size() == 2);
}

TEST_CASE("IKE is moved by asking for it") {
    Node node;
    node.register_two();
    node.last = node.list.use_for_keys(node.now, 2);
    CHECK(node.sent().has(kKeyMobility));
    CHECK(node.packet.care_of == kSecond);
    node.receive(node.answer());
    CHECK(node.changes<KeyEndpointChange>().at(0).address == kSecond);
}

TEST_CASE("a mobile router leaves a home agent that serves none") {
    auto router = settings();
    router.mobile_router = true;
    router.networks = {Prefix(ip("2001:db8:f0::"), 64)};
    Node node(router);
    node.set(1, kFirst, 10);
    CHECK(node.sent().has(kMobileRouter));
    CHECK(std::get<BindingUpdate>(node.packet.message).options.prefixes == router.networks);
    SECTION("it serves them") {
        auto ack = node.answer();
        ack.flags |= kAckMobileRouter;
        node.receive(ack);
        CHECK(node.changes<PrefixChange>().at(0).prefix == router.networks[0]);
    }
    SECTION("it does not") {
        node.receive(node.answer());
        CHECK(node.told<AbilityMissing>().at(0).ability == Ability::mobile_router);
        CHECK(node.sent().lifetime == 0);
    }
}

TEST_CASE("flows are registered, kept and moved") {
    Node node;
    node.register_two();
    FlowSelector selector;
    selector.source_port = {5001, 5001};
    const FlowBinding flow{7, 30, selector, {2, 1}};
    node.last = node.list.set_flow(node.now, flow);
    CHECK(node.sent().options.flows.at(0).bids == Bids{2, 1});
    CHECK(node.list.usable().flows.empty());
    SECTION("a home agent without flows") {
        auto ack = node.answer();
        ack.options.flows.clear();
        node.receive(ack);
        CHECK(node.told<AbilityMissing>().at(0).ability == Ability::flows);
        CHECK(node.list.is_settled());
    }
    SECTION("a refused one") {
        auto ack = node.answer();
        ack.options.flows[0].status = FlowStatus::prohibited;
        node.receive(ack);
        CHECK(node.told<FlowRefused>().at(0).fid == 7);
        CHECK(node.list.is_settled());
        CHECK(node.list.usable().flows.empty());
    }
    SECTION("an accepted one") {
        node.receive(node.answer());
        CHECK(node.changes<PathChange>().at(0).path->bid == 2);
        node.now += 1s;
        SECTION("is kept by name") {
            node.last = node.list.withdraw(node.now, 2);
            CHECK(node.changes<PathChange>().at(0).path->bid == 1);
            CHECK(node.sent().options.flow_summary == Bids{7});
        }
        SECTION("is removed by not being named") {
            node.last = node.list.remove_flow(node.now, 7);
            CHECK(node.sent().options.flow_summary.empty());
            node.receive(node.answer());
            CHECK(node.list.usable().flows.empty());
        }
        SECTION("is told again to a home agent that has lost it") {
            node.last = node.list.receive(node.now, RefreshRequest{});
            CHECK(node.sent().options.flow_summary == Bids{7});
            auto ack = node.answer();
            ack.options.flows = {{7, 0, FlowStatus::unknown_flow}};
            node.receive(ack);
            CHECK(node.sent().options.flows.size() == 1);
        }
    }
}

TEST_CASE("a flow that the home agent says nothing of is refused") {
    Node node;
    node.register_two();
    FlowSelector selector;
    node.last = node.list.stop(node.now);
    node.sent();
    node.receive(node.answer());
    for (std::uint16_t fid = 7; fid <= 8; ++fid) {
        selector.source_port = {fid, fid};
        node.last = node.list.set_flow(node.now, {fid, fid, selector, {1}});
    }
    node.now += 1s;
    node.last = node.list.start(node.now);
    REQUIRE(node.sent().options.flows.size() == 2);
    auto ack = node.answer();
    ack.options.flows.erase(ack.options.flows.begin());
    node.receive(ack);
    REQUIRE(node.told<FlowRefused>().size() == 1);
    CHECK(node.told<FlowRefused>()[0].fid == 7);
    CHECK(node.told<FlowRefused>()[0].status == FlowStatus::unspecified);
    CHECK(node.list.usable().flows.size() == 1);
    CHECK_FALSE(node.last.send.has_value());
    CHECK(node.list.is_settled());
}

TEST_CASE("a Binding Error makes the node refresh what is registered, once") {
    Node node;
    node.register_two();
    const BindingError error{ErrorStatus::unknown_binding, kHome};
    node.last = node.list.receive(node.now, BindingError{ErrorStatus::unknown_binding, kFirst});
    CHECK_FALSE(node.last.send.has_value());
    node.last = node.list.receive(node.now, error);
    CHECK_FALSE(node.sent().has(kOverwrite));
    CHECK(node.bids() == Bids{1, 2});
    node.last = node.list.receive(node.now, error);
    CHECK_FALSE(node.last.send.has_value());
}

// What a mobile node does when its home agent refuses something, or has it not.
#include "test/unit/mobility/node.h"

using namespace sheaf;
using namespace sheaf::test;

namespace {

using Ability = AbilityMissing::Ability;

} // namespace

TEST_CASE("the node does without what the home agent has not") {
    Node node;
    node.set(1, kFirst, 10);
    node.sent();
    node.receive(node.answer());
    node.now += 1s;
    node.set(2, kSecond, 20);
    node.sent();
    SECTION("bulk registration") {
        node.receive(node.answer(Status::bulk_prohibited));
        CHECK(node.told<AbilityMissing>().at(0).ability == Ability::bulk);
        CHECK(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{1});
        node.receive(node.answer());
        CHECK_FALSE(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{2});
        node.receive(node.answer());
        CHECK(node.list.usable().bindings.size() == 2);
    }
    SECTION("several care-of addresses, as it says") {
        node.receive(node.answer(Status::multiple_prohibited));
        CHECK(node.sent().options.alternate_care_of == kFirst);
        CHECK(node.bids().empty());
        node.receive(node.answer());
        CHECK(node.list.usable().bindings.at(0).bid == 0);
        node.last = node.list.withdraw(node.now + 2s, 1);
        CHECK(node.sent().options.alternate_care_of == kSecond);
    }
    SECTION("several care-of addresses, as it does not know them") {
        auto ack = node.answer();
        ack.options.bindings.clear();
        node.receive(ack);
        CHECK(node.told<AbilityMissing>().at(0).ability == Ability::multiple_care_of);
        CHECK(node.sent().options.alternate_care_of == kFirst);
    }
    SECTION("an old binding without an identifier") {
        node.receive(node.answer(Status::plain_binding_exists));
        CHECK(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{1, 2});
    }
}

TEST_CASE("refusals stop what cannot be, and no more") {
    Node node;
    node.set(1, kFirst, 10);
    node.sent();
    node.receive(node.answer());
    node.now += 1s;
    node.set(2, kSecond, 20);
    node.sent();
    SECTION("one binding for good") {
        auto ack = node.answer(Status::not_complete);
        ack.options.bindings[1].status = Status::invalid_care_of;
        node.receive(ack);
        CHECK(node.told<BindingRefused>().at(0).bid == 2);
        CHECK(node.told<BindingRefused>().at(0).is_final);
        CHECK(node.list.is_settled());
        node.now += 1s;
        node.set(2, ip("2001:db8:2::6"), 20); // another address is another chance
        CHECK(node.sent().options.bindings.at(1).care_of == ip("2001:db8:2::6"));
    }
    SECTION("one binding for a while") {
        auto ack = node.answer(Status::not_complete);
        ack.options.bindings[1].status = Status::insufficient_resources;
        node.receive(ack);
        CHECK_FALSE(node.told<BindingRefused>().at(0).is_final);
        CHECK_FALSE(node.last.send.has_value());
        node.pass(32s);
        CHECK(node.sent().options.bindings.size() == 2);
    }
    SECTION("all") {
        const auto status = GENERATE(Status::prohibited, Status::duplicate_address, Status::not_home_subnet,
                                     Status::home_registration_unsupported, Status::no_prefix);
        const bool new_ike_sa = GENERATE(false, true);
        Node other;
        other.set(1, kFirst, 10);
        other.sent();
        other.receive(other.answer(status));
        CHECK(other.list.refused() == status);
        CHECK_FALSE(other.list.next_timeout().has_value());
        other.now += 1s;
        other.last = new_ike_sa ? other.list.begin_again(other.now) : other.list.start(other.now);
        CHECK(other.sent().has(kOverwrite));
    }
    SECTION("all for a while") { // until what is left of another kind has ended at the home agent
        Node other;
        other.set(1, kFirst, 10);
        other.sent();
        other.receive(other.answer(Status::registration_type_change));
        CHECK_FALSE(other.list.refused().has_value());
        CHECK_FALSE(other.told<BindingRefused>().at(0).is_final);
        CHECK_FALSE(other.last.send.has_value());
        CHECK(other.list.next_timeout() == other.now + 32s);
        other.pass(32s);
        CHECK(other.sent().has(kOverwrite));
    }
    SECTION("until there is a new IKE SA") {
        auto ack = node.answer(Status::not_complete);
        ack.options.bindings[1].status = Status::invalid_care_of;
        node.receive(ack);
        REQUIRE(node.list.is_settled());
        node.last = node.list.begin_again(node.now + 1s);
        CHECK(node.sent().has(kOverwrite));
        CHECK(node.bids() == Bids{1, 2});
    }
    SECTION("a prefix that changes soon is none") {
        node.receive(node.answer(Status::prefix_discovery_needed));
        CHECK(node.told<PrefixDiscoveryNeeded>().size() == 1);
        CHECK(node.list.usable().bindings.size() == 2);
    }
}

#include "test/unit/mobility/agent.h"

using namespace sheaf;
using namespace sheaf::mobility;
using namespace sheaf::test;
using namespace std::chrono_literals;

TEST_CASE("one message registers several bindings, and each is told") {
    Agent agent;
    const auto ack = agent.send({bound(1, kFirst, 10), bound(2, kSecond, 20)}, 60, kOverwrite);
    CHECK(ack.status == Status::accepted);
    CHECK(ack.sequence == 101);
    CHECK(ack.lifetime == 60);
    CHECK(ack.options.bindings == std::vector{bound(1, {}, 10), bound(2, {}, 20)});
    CHECK(agent.bids() == Bids{1, 2});
    const auto told = agent.changes<BindingChange>();
    REQUIRE(told.size() == 2);
    CHECK(told[0].kind == ChangeKind::added);
    CHECK(told[0].binding.care_of == kFirst);
    CHECK(told[0].binding.expires == agent.now + 240s);
    const auto paths = agent.changes<PathChange>();
    REQUIRE(paths.size() == 1);
    CHECK(paths[0].fid == 0);
    CHECK(paths[0].path->bid == 1);
    CHECK(agent.cache.next_timeout() == agent.now + 240s);
}

TEST_CASE("what is not proved to be the mobile node's is dropped without an answer") {
    Agent agent;
    agent.register_two();
    const auto before = *agent.cache.find(kHome);
    auto update = agent.update({bound(1, ip("2001:db8:9::1"))});
    const auto rule = [&] {
        const auto out = agent.cache.receive(agent.now, agent.arrival, update, agent.authority);
        CHECK_FALSE(out.reply.has_value());
        CHECK(out.changes.empty());
        CHECK(*agent.cache.find(kHome) == before);
        return out.discarded;
    };
    SECTION("in clear") {
        agent.arrival.is_protected = false;
        CHECK(rule() == Rule::unprotected_mobility);
    }
    SECTION("for another's home address") {
        agent.authority.homes = {Prefix::host(ip("2001:db8:a::2"))};
        CHECK(rule() == Rule::foreign_home_address);
    }
    SECTION("from an address that nothing can be sent to") {
        agent.arrival.care_of = ip("ff02::1");
        CHECK(rule() == Rule::bad_care_of_address);
    }
    SECTION("with the nonces of a correspondent registration") {
        update.options.nonce_indices = NonceIndices{};
        CHECK(rule() == Rule::misplaced_mobility_option);
    }
    SECTION("from home, without a home address option") {
        agent.arrival.care_of = kHome;
        CHECK(rule() == Rule::missing_home_address_option);
    }
    SECTION("with a care-of address that is no unicast address") {
        update = plain(agent, ip("ff02::1"));
        CHECK(rule() == Rule::bad_care_of_address);
    }
}

TEST_CASE("a registration with a correspondent is not served") {
    Agent agent;
    auto update = agent.update({bound(1, kFirst)});
    update.flags = kAcknowledge;
    const auto out = agent.cache.receive(agent.now, agent.arrival, update, agent.authority);
    CHECK(out.discarded == Rule::no_home_registration);
    update.flags = kAcknowledge | kMobileRouter;
    CHECK(agent.send(update).status == Status::mobile_router_prohibited);
    agent.register_two();
    update = agent.update({bound(1, kFirst)});
    update.flags = kAcknowledge;
    CHECK(agent.send(update).status == Status::registration_type_change);
}

TEST_CASE("sequence numbers are compared modulo 65536") {
    CHECK(is_newer(16, 15));
    CHECK(is_newer(32782, 15));
    CHECK_FALSE(is_newer(15, 15));
    CHECK_FALSE(is_newer(0, 15));
    CHECK_FALSE(is_newer(32783, 15));
    CHECK_FALSE(is_newer(65535, 15));
    Agent agent;
    agent.sequence = 65533;
    agent.register_two(); // 65534
    auto stale = agent.update({bound(1, kSecond)});
    stale.sequence = 65534;
    const auto before = *agent.cache.find(kHome);
    auto ack = agent.send(stale);
    CHECK(ack.status == Status::sequence_out_of_window);
    CHECK(ack.sequence == 65534);
    CHECK(*agent.cache.find(kHome) == before);
    stale.sequence = 0; // beyond the wrap
    CHECK(agent.send(stale).status == Status::accepted);
}

TEST_CASE("messages for which there is no home agent have their status") {
    Agent agent;
    auto changed = policy();
    SECTION("no home agent at all") {
        changed.enabled = false;
        agent.cache.set_policy(changed);
        CHECK(agent.send({bound(1, kFirst)}).status == Status::home_registration_unsupported);
    }
    SECTION("another home prefix") {
        changed.home_prefixes = {{Prefix(ip("2001:db8:b::"), 64), {}, {}}};
        agent.cache.set_policy(changed);
        CHECK(agent.send({bound(1, kFirst)}).status == Status::not_home_subnet);
    }
    SECTION("several care-of addresses are prohibited") {
        changed.multiple_care_of = false;
        agent.cache.set_policy(changed);
        const auto ack = agent.send({bound(1, kFirst)});
        CHECK(ack.status == Status::multiple_prohibited);
        CHECK(ack.options.bindings.size() == 1); // so that it is not taken for one who does not know them
        CHECK(agent.send(plain(agent, kFirst)).status == Status::accepted);
    }
    SECTION("bulk registration is prohibited") {
        changed.bulk = false;
        agent.cache.set_policy(changed);
        CHECK(agent.send({bound(1, kFirst), bound(2, kSecond)}).status == Status::bulk_prohibited);
        CHECK(agent.send({bound(1, kFirst)}).status == Status::accepted);
        CHECK(agent.send({bound(2, kSecond)}).status == Status::accepted);
        CHECK(agent.bids() == Bids{1, 2});
    }
    SECTION("the home agent is full") {
        changed.max_homes = 0;
        agent.cache.set_policy(changed);
        CHECK(agent.send({bound(1, kFirst)}).status == Status::insufficient_resources);
        CHECK(agent.cache.homes() == 0);
    }
}

TEST_CASE("malformed binding identifiers refuse the message") {
    Agent agent;
    BindingId broken = bound(2, kSecond);
    broken.malformed = true;
    const auto ack = agent.send({bound(1, kFirst), broken});
    CHECK(ack.status == Status::malformed_binding);
    CHECK(ack.options.bindings == std::vector{bound(1), bound(2)});
    CHECK(agent.send({bound(0, kFirst)}).status == Status::malformed_binding);
    CHECK(agent.send({bound(1, kFirst), bound(1, kSecond)}).status == Status::malformed_binding);
    CHECK(agent.cache.homes() == 0);
}

TEST_CASE("one binding of a message can fail alone") {
    Agent agent;
    const auto ack = agent.send({bound(1, kFirst), bound(2), bound(3, ip("fe80::1")),
                                 bound(4, ip("192.0.2.1")), bound(5, kHome), bound(6, policy().address)});
    CHECK(ack.status == Status::not_complete);
    REQUIRE(ack.options.bindings.size() == 6);
    CHECK(ack.options.bindings[0].status == Status::accepted);
    CHECK(ack.options.bindings[1].status == Status::unknown_care_of);
    CHECK(ack.options.bindings[2].status == Status::malformed_binding);
    CHECK(ack.options.bindings[3].status == Status::invalid_care_of);
    CHECK(ack.options.bindings[4].status == Status::invalid_care_of);
    CHECK(ack.options.bindings[5].status == Status::invalid_care_of);
    CHECK(agent.bids() == Bids{1});
    SECTION("if all fail alike, the message's status says it") {
        const auto all = agent.send({bound(2), bound(3)});
        CHECK(all.status == Status::unknown_care_of);
        CHECK(all.options.bindings == std::vector{bound(2), bound(3)});
    }
    SECTION("if they fail in different ways, each says it") {
        const auto all = agent.send({bound(2), bound(3, ip("fe80::1"))}, 60, kOverwrite);
        CHECK(all.status == Status::unspecified);
        CHECK(all.options.bindings[1].status == Status::malformed_binding);
        CHECK(agent.bids() == Bids{1}); // not overwritten by nothing
    }
}

TEST_CASE("bindings are added, moved, refreshed and replaced") {
    Agent agent;
    agent.register_two();
    SECTION("another one is added") {
        CHECK(agent.send({bound(3, ip("2001:db8:3::5"))}).status == Status::accepted);
        CHECK(agent.bids() == Bids{1, 2, 3});
    }
    SECTION("one moves") {
        CHECK(agent.send({bound(2, ip("2001:db8:3::5"), 20)}).status == Status::accepted);
        CHECK(agent.care_of(2) == ip("2001:db8:3::5"));
        CHECK(agent.changes<BindingChange>().at(0).kind == ChangeKind::changed);
        CHECK(agent.changes<BindingChange>().at(0).before->care_of == kSecond);
    }
    SECTION("one is refreshed without its care-of address") {
        agent.now += 100s;
        CHECK(agent.send({bound(2, {}, 20)}).status == Status::accepted);
        CHECK(agent.care_of(2) == kSecond);
        REQUIRE(agent.changes<BindingChange>().size() == 1);
        CHECK(agent.changes<BindingChange>().at(0).kind == ChangeKind::refreshed);
        CHECK(agent.changes<PathChange>().empty());
        const auto ended = agent.cache.on_timeout(agent.now + 140s);
        CHECK(agent.bids() == Bids{2});
        CHECK(ended.size() == 2); // the default way and the binding
    }
    SECTION("the O flag replaces all") {
        CHECK(agent.send({bound(7, kFirst)}, 60, kOverwrite).status == Status::accepted);
        CHECK(agent.bids() == Bids{7});
    }
    SECTION("the O flag keeps what is named without its care-of address") {
        CHECK(agent.send({bound(2)}, 60, kOverwrite).status == Status::accepted);
        CHECK(agent.bids() == Bids{2});
        CHECK(agent.care_of(2) == kSecond);
    }
    SECTION("a binding without an identifier replaces all") {
        CHECK(agent.send(plain(agent, kSecond)).status == Status::accepted);
        CHECK(agent.bids() == Bids{0});
        CHECK(agent.send({bound(1, kFirst)}).status == Status::plain_binding_exists);
        CHECK(agent.bids() == Bids{0});
        CHECK(agent.send({bound(1, kFirst)}, 60, kOverwrite).status == Status::accepted);
        CHECK(agent.bids() == Bids{1});
    }
    SECTION("no more than the limit") {
        auto small = policy();
        small.max_bindings = 3;
        agent.cache.set_policy(small);
        const auto ack = agent.send({bound(3, ip("2001:db8:3::5")), bound(4, ip("2001:db8:4::5"))});
        CHECK(ack.status == Status::not_complete);
        CHECK(ack.options.bindings[1].status == Status::insufficient_resources);
        CHECK(agent.bids() == Bids{1, 2, 3});
    }
}

TEST_CASE("a plain registration needs the care-of address where ESP protects it") {
    Agent agent;
    CHECK(agent.send({}, 60).status == Status::invalid_care_of);
    CHECK(agent.send(plain(agent, kFirst)).status == Status::accepted);
}

TEST_CASE("bindings are removed one by one or all at once") {
    Agent agent;
    agent.register_two();
    SECTION("one") {
        const auto ack = agent.send({bound(1)}, 0);
        CHECK(ack.status == Status::accepted);
        CHECK(ack.lifetime == 0);
        CHECK(agent.bids() == Bids{2});
        REQUIRE(agent.last.changes.size() == 3); // the way, then the binding; the IKE SA came from there, too
        CHECK(std::get<PathChange>(agent.last.changes[0]).path->bid == 2);
        CHECK(std::get<BindingChange>(agent.last.changes[1]).kind == ChangeKind::removed);
    }
    SECTION("one that is not there") {
        CHECK(agent.send({bound(9)}, 0).status == Status::not_home_agent);
        const auto ack = agent.send({bound(9), bound(1)}, 0);
        CHECK(ack.status == Status::not_complete);
        CHECK(ack.options.bindings[0].status == Status::not_home_agent);
        CHECK(agent.bids() == Bids{2});
    }
    SECTION("all, from home") {
        agent.arrival.care_of = kHome;
        const auto late = agent.update({bound(1, kFirst)});
        CHECK(agent.send({}, 0).status == Status::accepted);
        CHECK(agent.cache.find(kHome) == nullptr);
        // RFC 6275 10.3.2: what was on its way does not bring it back.
        agent.arrival.care_of = kFirst;
        CHECK(agent.send(late).status == Status::sequence_out_of_window);
        CHECK(agent.send({}, 0).status == Status::accepted); // again, as the answer was lost
        CHECK(agent.cache.on_timeout(agent.now + 10s).empty());
        CHECK(agent.cache.homes() == 0);
        CHECK(agent.send({}, 0).status == Status::not_home_agent);
    }
    SECTION("all, by a care-of address that is the home address") {
        CHECK(agent.send(plain(agent, kHome)).status == Status::accepted);
        CHECK(agent.cache.find(kHome) == nullptr);
    }
    SECTION("the last one ends all") {
        CHECK(agent.send({bound(1), bound(2)}, 0).status == Status::accepted);
        CHECK(agent.cache.find(kHome) == nullptr);
    }
    SECTION("by time") {
        CHECK(agent.cache.on_timeout(agent.now + 239s).empty());
        const auto ended = agent.cache.on_timeout(agent.now + 240s);
        REQUIRE(ended.size() == 3);
        CHECK_FALSE(std::get<PathChange>(ended[0]).path.has_value());
        CHECK(agent.cache.homes() == 0);
        CHECK_FALSE(agent.cache.next_timeout().has_value());
    }
}

TEST_CASE("a first binding waits for Duplicate Address Detection") {
    Agent agent;
    auto changed = policy();
    changed.check_duplicates = true;
    agent.cache.set_policy(changed);
    const auto out =
        agent.cache.receive(agent.now, agent.arrival, agent.update({bound(1, kFirst)}), agent.authority);
    CHECK(out.check_duplicates);
    CHECK_FALSE(out.reply.has_value());
    CHECK(agent.cache.find(kHome) == nullptr);
    SECTION("the address is free") {
        const auto again =
            agent.cache.receive(agent.now, agent.arrival, agent.update({bound(1, kFirst)}), agent.authority);
        CHECK(again.check_duplicates);
        const auto done = agent.cache.duplicate_checked(agent.now, kHome, true);
        CHECK(done.status == Status::accepted);
        CHECK(std::get<BindingAck>(done.reply->message).sequence == 102); // the newer of both
        CHECK(agent.bids() == Bids{1});
        CHECK(agent.send({bound(2, kSecond)}).status == Status::accepted); // no second time
    }
    SECTION("it is not") {
        const auto done = agent.cache.duplicate_checked(agent.now, kHome, false);
        CHECK(done.status == Status::duplicate_address);
        CHECK(agent.cache.homes() == 0);
    }
}

TEST_CASE("packets come from registered addresses only") {
    Agent agent;
    CHECK(agent.cache.check_source(kHome, kFirst).error() == Rule::unregistered_care_of);
    agent.register_two();
    CHECK(agent.cache.check_source(kHome, kFirst));
    CHECK(agent.cache.check_source(kHome, kSecond));
    CHECK(agent.cache.check_source(kHome, ip("2001:db8:3::5")).error() == Rule::unregistered_care_of);
    const auto error = BindingCache::binding_error(ErrorStatus::unknown_binding, kHome, kFirst);
    CHECK(std::get<BindingError>(error.message).home_address == kHome);
    CHECK(error.care_of == kFirst);
    CHECK(error.home == kFirst); // no routing header
}

TEST_CASE("bindings can be set by somebody else") {
    Agent agent;
    CHECK(agent.cache.set(kHome, {5, kFirst, 1, false, agent.now + 60s}).size() == 2);
    CHECK(agent.cache.set(kHome, {6, kSecond, 2, false, agent.now + 60s}).size() == 1);
    CHECK(agent.bids() == Bids{5, 6});
    CHECK(agent.cache.remove(kHome, 9).empty());
    CHECK(agent.cache.remove(kHome, 5).size() == 2);
    CHECK(agent.cache.set(kHome, {0, kFirst, 0, false, agent.now + 60s}).size() == 3);
    CHECK(agent.bids() == Bids{0});
    CHECK(agent.cache.registrations().size() == 1);
    CHECK(agent.cache.remove(kHome).size() == 2);
    CHECK(agent.cache.homes() == 0);
    CHECK_FALSE(agent.cache.next_timeout().has_value());
}

TEST_CASE("a home agent asks for a refresh") {
    Agent agent;
    CHECK_FALSE(agent.cache.refresh_request(kHome, {}).has_value());
    agent.register_two();
    const std::uint16_t wanted[] = {2};
    const auto packet = agent.cache.refresh_request(kHome, wanted);
    REQUIRE(packet);
    CHECK(packet->care_of == kFirst);
    CHECK(std::get<RefreshRequest>(packet->message).options.bindings == std::vector{bound(2)});
    CHECK(std::get<RefreshRequest>(agent.cache.refresh_request(kHome, {})->message).options.bindings.size() ==
          2);
}

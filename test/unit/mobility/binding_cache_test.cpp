#include "lib/mobility/binding_cache.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::mobility;
using namespace std::chrono_literals;
using sheaf::test::ip;

namespace {

const IpAddress kHome = ip("2001:db8:a::1");
const IpAddress kFirst = ip("2001:db8:1::5");
const IpAddress kSecond = ip("2001:db8:2::5");

HomeAgentPolicy policy() {
    HomeAgentPolicy out;
    out.address = ip("2001:db8:a::fffe");
    out.home_prefixes = {{Prefix(ip("2001:db8:a::"), 64), {}, {}}};
    out.max_lifetime = 400s;
    return out;
}

BindingId bound(std::uint16_t bid, std::optional<IpAddress> care_of = {}, std::uint8_t priority = 0) {
    return {bid, Status::accepted, false, priority, care_of};
}

BindingId at_home(std::uint16_t bid) { return {bid, Status::accepted, true, 0, kHome}; }

// A home agent and one mobile node's messages.
struct Agent {
    BindingCache cache{policy()};
    Authority authority{{Prefix::host(kHome)}, {Prefix(ip("2001:db8:f0::"), 48)}, true};
    Arrival arrival{kHome, kFirst, true};
    Instant now{1h};
    std::uint16_t sequence = 100;
    Outcome last;

    BindingUpdate update(std::vector<BindingId> bindings, std::uint16_t lifetime = 60, unsigned flags = 0) {
        BindingUpdate out;
        out.sequence = ++sequence;
        out.flags = static_cast<std::uint16_t>(kAcknowledge | kHomeRegistration | flags);
        out.lifetime = lifetime;
        out.options.bindings = std::move(bindings);
        return out;
    }
    BindingAck send(const BindingUpdate& what) {
        last = cache.receive(now, arrival, what, authority);
        REQUIRE(last.reply);
        CHECK(last.reply->care_of == arrival.care_of);
        CHECK(last.reply->home == kHome);
        auto ack = std::get<BindingAck>(last.reply->message);
        CHECK(ack.status == last.status);
        if (!is_accepted(ack.status)) CHECK(last.changes.empty());
        return ack;
    }
    BindingAck send(std::vector<BindingId> bindings, std::uint16_t lifetime = 60, unsigned flags = 0) {
        return send(update(std::move(bindings), lifetime, flags));
    }
    void register_two() {
        REQUIRE(send({bound(1, kFirst, 10), bound(2, kSecond, 20)}, 60, kOverwrite).status ==
                Status::accepted);
    }

    [[nodiscard]] std::vector<std::uint16_t> bids() const {
        std::vector<std::uint16_t> out;
        if (const auto* found = cache.find(kHome))
            for (const Binding& binding : found->bindings)
                out.push_back(binding.bid);
        return out;
    }
    [[nodiscard]] IpAddress care_of(std::uint16_t bid) const {
        return find(cache.find(kHome)->bindings, bid)->care_of;
    }
    template <class T>
    [[nodiscard]] std::vector<T> changes() const {
        std::vector<T> out;
        for (const Change& change : last.changes)
            if (const auto* wanted = std::get_if<T>(&change)) out.push_back(*wanted);
        return out;
    }
};

using Bids = std::vector<std::uint16_t>;

BindingUpdate plain(Agent& agent, const IpAddress& care_of) {
    auto out = agent.update({});
    out.options.alternate_care_of = care_of;
    return out;
}

FlowIdentification flow(std::uint16_t fid, std::uint16_t priority, Bids bids, std::uint16_t port) {
    FlowSelector selector;
    selector.source_port = {port, port};
    return {fid, priority, FlowStatus::accepted, std::move(bids), selector};
}

} // namespace

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

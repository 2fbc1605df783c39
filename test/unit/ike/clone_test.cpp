// Cloned IKE SAs (RFC 7791): errors and collisions, both ways.

#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";

ike::Config cloning(bool first, unsigned most = 4) {
    auto out = test::peer_config(first);
    out.connections[0].ike_sas_per_login = most;
    return out;
}

// Two peers whose IKE SA may be cloned.
struct Two {
    Pipe pipe;
    Host& a;
    Host& b;
    explicit Two(unsigned most_a = 4, unsigned most_b = 4)
        : pipe(cloning(true, most_a), cloning(false, most_b)), a(pipe.a()), b(pipe.b()) {
        REQUIRE(pipe.wrong() == "");
    }
    bool clone(Host& host) { return pipe.command(host, ike::Clone{"tunnel"}); }
    // The same IKE SAs at both ends, so many, and one Child SA in all.
    [[nodiscard]] std::string wrong(std::size_t ike_sas) {
        std::vector<std::pair<wire::Spi, wire::Spi>> seen[2];
        std::size_t children = 0, n = 0;
        for (Host* host : {&a, &b}) {
            for (const auto& sa : host->engine.status().ike_sas) {
                if (sa.state != "established") return "one is " + sa.state;
                seen[n].emplace_back(sa.spi_i, sa.spi_r);
                children += sa.children.size();
            }
            std::ranges::sort(seen[n]);
            if (seen[n].size() != ike_sas) return std::to_string(seen[n].size()) + " IKE SAs";
            if (host->kernel.pairs() != 1 || host->kernel.sas.size() != 1)
                return std::to_string(host->kernel.sas.size()) + " SAs in a kernel";
            if (!host->kernel.breaches.empty()) return host->kernel.breaches.front();
            ++n;
        }
        if (seen[0] != seen[1]) return "the IKE SAs differ";
        return children == 2 ? "" : std::to_string(children) + " Child SAs";
    }
};

bool has(const Flight& flight, wire::NotifyType type) {
    return std::ranges::any_of(flight.payloads, [type](const auto& payload) {
        const auto* notify = std::get_if<wire::Notify>(&payload);
        return notify && notify->type == type;
    });
}

const wire::Notify kClone{wire::Protocol::none, {}, wire::NotifyType::clone_ike_sa, {}};

} // namespace

TEST_CASE("either side clones, and the Child SA stays where it is") {
    Two two;
    Host& who = GENERATE(0, 1) == 0 ? two.a : two.b;
    Host& other = &who == &two.a ? two.b : two.a;
    const auto child = two.pipe.child_spi(two.a);
    REQUIRE(two.clone(who));
    REQUIRE(two.pipe.to(other).size() == 1);
    const Flight request = two.pipe.hold(other);
    CHECK(request.what() == "rekey ike");
    CHECK(has(request, wire::NotifyType::clone_ike_sa));
    two.pipe.deliver(other, request);
    const Flight answer = two.pipe.hold(who);
    CHECK(answer.what() == "ike");
    CHECK_FALSE(has(answer, wire::NotifyType::clone_ike_sa)); // RFC 7791 3.1
    two.pipe.deliver(who, answer);
    CHECK(two.wrong(2) == "");
    CHECK(two.pipe.child_spi(two.a) == child);
    CHECK(who.count<ike::IkeCloned>() == 1);
    CHECK(other.count<ike::IkeCloned>() == 1);
    CHECK(two.a.engine.counters().handshakes == 1);
    // The family is known at both ends, and all of it is rekeyed like any other.
    const auto family = two.a.engine.status().ike_sas.at(0).family;
    CHECK(family != 0);
    CHECK(two.a.engine.status().ike_sas.at(1).family == family);
    for (Host* host : {&two.a, &two.b}) {
        REQUIRE(two.pipe.command(*host, ike::Rekey{"tunnel", ike::Rekey::What::ike}));
        two.pipe.run(6s);
        REQUIRE(two.pipe.command(*host, ike::Rekey{"tunnel"}));
        two.pipe.run(6s);
        CHECK(two.wrong(2) == "");
    }
    two.pipe.run(3min);
    CHECK(two.wrong(2) == "");
}

TEST_CASE("each command makes one clone, however many there are, up to the limit") {
    Two two;
    for (const std::size_t ike_sas : {2U, 3U, 4U}) {
        REQUIRE(two.clone(two.a));
        two.pipe.run(6s);
        CHECK(two.wrong(ike_sas) == "");
    }
    REQUIRE(two.clone(two.a));
    CHECK(two.pipe.to(two.b).empty()); // four are the most
}

TEST_CASE("a clone begins with message 0, keys of its own and no Child SA") {
    Two two;
    REQUIRE(two.clone(two.a));
    two.pipe.settle();
    REQUIRE(two.pipe.command(two.a, ike::Rekey{"tunnel", ike::Rekey::What::ike}));
    std::vector<std::uint32_t> ids;
    for (const Flight& flight : two.pipe.to(two.b))
        ids.push_back(flight.header.message_id);
    CHECK(ids.size() == 2);
    CHECK(std::ranges::count(ids, 0U) == 1);
    two.pipe.run(6s);
    CHECK(two.wrong(2) == "");
}

TEST_CASE("it is offered in the first request and the last answer of IKE_AUTH") {
    const bool both = GENERATE(true, false);
    Pipe pipe(cloning(true), cloning(false, both ? 4 : 1), false);
    REQUIRE(pipe.command(pipe.a(), ike::Up{"tunnel"}));
    for (int i = 0; i < 4; ++i) {
        Host& to = i % 2 == 0 ? pipe.b() : pipe.a();
        REQUIRE(pipe.to(to).size() == 1);
        const Flight flight = pipe.hold(to);
        const bool auth = flight.header.exchange == wire::ExchangeType::ike_auth;
        CHECK(has(flight, wire::NotifyType::clone_ike_sa_supported) == (auth && (i == 2 || both)));
        pipe.deliver(to, flight);
    }
    pipe.settle();
    CHECK(pipe.command(pipe.a(), ike::Clone{"tunnel"}) == both);
    CHECK(pipe.to(pipe.b()).size() == (both ? 1U : 0U));
}

TEST_CASE("where it was not agreed on, the notify means nothing") {
    Pipe pipe;
    REQUIRE(pipe.rekey_ike(pipe.a()));
    Flight request = pipe.hold(pipe.b());
    request.payloads.emplace_back(kClone);
    pipe.deliver(pipe.b(), pipe.with_payloads(request, request.payloads));
    pipe.run(6s);
    CHECK(pipe.wrong() == "");
    CHECK(pipe.b().count<ike::IkeRekeyed>() == 1);
    CHECK(pipe.b().count<ike::IkeCloned>() == 0);
}

TEST_CASE("elsewhere than in a request for an IKE SA, the notify means nothing") {
    Two two;
    REQUIRE(two.pipe.rekey_child(two.a));
    Flight request = two.pipe.hold(two.b);
    request.payloads.emplace_back(kClone);
    two.pipe.deliver(two.b, two.pipe.with_payloads(request, request.payloads));
    two.pipe.run(6s);
    CHECK(two.wrong(1) == "");
    REQUIRE(two.pipe.rekey_ike(two.b));
    two.pipe.pass(two.a);
    Flight answer = two.pipe.hold(two.b);
    REQUIRE(answer.what() == "ike");
    answer.payloads.emplace_back(kClone);
    two.pipe.deliver(two.b, two.pipe.with_payloads(answer, answer.payloads));
    two.pipe.run(6s);
    CHECK(two.wrong(1) == "");
}

TEST_CASE("clones that cross are both wanted") {
    Two two;
    REQUIRE(two.clone(two.a));
    REQUIRE(two.clone(two.b));
    two.pipe.run(6s);
    CHECK(two.wrong(3) == "");
}

TEST_CASE("the limit counts the family, and is told for good") {
    Two two(4, 2);
    REQUIRE(two.clone(two.a));
    two.pipe.settle();
    CHECK(two.wrong(2) == "");
    REQUIRE(two.clone(two.a));
    Flight first = two.pipe.hold(two.b);
    two.pipe.deliver(two.b, first);
    CHECK(two.pipe.to(two.a).front().what() == "NO_ADDITIONAL_SAS");
    two.pipe.run(5min);
    CHECK(two.wrong(2) == "");
    REQUIRE(two.clone(two.a));
    CHECK(std::ranges::none_of(two.pipe.to(two.b), [](const Flight& f) { return f.what() == "rekey ike"; }));
}

TEST_CASE("a clone that meets the peer's rekeying waits, and is made of the successor") {
    Two two;
    REQUIRE(two.pipe.rekey_ike(two.b));
    REQUIRE(two.clone(two.a));
    const Flight rekey = two.pipe.hold(two.a);
    const Flight clone = two.pipe.hold(two.b);
    REQUIRE(has(clone, wire::NotifyType::clone_ike_sa));
    two.pipe.deliver(two.b, clone);
    const Flight refused = two.pipe.hold(two.a);
    CHECK(refused.what() == "TEMPORARY_FAILURE");
    two.pipe.deliver(two.a, rekey); // answered as usual, while our clone is under way
    two.pipe.deliver(two.a, refused);
    two.pipe.run(1s);
    CHECK(two.wrong(1) == "");
    two.pipe.run(1min);
    CHECK(two.wrong(2) == "");
    CHECK(two.b.count<ike::IkeRekeyed>() == 1);
}

TEST_CASE("a clone that is put off is asked for with growing pauses, and given up in the end") {
    auto busy = cloning(false);
    busy.limits.ike_sas = 1;
    Pipe pipe(cloning(true), busy);
    REQUIRE(pipe.command(pipe.a(), ike::Clone{"tunnel"}));
    std::vector<Instant> refusals;
    for (const Instant end = pipe.now + 20min; pipe.now < end;) {
        pipe.run(1s);
        if (pipe.b().refused(Rule::collision) > refusals.size()) refusals.push_back(pipe.now);
    }
    CHECK(pipe.b().refused(Rule::collision) == 6);
    REQUIRE(refusals.size() == 6);
    for (std::size_t i = 0; i < 5; ++i) {
        const Duration pause = refusals[i + 1] - refusals[i], least = 10s * (1 << i);
        CHECK(pause >= least - 1s);
        CHECK(pause <= least * 3 / 2 + 1s);
    }
    CHECK(pipe.a().refused(Rule::peer_refused) == 1);
    const auto* told = pipe.a().last<ike::Refused>();
    REQUIRE(told);
    CHECK(told->detail == "the peer answered TEMPORARY_FAILURE to our request for a clone, 6 times");
    CHECK(pipe.wrong() == "");
    // Whoever asks again begins anew.
    REQUIRE(pipe.command(pipe.a(), ike::Clone{"tunnel"}));
    pipe.run(16s);
    CHECK(pipe.b().refused(Rule::collision) == 8);
}

TEST_CASE("a clone that was made before the peer's rekeying came stays") {
    Two two;
    REQUIRE(two.clone(two.a));
    two.pipe.deliver(two.b, two.pipe.hold(two.b));
    const Flight answer = two.pipe.hold(two.a);
    REQUIRE(two.pipe.rekey_ike(two.b));
    for (int i = 0; i < 3 && !two.pipe.to(two.a).empty(); ++i)
        two.pipe.pass(two.a);
    two.pipe.deliver(two.a, answer);
    two.pipe.run(1min);
    CHECK(two.wrong(2) == "");
}

TEST_CASE("while cloning, Child SAs are made and replaced as always") {
    Two two;
    REQUIRE(two.clone(two.a));
    const Flight clone = two.pipe.hold(two.b);
    REQUIRE(two.pipe.rekey_child(two.b));
    CHECK(two.pipe.pass(two.a) == "rekey child");
    REQUIRE_FALSE(two.pipe.to(two.b).empty());
    CHECK(two.pipe.to(two.b).front().what() == "child");
    two.pipe.deliver(two.b, clone);
    two.pipe.run(6s);
    CHECK(two.wrong(2) == "");
}

TEST_CASE("the end of one leaves the others alone") {
    Two two;
    REQUIRE(two.clone(two.a));
    two.pipe.settle();
    // The DELETE of the one without Child SAs, by its peer's hand.
    const auto sas = two.a.engine.status().ike_sas;
    const auto& clone = sas.at(0).children.empty() ? sas.at(0) : sas.at(1);
    REQUIRE(two.pipe.command(two.b, ike::Rekey{"tunnel", ike::Rekey::What::ike}));
    for (auto& flight : two.pipe.to(two.a)) {
        if (flight.header.initiator_spi != clone.spi_i) continue;
        flight.header.exchange = wire::ExchangeType::informational;
        flight = two.pipe.with_payloads(flight, {wire::Delete{wire::Protocol::ike, {}}});
    }
    two.pipe.settle();
    CHECK(two.a.established() == 1);
    CHECK(two.a.kernel.pairs() == 1);
    CHECK(two.a.count<ike::IkeDown>() == 1);
}

TEST_CASE("a peer that wants another group gets the same request again, as a clone") {
    auto first = cloning(true), second = cloning(false);
    // Both begin with the same group; then the second changes its mind, as an operator may.
    first.connections[0].ike[0].key_exchange = {crypto::KeId::x25519, crypto::KeId::ecp256};
    second.connections[0].ike[0].key_exchange = {crypto::KeId::ecp256};
    first.connections[0].ike.resize(1);
    second.connections[0].ike.resize(1);
    Pipe pipe(first, second);
    REQUIRE(pipe.wrong() == "");
    REQUIRE(pipe.command(pipe.a(), ike::Clone{"tunnel"}));
    pipe.run(6s);
    CHECK(pipe.a().established() == 2);
    CHECK(pipe.b().established() == 2);
}

namespace {

struct Joined {
    Pipe pipe;
    Host& client;
    Host& gateway;
    Joined() : pipe(config(true), config(false), false), client(pipe.a()), gateway(pipe.b()) {
        pipe.run(1s);
        REQUIRE(pipe.wrong() == "");
        REQUIRE(pipe.command(client, ike::Clone{"home"}));
        pipe.settle();
        REQUIRE(client.established() == 2);
        REQUIRE(gateway.established() == 2);
    }
    static ike::Config config(bool client) {
        auto out = client ? client_config(kGateway) : gateway_config();
        out.connections[0].ike_sas_per_login = 4;
        return out;
    }
};

} // namespace

TEST_CASE("the link and its prefixes are the family's, until the last of it ends") {
    Joined j;
    CHECK(j.gateway.blocks_used() == 2);
    CHECK(j.gateway.kernel.links.size() == 1);
    REQUIRE(j.pipe.command(j.client, ike::Down{"home"}));
    j.pipe.run(5s);
    CHECK(j.gateway.engine.idle());
    CHECK(j.gateway.kernel.empty());
    CHECK(j.gateway.blocks_used() == 0);
    CHECK(j.client.kernel.empty());
    CHECK(j.gateway.count<ike::Leased>() == 2); // assigned, and released once
}

TEST_CASE("who authenticates anew ends the whole family") {
    Joined j;
    REQUIRE(j.pipe.command(j.client, ike::Reauthenticate{"home"}));
    j.pipe.run(1min);
    CHECK(j.client.established() == 1);
    CHECK(j.gateway.established() == 1);
    CHECK(j.gateway.blocks_used() == 2);
    CHECK(j.gateway.kernel.pairs() == 1);
    CHECK(j.gateway.kernel.breaches.empty());
    CHECK(j.client.kernel.breaches.empty());
}

// Connections between equals: several Child SAs, traps, transport mode, childless IKE SAs.

#include "lib/child/selector.h"
#include "test/support/wire_net.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kLeft = "192.0.2.1";
constexpr const char* kRight = "192.0.2.2";

ike::Config left_config() { return peer_config(true, kRight); }
ike::Config right_config() { return peer_config(false, kLeft); }

ike::ChildConfig& only_child(ike::Config& config) { return config.connections[0].children[0]; }

// A second Child SA for 10.3/16 on the left and 10.4/16 on the right.
void add_child(ike::Config& config, bool left, ike::Start start) {
    ike::ChildConfig more = only_child(config);
    more.name = "more";
    more.start = start;
    more.local = {child::selector(*Prefix::parse(left ? "10.3.0.0/16" : "10.4.0.0/16"))};
    more.remote = {child::selector(*Prefix::parse(left ? "10.4.0.0/16" : "10.3.0.0/16"))};
    config.connections[0].children.push_back(more);
}

struct Sites {
    WireNet net;
    Host& left;
    Host& right;
    explicit Sites(ike::Config l = left_config(), ike::Config r = right_config())
        : left(net.add(kLeft, std::move(l))), right(net.add(kRight, std::move(r))) {}
    void check_agreed(std::size_t children) {
        for (const Host* host : {&left, &right}) {
            CHECK(host->established() == 1);
            CHECK(host->kernel.sas.size() == children);
            CHECK(host->kernel.pairs() == children);
            CHECK(host->kernel.breaches.empty());
        }
        for (const auto& [spi, ours] : left.kernel.sas) {
            const auto theirs = right.kernel.sas.find(ours.id.spi_out);
            REQUIRE(theirs != right.kernel.sas.end());
            CHECK(equal(theirs->second.in.encryption.view(), ours.out.encryption.view()));
            CHECK(equal(theirs->second.out.encryption.view(), ours.in.encryption.view()));
        }
    }
};

wire::TrafficSelector packet(std::string_view address) {
    return child::selector(Prefix::host(*IpAddress::parse(address)));
}

} // namespace

TEST_CASE("two sites come up by themselves, with policies and without an interface") {
    Sites sites;
    sites.net.run_for(1s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.links.empty());
    CHECK_FALSE(sites.left.kernel.sas.begin()->second.on_interface);
    CHECK(sites.left.last<ike::ChildUp>()->child == "net");
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Shutdown{}));
    sites.net.run_for(2s);
    CHECK(sites.left.kernel.empty());
    CHECK(sites.right.kernel.empty());
}

TEST_CASE("several Child SAs share one IKE SA, each with its own number in the kernel") {
    auto left = left_config();
    auto right = right_config();
    add_child(left, true, ike::Start::now);
    add_child(right, false, ike::Start::manual);
    Sites sites(left, right);
    sites.net.run_for(1s);
    sites.check_agreed(2);
    std::set<child::LinkNumber> numbers;
    for (const auto& [spi, pair] : sites.left.kernel.sas)
        numbers.insert(pair.id.link);
    CHECK(numbers.size() == 2);
    CHECK(sites.left.engine.counters().handshakes == 1);

    REQUIRE(sites.left.engine.command(sites.net.now, ike::DownChild{"site", "more"}));
    sites.net.run_for(1s);
    sites.check_agreed(1);
    CHECK(sites.right.last<ike::ChildDown>()->child == "more");
    REQUIRE(sites.right.engine.command(sites.net.now, ike::Rekey{"site", ike::Rekey::What::ike}));
    sites.net.run_for(1s);
    sites.check_agreed(1);
}

TEST_CASE("a second Child SA on a client's link has a number of its own") {
    // The gateway's side of a peer that asks for one more Child SA within what it was given.
    auto left = left_config();
    left.connections[0].interface = "site0";
    add_child(left, true, ike::Start::now);
    auto right = right_config();
    add_child(right, false, ike::Start::manual);
    Sites sites(left, right);
    sites.net.run_for(1s);
    sites.check_agreed(2);
    REQUIRE(sites.left.kernel.links.size() == 1);
    const auto link = sites.left.kernel.links.begin()->first;
    std::set<child::LinkNumber> requests;
    for (const auto& [spi, pair] : sites.left.kernel.sas) {
        CHECK(pair.id.link == link);
        CHECK(pair.on_interface);
        requests.insert(pair.reqid);
    }
    CHECK(requests.size() == 2);
    CHECK_FALSE(requests.contains(link));
}

TEST_CASE("a trap drops from the start, and the first packet brings the Child SA up") {
    auto left = left_config();
    only_child(left).start = ike::Start::trap;
    Sites sites(left);
    sites.net.run_for(10s);
    CHECK(sites.left.established() == 0);
    REQUIRE(sites.left.kernel.policies.size() == 1);
    const auto trap = sites.left.kernel.policies[0];
    CHECK(trap.remote_selectors == only_child(left).remote);

    const auto number = trap.link;
    sites.left.engine.kernel_event(sites.net.now,
                                   child::Acquire{number, packet("10.1.0.1"), packet("10.2.0.1")});
    sites.left.engine.kernel_event(sites.net.now,
                                   child::Acquire{number, packet("10.1.0.2"), packet("10.2.0.1")});
    sites.net.run_for(1s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.sas.begin()->second.id.link == number);
    CHECK(sites.left.engine.counters().handshakes == 1);

    SECTION("when the peer is gone, what matches is dropped until it is back") {
        sites.net.on_wire = [](ike::Datagram&) { return false; };
        sites.net.run_for(60s);
        CHECK(sites.left.established() == 0);
        CHECK(sites.left.kernel.sas.empty());
        CHECK(sites.left.kernel.policies == std::vector{trap});
        sites.net.on_wire = nullptr;
        sites.left.engine.kernel_event(sites.net.now,
                                       child::Acquire{number, packet("10.1.0.1"), packet("10.2.0.1")});
        sites.net.run_for(60s);
        sites.check_agreed(1);
    }
    SECTION("taken down it stays closed, and packets do not wake it") {
        REQUIRE(sites.left.engine.command(sites.net.now, ike::Down{"site"}));
        sites.net.run_for(1s);
        CHECK(sites.left.kernel.policies == std::vector{trap});
        sites.left.engine.kernel_event(sites.net.now,
                                       child::Acquire{number, packet("10.1.0.1"), packet("10.2.0.1")});
        sites.net.run_for(5s);
        CHECK(sites.left.established() == 0);
        REQUIRE(sites.left.engine.command(sites.net.now, ike::Up{"site"}));
        sites.net.run_for(5s);
        sites.check_agreed(1);
    }
    SECTION("a reload without it takes the trap away") {
        REQUIRE(sites.left.engine.command(sites.net.now, ike::Reload{}));
        sites.net.run_for(5s);
        CHECK(sites.left.kernel.empty());
    }
}

TEST_CASE("what may pass in clear without an SA has no trap") {
    auto left = left_config();
    only_child(left).start = ike::Start::now;
    only_child(left).clear_without_sa = true;
    Sites sites(left);
    CHECK(sites.left.kernel.policies.empty());
    sites.net.run_for(1s);
    sites.check_agreed(1);
}

TEST_CASE("a lost peer connection that is to be up comes back") {
    Sites sites;
    sites.net.run_for(1s);
    sites.right.engine = ike::Engine(right_config(), sites.right.random, sites.right, sites.net.now);
    sites.right.kernel = {};
    sites.net.run_for(90s);
    sites.check_agreed(1);
}

TEST_CASE("two sides that begin at once end with one IKE SA") {
    auto right = right_config();
    only_child(right).start = ike::Start::now;
    Sites sites(left_config(), right);
    sites.net.run_for(60s);
    sites.check_agreed(1);
    const auto up = sites.left.count<ike::IkeUp>();
    sites.net.run_for(10min);
    sites.check_agreed(1);
    CHECK(sites.left.count<ike::IkeUp>() == up);
}

TEST_CASE("transport mode between two hosts") {
    auto left = left_config();
    auto right = right_config();
    for (auto* config : {&left, &right}) {
        only_child(*config).mode = child::Mode::transport;
        only_child(*config).local.clear();
        only_child(*config).remote.clear();
    }
    Sites sites(left, right);
    sites.net.run_for(1s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.sas.begin()->second.mode == child::Mode::transport);
    CHECK(sites.right.kernel.sas.begin()->second.mode == child::Mode::transport);
    CHECK(sites.right.engine.status().ike_sas.at(0).children.at(0).local_selectors ==
          std::vector<std::string>{"192.0.2.2/32"});
    REQUIRE(sites.right.engine.command(sites.net.now, ike::Rekey{"site"}));
    sites.net.run_for(6s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.sas.begin()->second.mode == child::Mode::transport);
}

TEST_CASE("transport mode that only one side wants makes no Child SA, and the reason is told") {
    auto left = left_config();
    only_child(left).mode = child::Mode::transport;
    Sites sites(left);
    sites.net.run_for(1s);
    CHECK(sites.left.kernel.sas.empty());
    CHECK(sites.right.kernel.sas.empty());
    CHECK(sites.right.refused(Rule::mode_refused) >= 1);
}

TEST_CASE("an IKE SA can begin without a Child SA") {
    auto left = left_config();
    left.connections[0].childless = true;
    Sites sites(left);
    sites.net.run_for(1s);
    sites.check_agreed(1);
    // IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA
    CHECK(sites.net.log.size() == 6);
}

TEST_CASE("a key exchange group that the peer does not take is tried again with the one it names") {
    auto left = left_config();
    auto right = right_config();
    only_child(left).terms.esp = {
        {{{crypto::EncrId::aes_gcm_16, 256}}, {}, {crypto::KeId::x25519, crypto::KeId::ecp256}}};
    only_child(right).terms.esp = {{{{crypto::EncrId::aes_gcm_16, 256}}, {}, {crypto::KeId::ecp256}}};
    Sites sites(left, right);
    sites.net.run_for(1s);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Rekey{"site"}));
    sites.net.run_for(6s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.sas.begin()->second.suite.ke == crypto::KeId::ecp256);
    CHECK(sites.right.refused(Rule::invalid_ke_group) == 1);
}

TEST_CASE("64-bit sequence numbers are used where both sides want them") {
    Sites sites;
    sites.net.run_for(1s);
    CHECK(sites.left.kernel.sas.begin()->second.suite.esn);
    auto right = right_config();
    for (auto& proposal : only_child(right).terms.esp)
        proposal.sequence_numbers = {crypto::EsnId::none};
    Sites without(left_config(), right);
    without.net.run_for(1s);
    without.check_agreed(1);
    CHECK_FALSE(without.left.kernel.sas.begin()->second.suite.esn);
}

TEST_CASE("an SA that is worn out in octets is rekeyed, one that is gone is made anew") {
    auto left = left_config();
    only_child(left).terms.lifetime.bytes = 1'000'000;
    Sites sites(left);
    sites.net.run_for(1s);
    const auto first = sites.left.kernel.sas.begin()->second.id;
    const auto soft = sites.left.kernel.sas.begin()->second.limits.soft_bytes;
    CHECK(soft <= 1'000'000);
    CHECK(soft >= 900'000);
    CHECK(sites.left.kernel.sas.begin()->second.limits.hard_bytes == 1'250'000);
    // The outbound entry is worn first.
    sites.left.engine.kernel_event(sites.net.now, child::SaGone{first.peer.address, first.spi_out, false});
    sites.net.run_for(6s);
    sites.check_agreed(1);
    const auto second = sites.left.kernel.sas.begin()->second.id;
    CHECK(second.spi_in != first.spi_in);
    sites.left.kernel.sas.clear();
    sites.left.engine.kernel_event(sites.net.now, child::SaGone{second.local.address, second.spi_in, true});
    sites.net.run_for(30s);
    sites.check_agreed(1);
}

TEST_CASE("a Child SA that is taken down while it is being rekeyed goes with its successor") {
    for (const bool refused : {false, true}) {
        Sites sites;
        sites.net.run_for(1s);
        if (refused) {
            sites.right.kernel.fail_step = child::KernelStep(child::InstallSas{}).index();
        }
        REQUIRE(sites.left.engine.command(sites.net.now, ike::Rekey{"site"}));
        REQUIRE(sites.left.engine.command(sites.net.now, ike::DownChild{"site", "net"}));
        sites.net.run_for(30s);
        for (const Host* host : {&sites.left, &sites.right}) {
            CHECK(host->established() == 1);
            CHECK(host->kernel.sas.empty());
            CHECK(host->kernel.breaches.empty());
        }
    }
}

TEST_CASE("a trap that cannot be installed yet is installed later") {
    auto left = left_config();
    only_child(left).start = ike::Start::trap;
    SECTION("because there was no route") {
        struct Late final : ike::Surroundings {
            View stable_secret() override { return {}; }
            bool there = false;
            std::optional<IpAddress> source_for(const IpAddress&) override {
                return there ? IpAddress::parse(kLeft) : std::nullopt;
            }
            WallTime wall_time() override { return {}; }
        } host;
        SeededRandom random(1);
        FakeKernel kernel;
        Instant now{};
        ike::Engine engine(left, random, host, now);
        CHECK(engine.take().intents.empty());
        host.there = true;
        now += 10s;
        REQUIRE(engine.next_timeout());
        engine.on_timeout(now);
        for (auto& intent : engine.take().intents)
            engine.kernel_event(now, kernel.apply(std::move(intent)));
        CHECK(kernel.policies.size() == 1);
    }
    SECTION("because the kernel refused") {
        left.connections[0].interface = "site0";
        WireNet net;
        SeededRandom unused(1);
        Host& host = net.add(kLeft, left);
        host.kernel.fail_step = child::KernelStep(child::InstallPolicies{}).index();
        net.settle();
        CHECK(host.kernel.empty());
        net.run_for(10s);
        CHECK(host.kernel.policies.size() == 1);
        CHECK(host.kernel.links.size() == 1);
    }
}

TEST_CASE(
    "a peer connection with an interface that is taken down keeps the interface that its trap drops on") {
    auto left = left_config();
    left.connections[0].interface = "site0";
    only_child(left).start = ike::Start::trap;
    Sites sites(left);
    sites.net.run_for(1s);
    REQUIRE(sites.left.kernel.links.size() == 1);
    const auto link = sites.left.kernel.links.begin()->first;
    const auto number = sites.left.kernel.policies.at(0).reqid;
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Up{"site"}));
    sites.net.run_for(1s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.sas.begin()->second.id.link == link);
    CHECK(sites.left.kernel.sas.begin()->second.reqid == number);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Down{"site"}));
    sites.net.run_for(1s);
    REQUIRE(sites.left.kernel.links.size() == 1);
    CHECK(sites.left.kernel.links.begin()->first == link);
    CHECK(sites.left.kernel.policies.size() == 1);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Up{"site"}));
    sites.net.run_for(1s);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Reauthenticate{"site"}));
    sites.net.run_for(15s);
    sites.check_agreed(1);
    CHECK(sites.left.kernel.links.size() == 1);
    CHECK(sites.left.engine.counters().handshakes == 3);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Shutdown{}));
    sites.net.run_for(1s);
    CHECK(sites.left.kernel.empty());
}

TEST_CASE("all Child SAs of a peer connection authenticate anew without a gap") {
    auto left = left_config();
    auto right = right_config();
    add_child(left, true, ike::Start::now);
    add_child(right, false, ike::Start::manual);
    Sites sites(left, right);
    sites.net.run_for(1s);
    REQUIRE(sites.left.engine.command(sites.net.now, ike::Reauthenticate{"site"}));
    std::size_t least = 2;
    const auto with_both = [](const Host& host) {
        std::set<child::LinkNumber> numbers;
        for (const auto& [spi, pair] : host.kernel.sas)
            if (pair.inbound && pair.outbound) numbers.insert(pair.id.link);
        return numbers.size();
    };
    for (int i = 0; i < 400; ++i) {
        sites.net.run_for(50ms);
        least = std::min(least, with_both(sites.left));
    }
    CHECK(least == 2);
    sites.check_agreed(2);
    CHECK(sites.left.engine.counters().handshakes == 2);
}

TEST_CASE("two Child SAs of one configuration are told apart in the kernel") {
    // The right side asks twice, for parts of what the left allows.
    auto left = left_config();
    only_child(left).start = ike::Start::manual;
    auto right = right_config();
    auto& children = right.connections[0].children;
    children.push_back(children[0]);
    children[1].name = "other";
    children[0].start = children[1].start = ike::Start::now;
    children[0].local = {child::selector(*Prefix::parse("10.2.1.0/24"))};
    children[1].local = {child::selector(*Prefix::parse("10.2.2.0/24"))};
    Sites sites(left, right);
    sites.net.run_for(1s);
    sites.check_agreed(2);
    std::set<child::LinkNumber> numbers;
    for (const auto& [spi, pair] : sites.left.kernel.sas)
        numbers.insert(pair.id.link);
    CHECK(numbers.size() == 2);
}

TEST_CASE("a trap whose peer does not answer tries again by itself") {
    auto left = left_config();
    only_child(left).start = ike::Start::trap;
    Sites sites(left);
    sites.net.run_for(1s);
    const auto number = sites.left.kernel.policies.at(0).link;
    sites.net.on_wire = [](ike::Datagram&) { return false; };
    sites.left.engine.kernel_event(sites.net.now,
                                   child::Acquire{number, packet("10.1.0.1"), packet("10.2.0.1")});
    sites.net.run_for(10s);
    sites.net.on_wire = nullptr;
    // The kernel tells of no further packet for half a minute.
    sites.net.run_for(20s);
    sites.check_agreed(1);
}

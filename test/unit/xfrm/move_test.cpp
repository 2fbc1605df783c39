// SAs that get other outer endpoints.
#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/expansion.h"
#include "xfrm/move.h"

#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using test::Bench;
using test::NetlinkKernel;
using test::only;

const Progress kFar{.bytes = 5000,
                    .packets = 50,
                    .added = 1700000000,
                    .used = 1700000001,
                    .sent = 70,
                    .received = 80,
                    .window = {0x0f, 0xf0}};

struct Scene {
    Bench bench;
    Client client{.n = 1, .udp_encapsulation = true};

    explicit Scene(bool encapsulated = true) {
        client.udp_encapsulation = encapsulated;
        REQUIRE(bench.outcome(client.up()).empty());
        // They have been in use for a while.
        const auto pair = states_of(client.sas(), false);
        replace(pair->in);
        replace(pair->out);
        bench.fake.reset_faults();
        bench.fake.changes.clear();
        bench.fake.os.sent.clear();
    }

    void replace(const State& state, const Progress& progress = kFar) {
        REQUIRE(bench.fake.put(NETLINK_XFRM, remove_state(state.id)) == 0);
        REQUIRE(bench.fake.put(NETLINK_XFRM, install_state(state, progress)) == 0);
    }

    [[nodiscard]] child::MoveSas move(std::optional<Endpoint> local, std::optional<Endpoint> peer) const {
        const auto pair = client.pair();
        return {.id = pair,
                .policies = client.policies(),
                .local = local.value_or(pair.local),
                .peer = peer.value_or(pair.peer),
                .udp_encapsulation = client.udp_encapsulation};
    }

    struct Held {
        State state;
        Progress progress;
    };
    [[nodiscard]] std::vector<Held> states() const {
        std::vector<Held> out;
        for (const auto& [key, object] : bench.fake.objects) {
            auto state = parse_state(test::header_of(object));
            if (state) out.push_back({std::move(*state), *parse_progress(test::header_of(object))});
        }
        return out;
    }
    // REQUIRES: two entries.
    [[nodiscard]] Held in() const { return with_spi(client.pair().spi_in); }
    [[nodiscard]] Held out() const { return with_spi(client.pair().spi_out); }
    [[nodiscard]] Held with_spi(std::uint32_t spi) const {
        auto all = states();
        REQUIRE(all.size() == 2);
        return std::move(
            *std::ranges::find_if(all, [&](const Held& held) { return held.state.id.spi == spi; }));
    }
    [[nodiscard]] std::vector<Policy> policies() const {
        std::vector<Policy> out;
        for (const auto& [key, object] : bench.fake.objects) {
            if (auto policy = parse_policy(test::header_of(object))) out.push_back(*policy);
        }
        return out;
    }
    [[nodiscard]] std::size_t count(std::uint16_t type) const {
        const auto messages = bench.fake.os.messages();
        return static_cast<std::size_t>(std::ranges::count_if(
            messages, [&](const Bytes& message) { return test::header_of(message).nlmsg_type == type; }));
    }
};

void check_same_keys(const State& a, const State& b) {
    CHECK(a.aead == b.aead);
    CHECK(a.reqid == b.reqid);
    CHECK(a.link == b.link);
    CHECK(a.limits == b.limits);
    CHECK(a.replay_window == b.replay_window);
}

const Endpoint kOtherPeer{IpAddress::parse("2001:db8:8::5").value(), 1024};
const Endpoint kOtherLocal{IpAddress::parse("2001:db8:14::2").value(), 4500};

} // namespace

TEST_CASE("what an SA has counted reads back as encoded", "[xfrm]") {
    crypto::EspSuite esn = kernel_test::kGcm;
    esn.esn = true;
    for (const Client& form : {Client{.replay_window = 64}, Client{.suite = esn, .replay_window = 40},
                               Client{.replay_window = 32}, Client{.replay_window = kMaxReplayWindow}}) {
        auto wanted = kFar;
        if (form.suite.esn) wanted.sent = 0x1200000034, wanted.received = 0x5600000078;
        const auto pair = states_of(form.sas(), false);
        const auto message = install_state(pair->in, wanted);
        CHECK(parse_state(message.header()) == pair->in);
        wanted.window.resize(form.replay_window / 32 + (form.replay_window % 32 != 0 ? 1 : 0));
        CHECK(parse_progress(message.header()) == wanted);
    }
}

TEST_CASE("another port under encapsulation is changed in place", "[xfrm]") {
    Scene scene;
    auto peer = scene.client.pair().peer;
    peer.port = 1234;
    CHECK(scene.bench.outcome(only(scene.move({}, peer))).empty());
    CHECK(scene.count(XFRM_MSG_UPDSA) == 2);
    CHECK(scene.count(XFRM_MSG_NEWSA) == 0);
    CHECK(scene.count(XFRM_MSG_UPDPOLICY) == 0);
    CHECK(scene.in().state.encapsulation == State::Encapsulation{1234, 4500});
    CHECK(scene.out().state.encapsulation == State::Encapsulation{4500, 1234});
    CHECK(scene.in().progress == kFar);
    CHECK(scene.out().progress.sent == kFar.sent);
}

TEST_CASE("a peer elsewhere gets its SAs, with keys and counters, and its policies", "[xfrm]") {
    Scene scene;
    const auto in = scene.in().state, out = scene.out().state;
    CHECK(scene.bench.outcome(only(scene.move({}, kOtherPeer))).empty());
    check_same_keys(scene.in().state, in);
    check_same_keys(scene.out().state, out);
    CHECK(scene.in().state.source == kOtherPeer.address);
    CHECK(scene.in().state.id == in.id);
    CHECK(scene.out().state.id == StateId{kOtherPeer.address, out.id.spi});
    CHECK(scene.out().state.encapsulation == State::Encapsulation{4500, 1024});
    CHECK(scene.in().progress == kFar);
    CHECK(scene.out().progress.sent == kFar.sent + kSequenceGap);
    CHECK(scene.out().progress.bytes == kFar.bytes);
    CHECK(scene.out().progress.added == kFar.added);
    for (const Policy& policy : scene.policies()) {
        if (policy.direction == PolicyDirection::out) CHECK(policy.destination == kOtherPeer.address);
    }
    // Afterwards all is known by the new addresses.
    auto moved = scene.client.policies();
    moved.peer = kOtherPeer.address;
    auto pair = scene.client.pair();
    pair.peer = kOtherPeer;
    std::vector<child::KernelStep> down;
    down.emplace_back(child::RemovePolicies{moved});
    down.emplace_back(child::RemoveSas{pair});
    CHECK(scene.bench.outcome(std::move(down)).empty());
    CHECK(scene.states().empty());
    CHECK(scene.policies().empty());
}

TEST_CASE("what goes elsewhere stands beside the old one until the policies have followed", "[xfrm]") {
    Scene scene;
    CHECK(scene.bench.outcome(only(scene.move({}, kOtherPeer))).empty());
    std::vector<std::string> order;
    for (const auto& change : scene.bench.fake.changes) {
        const std::string kind = change.key.substr(0, change.key.find(' '));
        const std::string what = (change.install ? "+" : "-") + kind;
        if (order.empty() || order.back() != what) order.push_back(what);
    }
    // The first policy carries the clone of the inbound entry.
    CHECK(order == std::vector<std::string>{"+policy", "+clone:", "-policy", "+sa", "+policy", "-sa"});
}

TEST_CASE("we elsewhere", "[xfrm]") {
    Scene scene(false);
    const auto in = scene.in().state, out = scene.out().state;
    CHECK(scene.bench.outcome(only(scene.move(kOtherLocal, {}))).empty());
    CHECK(scene.in().state.id == StateId{kOtherLocal.address, in.id.spi});
    CHECK(scene.out().state.id == out.id);
    CHECK(scene.out().state.source == kOtherLocal.address);
    for (const Policy& policy : scene.policies()) {
        if (policy.direction == PolicyDirection::out) CHECK(policy.source == kOtherLocal.address);
    }
}

TEST_CASE("encapsulation comes and goes", "[xfrm]") {
    Scene scene;
    auto step = scene.move({}, {});
    step.udp_encapsulation = false;
    CHECK(scene.bench.outcome(only(step)).empty());
    CHECK_FALSE(scene.in().state.encapsulation);
    CHECK_FALSE(scene.out().state.encapsulation);
    CHECK(scene.bench.outcome(only(scene.move({}, {}))).empty());
    CHECK(scene.in().state.encapsulation);
    CHECK(scene.in().progress == kFar);
}

TEST_CASE("where the kernel cannot clone, or clones another one, an entry is made anew", "[xfrm]") {
    for (const bool able : {false, true}) {
        INFO(able);
        Scene scene;
        scene.bench.fake.migrates = able;
        auto pair = states_of(scene.client.sas(), false);
        State& other = pair->in; // of a rekeying
        other.id.spi = 1;
        if (able) REQUIRE(scene.bench.fake.put(NETLINK_XFRM, install_state(other)) == 0);
        CHECK(scene.bench.outcome(only(scene.move({}, kOtherPeer))).empty());
        if (able) REQUIRE(scene.bench.fake.put(NETLINK_XFRM, remove_state(other.id)) == 0);
        CHECK(scene.in().state.source == kOtherPeer.address);
        CHECK(scene.in().state.encapsulation == State::Encapsulation{1024, 4500});
        CHECK(scene.in().progress == kFar);
        CHECK(scene.policies().size() == 6);
        CHECK(std::ranges::any_of(scene.bench.fake.changes, [](const auto& change) {
            return !change.install && change.key.starts_with("sa ");
        }));
    }
}

TEST_CASE("what still comes to the address that we have left is taken for a while", "[xfrm]") {
    Scene scene;
    Bench& bench = scene.bench;
    const auto carry_out = [&](child::KernelStep step) {
        bench.apply(only(std::move(step)));
        bench.kernel->flush(bench.at);
        const auto events = bench.kernel->take_events();
        REQUIRE(events.size() == 1);
        CHECK_FALSE(std::get<child::IntentDone>(events[0]).error);
    };
    const auto old_id = scene.in().state.id;
    const auto at_old = [&] {
        return std::ranges::any_of(scene.states(),
                                   [&](const Scene::Held& held) { return held.state.id == old_id; });
    };
    carry_out(scene.move(kOtherLocal, {}));
    CHECK(scene.states().size() == 3);
    CHECK(at_old());
    bench.kernel->on_timeout(bench.at);
    REQUIRE(bench.kernel->next_timeout() == bench.at + Leftovers::kStay);

    SECTION("then it goes") {
        bench.kernel->on_timeout(bench.at + Leftovers::kStay - Duration(1));
        CHECK(at_old());
        bench.kernel->on_timeout(bench.at + Leftovers::kStay);
        CHECK_FALSE(at_old());
        CHECK_FALSE(bench.kernel->next_timeout());
    }
    SECTION("unless we come back") {
        auto back = scene.move(scene.client.pair().local, {});
        back.id.local = kOtherLocal;
        back.policies.local = kOtherLocal.address;
        carry_out(back);
        CHECK(scene.states().size() == 3);
        bench.run();
        CHECK(scene.in().state.id == old_id);
        CHECK(scene.in().progress == kFar);
    }
    SECTION("it goes with its SA") {
        auto pair = scene.client.pair();
        pair.local = kOtherLocal;
        carry_out(child::RemoveSas{pair});
        CHECK(scene.states().empty());
        CHECK_FALSE(bench.kernel->next_timeout());
    }
    SECTION("and with all the rest") {
        REQUIRE(bench.kernel->reconcile());
        CHECK(scene.states().empty());
        CHECK_FALSE(bench.kernel->next_timeout());
    }
}

TEST_CASE("an entry that sends while it moves repeats no sequence number", "[xfrm]") {
    for (const bool of_peer : {true, false}) {
        Scene scene;
        const auto pair = states_of(scene.client.sas(), false);
        const State& out = pair->out;
        const std::uint64_t limit = 50 + kSequenceGap + kRoundTrips * 100; // packets
        bool limited = false;
        int looks = 0;
        scene.bench.fake.fault = [&](std::size_t, int protocol, const nlmsghdr& message) {
            auto sent = kFar;
            if (protocol == NETLINK_XFRM && message.nlmsg_type == XFRM_MSG_GETSA && ++looks == 3) {
                sent.sent += 100; // between the first two looks
                sent.packets = 50;
                scene.replace(out, sent);
            } else if (protocol == NETLINK_XFRM && message.nlmsg_type == XFRM_MSG_UPDSA && !limited) {
                limited = true;
                for (const auto& held : scene.states()) {
                    if (held.state.id == out.id) sent = held.progress;
                }
                xfrm_usersa_info info{};
                REQUIRE(netlink::read_fixed(message, &info, sizeof info));
                CHECK(info.lft.hard_packet_limit == limit);
                sent.sent += 7000; // the limit came late
                scene.replace(out, sent);
            }
            return std::optional<NetlinkKernel::Fault>();
        };
        CHECK(scene.bench.outcome(only(of_peer ? scene.move({}, kOtherPeer) : scene.move(kOtherLocal, {})))
                  .empty());
        CHECK(limited);
        CHECK(scene.out().progress.sent == kFar.sent + 100 + 7000);
        CHECK(scene.out().state.limits.hard_packets == 0);
    }
}

TEST_CASE("an entry may reach the limit that it gets before it moves, and nothing is lost", "[xfrm]") {
    for (const bool of_peer : {true, false}) {
        Scene scene;
        const StateId id = outbound_id(scene.client.pair());
        const int events = scene.bench.fake.os.fd_of(NETLINK_XFRM, 1);
        bool limited = false;
        scene.bench.fake.fault = [&](std::size_t, int protocol, const nlmsghdr& message) {
            if (limited && message.nlmsg_type == XFRM_MSG_GETSA) {
                limited = false;
                REQUIRE(scene.bench.fake.put(NETLINK_XFRM, remove_state(id)) == 0);
            }
            if (protocol == NETLINK_XFRM && message.nlmsg_type == XFRM_MSG_UPDSA) {
                limited = true;
                netlink::Builder expiry(XFRM_MSG_EXPIRE, 0);
                auto& fixed = expiry.fixed<xfrm_user_expire>();
                REQUIRE(netlink::read_fixed(message, &fixed.state, sizeof fixed.state));
                fixed.hard = 1;
                const auto told = expiry.finish();
                const auto* first = reinterpret_cast<const std::uint8_t*>(&told.header());
                scene.bench.fake.os.deliver(events, {first, first + told.header().nlmsg_len});
            }
            return std::optional<NetlinkKernel::Fault>();
        };
        CHECK(scene.bench.outcome(only(of_peer ? scene.move({}, kOtherPeer) : scene.move(kOtherLocal, {})))
                  .empty());
        scene.bench.kernel->on_readable(scene.bench.at);
        CHECK(scene.bench.kernel->take_events().empty());
        REQUIRE(scene.bench.run().empty()); // what is left at our old address goes
        CHECK(scene.out().progress.sent == kFar.sent + kSequenceGap);
        CHECK(scene.out().state.limits == child::SaLimits{});
    }
}

TEST_CASE("whichever message of a move fails, all is where it was", "[xfrm]") {
    for (const bool of_peer : {true, false}) {
        const auto intent = [&](const Scene& scene) {
            return only(of_peer ? scene.move({}, kOtherPeer) : scene.move(kOtherLocal, {}));
        };
        std::size_t count = 0;
        {
            Scene scene;
            REQUIRE(scene.bench.outcome(intent(scene)).empty());
            count = scene.bench.fake.count();
        }
        // Two questions; of the outbound entry a question, a limit, a question, and the entry (a removal before
        // it in place, after it elsewhere); two policies. Inbound a clone with its carrier, or an entry; what
        // that leaves goes later.
        REQUIRE(count == (of_peer ? 2 + 5 + 2 + 4 : 2 + 5 + 2 + 1 + 1));
        if (!of_peer) --count;
        for (std::size_t n = 0; n < count; ++n) {
            for (const auto& fault : {NetlinkKernel::Fault{.code = EIO}, NetlinkKernel::Fault{.silent = true},
                                      NetlinkKernel::Fault{.silent = true, .carried_out = true}}) {
                INFO((of_peer ? "peer" : "we") << ", message " << n << " code " << fault.code
                                               << (fault.carried_out ? ", carried out" : ""));
                Scene scene;
                const auto in = scene.in(), out = scene.out();
                const auto policies = scene.policies();
                scene.bench.fake.fault = [&](std::size_t nth, int,
                                             const nlmsghdr&) -> std::optional<NetlinkKernel::Fault> {
                    return nth == n ? std::optional(fault) : std::nullopt;
                };
                CHECK_FALSE(scene.bench.outcome(intent(scene)).empty());
                CHECK(scene.in().state == in.state);
                CHECK(scene.out().state == out.state);
                CHECK(scene.in().progress == in.progress);
                CHECK(scene.policies() == policies);
                scene.bench.fake.reset_faults();
                CHECK(scene.bench.outcome(intent(scene)).empty());
            }
        }
    }
}

TEST_CASE("an outbound SA that is not there yet need not move", "[xfrm]") {
    Scene scene;
    REQUIRE(scene.bench.fake.put(NETLINK_XFRM, remove_state(outbound_id(scene.client.pair()))) == 0);
    CHECK(scene.bench.outcome(only(scene.move({}, kOtherPeer))).empty());
    REQUIRE(scene.states().size() == 1);
    CHECK(scene.states()[0].state.source == kOtherPeer.address);
}

TEST_CASE("an SA that cannot move is told with the reason, and stays", "[xfrm]") {
    Scene scene;
    const auto refused = [&](const child::MoveSas& step) {
        const auto policies = scene.policies();
        const std::string error = scene.bench.outcome(only(step));
        CHECK(scene.policies() == policies);
        CHECK(scene.states().size() == 2);
        return error;
    };
    auto step = scene.move({}, Endpoint{ip("192.0.2.1"), 4500});
    CHECK(refused(step).find("two families") != std::string::npos);
    step = scene.move({}, kOtherPeer);
    step.policies.peer = ip("2001:db8:7::77");
    CHECK(refused(step).find("not installed with these addresses") != std::string::npos);
    auto pair = states_of(scene.client.sas(), false);
    scene.replace(pair->out, {.sent = 0xffff0000});
    CHECK(refused(scene.move({}, kOtherPeer)).find("nearly used up") != std::string::npos);
    scene.replace(pair->out);
    std::ranges::fill(pair->out.aead->key.span(), std::uint8_t{0});
    scene.replace(pair->out);
    CHECK(refused(scene.move({}, kOtherPeer)).find("lockdown") != std::string::npos);
    REQUIRE(scene.bench.fake.put(NETLINK_XFRM, remove_state(pair->in.id)) == 0);
    CHECK(scene.bench.outcome(only(scene.move({}, kOtherPeer))).find("look up: ESRCH") != std::string::npos);
}

} // namespace sheaf::xfrm

// Seeded bad networks between a mobile node and its home agent: messages are lost, doubled and late; addresses
// come and go, the node goes home and leaves it, flows are bound and unbound, both ends restart, somebody forges
// errors. Whatever happens, no packet is given a way that does not exist, and when the network is good again both ends agree.
// SHEAF_MOBILITY_SEEDS in the environment asks for more seeds.
#include "lib/mobility/binding_cache.h"
#include "lib/mobility/binding_list.h"
#include "lib/mobility/codec.h"
#include "test/support/seeded_random.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

using namespace sheaf;
using namespace sheaf::mobility;
using namespace std::chrono_literals;
using sheaf::test::ip;

namespace {

constexpr std::uint16_t kHomeBid = 100;

// What somebody who carries changes out has: it must never be asked for something impossible.
class Follower {
  public:
    void follow(const std::vector<Change>& changes) {
        for (const Change& change : changes)
            std::visit([this](const auto& one) { take(one); }, change);
    }
    [[nodiscard]] bool agrees(const Registration* registration) const {
        const Registration is = registration ? *registration : Registration{};
        if (bindings_.size() != is.bindings.size() || flows_.size() != is.flows.size()) return false;
        for (const Binding& binding : is.bindings)
            if (!bindings_.contains(binding.bid) || bindings_.at(binding.bid) != binding) return false;
        std::map<std::uint16_t, std::uint16_t> paths;
        if (const Binding* path = default_path(is)) paths[0] = path->bid;
        for (const FlowBinding& flow : is.flows) {
            if (!flows_.contains(flow.fid) || flows_.at(flow.fid) != flow) return false;
            if (const Binding* path = path_of(flow, is)) paths[flow.fid] = path->bid;
        }
        return paths == paths_;
    }
    [[nodiscard]] bool sound() const { return sound_; }
    // The addresses that packets are sent to.
    [[nodiscard]] std::set<IpAddress> ways() const {
        std::set<IpAddress> out;
        for (const auto& [fid, bid] : paths_)
            out.insert(bindings_.at(bid).care_of);
        return out;
    }

  private:
    void take(const BindingChange& change) {
        const std::uint16_t bid = change.binding.bid;
        const bool known = bindings_.contains(bid);
        require(known == (change.kind != ChangeKind::added));
        if (known) require(change.before == bindings_.at(bid));
        if (change.kind != ChangeKind::removed) {
            bindings_[bid] = change.binding;
            return;
        }
        for (const auto& [fid, path] : paths_)
            require(path != bid); // first another way, then the end of the old one
        bindings_.erase(bid);
    }
    void take(const FlowChange& change) {
        require(flows_.contains(change.flow.fid) == (change.kind != ChangeKind::added));
        if (change.kind == ChangeKind::removed) {
            flows_.erase(change.flow.fid);
            paths_.erase(change.flow.fid);
        } else {
            flows_[change.flow.fid] = change.flow;
        }
    }
    void take(const PathChange& change) {
        require(change.fid == 0 || flows_.contains(change.fid));
        paths_.erase(change.fid);
        if (!change.path) return;
        require(bindings_.contains(change.path->bid));
        paths_[change.fid] = change.path->bid;
    }
    void take(const PrefixChange&) {}
    void take(const KeyEndpointChange&) {}
    void require(bool holds) { sound_ = sound_ && holds; }

    std::map<std::uint16_t, Binding> bindings_;
    std::map<std::uint16_t, FlowBinding> flows_;
    std::map<std::uint16_t, std::uint16_t> paths_; // flow, or 0 for the default: binding
    bool sound_ = true;
};

class World {
  public:
    explicit World(std::uint64_t seed)
        : chance_(seed), home_(ip("2001:db8:a::1")), cache_(policy()), node_(settings(), number()) {}

    // Something happens, or nothing does for a while.
    void disturb() {
        switch (chance_.below(16)) {
        case 0:
        case 1:
        case 2:
        case 3: return move(bid());
        case 4:
        case 5:
        case 6: return withdraw(bid());
        case 7: return go_home(true);
        case 8: return go_home(false);
        case 9: return set_flow();
        case 10: return act(node_.remove_flow(now_, fid()));
        case 11: return act(node_.use_for_keys(now_, bid()));
        case 12: return restart();
        case 13: return act(node_.receive(now_, BindingError{ErrorStatus::unknown_binding, home_})); // forged
        case 14: return act(node_.begin_again(now_));
        default: return run_for(std::chrono::seconds(chance_.below(90)));
        }
    }

    void run_for(Duration duration) {
        const Instant end = now_ + duration;
        for (;;) {
            const Instant next = next_moment();
            if (next > end) break;
            now_ = std::max(now_, next);
            deliver_due();
            if (const auto at = cache_.next_timeout(); at && *at <= now_)
                agent_follower_.follow(cache_.on_timeout(now_));
            if (const auto at = node_.next_timeout(); at && *at <= now_) act(node_.on_timeout(now_));
            check();
        }
        now_ = end;
    }

    void heal() {
        bad_ = false;
        if (care_of_.empty() && !at_home_) move(1);
        run_for(900s); // beyond all lifetimes and timeouts
        for (int i = 0; i < 20 && !is_quiet(); ++i)
            run_for(50ms); // there is a refresh under way
    }

    [[nodiscard]] bool is_quiet() const {
        return flying_.empty() && node_.is_settled() && (at_home_ || !care_of_.empty());
    }

    void check_agreement() const {
        const Registration* there = cache_.find(home_);
        const Registration& here = node_.held();
        REQUIRE((there ? there->bindings.size() : 0) == here.bindings.size());
        if (!there) return;
        for (std::size_t i = 0; i < here.bindings.size(); ++i) {
            Binding theirs = there->bindings[i];
            CHECK(theirs.expires >= here.bindings[i].expires); // the node never relies on what has ended
            theirs.expires = here.bindings[i].expires;
            CHECK(theirs == here.bindings[i]);
        }
        CHECK(there->flows == here.flows);
        for (const IpAddress& way : agent_follower_.ways())
            CHECK(is_here(way));
    }

    [[nodiscard]] bool is_settled() const { return node_.is_settled(); }
    [[nodiscard]] std::optional<Status> refused() const { return node_.refused(); }
    [[nodiscard]] std::size_t expected_bindings() const {
        if (at_home_ && !node_settings_.home_and_foreign) return 0;
        return care_of_.size() + (at_home_ ? 1 : 0);
    }
    [[nodiscard]] std::size_t bindings() const { return node_.held().bindings.size(); }
    [[nodiscard]] bool is_plain() const {
        return !node_settings_.multiple_care_of || !policy_.multiple_care_of;
    }
    [[nodiscard]] std::size_t agreements() const { return agreements_; }

  private:
    struct Flying {
        Bytes octets;
        IpAddress care_of;
        bool to_agent = false;
    };

    std::uint16_t number() { return static_cast<std::uint16_t>(chance_.below(65536)); }
    std::uint16_t bid() { return static_cast<std::uint16_t>(1 + chance_.below(4)); }
    std::uint16_t fid() { return static_cast<std::uint16_t>(1 + chance_.below(6)); }

    HomeAgentPolicy policy() {
        policy_.address = ip("2001:db8:a::fffe");
        policy_.home_prefixes = {{Prefix(ip("2001:db8:a::"), 64), {}, {}}};
        policy_.max_lifetime = std::chrono::seconds(20 + chance_.below(400));
        policy_.bulk = chance_.below(4) != 0;
        policy_.multiple_care_of = chance_.below(8) != 0;
        policy_.home_and_foreign = chance_.below(2) == 0;
        policy_.flows = chance_.below(8) != 0;
        if (chance_.below(3) == 0) policy_.refresh_advice = 12s;
        return policy_;
    }
    MobileNodeSettings settings() {
        node_settings_.home = home_;
        node_settings_.home_and_foreign =
            policy_.home_and_foreign && policy_.bulk && policy_.multiple_care_of;
        node_settings_.multiple_care_of = chance_.below(8) != 0;
        if (!node_settings_.multiple_care_of) node_settings_.home_and_foreign = false;
        return node_settings_;
    }

    void move(std::uint16_t bid) {
        // An access network gives a new address each time.
        const IpAddress address = ip("2001:db8:" + std::to_string(bid) + "::" + std::to_string(++addresses_));
        care_of_[bid] = address;
        act(node_.set_care_of(now_, {bid, static_cast<std::uint8_t>(1 + chance_.below(3)), address}));
    }
    void withdraw(std::uint16_t bid) {
        care_of_.erase(bid);
        act(node_.withdraw(now_, bid));
    }
    void go_home(bool arrive) {
        at_home_ = arrive;
        act(arrive ? node_.arrive_home(now_, kHomeBid, 2) : node_.leave_home(now_));
    }
    void set_flow() {
        FlowBinding flow;
        flow.fid = fid();
        flow.priority = static_cast<std::uint16_t>(flow.fid * 10);
        flow.selector.source_port = {number(), 65535};
        flow.bids = {bid()};
        if (chance_.below(2) == 0) flow.bids.push_back(static_cast<std::uint16_t>(flow.bids[0] % 4 + 1));
        act(node_.set_flow(now_, flow));
    }
    void restart() {
        if (chance_.below(2) == 0) { // the home agent
            cache_ = BindingCache(policy_);
            agent_follower_ = {};
            agent_lost_ = true; // which the node learns when it refreshes what it believes to be there
            return;
        }
        flying_.clear(); // a restart takes longer than a packet lives
        node_ = BindingList(node_settings_, number());
        node_follower_ = {};
        node_lost_ = true;
        for (const auto& [bid, address] : care_of_)
            act(node_.set_care_of(now_, {bid, 1, address}));
        if (at_home_) act(node_.arrive_home(now_, kHomeBid, 2));
    }
    [[nodiscard]] bool is_here(const IpAddress& address) const {
        if (address == home_) return at_home_;
        return std::ranges::any_of(care_of_, [&](const auto& item) { return item.second == address; });
    }

    [[nodiscard]] Instant next_moment() const {
        Instant next = Instant::max();
        if (!flying_.empty()) next = flying_.begin()->first;
        if (const auto at = cache_.next_timeout()) next = std::min(next, *at);
        if (const auto at = node_.next_timeout()) next = std::min(next, *at);
        return next;
    }

    void launch(const Packet& packet, bool to_agent) {
        const auto octets = encode_message(packet.message);
        REQUIRE(octets.has_value());
        if (to_agent) REQUIRE(is_here(packet.care_of)); // nothing is sent from an address that is gone
        const int copies = !bad_ ? 1 : chance_.below(100) < 25 ? 0 : chance_.below(100) < 15 ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            const auto delay = std::chrono::milliseconds(bad_ ? chance_.below(2500) : 30);
            flying_.emplace(now_ + delay, Flying{*octets, packet.care_of, to_agent});
        }
    }

    void deliver_due() {
        while (!flying_.empty() && flying_.begin()->first <= now_) {
            const Flying flying = std::move(flying_.begin()->second);
            flying_.erase(flying_.begin());
            const auto message = parse_message(flying.octets);
            REQUIRE(message.has_value());
            if (flying.to_agent)
                to_agent(flying, std::get<BindingUpdate>(*message));
            else if (is_here(flying.care_of))
                to_node(std::get<BindingAck>(*message));
        }
    }

    void to_agent(const Flying& flying, const BindingUpdate& update) {
        const auto out = cache_.receive(now_, {home_, flying.care_of, true}, update, authority_);
        REQUIRE_FALSE(out.discarded.has_value());
        agent_follower_.follow(out.changes);
        launch(*out.reply, false);
        check();
    }

    void to_node(const BindingAck& ack) {
        const auto before = node_.is_settled();
        act(node_.receive(now_, ack));
        if (!before && node_.is_settled() && is_accepted(ack.status)) node_lost_ = false;
    }

    void act(const Actions& actions) {
        node_follower_.follow(actions.changes);
        if (actions.send) launch(*actions.send, true);
        check();
    }

    void check() {
        REQUIRE(agent_follower_.sound());
        REQUIRE(node_follower_.sound());
        REQUIRE(agent_follower_.agrees(cache_.find(home_)));
        const Registration usable = node_.usable();
        REQUIRE(node_follower_.agrees(&usable));
        for (const IpAddress& way : node_follower_.ways())
            REQUIRE(is_here(way));
        if (agent_lost_ || node_lost_ || !is_quiet()) return;
        ++agreements_;
        check_agreement();
    }

    test::SeededRandom chance_;
    IpAddress home_;
    Instant now_{1h};
    HomeAgentPolicy policy_;
    MobileNodeSettings node_settings_;
    Authority authority_{{Prefix::host(ip("2001:db8:a::1"))}, {}, true};
    BindingCache cache_;
    BindingList node_;
    Follower agent_follower_;
    Follower node_follower_;
    std::map<std::uint16_t, IpAddress> care_of_; // that are on our links
    bool at_home_ = false;
    bool agent_lost_ = false; // one end has forgotten, and the other does not know it yet
    bool node_lost_ = false;
    bool bad_ = true;
    std::uint64_t addresses_ = 0;
    std::multimap<Instant, Flying> flying_;
    std::size_t agreements_ = 0;
};

std::uint64_t seeds() {
    const char* asked = std::getenv("SHEAF_MOBILITY_SEEDS");
    return asked ? std::strtoull(asked, nullptr, 10) : 5000;
}

} // namespace

TEST_CASE("a mobile node and its home agent agree whenever the network is quiet") {
    std::size_t agreements = 0;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        INFO("seed " << seed);
        World world(seed);
        for (int i = 0; i < 40; ++i)
            world.disturb();
        world.heal();
        REQUIRE_FALSE(world.refused().has_value());
        REQUIRE(world.is_settled());
        world.check_agreement();
        const std::size_t expected = world.expected_bindings();
        CHECK(world.bindings() == (world.is_plain() ? std::min<std::size_t>(expected, 1) : expected));
        agreements += world.agreements();
    }
    CHECK(agreements > seeds());
}

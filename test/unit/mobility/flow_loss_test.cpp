// A mobile node with more flows than one message sets, and its home agent: what becomes of them when the node
// does not know whether the home agent still has them.
#include "test/unit/mobility/node.h"

using namespace sheaf;
using namespace sheaf::test;

namespace {

constexpr std::uint16_t kFlows = 6; // of which a message sets four

FlowBinding flow_to(std::uint16_t fid, std::uint16_t port) {
    FlowBinding out{fid, fid, {}, {2, 1}};
    out.selector.source_port = {port, port};
    return out;
}

struct Ends {
    // Both have two bindings and all flows.
    explicit Ends(std::uint16_t flows = kFlows) {
        deliver(node.set_care_of(now, {1, 10, kFirst}));
        deliver(node.set_care_of(now, {2, 20, kSecond}));
        for (std::uint16_t fid = 1; fid <= flows; ++fid)
            deliver(node.set_flow(now, flow_to(fid, fid)));
        settle();
        REQUIRE(agree());
        REQUIRE(node.held().flows.size() == flows);
        sent.clear();
    }

    void to_agent(const Packet& packet) {
        const auto& update = std::get<BindingUpdate>(packet.message);
        sent.push_back(update);
        const Outcome out = agent.receive(now, {kHome, packet.care_of, true}, update, authority);
        REQUIRE(out.reply);
        answer = std::get<BindingAck>(out.reply->message);
        for (const Change& change : out.changes)
            if (const auto* flow = std::get_if<FlowChange>(&change))
                ended += flow->kind == ChangeKind::removed;
    }
    void deliver(const Actions& first) {
        for (Actions actions = first; actions.send; actions = node.receive(now, answer))
            to_agent(*actions.send);
    }
    // Three messages go out in a second.
    void settle() {
        for (int i = 0; i < 10; ++i) {
            now += 1s;
            deliver(node.on_timeout(now));
        }
    }
    void receive_error() { deliver(node.receive(now, BindingError{ErrorStatus::unknown_binding, kHome})); }

    [[nodiscard]] bool agree() const {
        const Registration* there = agent.find(kHome);
        return there && node.is_settled() && there->bindings.size() == node.held().bindings.size() &&
               there->flows == node.held().flows;
    }

    BindingCache agent{policy()};
    BindingList node{settings(), 999};
    Authority authority{{Prefix::host(kHome)}, {}, true};
    Instant now{1h};
    BindingAck answer;
    std::vector<BindingUpdate> sent;
    int ended = 0; // flows, at the home agent
};

} // namespace

TEST_CASE("a forged Binding Error costs a refresh and no flow") {
    Ends ends;
    ends.receive_error();
    ends.settle();
    REQUIRE(ends.sent.size() == 1);
    CHECK_FALSE(ends.sent[0].has(kOverwrite));
    CHECK(ends.sent[0].options.flow_summary.size() == kFlows);
    CHECK(ends.ended == 0);
    CHECK(ends.agree());
}

TEST_CASE("a home agent that has lost all is told all after its Binding Error") {
    Ends ends;
    HomeAgentPolicy with = policy();
    with.bulk = GENERATE(true, false);
    ends.agent = BindingCache(with);
    ends.receive_error();
    ends.settle();
    CHECK(ends.agree());
    CHECK(ends.node.held().bindings.size() == 2);
    CHECK(ends.node.held().flows.size() == kFlows);
}

TEST_CASE("a home agent that has lost one binding is told all, and keeps the flows") {
    Ends ends;
    REQUIRE_FALSE(ends.agent.remove(kHome, 2).empty());
    ends.receive_error();
    ends.settle();
    CHECK(ends.agree());
    CHECK(ends.node.held().bindings.size() == 2);
    CHECK(ends.ended == 0);
}

TEST_CASE("a new IKE SA ends no flow") {
    Ends ends;
    ends.deliver(ends.node.begin_again(ends.now));
    ends.settle();
    CHECK(ends.sent.front().has(kOverwrite));
    CHECK(ends.ended == 0);
    CHECK(ends.agree());
    CHECK(ends.node.held().flows.size() == kFlows);
}

TEST_CASE("a home agent that begins anew with the IKE SA is given all flows") {
    // Also of more than it answers in one message.
    const std::uint16_t flows = GENERATE(kFlows, std::uint16_t{kMaxFlows});
    Ends ends(flows);
    ends.agent = BindingCache(policy());
    ends.deliver(ends.node.begin_again(ends.now));
    ends.settle();
    CHECK(ends.agree());
    CHECK(ends.node.held().flows.size() == flows);
}

TEST_CASE("a home agent that allows flows no longer has none") {
    Ends ends;
    HomeAgentPolicy with = policy();
    with.flows = false;
    ends.agent = BindingCache(with);
    ends.deliver(ends.node.begin_again(ends.now));
    ends.settle();
    CHECK(ends.agree());
    CHECK(ends.node.held().flows.empty());
}

TEST_CASE("a message that is given up ends no flow") {
    Ends ends;
    const bool arrives = GENERATE(true, false);
    const Actions lost = ends.node.set_care_of(ends.now, {2, 20, ip("2001:db8:2::6")});
    if (arrives) ends.to_agent(*lost.send); // and its acknowledgement does not
    ends.deliver(ends.node.set_care_of(ends.now, {2, 20, ip("2001:db8:2::7")}));
    ends.settle();
    CHECK(ends.ended == 0);
    CHECK(ends.agree());
}

TEST_CASE("a flow that a message may have changed is not kept by its name") {
    Ends ends;
    const bool arrives = GENERATE(true, false);
    const Actions lost = ends.node.set_flow(ends.now, flow_to(kFlows, 99));
    REQUIRE(lost.send);
    if (arrives) ends.to_agent(*lost.send);
    ends.deliver(ends.node.set_flow(ends.now, flow_to(kFlows, kFlows))); // as it was
    ends.settle();
    CHECK(ends.ended == 0);
    CHECK(ends.agree());
    CHECK(ends.agent.find(kHome)->flows.back() == flow_to(kFlows, kFlows));
}

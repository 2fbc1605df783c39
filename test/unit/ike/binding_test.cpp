// Mobile IPv6 under IPsec: a mobile node registers several care-of addresses, and what follows from it.

#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using What = ike::BindingChanged::What;

TEST_CASE("a mobile node registers two care-of addresses in one message, with a pair of SAs for each") {
    Roaming roaming;
    roaming.run(1s);
    REQUIRE(roaming.agent.established() == 1);
    REQUIRE(roaming.node.established() == 1);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.usable(roaming.node) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.unreachable(2) == "");
    CHECK(roaming.node.kernel.pairs() == 3);
    CHECK(roaming.agent.kernel.pairs() == 3);
    CHECK(roaming.picture(roaming.agent)->default_bid == 1);
    CHECK(roaming.picture(roaming.agent)->home == v6(kHomeAddress));
    CHECK(roaming.picture(roaming.node)->interface == "mob0");
    CHECK(roaming.told(roaming.agent, What::registered).size() == 2);
    CHECK(roaming.told(roaming.node, What::registered).size() == 2);
    REQUIRE(roaming.sent.size() == 2);
    const auto message = mobility::parse_message(roaming.sent.at(0).octets);
    REQUIRE(message);
    CHECK(std::get<mobility::BindingUpdate>(*message).options.bindings.size() == 2);
    CHECK(roaming.sent.at(0).bid == 1);
    roaming.check_sound();
}

TEST_CASE("all that a home address has in the kernel goes with its IKE SA") {
    Roaming roaming;
    roaming.run(1s);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    roaming.run(10s);
    CHECK(roaming.node.kernel.empty());
    CHECK(roaming.agent.kernel.empty());
    CHECK(roaming.told(roaming.agent, What::ended).size() == 2);
    CHECK(roaming.told(roaming.node, What::ended).size() == 2);
    CHECK(roaming.agent.engine.status().homes.empty());
    roaming.check_sound();
}

TEST_CASE("an access network that is cut takes its binding along, and brings it back") {
    Roaming roaming;
    roaming.run(1s);
    roaming.leave("wwan0");
    roaming.run(1s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1});
    CHECK(roaming.usable(roaming.node) == std::set<std::uint16_t>{1});
    CHECK(roaming.unreachable(1) == "");
    roaming.place("wwan0", "2001:db8:2::77");
    roaming.run(1s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.unreachable(2) == "");
    // The pair of the binding has moved with it: no other was made.
    CHECK(roaming.node.kernel.pairs() == 3);
    CHECK(roaming.agent.engine.counters().handshakes == 1);
    roaming.check_sound();
}

TEST_CASE("flows go by what is registered, at both ends alike") {
    auto config = node_config();
    mobility::FlowBinding flow{1, 10, {}, {2, 1}};
    flow.selector.source_port = {5001, 5001};
    only(config).mobile->flows = {flow};
    only(config).mobile->marked = {{7, {2}}};
    Roaming roaming(agent_config(), config);
    roaming.run(1s);
    REQUIRE(roaming.flows(roaming.agent).size() == 1);
    CHECK(roaming.flows(roaming.agent).at(0).bids == std::vector<std::uint16_t>{2, 1});
    REQUIRE(roaming.flows(roaming.node).size() == 2);
    CHECK(roaming.flows(roaming.node).at(0).mark == 7);
    CHECK(roaming.agent.engine.status().homes.at(0).registration.flows.size() == 1);
}

TEST_CASE("Child SAs of a home address keep their use when they are rekeyed, by either side") {
    Roaming roaming;
    roaming.run(1s);
    for (Host* host : {&roaming.agent, &roaming.node}) {
        const std::string name = host == &roaming.agent ? "homes" : "home";
        REQUIRE(host->engine.command(roaming.net.now, ike::Rekey{name, ike::Rekey::What::children}));
        roaming.run(10s);
        CHECK(roaming.unreachable(1) == "");
        CHECK(roaming.unreachable(2) == "");
        CHECK(roaming.node.kernel.pairs() == 3);
    }
    CHECK(roaming.node.count<ike::ChildRekeyed>() >= 6);
    std::set<std::string> names;
    const auto status = roaming.agent.engine.status();
    for (const auto& child : status.ike_sas.at(0).children)
        names.insert(child.name);
    CHECK(names == std::set<std::string>{"signalling", "payload-1", "payload-2"});
    roaming.check_sound();
}

namespace {

// A message of the mobile node's that it has not sent.
ike::MobilityHeader forged(const Roaming& roaming, std::uint16_t ahead,
                           std::string_view care_of = kFirstPlace) {
    ike::MobilityHeader out;
    for (const auto& header : roaming.sent) {
        if (header.to_agent) out = header;
    }
    auto update = std::get<mobility::BindingUpdate>(*mobility::parse_message(out.octets));
    update.sequence = static_cast<std::uint16_t>(update.sequence + ahead);
    update.options.bindings = {{1, mobility::Status::accepted, false, 1, v6(care_of)}};
    out.octets = *mobility::encode_message(update);
    out.is_protected = true;
    return out;
}

} // namespace

TEST_CASE("what must not be believed is refused by its own rule and changes nothing") {
    Roaming roaming;
    roaming.run(1s);
    const auto before = roaming.agent.kernel.homes;
    const auto give = [&](const ike::MobilityHeader& header) {
        roaming.agent.engine.mobility_header(roaming.net.now, header);
        roaming.agent.pump(roaming.net.now);
    };
    SECTION("in clear") {
        auto header = forged(roaming, 1, "2001:db8:66::6");
        header.is_protected = false;
        give(header);
        CHECK(roaming.agent.refused(Rule::unprotected_mobility) == 1);
    }
    SECTION("for a home address that is not connected") {
        auto header = forged(roaming, 1, "2001:db8:66::6");
        header.home = v6("2001:db8:a::200");
        give(header);
        CHECK(roaming.agent.refused(Rule::foreign_home_address) == 1);
    }
    SECTION("with a sequence number of before") {
        give(forged(roaming, 0, "2001:db8:66::6"));
        const auto told = roaming.told(roaming.agent, What::refused);
        REQUIRE(told.size() == 1);
        CHECK(told[0].why.starts_with("sequence_out_of_window"));
    }
    SECTION("anything but a Binding Update from where nothing is registered") {
        auto header = forged(roaming, 1);
        header.care_of = v6("2001:db8:66::6");
        header.octets = *mobility::encode_message(
            mobility::RoutabilityTest{mobility::MessageType::home_test_init, Bytes(10)});
        give(header);
        CHECK(roaming.agent.refused(Rule::unregistered_care_of) == 1);
        REQUIRE(roaming.agent.headers.size() == 1);
        const auto answer = mobility::parse_message(roaming.agent.headers[0].octets);
        REQUIRE(answer);
        CHECK(std::holds_alternative<mobility::BindingError>(*answer));
    }
    CHECK(roaming.agent.kernel.homes == before);
}

TEST_CASE("somebody else may decide about bindings") {
    Roaming roaming;
    roaming.run(1s);
    auto& engine = roaming.agent.engine;
    const ike::SetBinding third{v6(kHomeAddress), 3, v6("2001:db8:3::3"), 5, 60s};
    REQUIRE(engine.command(roaming.net.now, third));
    roaming.agent.pump(roaming.net.now);
    CHECK(engine.status().homes.at(0).registration.bindings.size() == 3);
    REQUIRE(engine.command(roaming.net.now, ike::RemoveBinding{v6(kHomeAddress), std::uint16_t{2}}));
    roaming.agent.pump(roaming.net.now);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1});
    CHECK_FALSE(engine.command(roaming.net.now, ike::RemoveBinding{v6(kHomeAddress), std::uint16_t{9}}));
    auto nameless = third; // would take the place of all others, whose SAs are for what they are called
    nameless.bid = 0;
    CHECK_FALSE(engine.command(roaming.net.now, nameless));
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1});
    auto foreign = third;
    foreign.home = v6("2001:db8:b::1");
    CHECK_FALSE(engine.command(roaming.net.now, foreign));
    auto endless = third;
    endless.lifetime = 10h;
    CHECK_FALSE(engine.command(roaming.net.now, endless));
    roaming.agent.engine.on_timeout(roaming.net.now + 61s);
    roaming.agent.pump(roaming.net.now + 61s);
    CHECK(engine.status().homes.at(0).registration.bindings.size() == 1);
}

TEST_CASE("HoTI and HoT may have SAs of their own, which follow the default care-of address") {
    auto config = node_config();
    only(config).mobile->home_test = true;
    Roaming roaming(agent_config(), config);
    roaming.run(1s);
    CHECK(roaming.node.kernel.pairs() == 4);
    REQUIRE(roaming.picture(roaming.agent)->home_test.has_value());
    CHECK(roaming.picture(roaming.agent)->home_test->care_of == v6(kFirstPlace));
    roaming.leave("wlan0");
    roaming.run(1s);
    for (const Host* host : {&roaming.agent, &roaming.node})
        CHECK(roaming.picture(*host)->home_test->care_of == v6(kSecondPlace));
    CHECK(roaming.node.kernel.pairs() == 4);
    roaming.check_sound();
}

TEST_CASE("a home agent that has forgotten all is told all again") {
    Roaming roaming;
    roaming.run(1s);
    roaming.agent.engine = ike::Engine(agent_config(), roaming.agent.random, roaming.agent, roaming.net.now);
    roaming.agent.kernel = FakeKernel{};
    roaming.run(90s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.unreachable(2) == "");
}

TEST_CASE("a kernel that refuses a picture is told it again") {
    Roaming roaming;
    roaming.run(1s);
    const child::KernelStep step = child::UpdateMobility{};
    roaming.agent.kernel.fail_step = step.index();
    roaming.leave("wwan0");
    roaming.run(1s);
    CHECK(roaming.agent.refused(Rule::kernel_refused) == 1);
    roaming.run(6s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1});
    CHECK(roaming.unreachable(1) == "");
}

TEST_CASE("a pair that the kernel does not move is removed where it is, and another one made") {
    Roaming roaming;
    roaming.run(1s);
    const auto pairs = roaming.agent.kernel.sas.size();
    const bool at_agent = GENERATE(true, false);
    Host& refuses = at_agent ? roaming.agent : roaming.node;
    const child::KernelStep step = child::MoveSas{};
    refuses.kernel.fail_step = step.index();
    const bool twice = GENERATE(false, true); // before the kernel has answered
    roaming.place("wlan0", "2001:db8:1::77");
    if (twice) roaming.place("wlan0", "2001:db8:1::78");
    roaming.run(1s);
    CHECK(refuses.refused(Rule::kernel_refused) >= 1);
    roaming.run(1min);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.unreachable(2) == "");
    CHECK(roaming.agent.kernel.sas.size() == pairs);
    CHECK(roaming.node.kernel.sas.size() == pairs);
    roaming.check_sound();
}

TEST_CASE("whichever step a kernel refuses, nothing is left behind that nobody knows of") {
    constexpr std::size_t kMoreThanThereAre = 60;
    const bool at_agent = GENERATE(true, false);
    const bool follows = GENERATE(true, false);
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        auto config = node_config();
        only(config).mobile->home_test = true;
        only(config).mobile->key_mobility = follows;
        Roaming roaming(agent_config(), config);
        Host& refuses = at_agent ? roaming.agent : roaming.node;
        refuses.kernel.fail_after = nth;
        INFO("step " << nth);
        roaming.run(2s);
        roaming.place("wlan0", "2001:db8:1::77");
        roaming.run(2s);
        roaming.leave("wlan0");
        roaming.run(2s);
        roaming.place("wlan0", kFirstPlace);
        roaming.run(2s);
        const bool seen = !refuses.kernel.fail_after;
        roaming.run(90s);
        CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
        CHECK(roaming.unreachable(1) == "");
        CHECK(roaming.unreachable(2) == "");
        REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Shutdown{}));
        roaming.run(90s);
        CHECK(roaming.node.kernel.empty());
        CHECK(roaming.agent.kernel.empty());
        roaming.check_sound();
        if (!seen) break;
    }
    CHECK(nth > 10);
    CHECK(nth < kMoreThanThereAre);
}

TEST_CASE("what a list of the kernel's SAs says of a pair that is on its way is not believed") {
    Roaming roaming;
    roaming.run(1s);
    roaming.headers_arrive = false;
    roaming.place("wlan0", "2001:db8:1::77");
    roaming.run(100ms);
    REQUIRE(roaming.sent.back().to_agent);
    ike::MobilityHeader update = roaming.sent.back();
    update.is_protected = true;
    roaming.agent.engine.mobility_header(roaming.net.now, update);
    child::SasPresent present; // as it is before the kernel has moved anything
    for (const auto& [spi, pair] : roaming.agent.kernel.sas) {
        present.sas.push_back({pair.id.local.address, pair.id.spi_in});
        present.sas.push_back({pair.id.peer.address, pair.id.spi_out});
    }
    roaming.agent.engine.kernel_event(roaming.net.now, present);
    roaming.agent.pump(roaming.net.now);
    CHECK(roaming.agent.refused(Rule::kernel_refused) == 0);
    roaming.headers_arrive = true;
    roaming.run(5s);
    CHECK(roaming.unreachable(1) == "");
    roaming.check_sound();
}

TEST_CASE("a kernel that refuses to open a home address has no SAs of it, and is asked again") {
    Roaming roaming;
    const child::KernelStep step = child::OpenMobility{};
    const bool at_agent = GENERATE(true, false);
    Host* refuses = at_agent ? &roaming.agent : &roaming.node;
    refuses->kernel.fail_step = step.index();
    bool guarded = true;
    for (int i = 0; i < 200; ++i) {
        roaming.run(10ms);
        guarded = guarded && (refuses->kernel.sas.empty() || !refuses->kernel.homes.empty());
    }
    CHECK(guarded);
    CHECK(refuses->refused(Rule::kernel_refused) == 1);
    roaming.run(2min);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.unreachable(1) == "");
    roaming.check_sound();
}

TEST_CASE("the home address is no care-of address, though it be on an access link") {
    Roaming roaming;
    roaming.run(1s);
    roaming.place("wwan0", kHomeAddress);
    roaming.run(5s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1});
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.told(roaming.agent, What::refused).empty());
}

TEST_CASE("a message that is not between home address and home agent is nobody's") {
    Roaming roaming;
    roaming.run(1s);
    auto header = forged(roaming, 1, "2001:db8:66::6");
    header.agent = v6("2001:db8:a::2");
    roaming.agent.engine.mobility_header(roaming.net.now, header);
    CHECK(roaming.agent.refused(Rule::foreign_home_address) == 1);
}

TEST_CASE("a Binding Error says itself for whom it is, and makes the mobile node register anew") {
    Roaming roaming;
    roaming.run(1s);
    const auto before = roaming.sent.size();
    ike::MobilityHeader error;
    error.home = error.care_of = v6(kFirstPlace);
    error.agent = v6(kAgent);
    error.octets = *mobility::encode_message(
        mobility::BindingError{mobility::ErrorStatus::unknown_binding, v6(kHomeAddress)});
    roaming.node.engine.mobility_header(roaming.net.now, error);
    roaming.node.pump(roaming.net.now);
    roaming.run(1s);
    CHECK(roaming.sent.size() > before);
    CHECK(roaming.node.refused(Rule::foreign_home_address) == 0);
}

TEST_CASE("a flow is registered after all when the binding that was refused with it is there") {
    auto config = node_config();
    mobility::FlowBinding flow{1, 10, {}, {2, 1}};
    flow.selector.source_port = {5001, 5001};
    only(config).mobile->flows = {flow};
    Roaming roaming(agent_config(), config);
    roaming.leave("wwan0");
    roaming.run(1s);
    // The mobile node refreshes a binding that the home agent has no more, beside a new one.
    REQUIRE(
        roaming.agent.engine.command(roaming.net.now, ike::RemoveBinding{v6(kHomeAddress), std::nullopt}));
    roaming.place("wwan0", kSecondPlace);
    roaming.run(5s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    REQUIRE(roaming.flows(roaming.agent).size() == 1);
    CHECK(roaming.flows(roaming.agent).at(0).bids == std::vector<std::uint16_t>{2, 1});
}

TEST_CASE("what somebody else has decided does not say whether the mobile node is a mobile router") {
    auto config = node_config();
    only(config).mobile->router = true;
    Roaming roaming(agent_config(), config);
    const ike::SetBinding third{v6(kHomeAddress), 3, v6("2001:db8:3::3"), 5, 60s};
    CHECK_FALSE(roaming.agent.engine.command(roaming.net.now, third)); // nobody could be sent anything
    roaming.headers_arrive = false;
    roaming.run(200ms);
    REQUIRE(roaming.agent.engine.command(roaming.net.now, third));
    roaming.headers_arrive = true;
    roaming.run(5s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.told(roaming.agent, What::refused).empty());
}

TEST_CASE("a Child SA that the home agent rekeys before its answer has come is there at both ends") {
    Roaming roaming;
    bool lost = true;
    const auto is_child_response = [](const ike::Datagram& datagram) {
        constexpr std::size_t kExchange = 18, kFlags = 19; // RFC 7296 3.1
        constexpr std::uint8_t kCreateChildSa = 36, kResponse = 0x20;
        return datagram.bytes.at(kExchange) == kCreateChildSa && (datagram.bytes.at(kFlags) & kResponse) != 0;
    };
    roaming.net.on_wire = [&](ike::Datagram& datagram) { return !lost || !is_child_response(datagram); };
    roaming.run(200ms);
    REQUIRE(roaming.agent.kernel.pairs() > roaming.node.kernel.pairs());
    REQUIRE(roaming.agent.engine.command(roaming.net.now, ike::Rekey{"homes", ike::Rekey::What::children}));
    roaming.run(100ms);
    lost = false;
    roaming.run(10s);
    CHECK(roaming.unreachable(1) == "");
    CHECK(roaming.unreachable(2) == "");
    CHECK(roaming.node.kernel.pairs() == 3);
    CHECK(roaming.agent.kernel.pairs() == 3);
    roaming.check_sound();
}

TEST_CASE("a mobile node has a share of Binding Updates in each second, of which nobody else takes") {
    Roaming roaming;
    roaming.run(1s);
    roaming.run(5s);
    const auto update =
        std::ranges::find_if(roaming.sent, [](const ike::MobilityHeader& header) { return header.to_agent; });
    REQUIRE(update != roaming.sent.end());
    ike::MobilityHeader again = *update;
    const auto give = [&](int times) {
        for (int i = 0; i < times; ++i)
            roaming.agent.engine.mobility_header(roaming.net.now, again);
        roaming.agent.pump(roaming.net.now);
    };
    give(100);
    CHECK(roaming.agent.refused(Rule::unprotected_mobility) == 100);
    again.is_protected = true;
    give(30);
    CHECK(roaming.agent.refused(Rule::updated_too_often) == 20);
    roaming.net.now += 1s;
    give(10);
    CHECK(roaming.agent.refused(Rule::updated_too_often) == 20);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
}

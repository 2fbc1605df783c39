// A mobile node asks its home agent for the prefixes of the home link, by an SA pair of its own.

#include "lib/mobility/prefix_message.h"
#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using What = ike::BindingChanged::What;

namespace {

ike::Config asking() {
    auto config = node_config();
    only(config).mobile->prefix_discovery = true;
    return config;
}

bool is_prefix_message(const ike::MobilityHeader& header) {
    return header.protocol == mobility::kIcmp6Protocol;
}

std::vector<ike::MobilityHeader> prefix_messages(const Roaming& roaming, bool to_agent) {
    std::vector<ike::MobilityHeader> out;
    for (const auto& header : roaming.sent) {
        if (is_prefix_message(header) && header.to_agent == to_agent) out.push_back(header);
    }
    return out;
}

std::uint16_t identifier_of(const ike::MobilityHeader& header) {
    return std::get<mobility::PrefixSolicitation>(mobility::parse_prefix_message(header.octets).value())
        .identifier;
}

// An answer of the home agent's that it has not sent.
ike::MobilityHeader answer_to(ike::MobilityHeader question, std::string_view prefix) {
    const mobility::PrefixAdvertisement answer{identifier_of(question), {{*Prefix::parse(prefix)}}};
    question.octets = mobility::encode_prefix_message(answer);
    question.to_agent = false;
    question.is_protected = true;
    return question;
}

void give(Roaming& roaming, const ike::MobilityHeader& header) {
    Host& to = header.to_agent ? roaming.agent : roaming.node;
    to.engine.mobility_header(roaming.net.now, header);
    to.pump(roaming.net.now);
}

} // namespace

TEST_CASE("a mobile node learns the home prefixes under SAs of their own") {
    Roaming roaming(agent_config(), asking());
    roaming.run(1s);
    CHECK(roaming.node.kernel.pairs() == 4);
    for (const Host* host : {&roaming.agent, &roaming.node}) {
        const auto* picture = roaming.picture(*host);
        REQUIRE(picture != nullptr);
        CHECK(picture->prefix_discovery != 0);
        CHECK(std::ranges::count_if(host->kernel.sas, [&](const auto& entry) {
                  return entry.second.mode == child::Mode::transport &&
                         entry.second.id.peer.address ==
                             (host == &roaming.node ? v6(kAgent) : v6(kHomeAddress));
              }) == 2);
    }
    const auto questions = prefix_messages(roaming, true), answers = prefix_messages(roaming, false);
    REQUIRE(questions.size() == 1);
    REQUIRE(answers.size() == 1);
    CHECK(questions[0].care_of == v6(kFirstPlace));
    CHECK(questions[0].bid == 1);
    CHECK(answers[0].care_of == v6(kFirstPlace));
    const auto known = roaming.node.engine.status().homes.at(0).home_prefixes;
    REQUIRE(known.size() == 1);
    CHECK(known[0] == mobility::HomePrefix{*Prefix::parse("2001:db8:a::/64"), {}, {}});
    CHECK(roaming.told(roaming.node, What::prefix_gone).empty());
    roaming.check_sound();
}

TEST_CASE("without a wish for prefix discovery, or where it is not allowed, ICMPv6 is as it was") {
    auto agent = agent_config();
    const bool asks = GENERATE(false, true);
    auto node = asks ? asking() : node_config();
    only(agent).home_service->prefix_discovery = !asks;
    Roaming roaming(agent, node);
    roaming.run(1s);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    CHECK(roaming.node.kernel.pairs() == 3);
    for (const Host* host : {&roaming.agent, &roaming.node})
        CHECK(roaming.picture(*host)->prefix_discovery == 0);
    CHECK(prefix_messages(roaming, true).empty());
}

TEST_CASE("a question that is lost is asked again, over a way that is left") {
    Roaming roaming(agent_config(), asking());
    roaming.on_header = [](const Roaming::Carried& carried) { return !is_prefix_message(carried.header); };
    roaming.run(5s);
    CHECK(prefix_messages(roaming, true).size() == 2);
    roaming.leave("wlan0");
    roaming.on_header = nullptr;
    roaming.run(10s);
    const auto questions = prefix_messages(roaming, true);
    REQUIRE(questions.size() == 3);
    CHECK(questions[2].care_of == v6(kSecondPlace));
    CHECK(questions[2].octets == questions[0].octets);
    CHECK(roaming.node.engine.status().homes.at(0).home_prefixes.size() == 1);
}

TEST_CASE("a mobile node asks anew when an acknowledgement says so") {
    Roaming roaming(agent_config(), asking());
    roaming.run(10s);
    REQUIRE(prefix_messages(roaming, true).size() == 1);
    roaming.on_header = [](Roaming::Carried& carried) {
        ike::MobilityHeader& header = carried.header;
        if (is_prefix_message(header)) return true;
        auto message = mobility::parse_message(header.octets).value();
        if (auto* ack = std::get_if<mobility::BindingAck>(&message)) {
            ack->status = mobility::Status::prefix_discovery_needed;
            header.octets = mobility::encode_message(message).value();
        }
        return true;
    };
    roaming.leave("wwan0");
    roaming.run(1s);
    CHECK(prefix_messages(roaming, true).size() == 2);
    CHECK(prefix_messages(roaming, false).size() == 2);
}

TEST_CASE("prefix discovery goes on after its SAs were rekeyed, and ends with its binding") {
    Roaming roaming(agent_config(), asking());
    roaming.run(1s);
    REQUIRE(roaming.agent.engine.command(roaming.net.now, ike::Rekey{"homes", ike::Rekey::What::children}));
    roaming.run(10s);
    CHECK(roaming.node.kernel.pairs() == 4);
    for (const Host* host : {&roaming.agent, &roaming.node})
        CHECK(roaming.picture(*host)->prefix_discovery != 0);
    roaming.leave("wwan0");
    roaming.leave("wlan0");
    roaming.run(1s);
    CHECK(roaming.picture(roaming.node)->prefix_discovery == 0);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    roaming.place("wlan0", kFirstPlace);
    roaming.run(60s);
    CHECK(roaming.node.kernel.empty());
    roaming.check_sound();
}

TEST_CASE("a home agent answers no question that it must not") {
    Roaming roaming(agent_config(), asking());
    roaming.run(2s);
    auto question = prefix_messages(roaming, true).at(0);
    question.is_protected = true;
    REQUIRE(roaming.agent.headers.empty());
    const auto answers = [&] { return std::ranges::count_if(roaming.agent.headers, is_prefix_message); };
    SECTION("in clear") {
        question.is_protected = false;
        give(roaming, question);
        CHECK(roaming.agent.refused(Rule::unprotected_mobility) == 1);
        CHECK(answers() == 0);
    }
    SECTION("from an address that is not registered") {
        question.care_of = v6("2001:db8:66::6");
        give(roaming, question);
        CHECK(roaming.agent.refused(Rule::unregistered_care_of) == 1);
        CHECK(answers() == 0);
    }
    SECTION("of a home address that it does not know") {
        question.home = v6("2001:db8:a::200");
        give(roaming, question);
        CHECK(roaming.agent.refused(Rule::foreign_home_address) == 1);
        CHECK(answers() == 0);
    }
    SECTION("malformed, or an answer") {
        auto cut = question;
        cut.octets.pop_back();
        give(roaming, cut);
        CHECK(roaming.agent.refused(Rule::bad_prefix_message) == 1);
        cut.octets = answer_to(question, "2001:db8:a::/64").octets;
        give(roaming, cut);
        CHECK(roaming.agent.refused(Rule::bad_prefix_message) == 2);
        CHECK(answers() == 0);
    }
    SECTION("more often than once a second") {
        give(roaming, question);
        give(roaming, question);
        CHECK(roaming.agent.refused(Rule::solicited_too_often) == 1);
        CHECK(answers() == 1);
        roaming.net.now += 1s;
        give(roaming, question);
        CHECK(answers() == 2);
    }
}

TEST_CASE("a question without SAs for it is not believed to be protected: no policy asks for that") {
    Roaming roaming;
    roaming.run(1s);
    ike::MobilityHeader question{v6(kHomeAddress), v6(kFirstPlace), v6(kAgent)};
    question.to_agent = question.is_protected = true;
    question.protocol = mobility::kIcmp6Protocol;
    question.octets = mobility::encode_prefix_message(mobility::PrefixSolicitation{1});
    give(roaming, question);
    CHECK(roaming.agent.refused(Rule::unprotected_mobility) == 1);
    CHECK(roaming.agent.headers.empty());
}

TEST_CASE("a mobile node takes an answer to its question alone, and tells when its own prefix is gone") {
    Roaming roaming(agent_config(), asking());
    roaming.on_header = [](const Roaming::Carried& carried) { return !is_prefix_message(carried.header); };
    roaming.run(1s);
    const auto question = prefix_messages(roaming, true).at(0);
    const auto known = [&] { return roaming.node.engine.status().homes.at(0).home_prefixes; };
    auto answer = answer_to(question, "2001:db8:b::/64");
    SECTION("from elsewhere") {
        answer.agent = v6("2001:db8:66::1");
        give(roaming, answer);
        CHECK(roaming.node.refused(Rule::foreign_home_address) == 1);
    }
    SECTION("in clear") {
        answer.is_protected = false;
        give(roaming, answer);
        CHECK(roaming.node.refused(Rule::unprotected_mobility) == 1);
    }
    SECTION("without a routing header") {
        answer.care_of = answer.home;
        give(roaming, answer);
        CHECK(roaming.node.refused(Rule::bad_routing_header) == 1);
    }
    SECTION("with another identifier") {
        answer.octets[5] ^= 1;
        give(roaming, answer);
        CHECK(roaming.node.refused(Rule::unmatched_advertisement) == 1);
    }
    CHECK(known().empty());
    CHECK(roaming.told(roaming.node, What::prefix_gone).empty());

    give(roaming, answer_to(question, "2001:db8:b::/64"));
    REQUIRE(known().size() == 1);
    const auto told = roaming.told(roaming.node, What::prefix_gone);
    REQUIRE(told.size() == 1);
    CHECK(told[0].home == v6(kHomeAddress));
    CHECK(told[0].why == "the home agent has 2001:db8:b::/64");
    roaming.check_sound();
}

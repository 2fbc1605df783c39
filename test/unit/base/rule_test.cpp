#include "lib/base/rule.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>

using namespace sheaf;

namespace {

std::vector<Rule> all_rules() {
    std::vector<Rule> rules;
    for (std::size_t i = 0; i < kRuleCount; ++i)
        rules.push_back(static_cast<Rule>(i));
    return rules;
}

} // namespace

TEST_CASE("rule names are counters' names and unique") {
    std::set<std::string_view> names;
    for (const Rule rule : all_rules()) {
        CAPTURE(name(rule));
        CHECK(std::ranges::all_of(name(rule), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }));
        CHECK(names.insert(name(rule)).second);
    }
    CHECK(names.size() == kRuleCount);
}

TEST_CASE("rule sentences are clauses without an end mark") {
    std::set<std::string_view> sentences;
    for (const Rule rule : all_rules()) {
        const std::string_view text = sentence(rule);
        CAPTURE(name(rule), text);
        REQUIRE(text.size() > 10);
        CHECK(text.back() != '.');
        CHECK(text.find("  ") == text.npos);
        CHECK(sentences.insert(text).second);
    }
}

TEST_CASE("rules answer with numbers of the registry") {
    // RFC 7296 3.10.1, RFC 4555 4.1: error types below 16384; the one status among the answers is the cookie.
    const std::set<unsigned> known{0, 1, 4, 5, 7, 14, 17, 24, 34, 35, 36, 37, 38, 39, 40, 41, 43, 44, 16390};
    for (const Rule rule : all_rules()) {
        CAPTURE(name(rule));
        CHECK(known.contains(notify_type(rule)));
    }
}

TEST_CASE("rules of the table are found under their own values") {
    CHECK(name(Rule::truncated) == "truncated");
    CHECK(kind(Rule::integrity_check) == RuleKind::unauthentic);
    CHECK(notify_type(Rule::unknown_critical_payload) == 1);
    CHECK(notify_type(Rule::integrity_check) == 0); // nothing unauthentic is answered before keys are known
    CHECK(notify_type(Rule::ts_unacceptable) == 38);
    CHECK(sentence(Rule::zero_spi) == "the initiator's SPI is zero");
}

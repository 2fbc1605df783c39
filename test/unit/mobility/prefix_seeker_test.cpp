// When a mobile node asks for the prefixes of the home link, and what it takes for an answer.
#include "lib/mobility/prefix_seeker.h"
#include "test/support/seeded_random.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::mobility;
using namespace std::chrono_literals;

namespace {

struct Node {
    PrefixSeeker seeker;
    test::SeededRandom random{7};
    Instant now{1000s};

    std::optional<PrefixSolicitation> step(bool open = true) { return seeker.step(now, open, random); }
    // What is sent until then, at its times from now on.
    std::vector<Duration> sent(Duration duration) {
        const Instant begin = now, end = now + duration;
        std::vector<Duration> out;
        while (true) {
            const auto due = seeker.next_timeout();
            if (!due || *due > end) break;
            now = std::max(now, *due);
            if (step()) out.push_back(now - begin);
        }
        now = end;
        return out;
    }
    std::expected<void, Rule> answer(std::uint16_t identifier, std::uint32_t valid = kInfiniteLifetime) {
        PrefixAdvertisement message{identifier, {{*Prefix::parse("2001:db8:a::/64")}}};
        message.prefixes[0].valid = message.prefixes[0].preferred = valid;
        return seeker.receive(now, message);
    }
};

} // namespace

TEST_CASE("a question is asked when it can be, and again ever more slowly until it is answered") {
    Node node;
    CHECK_FALSE(node.step(false));
    CHECK_FALSE(node.seeker.next_timeout());
    const auto first = node.step();
    REQUIRE(first);
    CHECK(node.sent(2min) == std::vector<Duration>{3s, 9s, 21s, 45s, 77s, 109s});
    REQUIRE(node.answer(first->identifier));
    REQUIRE(node.seeker.known().size() == 1);
    CHECK(node.seeker.known()[0] == HomePrefix{*Prefix::parse("2001:db8:a::/64"), {}, {}});
    CHECK(node.sent(23h).empty());
    CHECK(node.sent(1h) == std::vector<Duration>{1h}); // what it knows is a day old
}

TEST_CASE("a question that is repeated keeps its identifier, another one has another") {
    Node node;
    const auto first = node.step();
    node.now += 3s;
    CHECK(node.step() == first);
    REQUIRE(node.answer(first->identifier));
    node.seeker.ask(node.now);
    node.now += 3s;
    const auto second = node.step();
    REQUIRE(second);
    CHECK(second->identifier != first->identifier);
}

TEST_CASE("an advertisement that answers nothing is dropped, and makes the mobile node ask") {
    Node node;
    CHECK(node.answer(0) == std::unexpected(Rule::unmatched_advertisement));
    CHECK_FALSE(node.seeker.next_timeout()); // it cannot
    const auto first = node.step();
    REQUIRE(first);
    CHECK(node.answer(first->identifier + 1U) == std::unexpected(Rule::unmatched_advertisement));
    CHECK(node.seeker.known().empty());
    REQUIRE(node.answer(first->identifier));
    CHECK(node.answer(first->identifier) == std::unexpected(Rule::unmatched_advertisement)); // twice
    CHECK(node.sent(1min).front() == 3s);
}

TEST_CASE("questions have some time between them, whoever wants them") {
    Node node;
    for (int i = 0; i < 10; ++i) {
        if (const auto question = node.step()) REQUIRE(node.answer(question->identifier));
        CHECK_FALSE(node.step(false));
        node.now += 500ms;
    }
    node.seeker.ask(node.now);
    CHECK_FALSE(node.seeker.next_timeout());
}

TEST_CASE("prefixes that end are asked for in time, those that have ended are not kept") {
    Node node;
    REQUIRE(node.answer(node.step()->identifier, 4000));
    CHECK(node.seeker.known()[0].valid_until == node.now + 4000s);
    CHECK(node.seeker.next_timeout() == node.now + 3000s);
    node.now += 3000s;
    REQUIRE(node.answer(node.step()->identifier, 1));
    CHECK(node.seeker.next_timeout() == node.now + 60s); // however short
    node.now += 60s;
    REQUIRE(node.answer(node.step()->identifier, 0));
    CHECK(node.seeker.known().empty());
}

// Several requests under way at once (RFC 7296 2.3): as many as the peer's window takes, in whatever order
// they arrive.

#include "lib/child/selector.h"
#include "test/support/pipe.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kChildren = 5;
constexpr std::size_t kWindow = 4; // what we tell in IKE_AUTH

ike::Config five_children(bool first) {
    auto config = peer_config(first);
    config.connections[0].ike_sas_per_login = 2;
    auto& children = config.connections[0].children;
    const ike::ChildConfig model = children.front();
    children.clear();
    for (std::size_t i = 0; i < kChildren; ++i) {
        const auto left = *Prefix::parse("10.1." + std::to_string(i) + ".0/24");
        const auto right = *Prefix::parse("10.2." + std::to_string(i) + ".0/24");
        ike::ChildConfig child = model;
        child.name = "net" + std::to_string(i);
        child.local = {child::selector(first ? left : right)};
        child.remote = {child::selector(first ? right : left)};
        child.start = first ? ike::Start::now : ike::Start::manual;
        child.clear_without_sa = true; // only what belongs to SAs is in the kernel
        children.push_back(child);
    }
    return config;
}

bool is_window(const wire::Payload& payload) {
    const auto* notify = std::get_if<wire::Notify>(&payload);
    return notify && notify->type == wire::NotifyType::set_window_size;
}

wire::Notify window_of(std::uint8_t size) {
    return {wire::Protocol::none, {}, wire::NotifyType::set_window_size, {0, 0, 0, size}};
}

// Up to the answer of IKE_AUTH, which waits for a.
struct Five {
    Pipe pipe{five_children(true), five_children(false), false};
    Host& a = pipe.a();
    Host& b = pipe.b();

    Five() {
        REQUIRE(pipe.command(a, ike::Up{"tunnel"}));
        REQUIRE(pipe.pass(b) == "IKE_SA_INIT");
        REQUIRE(pipe.pass(a) == "IKE_SA_INIT answer");
        REQUIRE(pipe.pass(b) == "IKE_AUTH");
        REQUIRE(pipe.to(a).size() == 1);
    }
    // The requests that wait for b, which are all for new Child SAs.
    std::deque<Flight> requests() {
        for (const Flight& flight : pipe.to(b))
            REQUIRE(flight.what() == "create child");
        return std::exchange(pipe.to(b), {});
    }
    // The answer to IKE_AUTH as of a peer with another window; none: it tells nothing.
    Flight answer_with(std::optional<std::uint8_t> window) {
        Flight answer = pipe.hold(a);
        auto payloads = answer.payloads;
        REQUIRE(std::erase_if(payloads, is_window) == 1);
        if (window) payloads.emplace_back(window_of(*window));
        return pipe.with_payloads(answer, payloads);
    }
    void check_all_up() {
        CHECK(pipe.wrong(kChildren) == "");
        for (const Host* host : {&a, &b}) {
            CHECK(host->count<ike::ChildUp>() == kChildren);
            CHECK(host->count<ike::ChildDown>() == 0);
            CHECK(host->count<ike::IkeDown>() == 0);
        }
    }
};

std::vector<std::uint32_t> message_ids(const std::deque<Flight>& flights) {
    std::vector<std::uint32_t> out;
    for (const Flight& flight : flights)
        out.push_back(flight.header.message_id);
    return out;
}

} // namespace

TEST_CASE("window: four requests are under way at once") {
    Five five;
    five.pipe.pass(five.a);
    const auto requests = five.requests();
    CHECK(message_ids(requests) == std::vector<std::uint32_t>{2, 3, 4, 5});
    for (const Flight& request : requests)
        five.pipe.deliver(five.b, request);
    CHECK(five.pipe.to(five.a).size() == kWindow);
    five.pipe.settle();
    five.check_all_up();
}

TEST_CASE("window: requests and answers arrive in reverse order") {
    Five five;
    five.pipe.pass(five.a);
    auto requests = five.requests();
    REQUIRE(requests.size() == kWindow);
    for (auto request = requests.rbegin(); request != requests.rend(); ++request)
        five.pipe.deliver(five.b, *request);
    const auto answers = std::exchange(five.pipe.to(five.a), {});
    CHECK(message_ids(answers) == std::vector<std::uint32_t>{5, 4, 3, 2});
    for (const Flight& answer : answers)
        five.pipe.deliver(five.a, answer);
    five.check_all_up();
}

TEST_CASE("window: each request and each answer arrives twice") {
    Five five;
    five.pipe.pass(five.a);
    const auto requests = five.requests();
    REQUIRE(requests.size() == kWindow);
    for (int time = 0; time < 2; ++time) {
        for (const Flight& request : requests)
            five.pipe.deliver(five.b, request);
    }
    // RFC 7296 2.1: a request that was answered gets the same answer again.
    const auto answers = std::exchange(five.pipe.to(five.a), {});
    REQUIRE(answers.size() == 2 * kWindow);
    for (std::size_t i = 0; i < kWindow; ++i)
        CHECK(equal(answers[i].datagram.bytes, answers[kWindow + i].datagram.bytes));
    for (const Flight& answer : answers)
        five.pipe.deliver(five.a, answer);
    five.check_all_up();
    CHECK(five.a.refused(Rule::unexpected_response) == kWindow);
}

TEST_CASE("window: what is lost is sent again, whichever it is") {
    const auto lost = GENERATE(range(std::size_t{0}, kWindow));
    const bool request_lost = GENERATE(true, false);
    Five five;
    five.pipe.pass(five.a);
    const auto requests = five.requests();
    REQUIRE(requests.size() == kWindow);
    for (std::size_t i = 0; i < kWindow; ++i) {
        if (!request_lost || i != lost) five.pipe.deliver(five.b, requests[i]);
    }
    auto answers = std::exchange(five.pipe.to(five.a), {});
    if (!request_lost) answers.erase(answers.begin() + static_cast<std::ptrdiff_t>(lost));
    REQUIRE(answers.size() == kWindow - 1);
    for (const Flight& answer : answers)
        five.pipe.deliver(five.a, answer);
    CHECK(five.a.count<ike::ChildUp>() == kChildren - 1);
    five.pipe.run(2s);
    five.check_all_up();
}

TEST_CASE("window: a peer that tells none gets one request at a time") {
    Five five;
    five.pipe.deliver(five.a, five.answer_with(std::nullopt));
    for (std::uint32_t id = 2; id < 2 + kWindow; ++id) {
        const auto requests = five.requests();
        REQUIRE(message_ids(requests) == std::vector{id});
        five.pipe.deliver(five.b, requests.front());
        five.pipe.pass(five.a);
    }
    five.check_all_up();
}

TEST_CASE("window: the smaller one of ours and the peer's holds") {
    const auto [told, at_once] =
        GENERATE(table<std::uint8_t, std::size_t>({{0, 1}, {1, 1}, {2, 2}, {3, 3}, {4, 4}, {200, 4}}));
    Five five;
    five.pipe.deliver(five.a, five.answer_with(told));
    CHECK(five.pipe.to(five.b).size() == at_once);
    five.pipe.settle();
    five.check_all_up();
}

TEST_CASE("window: after the IKE SA was rekeyed it is one again") {
    Five five;
    five.pipe.settle();
    five.check_all_up();
    REQUIRE(five.pipe.rekey_ike(five.a));
    five.pipe.settle();
    five.check_all_up();
    CHECK(five.a.count<ike::IkeRekeyed>() == 1);

    REQUIRE(five.pipe.rekey_child(five.a)); // all five of them
    std::size_t rekeyed = 0;
    for (; !five.pipe.to(five.b).empty() && rekeyed < 2 * kChildren; ++rekeyed) {
        REQUIRE(five.pipe.to(five.b).size() == 1);
        CHECK(five.pipe.to(five.b).front().header.message_id == rekeyed);
        five.pipe.pass(five.b);
        REQUIRE(five.pipe.to(five.a).size() == 1);
        five.pipe.pass(five.a);
    }
    CHECK(rekeyed == 2 * kChildren); // with a DELETE each
    five.pipe.run(1min);             // what was replaced takes late packets for a while
    CHECK(five.pipe.wrong(kChildren) == "");
    CHECK(five.a.count<ike::IkeDown>() == 0);
}

TEST_CASE(
    "window: what comes ahead is taken on the IKE SA that was told so, and on none that is made of it") {
    const int made = GENERATE(0, 1, 2); // nothing, a successor, a clone
    Five five;
    five.pipe.settle();
    if (made == 1) REQUIRE(five.pipe.rekey_ike(five.a));
    if (made == 2) REQUIRE(five.pipe.command(five.a, ike::Clone{"tunnel"}));
    five.pipe.settle();
    // A request on each IKE SA; the first one is on the latest.
    REQUIRE(five.pipe.command(five.a, ike::Rekey{"tunnel", ike::Rekey::What::ike}));
    const auto flights = std::exchange(five.pipe.to(five.b), {});
    REQUIRE(flights.size() == (made == 2 ? 2 : 1));
    Flight ahead =
        *std::ranges::min_element(flights, {}, [](const Flight& f) { return f.header.message_id; });
    CHECK((ahead.header.message_id == 0) == (made != 0));
    ahead.header.exchange = wire::ExchangeType::informational;
    for (std::size_t i = 0; i < kWindow; ++i) {
        ++ahead.header.message_id;
        five.pipe.deliver(five.b, five.pipe.with_payloads(ahead, {}));
    }
    const std::size_t taken = made == 0 ? kWindow - 1 : 0;
    CHECK(five.pipe.to(five.a).size() == taken);
    CHECK(five.b.refused(Rule::message_id) == kWindow - taken);
}

TEST_CASE("window: a peer may open it at any time, and not make it smaller") {
    const auto [rekeyed, told, at_once] =
        GENERATE(table<bool, std::uint8_t, std::size_t>({{true, std::uint8_t{4}, std::size_t{4}},
                                                         {true, std::uint8_t{2}, std::size_t{2}},
                                                         {true, std::uint8_t{0}, std::size_t{1}},
                                                         {false, std::uint8_t{1}, std::size_t{4}}}));
    Five five;
    five.pipe.settle();
    if (rekeyed) REQUIRE(five.pipe.rekey_ike(five.a));
    five.pipe.settle();
    REQUIRE(five.pipe.rekey_child(five.b));
    Flight word = five.pipe.hold(five.a);
    word.header.exchange = wire::ExchangeType::informational;
    five.pipe.deliver(five.a, five.pipe.with_payloads(word, {window_of(told)}));
    five.pipe.to(five.b).clear(); // the answer
    REQUIRE(five.pipe.rekey_child(five.a));
    CHECK(five.pipe.to(five.b).size() == at_once);
}

TEST_CASE("a request waits for the answer to the one that is a window before it") {
    Five five;
    five.pipe.pass(five.a);
    const auto requests = five.requests();
    REQUIRE(requests.size() == kWindow);
    // The first is lost; the answers to the others make no room.
    for (std::size_t i = 1; i < kWindow; ++i)
        five.pipe.deliver(five.b, requests[i]);
    while (!five.pipe.to(five.a).empty())
        five.pipe.pass(five.a);
    CHECK(message_ids(five.pipe.to(five.b)).empty());
    five.pipe.run(5s);
    five.check_all_up();
    CHECK(five.b.refused(Rule::message_id) == 0);
}

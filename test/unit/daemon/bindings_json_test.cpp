// Bindings on the control socket: the JSON, the tables, and the requests to change them.
#include "daemon/binding_request.h"
#include "daemon/bindings_json.h"
#include "daemon/bindings_view.h"
#include "daemon/control_message.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace std::chrono_literals;

namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

Snapshot sample() {
    Snapshot out;
    out.now = Instant(1000s);
    ike::HomeStatus home;
    home.connection = "nodes";
    home.is_agent = true;
    home.number = 0x53000001;
    home.agent = ip("2001:db8:a::1");
    home.registration.home = ip("2001:db8:a::100");
    home.registration.bindings = {{1, ip("2001:db8:1::5"), 1, false, out.now + 420s},
                                  {2, ip("2001:db8:2::5"), 2, false, out.now + 400s}};
    mobility::FlowBinding flow{7, 10, {}, {2, 1}};
    flow.selector.source_port = {5001, 5001};
    flow.selector.next_header = {17, 17};
    home.registration.flows = {flow};
    home.pairs = {{{ike::MobileTraffic::payload, 1}, 0x11, 0x12, ip("2001:db8:a::1"), ip("2001:db8:1::5")}};
    home.sa = ike::SaName{1, "nodes", {ip("2001:db8:1::5"), 500}, "bus.example.org"};
    out.status.homes = {home};
    out.usage = Usage({{ip("2001:db8:a::1"), 0x11, 100, 2}, {ip("2001:db8:1::5"), 0x12, 300, 3}});
    return out;
}

} // namespace

TEST_CASE("What is registered is told with its traffic", "[daemon]") {
    const auto out = bindings_json(sample());
    REQUIRE(out["homes"].size() == 1);
    const auto& home = out["homes"][0];
    CHECK(home["home"] == "2001:db8:a::100");
    CHECK(home["role"] == "home-agent");
    CHECK(home["peer_id"] == "bus.example.org");
    REQUIRE(home["bindings"].size() == 2);
    CHECK(home["bindings"][0]["default"] == true);
    CHECK(home["bindings"][0]["paired"] == true);
    CHECK(home["bindings"][0]["expires_s"] == 420.0);
    CHECK(home["bindings"][0]["bytes_in"] == 100);
    CHECK(home["bindings"][0]["bytes_out"] == 300);
    CHECK(home["bindings"][1]["paired"] == false);
    CHECK_FALSE(home["bindings"][1].contains("bytes_in"));
    CHECK(home["flows"][0]["bid"] == 1); // it prefers 2, which has no SAs
    CHECK(home["flows"][0]["packets"] == "any to any, protocol 17, ports 5001 to any");
    CHECK(bindings_json(sample(), "2001:db8:2::5")["homes"].size() == 1);
    CHECK(bindings_json(sample(), "bus.example.org")["homes"].size() == 1);
    CHECK(bindings_json(sample(), "somebody")["homes"].empty());
}

TEST_CASE("Bindings are tables for people", "[daemon]") {
    const Request request{.verb = Verb::bindings};
    const auto text = render_bindings(request, bindings_json(sample()), false);
    for (const auto* word :
         {"2001:db8:a::100", "2001:db8:1::5", "default", "no SA", "7 min 0 s", "2, 1", "ports 5001 to any"})
        CHECK(text.find(word) != std::string::npos);
    CHECK(render_bindings(request, bindings_json(Snapshot{}), false) == "no home address is served or had\n");
}

TEST_CASE("A mobile node tells which prefixes its home link has", "[daemon]") {
    Snapshot snapshot = sample();
    auto& home = snapshot.status.homes[0];
    CHECK_FALSE(bindings_json(snapshot)["homes"][0].contains("home_prefixes"));
    home.is_agent = false;
    const auto prefix = [](std::string_view text) { return *Prefix::parse(text); };
    home.home_prefixes = {
        {prefix("2001:db8:a::/64"), std::nullopt, std::nullopt},
        {prefix("2001:db8:b::/64"), snapshot.now + 420s, snapshot.now - 5s},
        {prefix("2001:db8:c::/64"), snapshot.now, snapshot.now}, // over
    };
    const auto out = bindings_json(snapshot);
    const auto& told = out["homes"][0]["home_prefixes"];
    REQUIRE(told.size() == 2);
    CHECK(told[0].dump() == R"({"prefix":"2001:db8:a::/64"})");
    CHECK(told[1].dump() == R"({"prefix":"2001:db8:b::/64","valid_s":420.0,"preferred_s":0.0})");
    const auto text = render_bindings({.verb = Verb::bindings}, out, false);
    for (const auto* word : {"PREFIX OF THE HOME LINK", "2001:db8:b::/64", "ever"})
        CHECK(text.find(word) != std::string::npos);
}

TEST_CASE("A mobile node tells whether it is at home", "[daemon]") {
    Snapshot snapshot = sample();
    auto& home = snapshot.status.homes[0];
    CHECK_FALSE(bindings_json(snapshot)["homes"][0].contains("at_home"));
    home.is_agent = false;
    home.registration.bindings.clear();
    home.registration.flows.clear();
    const auto out = [&] { return bindings_json(snapshot)["homes"][0]; };
    const auto text = [&] {
        return render_bindings({.verb = Verb::bindings}, bindings_json(snapshot), false);
    };
    CHECK(out()["at_home"] == false);
    CHECK_FALSE(out().contains("home_link"));
    CHECK(text().find("nothing registered") != std::string::npos);
    home.home_link = "eth0";
    CHECK(out()["home_link"] == "eth0");
    CHECK(text().find("coming home") != std::string::npos);
    home.at_home = true;
    CHECK(out()["at_home"] == true);
    CHECK(text().find("at home") != std::string::npos);
}

TEST_CASE("A binding is decided about by a request", "[daemon]") {
    Request request{.verb = Verb::binding};
    request.binding = {true, "2001:db8:a::100", "2001:db8:3::3", std::uint16_t{3}, 5, 60};
    const auto read = parse_request(encode(request));
    REQUIRE(read.has_value());
    CHECK(*read == request);
    const auto order = to_order(read->binding);
    REQUIRE(order.has_value());
    const auto* set = std::get_if<ike::SetBinding>(&*order);
    REQUIRE(set != nullptr);
    CHECK(set->bid == 3);
    CHECK(set->lifetime == 60s);

    request.binding = {.add = false, .home = "2001:db8:a::100"};
    const auto all = parse_request(encode(request));
    REQUIRE(all.has_value());
    const auto removal = to_order(all->binding);
    REQUIRE(removal.has_value());
    CHECK_FALSE(std::get<ike::RemoveBinding>(*removal).bid.has_value());

    for (
        const auto* wrong :
        {R"({"schema":1,"command":"binding"})", R"({"schema":1,"command":"binding","action":"move"})",
         R"({"schema":1,"command":"binding","action":"add","home":"2001:db8::1"})",
         R"({"schema":1,"command":"binding","action":"del","home":"2001:db8::1","bid":0})",
         R"({"schema":1,"command":"binding","action":"add","home":"2001:db8::1","care_of":"2001:db8::2","priority":128})"})
        CHECK_FALSE(parse_request(wrong).has_value());
    CHECK_FALSE(to_order({true, "192.0.2.1", "2001:db8::2"}).has_value());
    CHECK_FALSE(to_order({true, "2001:db8::1", "nowhere"}).has_value());
}

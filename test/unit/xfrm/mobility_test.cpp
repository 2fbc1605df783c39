#include "netlink/neighbour.h"
#include "test/unit/xfrm/home_samples.h"
#include "xfrm/address_form.h"
#include "xfrm/event.h"
#include "xfrm/link_objects.h"
#include "xfrm/marks.h"

#include <linux/xfrm.h>

#include <cstring>
#include <netinet/in.h>

namespace sheaf::xfrm {

TEST_CASE("policies and entries for care-of addresses are read as they were written", "[xfrm]") {
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto link = picture(role);
        link.home_test = {kTest, ip(kSecond)};
        link.prefix_discovery = kPrefixes;
        for (const Policy& policy : policies_of(link)) {
            INFO(policy.to_string());
            CHECK(parse_policy(install_policy(policy).header()) == policy);
        }
        for (const CareOfState& state : care_of_states(link)) {
            INFO(state.to_string());
            CHECK(parse_care_of_state(install_state(state).header()) == state);
            CHECK_FALSE(parse_state(install_state(state).header()));
        }
    }
}

TEST_CASE("inwards ESP is named before the home address option, which may be missing at home", "[xfrm]") {
    const auto policies = policies_of(picture(MobilityRole::home_agent));
    const auto in = std::ranges::find_if(policies, [](const Policy& policy) {
        return policy.direction == PolicyDirection::in && policy.selector.protocol == 135 && !policy.refuse;
    });
    REQUIRE(in != policies.end());
    const netlink::Message message = install_policy(*in);
    const View list =
        netlink::Attributes::of(message.header(), sizeof(xfrm_userpolicy_info)).bytes(XFRMA_TMPL);
    REQUIRE(list.size() == 2 * sizeof(xfrm_user_tmpl));
    xfrm_user_tmpl esp{}, option{};
    std::memcpy(&esp, list.data(), sizeof esp);
    std::memcpy(&option, list.data() + sizeof esp, sizeof option);
    CHECK(esp.id.proto == IPPROTO_ESP);
    CHECK(esp.mode == XFRM_MODE_TRANSPORT);
    CHECK(esp.reqid == kSignalling);
    CHECK(esp.optional == 0);
    CHECK(option.id.proto == IPPROTO_DSTOPTS);
    CHECK(option.mode == XFRM_MODE_ROUTEOPTIMIZATION);
    CHECK(option.optional == 1);
    // Before ESP is undone there is a look into the SPD as well, and what is not protected meets a policy of its own.
    CHECK(std::ranges::any_of(policies, [](const Policy& policy) {
        return policy.selector.protocol == IPPROTO_ESP && !policy.esp && policy.link == 0;
    }));
    CHECK(std::ranges::any_of(policies, [](const Policy& policy) {
        return policy.refuse && policy.selector.source == prefix("::/0") && policy.selector.protocol == 135;
    }));
}

TEST_CASE("a home agent takes payload from registered care-of addresses alone", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up(picture(MobilityRole::home_agent))).empty());
    for (const State& state : parsed(bench, "sa ", parse_state)) {
        const bool in = state.id.destination == ip(kAgent);
        CHECK(state.id.mark == (in ? kGateMark : 0));
        CHECK(state.selector.has_value() == (state.mode == child::Mode::transport));
        CHECK(state.link == (state.mode == child::Mode::transport ? 0 : kNumber));
        CHECK(state.reqid == (state.mode == child::Mode::transport ? kSignalling : kNumber));
    }
    REQUIRE(bench.paths.size() == 1);
    const HomeMarks marks = bench.paths.begin()->second;
    const IpAddress any = IpAddress::any(Family::ipv6);
    CHECK(marks.admitted == std::vector<EspFlow>{{any, ip(kAgent), kSignallingSpi},
                                                 {ip(kFirst), ip(kAgent), kPayloadSpi},
                                                 {ip(kSecond), ip(kAgent), kPayloadSpi}});
    CHECK(marks.guarded == std::vector<EspFlow>{{any, ip(kAgent), kPayloadSpi}});

    auto changed = picture(MobilityRole::home_agent);
    changed.care_of[1].registered = false;
    REQUIRE(bench.outcome(only(child::UpdateMobility{changed})).empty());
    const HomeMarks after = bench.paths.begin()->second;
    CHECK(after.admitted ==
          std::vector<EspFlow>{{any, ip(kAgent), kSignallingSpi}, {ip(kFirst), ip(kAgent), kPayloadSpi}});
    // Its flow takes the next of its bindings, and what leads to it is gone.
    CHECK(after.rules == std::vector<PathRule>{{from_port(5001), 0, child::path_mark(1)},
                                               {from_port(5002), 0, child::path_mark(1)}});
    CHECK_FALSE(way(bench, child::path_mark(2)));

    REQUIRE(bench.outcome(only(child::RemoveSas{sas(child::Mode::tunnel).id})).empty());
    CHECK(bench.paths.begin()->second.guarded.empty());
    CHECK(parsed(bench, "sa ", parse_state).size() == 2);
}

TEST_CASE("each flow takes the first of its bindings that is registered", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up(picture(MobilityRole::home_agent))).empty());
    const HomeMarks marks = bench.paths.begin()->second;
    CHECK_FALSE(marks.from_there);
    CHECK(marks.prefixes == std::vector<Prefix>{prefix("2001:db8:2:1::/64"), prefix("2001:db8:1::100/128")});
    CHECK(marks.rules == std::vector<PathRule>{{from_port(5001), 0, child::path_mark(1)},
                                               {from_port(5002), 0, child::path_mark(2)}});
    CHECK(way(bench, child::path_mark(1))->destination == ip(kFirst));
    CHECK(way(bench, child::path_mark(2))->destination == ip(kSecond));
    CHECK(way(bench, 0)->destination == ip(kFirst));
    CHECK(way(bench, 0)->priority > way(bench, child::path_mark(1))->priority);

    auto changed = picture(MobilityRole::home_agent);
    changed.default_bid = 2;
    REQUIRE(bench.outcome(only(child::UpdateMobility{changed})).empty());
    CHECK(way(bench, 0)->destination == ip(kSecond));
}

TEST_CASE("a mobile node writes each care-of address by a mark of its own", "[xfrm]") {
    Bench bench;
    auto link = picture(MobilityRole::mobile_node);
    REQUIRE(bench.outcome(only(child::OpenMobility{link})).empty());
    CHECK(bench.paths.begin()->second.from_there);
    const auto entries = care_of_entries(bench);
    REQUIRE(entries.size() == 3);
    for (const CareOfState& entry : entries) {
        const bool out = entry.kind == RouteOptimization::home_address;
        CHECK(entry.outbound == out);
        CHECK(entry.care_of == (!out                                ? IpAddress::any(Family::ipv6)
                                : entry.mark == child::path_mark(1) ? ip(kFirst)
                                                                    : ip(kSecond)));
    }
    // Another care-of address for the same binding: in place.
    bench.fake.changes.clear();
    link.care_of[0].address = ip("2001:db8:c::5");
    REQUIRE(bench.outcome(only(child::UpdateMobility{link})).empty());
    CHECK(care_of_entries(bench).size() == 3);
    CHECK(count(bench, "route ::/0") == 1);
    CHECK(std::ranges::count_if(bench.fake.changes, [](const auto& change) {
              return change.key.starts_with("in place: sa protocol");
          }) == 1);
    CHECK(way(bench, child::path_mark(1))->source == ip("2001:db8:c::5"));
    // At home payload goes its own ways.
    link.at_home = true;
    REQUIRE(bench.outcome(only(child::UpdateMobility{link})).empty());
    CHECK(count(bench, "route ::/0") == 0);
    CHECK_FALSE(way(bench, 0));
    CHECK(bench.paths.empty());
}

TEST_CASE("a home agent answers for a home address while it is registered", "[xfrm]") {
    Bench bench;
    bench.fake.put_link(77, "lan0", 0);
    auto link = picture(MobilityRole::home_agent);
    link.home_interface = "lan0";
    REQUIRE(bench.outcome(up(link)).empty());
    CHECK(count(bench, "proxy neighbour 2001:db8:1::100 dev 77") == 1);
    CHECK(count(bench, "route 2001:db8:1::100/128") == 1);
    CHECK(count(bench, "route 2001:db8:2:1::/64") == 1);
    for (auto& care_of : link.care_of)
        care_of.registered = false;
    link.default_bid.reset();
    REQUIRE(bench.outcome(only(child::UpdateMobility{link})).empty());
    CHECK(count(bench, "proxy neighbour") == 0);
    CHECK(count(bench, "route 2001:db8:") == 0);
    link.home_interface = "nowhere";
    link.care_of[0].registered = true;
    CHECK(bench.outcome(only(child::UpdateMobility{link})).find("there is no interface nowhere: create it") !=
          std::string::npos);
    CHECK(count(bench, "route 2001:db8:") == 0);
}

TEST_CASE("a home agent leaves alone what answered for a home address before it did", "[xfrm]") {
    Bench bench;
    bench.fake.put_link(77, "lan0", 0);
    REQUIRE(bench.fake.put(NETLINK_ROUTE, netlink::add_proxy({77, ip(kHome), 4})) == 0);
    const auto before = bench.fake.keys();
    auto link = picture(MobilityRole::home_agent);
    link.home_interface = "lan0";
    for (int i = 0; i < 2; ++i) { // the second time as after the first
        REQUIRE(bench.outcome(only(child::OpenMobility{link})).empty());
        REQUIRE(bench.outcome(only(child::CloseMobility{kNumber})).empty());
        CHECK(bench.fake.keys() == before);
    }
}

TEST_CASE("two home addresses share what drops Mobility Headers in the clear", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(only(child::OpenMobility{picture(MobilityRole::home_agent)})).empty());
    auto other = picture(MobilityRole::home_agent);
    other.number = child::kFirstLink + 20;
    other.signalling = child::kFirstLink + 21;
    other.home = ip("2001:db8:1::101");
    other.networks.clear();
    REQUIRE(bench.outcome(only(child::OpenMobility{other})).empty());
    const auto blocks = [&] {
        return std::ranges::count_if(parsed(bench, "policy ", parse_policy), [](const Policy& policy) {
            return policy.refuse && policy.link == 0 && policy.direction == PolicyDirection::in;
        });
    };
    CHECK(blocks() == 1);
    REQUIRE(bench.outcome(only(child::CloseMobility{kNumber})).empty());
    CHECK(blocks() == 1);
    REQUIRE(bench.outcome(only(child::CloseMobility{other.number})).empty());
    CHECK(bench.fake.objects.empty());
}

TEST_CASE("nothing is left of a home address that is closed, nor after a restart", "[xfrm]") {
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        Bench bench;
        REQUIRE(bench.outcome(up(picture(role))).empty());
        std::vector<child::KernelStep> down;
        down.emplace_back(child::CloseMobility{kNumber});
        down.emplace_back(child::RemoveSas{sas(child::Mode::tunnel).id});
        down.emplace_back(child::RemoveSas{sas(child::Mode::transport).id});
        REQUIRE(bench.outcome(std::move(down)).empty());
        CHECK(bench.fake.keys() == std::vector<std::string>{});

        REQUIRE(bench.outcome(up(picture(role))).empty());
        bench.restart();
        REQUIRE(bench.kernel->reconcile());
        bench.fake.objects.erase("link sheaf0"); // whose alias the simulated kernel has not kept
        CHECK(bench.fake.keys() == std::vector<std::string>{});
    }
}

TEST_CASE("payload moves to another care-of address with its numbers", "[xfrm]") {
    Bench bench;
    REQUIRE(bench.outcome(up(picture(MobilityRole::home_agent))).empty());
    auto moved = picture(MobilityRole::home_agent);
    const IpAddress there = ip("2001:db8:c::5");
    moved.care_of[0].address = there;
    child::MoveSas step{.id = sas(child::Mode::tunnel).id,
                        .policies = {.link = kNumber, .local_selectors = {}, .remote_selectors = {}},
                        .local = {ip(kAgent), 500},
                        .peer = {there, 500}};
    std::vector<child::KernelStep> steps;
    steps.emplace_back(child::UpdateMobility{moved});
    steps.emplace_back(std::move(step));
    REQUIRE(bench.outcome(std::move(steps)).empty());
    std::vector<IpAddress> destinations;
    for (const State& state : parsed(bench, "sa ", parse_state)) {
        if (state.mode == child::Mode::tunnel) destinations.push_back(state.id.destination);
    }
    CHECK(destinations == std::vector<IpAddress>{there, ip(kAgent)});
    CHECK(way(bench, child::path_mark(1))->destination == there);
    auto id = sas(child::Mode::tunnel).id;
    id.peer.address = there;
    REQUIRE(bench.outcome(only(child::RemoveSas{id})).empty());
    CHECK(parsed(bench, "sa ", parse_state).size() == 2);
}

TEST_CASE("what cannot be a home address's picture is refused by name", "[xfrm]") {
    auto link = picture(MobilityRole::home_agent);
    CHECK(unfit(link).empty());
    link.care_of.push_back({2, ip("2001:db8:c::5"), true});
    CHECK(unfit(link).find("two care-of addresses") != std::string::npos);
    link.care_of.back() = {3, ip(kHome), true};
    CHECK(unfit(link).find("cannot be a care-of address") != std::string::npos);
    link.care_of.pop_back();
    link.signalling = kNumber;
    CHECK(unfit(link).find("reqid of its own") != std::string::npos);
    Bench bench;
    CHECK(bench.outcome(only(child::UpdateMobility{picture(MobilityRole::home_agent)})).find("not open") !=
          std::string::npos);
}

TEST_CASE("Home Test messages have policies before those of the payload", "[xfrm]") {
    auto link = picture(MobilityRole::home_agent);
    link.home_test = {kTest, ip(kSecond)};
    std::size_t found = 0;
    for (const Policy& policy : policies_of(link)) {
        if (policy.reqid != kTest) continue;
        ++found;
        CHECK(policy.selector.protocol == 135);
        CHECK(policy.link == kNumber);
        CHECK(policy.priority < 50);
        if (policy.direction == PolicyDirection::out) CHECK(policy.destination == ip(kSecond));
    }
    CHECK(found == 3);
}

TEST_CASE("Mobility Headers in the tunnel do not pass for signalling", "[xfrm]") {
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        auto link = picture(role);
        link.home_test = {kTest, ip(kSecond)};
        const auto policies = policies_of(link);
        const auto refusing = std::ranges::find_if(
            policies, [](const Policy& policy) { return policy.refuse && policy.link == kNumber; });
        REQUIRE(refusing != policies.end());
        const bool agent = role == MobilityRole::home_agent;
        CHECK(refusing->selector.source == (agent ? prefix("::/0") : Prefix::host(ip(kAgent))));
        CHECK(refusing->selector.destination == Prefix::host(ip(agent ? kAgent : kHome)));
        CHECK(refusing->selector.protocol == 135);
        for (const Policy& policy : policies)
            CHECK((policy.link != kNumber || policy.refuse || policy.priority > refusing->priority));
        CHECK(std::ranges::count_if(policies, [&](const Policy& policy) {
                  return policy.refuse && policy.direction == PolicyDirection::forward && policy.link == 0 &&
                         policy.selector == transport_selector(link, link.signalling, true);
              }) == 1);
        // Beside a tunnel with the home agent alone there is none for Home Test.
        link.correspondents = {Prefix::host(ip(kAgent))};
        CHECK(std::ranges::none_of(policies_of(link),
                                   [](const Policy& policy) { return policy.reqid == kTest; }));
    }
}

TEST_CASE("the home address is the source of what goes into the tunnel, and of nothing else", "[xfrm]") {
    auto link = picture(MobilityRole::mobile_node);
    const auto own = [&] { return addresses_of(link_of(link), 7).at(0); };
    CHECK(own().home);
    CHECK(own().deprecated);
    std::size_t routes = 0;
    for (const netlink::Route& route : routes_of(link_of(link), 7)) {
        if (route.kind != netlink::RouteKind::interface) continue;
        ++routes;
        CHECK(route.preferred_source == ip(kHome));
    }
    CHECK(routes == 1);
    link.at_home = true;
    CHECK_FALSE(own().deprecated);
}

TEST_CASE("a migration by somebody else tells the ends of the IKE SA", "[xfrm]") {
    const auto message = [](bool with_ends) {
        netlink::Builder out(XFRM_MSG_MIGRATE, 0);
        put_identity(out, {.direction = PolicyDirection::out,
                           .selector = {.source = prefix("2001:db8:1::100/128"),
                                        .destination = prefix("::/0"),
                                        .source_port = {},
                                        .destination_port = {}}});
        if (with_ends) {
            xfrm_user_kmaddress ends{};
            ends.local = encode(ip("2001:db8:c::5"));
            ends.remote = encode(ip(kAgent));
            ends.family = AF_INET6;
            out.put_struct(XFRMA_KMADDRESS, ends);
        }
        xfrm_user_migrate moved{};
        moved.old_saddr = encode(ip(kFirst));
        moved.new_saddr = encode(ip("2001:db8:c::5"));
        moved.old_daddr = moved.new_daddr = encode(ip(kAgent));
        moved.proto = IPPROTO_ESP;
        moved.mode = XFRM_MODE_TUNNEL;
        moved.reqid = kNumber;
        moved.old_family = moved.new_family = AF_INET6;
        out.put_struct(XFRMA_MIGRATE, moved);
        return out.finish();
    };
    const netlink::Message told = message(true);
    const auto event = event_of(told.header());
    REQUIRE(event);
    const auto& migrated = std::get<child::EndpointsMigrated>(*event);
    CHECK(migrated.source.start == ip(kHome));
    CHECK(migrated.source.end == ip(kHome));
    CHECK(migrated.reqid == kNumber);
    CHECK(migrated.mode == child::Mode::tunnel);
    CHECK(migrated.old_local == ip(kFirst));
    CHECK(migrated.new_local == ip("2001:db8:c::5"));
    CHECK(migrated.new_peer == ip(kAgent));
    CHECK(migrated.ike_local == ip("2001:db8:c::5"));
    CHECK(migrated.ike_peer == ip(kAgent));
    const netlink::Message ours = message(false);
    CHECK_FALSE(event_of(ours.header()));
}

} // namespace sheaf::xfrm

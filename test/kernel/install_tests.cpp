#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"
#include "xfrm/expansion.h"
#include "xfrm/link_objects.h"
#include "xfrm/link_rules.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sheaf::kernel_test {
namespace {

bool with_direction = false; // as the probe found

template <typename T>
bool holds(const std::vector<T>& all, const T& wanted) {
    return std::ranges::find(all, wanted) != all.end();
}

bool same_set(std::vector<xfrm::Policy> a, const std::vector<xfrm::Policy>& b) {
    return a.size() == b.size() &&
           std::ranges::all_of(a, [&](const auto& policy) { return holds(b, policy); });
}

void check_client_objects(Report& report, const Snapshot& seen, const Client& client) {
    auto wanted = xfrm::states_of(client.sas(), with_direction);
    report.check(wanted && seen.states.size() == 2 && holds(seen.states, wanted->in) &&
                     holds(seen.states, wanted->out),
                 "the SAD holds both SAs with every attribute", seen.to_string());
    auto policies = xfrm::policies_of(client.policies());
    if (policies)
        std::ranges::move(xfrm::quiet_policies(client.link(), client.number()),
                          std::back_inserter(*policies));
    report.check(policies && same_set(seen.policies, *policies), "the SPD holds exactly the policies",
                 seen.to_string());
    const auto routes = xfrm::routes_of(client.link(), seen.links.empty() ? 0 : seen.links.front().index);
    report.check(
        seen.routes.size() == routes.size() &&
            std::ranges::all_of(routes, [&](const auto& route) { return holds(seen.routes, route); }),
        "the routes lead into the link", seen.to_string());
}

bool set_up_for_clients() {
    return shell("ip -s -s xfrm policy count | grep -q 'IPv6 thresholds: local 0 remote 64'") == 0;
}

} // namespace

xfrm::Abilities test_probe(Report& report) {
    report.begin("probe");
    World world;
    auto kernel = world.kernel();
    const Snapshot before = world.look();
    const auto abilities = kernel->probe();
    if (!report.check(abilities.has_value(), "the kernel can be probed", abilities ? "" : abilities.error()))
        return {};
    for (const std::string& lack : abilities->lacks)
        report.note(lack);
    report.note(abilities->sa_direction ? "SAs have a direction"
                                        : "SAs have no direction (before Linux 6.10)");
    with_direction = abilities->sa_direction;
    report.check(abilities->esp_ipv4 && abilities->esp_ipv6, "ESP over IPv4 and IPv6");
    report.check(abilities->udp_encapsulation_ipv4 && abilities->udp_encapsulation_ipv6,
                 "ESP in UDP over both");
    report.check(abilities->virtual_links && abilities->shared_link,
                 "virtual links, also many on one interface");
    report.check(abilities->supports(kGcm), "AES-256-GCM");
    const Snapshot after = world.look();
    report.check(after == before, "the probe leaves nothing", before.to_string() + " / " + after.to_string());
    return *abilities;
}

void test_gateway_link(Report& report) {
    report.begin("gateway links");
    World world;
    auto kernel = world.kernel();
    static_cast<void>(kernel->probe());
    const Snapshot before = world.look();
    const std::size_t sends = world.sends();

    const Client first{.n = 1};
    Outcome outcome = apply(*kernel, first.up());
    report.check(outcome.ended && !outcome.error, "the first client comes up",
                 outcome.error.value_or("no end"));
    report.check(world.sends() - sends <= 5, "in at most 5 system calls",
                 std::to_string(world.sends() - sends) + " were used");
    Snapshot seen = world.look();
    const bool one = seen.links.size() == 1;
    report.check(one && seen.links[0].name == "sheaf0" && seen.links[0].collect_metadata &&
                     seen.links[0].up && seen.links[0].alias == xfrm::kLinkAlias &&
                     seen.links[0].mtu == xfrm::kLinkMtu,
                 "one shared interface, up, with our alias", seen.to_string());
    report.check(
        std::ranges::none_of(seen.addresses,
                             [&](const auto& a) { return one && a.interface_index == seen.links[0].index; }),
        "the kernel gave it no address by itself");
    report.check(seen.rules.size() == 2 && holds(seen.rules, xfrm::common_rules()[0]) &&
                     holds(seen.rules, xfrm::common_rules()[1]),
                 "a rule for each family leads into our table", seen.to_string());
    check_client_objects(report, seen, first);
    report.check(set_up_for_clients() != with_direction,
                 "the SPD is set up for many clients if it needs to be");

    const std::size_t sends_second = world.sends();
    outcome = apply(*kernel, Client{.n = 2}.up());
    report.check(outcome.ended && !outcome.error, "a second client comes up",
                 outcome.error.value_or("no end"));
    report.check(world.sends() - sends_second <= 2, "in 2 system calls");
    outcome = apply(*kernel, first.up());
    report.check(outcome.error.has_value(), "a link that is open cannot be opened again");
    report.note(outcome.error.value_or(""));
    outcome = apply(*kernel, first.down());
    seen = world.look();
    report.check(!outcome.error && seen.links.size() == 1 && seen.states.size() == 2 &&
                     seen.rules.size() == 2,
                 "the interface stays while a client is left", outcome.error.value_or(seen.to_string()));
    outcome = apply(*kernel, first.down());
    report.check(outcome.ended && !outcome.error, "removing what is gone is no failure",
                 outcome.error.value_or(""));
    outcome = apply(*kernel, Client{.n = 2}.down());
    seen = world.look();
    report.check(!outcome.error && seen == before && !set_up_for_clients(), "nothing is left after the last",
                 seen.to_string());
}

void test_client_link(Report& report) {
    report.begin("a client's link");
    World world;
    auto kernel = world.kernel();
    static_cast<void>(kernel->probe());
    const Snapshot before = world.look();
    const Client client{.n = 5, .role = child::LinkRole::client, .udp_encapsulation = true};
    Outcome outcome = apply(*kernel, client.up());
    report.check(outcome.ended && !outcome.error, "the client comes up", outcome.error.value_or("no end"));
    const Snapshot seen = world.look();
    report.check(seen.links.size() == 1 && seen.links[0].if_id == client.number() && seen.links[0].up &&
                     !seen.links[0].collect_metadata && seen.links[0].mtu == xfrm::kLinkMtu,
                 "an interface of its own with the link's number", seen.to_string());
    report.check(seen.addresses.size() == 3, "its addresses and no other", seen.to_string());
    report.check(seen.rules.size() == 6, "six rules", seen.to_string());
    check_client_objects(report, seen, client);
    report.check(shell("ip -6 route get 2001:db8:abc::1 | grep -q 'dev sheaf0.* src 2001:db8:100:5::1'") == 0,
                 "a packet to anywhere takes the link, with the own prefix as source");
    report.check(shell("ip -6 route get 2001:db8:abc::1 mark 0x53000000 | grep -q 'dev sheaf0'") != 0,
                 "a marked packet does not");
    report.check(shell("ip -4 route get 192.0.2.99 | grep -q 'dev sheaf0.* src 10.77.0.5'") == 0,
                 "the same for IPv4");
    outcome = apply(*kernel, client.down());
    const Snapshot after = world.look();
    report.check(!outcome.error && after == before, "nothing is left when it is down",
                 outcome.error.value_or(after.to_string()));
}

void test_algorithms(Report& report, const xfrm::Abilities& abilities) {
    report.begin("algorithms and forms of SAs");
    World world;
    auto kernel = world.kernel();
    static_cast<void>(kernel->probe());
    std::vector<Client> forms;
    for (const auto& suite : abilities.suites)
        forms.push_back({.suite = suite});
    crypto::EspSuite esn = kGcm;
    esn.esn = true;
    forms.push_back({.suite = esn});
    forms.push_back({.suite = esn, .replay_window = 128});
    forms.push_back({.replay_window = 32});
    forms.push_back({.replay_window = 0});
    forms.push_back({.replay_window = xfrm::kMaxReplayWindow});
    forms.push_back({.mode = child::Mode::transport});
    forms.push_back({.udp_encapsulation = true});
    forms.push_back({.ipv4_outside = true});
    forms.push_back({.udp_encapsulation = true, .ipv4_outside = true});
    forms.push_back({.on_interface = false});
    forms.push_back({.mode = child::Mode::transport, .udp_encapsulation = true, .on_interface = false});
    forms.push_back({.limits = {.hard_time = std::chrono::seconds(3600),
                                .soft_bytes = 1 << 20,
                                .hard_bytes = 1 << 21,
                                .soft_packets = 1000,
                                .hard_packets = 2000}});
    forms.push_back({.outer = {.ecn = false, .dscp_out = false, .dscp_in = true, .path_mtu = false}});
    std::size_t good = 0;
    for (Client& form : forms) {
        form.n = 7;
        const auto name =
            std::string(crypto::to_string(crypto::Encryption{form.suite.encr, form.suite.key_bits})) + " " +
            std::string(crypto::to_string(form.suite.integ)) + " window " +
            std::to_string(form.replay_window) + (form.suite.esn ? " esn" : "") +
            (form.mode == child::Mode::transport ? " transport" : "") +
            (form.udp_encapsulation ? " udp" : "") + (form.ipv4_outside ? " ipv4" : "") +
            (form.on_interface ? "" : " off interface") +
            (form.limits == child::SaLimits{} ? "" : " limits") +
            (form.outer == child::OuterHeader{} ? "" : " outer header");
        std::vector<child::KernelStep> install, remove;
        install.emplace_back(form.sas());
        remove.emplace_back(child::RemoveSas{form.pair()});
        const Outcome up = apply(*kernel, std::move(install));
        const Snapshot seen = world.look();
        const auto wanted = xfrm::states_of(form.sas(), with_direction);
        const bool same = wanted && seen.states.size() == 2 && holds(seen.states, wanted->in) &&
                          holds(seen.states, wanted->out);
        const Outcome down = apply(*kernel, std::move(remove));
        const bool gone = world.look().states.empty();
        if (!up.error && same && !down.error && gone) {
            ++good;
        } else {
            report.note(name + ": " +
                        up.error.value_or(same ? "removal: " + down.error.value_or("left") : "differs"));
        }
    }
    report.check(good == forms.size(),
                 "each of " + std::to_string(forms.size()) + " forms is installed as meant");
}

} // namespace sheaf::kernel_test

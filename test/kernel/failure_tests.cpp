#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"
#include "xfrm/expansion.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <utility>

namespace sheaf::kernel_test {
namespace {

bool mentions(const std::optional<std::string>& text, std::string_view part) {
    return text && text->find(part) != std::string::npos;
}

} // namespace

void test_all_or_nothing(Report& report) {
    report.begin("all or nothing");
    World world;
    auto kernel = world.kernel();
    const Client client{.n = 1};
    // Each object that the intent will want is in the way once.
    const auto states = xfrm::states_of(client.sas(), false);
    std::vector<std::pair<netlink::Message, netlink::Message>> obstacles;
    for (const xfrm::State* state : {&states->in, &states->out})
        obstacles.emplace_back(install_state(*state), remove_state(state->id));
    const auto wanted = xfrm::policies_of(client.policies());
    for (const xfrm::Policy& policy : *wanted)
        obstacles.emplace_back(install_policy(policy), remove_policy(policy));
    std::size_t undone = 0, told = 0;
    for (auto& [put, take] : obstacles) {
        if (world.send(xfrm::Room::xfrm, std::move(put))) continue;
        const Snapshot before = world.look();
        const Outcome outcome = apply(*kernel, client.up());
        told += mentions(outcome.error, "EEXIST") && !mentions(outcome.error, "undone") ? 1U : 0U;
        undone += world.look() == before ? 1U : 0U;
        if (&take == &obstacles.back().second) report.note(outcome.error.value_or("no error"));
        static_cast<void>(world.send(xfrm::Room::xfrm, std::move(take)));
    }
    report.check(undone == obstacles.size(), "whatever is in the way, nothing of the intent stays");
    report.check(told == obstacles.size(), "and the object and the kernel's word are told");
    report.check(world.look().objects() == 0, "nothing is left");

    Client odd = client;
    auto policies = odd.policies();
    policies.remote_selectors[0].start_port = 1000; // of no protocol
    auto steps = odd.up();
    steps[2] = child::InstallPolicies{policies};
    const Outcome outcome = apply(*kernel, std::move(steps));
    report.check(mentions(outcome.error, "ports 1000-65535") && world.look().objects() == 0,
                 "a selector that the SPD cannot hold is refused before anything is sent");
    report.note(outcome.error.value_or(""));
}

void test_foreign_interface(Report& report) {
    report.begin("interfaces of others");
    World world;
    auto kernel = world.kernel();
    shell("ip link add sheaf0 type bridge");
    Outcome outcome = apply(*kernel, Client{.n = 1}.up());
    report.check(mentions(outcome.error, "sheaf0") && mentions(outcome.error, "ip link del"),
                 "an interface of that name: told, with the remedy");
    report.note(outcome.error.value_or("no error"));
    report.check(shell("ip -d link show sheaf0 | grep -q bridge") == 0 && world.look().objects() == 0,
                 "it is untouched and nothing is left", world.look().to_string());
    shell("ip link del sheaf0; ip link add other0 type xfrm external");
    outcome = apply(*kernel, Client{.n = 1}.up());
    report.check(mentions(outcome.error, "type xfrm external"), "another collect-metadata interface: told",
                 outcome.error.value_or("no error"));
    report.check(world.look().objects() == 1, "it stays, and nothing else", world.look().to_string());
    shell("ip link del other0");
    outcome = apply(*kernel, Client{.n = 1}.up());
    report.check(!outcome.error, "when the way is free the client comes up", outcome.error.value_or(""));
}

void test_reconciliation(Report& report) {
    report.begin("reconciliation");
    World world;
    shell("ip link add foreign0 type xfrm external && ip link set foreign0 up && ip link set foreign0 alias "
          "mine; "
          "ip link add foreign1 type xfrm if_id 77; ip route add 192.0.2.0/24 dev foreign1 2>/dev/null; "
          "ip link set foreign1 up; ip -6 route add 2001:db8:77::/64 dev foreign1 table 5300; "
          "ip -6 route add 2001:db8:78::/64 dev foreign1 table 77 proto 83; "
          "ip -6 rule add priority 5300 table 77; ip rule add priority 77 table 5300 protocol 83; "
          "ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x77 reqid 77 mode tunnel "
          "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128; "
          "ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x78 reqid 0x53000001 if_id 77 "
          "mode tunnel "
          "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128; "
          "ip xfrm policy add src ::/0 dst 2001:db8:7::/64 dir out if_id 77 "
          "tmpl src 2001:db8::1 dst 2001:db8::2 proto esp reqid 77 mode tunnel; "
          "ip xfrm policy add src ::/0 dst 2001:db8:7::/64 dir fwd if_id 77 "
          "tmpl src 2001:db8::1 dst 2001:db8::2 proto esp reqid 0x53000001 mode tunnel");
    const Snapshot foreign = world.look();
    report.check(foreign.objects() == 10, "others have a state of affairs", foreign.to_string());
    {
        auto kernel = world.kernel();
        Outcome outcome = apply(*kernel, Client{.n = 9, .role = child::LinkRole::client}.up());
        report.check(!outcome.error, "a client comes up beside it", outcome.error.value_or(""));
    } // dies without a word
    auto kernel = world.kernel();
    auto removed = kernel->reconcile();
    const xfrm::Removed wanted{.states = 2, .policies = 9, .routes = 3, .rules = 6, .links = 1};
    report.check(removed && *removed == wanted, "all of the earlier life is counted",
                 removed ? std::to_string(removed->states) + " " + std::to_string(removed->policies) + " " +
                               std::to_string(removed->routes) + " " + std::to_string(removed->rules) + " " +
                               std::to_string(removed->links)
                         : removed.error());
    const Snapshot after = world.look();
    report.check(after == foreign, "what others have is untouched", after.to_string());
    removed = kernel->reconcile();
    report.check(removed && removed->total() == 0, "a second time there is nothing to do");
    const Outcome outcome = apply(*kernel, Client{.n = 9, .role = child::LinkRole::client}.up());
    report.check(!outcome.error, "and the client can come again", outcome.error.value_or(""));
    removed = kernel->reconcile();
    report.check(removed && removed->total() == 21 && world.look() == foreign,
                 "as the end of a life it serves, too");
}

void test_events(Report& report) {
    report.begin("events");
    World world;
    auto kernel = world.kernel();
    const Client client{.n = 3};
    Outcome outcome = apply(*kernel, client.up());
    report.check(!outcome.error && events_within(*kernel, std::chrono::milliseconds(100)).empty(),
                 "our own changes are no events");
    static_cast<void>(world.send(xfrm::Room::xfrm, remove_state(xfrm::outbound_id(client.pair()))));
    auto events = events_within(*kernel, std::chrono::seconds(5));
    const auto* gone = events.empty() ? nullptr : std::get_if<child::SaGone>(&events[0]);
    report.check(gone != nullptr && gone->spi == client.pair().spi_out && gone->hard &&
                     gone->destination == client.pair().peer.address,
                 "an SA that someone deletes is told");

    auto pair = xfrm::states_of(Client{.n = 4}.sas(), false);
    pair->in.limits.hard_time = std::chrono::seconds(1);
    static_cast<void>(world.send(xfrm::Room::xfrm, install_state(pair->in)));
    events = events_within(*kernel, std::chrono::seconds(5));
    gone = events.empty() ? nullptr : std::get_if<child::SaGone>(&events[0]);
    report.check(gone != nullptr && gone->spi == pair->in.id.spi && gone->hard, "an SA that expires is told");

    shell("ip xfrm state flush");
    events = events_within(*kernel, std::chrono::seconds(5));
    const auto* present = events.empty() ? nullptr : std::get_if<child::SasPresent>(&events[0]);
    report.check(present != nullptr && present->sas.empty(), "after a flush what is left is told");
    outcome = apply(*kernel, client.down());
    report.check(!outcome.error, "and the client goes down without complaint", outcome.error.value_or(""));
}

} // namespace sheaf::kernel_test

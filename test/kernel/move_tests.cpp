// SAs and links that change while traffic goes on.
#include "test/kernel/hosts.h"
#include "test/kernel/monitor.h"
#include "test/kernel/tests.h"
#include "xfrm/expansion.h"
#include "xfrm/links.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace sheaf::kernel_test {
namespace {

void bring_up(Report& report, Host& left, Host& right, const Host::Form& form) {
    join(left, right);
    std::string error;
    for (Host* host : {&left, &right}) {
        error += host->outcome(host->sas(form));
        error += host->outcome(child::InstallPolicies{host->policies(form)});
    }
    report.check(error.empty(), "two hosts have SAs and policies", error);
}

child::MoveSas move_of(const Host& host, const Host::Form& form) {
    return {.id = host.pair(form),
            .policies = host.policies(form),
            .local = host.pair(form).local,
            .peer = host.pair(form).peer,
            .udp_encapsulation = form.udp_encapsulation};
}

// Packets that were lost of a stream during which something is done.
template <typename Act>
int lost_while(const Host& host, const std::string& to, Act act) {
    const std::string file = "/tmp/kernel-test-stream." + std::to_string(getpid());
    host.run("ping -q -c 150 -i 0.02 -W 2 " + to + " > " + file + " 2>&1 & sleep 0.7");
    act();
    shell("for n in $(seq 50); do grep -q transmitted " + file + " && break; sleep 0.2; done");
    FILE* lines = std::fopen(file.c_str(), "r");
    int sent = 0, received = 0;
    for (char line[256]; lines != nullptr && std::fgets(line, sizeof line, lines) != nullptr;) {
        if (std::sscanf(line, "%d packets transmitted, %d received", &sent, &received) == 2) break;
    }
    if (lines != nullptr) std::fclose(lines);
    std::remove(file.c_str());
    return sent == 150 ? sent - received : -1;
}

void check_loss(Report& report, int lost) {
    report.note(std::to_string(lost) + " of 150 packets were lost");
    report.check(lost >= 0 && lost <= 3, "a stream of packets goes on");
}

} // namespace

void test_transport(Report& report) {
    report.begin("transport mode");
    Host left(1), right(2);
    const Host::Form form{.mode = child::Mode::transport};
    bring_up(report, left, right, form);
    report.check(left.reaches_outside() && right.reaches_outside(), "traffic passes");
    report.check(left.run("ping -c 2 -i 0.2 -W 2 -s 3000 10.1.0.2 >/dev/null") == 0, "large packets, too");
    report.check(right.outcome(child::RemoveSas{right.pair(form)}).empty() && !left.reaches_outside(),
                 "without the SAs of one of them it does not");
    report.check(right.counts("XfrmInNoStates"), "for what comes is ESP (XfrmInNoStates)");
}

void test_limits(Report& report) {
    report.begin("limits");
    for (const bool bytes : {false, true}) {
        Host left(1), right(2);
        Host::Form form{.limits = {.soft_packets = 3, .hard_packets = 8}};
        if (bytes) form.limits = {.soft_bytes = 300, .hard_bytes = 800};
        bring_up(report, left, right, form);
        left.run("ping -c 5 -i 0.1 -W 1 10.8.0.2 >/dev/null");
        auto gone = left.event<child::SaGone>();
        report.check(gone && !gone->hard,
                     std::string("a soft limit of ") + (bytes ? "octets" : "packets") + " is told");
        left.run("ping -c 10 -i 0.1 -W 1 10.8.0.2 >/dev/null");
        bool hard = false;
        for (int i = 0; i < 4 && !hard; ++i) {
            gone = left.event<child::SaGone>();
            hard = gone && gone->hard;
        }
        report.check(hard, "a hard one, too");
        report.check(left.world.look().states.size() < 2 && !left.reaches_inside(),
                     "the kernel has removed the SA, and nothing goes in clear");
    }
    Host alone(1);
    static_cast<void>(alone.outcome(alone.sas({.limits = {.hard_time = std::chrono::seconds(2)}})));
    const auto gone = alone.event<child::SaGone>();
    report.check(gone && gone->hard, "an SA ends when its time is over");
}

void test_rekeying(Report& report) {
    report.begin("a rekeying");
    Host left(1), right(2);
    const Host::Form old_form, fresh{.generation = 1};
    bring_up(report, left, right, old_form);
    const auto one = [](const Host& host, const Host::Form& form, child::Directions direction) {
        auto out = host.sas(form);
        out.directions = direction;
        (direction == child::Directions::in ? out.out : out.in) = {};
        return out;
    };
    const auto remove_old = [&](Host& host) {
        std::vector<child::KernelStep> steps;
        steps.emplace_back(child::RemovePolicies{host.policies(old_form)});
        steps.emplace_back(child::RemoveSas{host.pair(old_form)});
        return host.outcome(std::move(steps));
    };
    const int lost = lost_while(left, "10.8.0.2", [&] {
        std::string error = right.outcome(one(right, fresh, child::Directions::in));
        error += left.outcome(left.sas(fresh)) + left.outcome(child::InstallPolicies{left.policies(fresh)});
        shell("sleep 0.2"); // as the peer's answer does
        error += right.outcome(one(right, fresh, child::Directions::out));
        error += right.outcome(child::InstallPolicies{right.policies(fresh)});
        shell("sleep 0.2"); // what is on its way under the old ones
        error += remove_old(left) + remove_old(right);
        report.check(error.empty(), "SAs are replaced, one direction after the other", error);
    });
    report.check(lost == 0, "no packet is lost", std::to_string(lost));
    const Snapshot seen = right.world.look();
    report.check(seen.states.size() == 2 && seen.policies.size() == 3,
                 "the new SAs and the policies are left", seen.to_string());
}

void test_moving_port(Report& report) {
    report.begin("a peer with another port");
    Host left(1), right(2);
    const Host::Form form{.udp_encapsulation = true};
    const EspPort left_port(left, 4500);
    auto right_port = std::make_unique<EspPort>(right, 4500);
    bring_up(report, left, right, form);
    report.check(left_port.open() && right_port->open() && right.reaches_inside(), "ESP in UDP passes");
    right_port = std::make_unique<EspPort>(right, 4501);
    auto move = move_of(right, form);
    move.local.port = 4501;
    report.check(right.outcome(move).empty(), "one of them moves to another port");
    report.check(!right.reaches_inside(), "replies do not find it");
    const auto moved = left.event<child::PeerMoved>();
    report.check(moved && moved->spi == left.pair(form).spi_in &&
                     moved->destination == left.outside(1).address &&
                     moved->peer == Endpoint{left.outside(2).address, 4501},
                 "the other is told so (MAPPING)");
    auto follow = move_of(left, form);
    follow.peer.port = 4501;
    report.check(left.outcome(follow).empty() && right.reaches_inside() && left.reaches_inside(),
                 "it follows, and traffic passes");
}

void test_moving_address(Report& report) {
    report.begin("hosts with other addresses");
    for (const bool udp : {false, true}) {
        Host left(1), right(2);
        const EspPort left_port(left, 4500), right_port(right, 4500);
        const Host::Form form{.udp_encapsulation = udp};
        bring_up(report, left, right, form);
        report.check(left.reaches_inside(), udp ? "ESP in UDP passes" : "ESP passes");
        auto of_right = move_of(right, form), of_left = move_of(left, form);
        of_right.local.address = of_left.peer.address = ip("10.1.0.12");
        check_loss(report, lost_while(left, "10.8.0.2", [&] {
                       std::string error = right.outcome(of_right);
                       error += left.outcome(of_left);
                       report.check(error.empty(), "one of them moves and the other follows", error);
                   }));
        report.check(left.reaches_inside() && right.reaches_inside(), "traffic passes both ways");
        const Snapshot seen = left.world.look();
        report.check(seen.states.size() == 2 &&
                         std::ranges::all_of(seen.states,
                                             [](const auto& state) {
                                                 return state.source == ip("10.1.0.12") ||
                                                        state.id.destination == ip("10.1.0.12");
                                             }),
                     "the old SAs are gone", seen.to_string());
        report.check(!left.counts("XfrmInStateSeqError") && !right.counts("XfrmInStateSeqError"),
                     "no sequence number was used twice");
        auto remove = of_left.policies;
        remove.peer = ip("10.1.0.12");
        child::SaPairId pair = of_left.id;
        pair.peer.address = remove.peer;
        report.check(left.outcome(child::RemovePolicies{remove}).empty() &&
                         left.outcome(child::RemoveSas{pair}).empty() && left.world.look().objects() == 0,
                     "all is removed by the new addresses", left.world.look().to_string());
    }
}

void test_update_link(Report& report) {
    report.begin("links that change");
    World world;
    auto kernel = world.kernel();
    const Client client{.n = 5, .role = child::LinkRole::client};
    child::UpdateLink step{client.link(), client.link()};
    step.after.addresses[2].address = ip("10.77.9.9");
    step.after.routes.back() = prefix("2001:db8:10::/64");
    std::vector<child::KernelStep> update;
    update.emplace_back(step);
    report.check(!apply(*kernel, client.up()).error, "a client comes up");
    Monitor monitor(report, world, "address route");
    const Outcome outcome = apply(*kernel, std::move(update));
    report.check(!outcome.error, "gets another address and another route", outcome.error.value_or(""));
    const std::string gone = monitor.gone();
    report.check(has_line(gone, "10\\.77\\.0\\.5"), "the old address goes", gone);
    report.check(!has_line(gone, "(inet6|local) 2001:db8:100:5::1"), "an address that stays is never gone",
                 gone);
    report.check(!has_line(gone, "^Deleted default"), "nor a route that stays, even with another source",
                 gone);
    const Snapshot seen = world.look();
    const auto routes = xfrm::routes_of(step.after, seen.links.empty() ? 0 : seen.links.front().index);
    report.check(seen.routes.size() == routes.size() &&
                     std::ranges::all_of(routes,
                                         [&](const auto& route) {
                                             return std::ranges::find(seen.routes, route) !=
                                                    seen.routes.end();
                                         }),
                 "the routes are those that were wanted", seen.to_string());
}

} // namespace sheaf::kernel_test

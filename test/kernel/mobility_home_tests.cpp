// A mobile node on its home link (RFC 6275 11.5.5): where its home address is, which way packets go, what neighbours learn.

#include "daemon/neighbour_socket.h"
#include "lib/mobility/codec.h"
#include "test/kernel/mobile_net.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"

namespace sheaf::kernel_test {
namespace {

using child::MobilityRole;
using daemon::MobilitySocket;

const char* const kHomeAddress = "2001:db8:1::100";
const char* const kHomeAgent = "2001:db8:13::1";
const char* const kPeer = "2001:db8:9::2";

child::MobilityLink at_home(const char* interface, bool known = true) {
    auto out = MobileNet::registered(MobileNet::picture(MobilityRole::mobile_node), {});
    out.home_interface = interface;
    out.at_home = known;
    return out;
}

// As the mobile node has it on that interface, all on one line; empty: it is not there.
std::string home_address_on(MobileNet& net, const std::string& interface) {
    return output(net.mobile.world, "ip -6 -o addr show dev " + interface + " to 2001:db8:1::100/128");
}

bool says(const std::string& text, const char* word) { return text.find(word) != std::string::npos; }

void check_signalling_at_home(Report& report, const MobileNet& net) {
    net.agent.world.enter();
    auto agent = MobilitySocket::open();
    net.mobile.world.enter();
    auto mobile = MobilitySocket::open();
    if (!report.check(agent && mobile, "both have a socket for Mobility Headers")) return;
    const Wire wire(net.agent.world, "w0");
    mobility::BindingUpdate update;
    update.flags = mobility::kAcknowledge | mobility::kHomeRegistration;
    report.check(mobile->send({{ip(kHomeAddress), ip(kHomeAgent), std::nullopt},
                               mobility::encode_message(update).value(),
                               0}) == 0,
                 "a Binding Update is sent at home");
    const auto came = next_message(*agent);
    report.check(came && came->addresses ==
                             daemon::MobilityAddresses{ip(kHomeAddress), ip(kHomeAgent), std::nullopt},
                 "it comes to the home agent without a care-of address");
    constexpr std::size_t kNextHeader = 6;
    constexpr std::uint8_t kEsp = 50;
    const auto is_esp = [](const Bytes& packet) {
        return packet.size() > kNextHeader && packet[kNextHeader] == kEsp;
    };
    report.check(is_esp(wire.packet(ip(kHomeAddress), ip(kHomeAgent))),
                 "on the wire it is ESP with no option before it");
    report.check(agent->send({{ip(kHomeAgent), ip(kHomeAddress), std::nullopt},
                              mobility::encode_message(mobility::BindingAck{}).value(),
                              0}) == 0 &&
                     next_message(*mobile).has_value(),
                 "its acknowledgement comes to the home link");
    report.check(is_esp(wire.packet(ip(kHomeAgent), ip(kHomeAddress))),
                 "as ESP with no routing header before it");
}

// What the home agent's kernel knows of the home address's link-layer address.
void check_advertisement(Report& report, const MobileNet& net) {
    net.agent.world.enter();
    shell("ip -6 neigh replace 2001:db8:1::100 lladdr 02:00:00:00:00:99 dev w0 nud stale");
    net.mobile.world.enter();
    const auto socket = daemon::NeighbourSocket::open();
    report.check(socket && socket->send({"w0", ip(kHomeAddress)}) == 0,
                 "a Neighbour Advertisement is multicast");
    std::string mac =
        output(net.mobile.world, "ip -o link show w0 | sed 's/.*ether \\([0-9a-f:]*\\).*/\\1/'");
    while (!mac.empty() && mac.back() == '\n')
        mac.pop_back();
    std::string known;
    for (int i = 0; i < 20 && !says(known, mac.c_str()); ++i) {
        net.agent.world.enter();
        shell("sleep 0.05");
        known = output(net.agent.world, "ip -6 neigh show to 2001:db8:1::100 dev w0");
    }
    report.check(!mac.empty() && says(known, mac.c_str()), "and overrides what a neighbour knew", known);
    report.check(socket && socket->send({"gone0", ip(kHomeAddress)}) == ENODEV,
                 "an interface that is gone is told");
}

} // namespace

void test_mobility_home(Report& report) {
    report.begin("a mobile node on its home link");
    MobileNet net;
    if (!bring_up(report, net, {1, 2})) return;
    const UdpHost mobile(net.mobile.world, ip(kHomeAddress), 7000);
    report.check(exchange(net, mobile, 5001), "away it is reached through the tunnel");

    std::string error = net.mobile.outcome(child::UpdateMobility{at_home("w0", false)});
    std::string there = home_address_on(net, "w0");
    report.check(error.empty() && says(there, "home") && says(there, "deprecated") && says(there, "nodad") &&
                     !says(there, "tentative"),
                 "coming home it has the home address on the home link, without a look for duplicates",
                 error + there);
    net.agent.world.enter();
    auto nothing = MobileNet::registered(MobileNet::picture(MobilityRole::home_agent), {});
    error = net.agent.outcome(child::UpdateMobility{nothing});
    net.agent.world.enter();
    shell("ip -6 route add 2001:db8:1::100/128 dev w0");
    const Wire wire(net.agent.world, "w0");
    report.check(error.empty() && !exchange(net, mobile, 5001, 1000) &&
                     wire.packet(ip(kHomeAddress), ip(kPeer)).empty(),
                 "until the home agent knows, payload does not go out in clear", error);

    error = net.mobile.outcome(child::UpdateMobility{at_home("w0")});
    there = home_address_on(net, "w0");
    report.check(error.empty() && says(there, "home") && !says(there, "deprecated"),
                 "then the address is used", error + there);
    const auto carried = MobileNet::carried(net.agent);
    report.check(exchange(net, mobile, 5001) && MobileNet::carried(net.agent) == carried,
                 "payload goes there and back without the tunnel");
    check_signalling_at_home(report, net);
    check_advertisement(report, net);

    error = net.mobile.outcome(child::UpdateMobility{at_home("w1")});
    report.check(error.empty() && home_address_on(net, "w0").empty() && !home_address_on(net, "w1").empty(),
                 "the home link is another interface", error);
    net.agent.world.enter();
    shell("ip -6 route del 2001:db8:1::100/128 dev w0; ip -6 neigh del 2001:db8:1::100 dev w0");
    report.check(net.update({1, 2}) && home_address_on(net, "w1").empty(),
                 "leaving home the address goes from there");
    report.check(exchange(net, mobile, 5001) && exchange(net, mobile, 5002), "and the tunnel is back");

    error = net.mobile.outcome(child::UpdateMobility{at_home("w0")});
    error += net.mobile.outcome(MobileNet::down(MobilityRole::mobile_node));
    const Snapshot now = net.mobile.world.look();
    report.check(error.empty() && home_address_on(net, "w0").empty() && now == net.mobile.bare,
                 "nothing is left when it ends at home", error + now.to_string());
}

} // namespace sheaf::kernel_test

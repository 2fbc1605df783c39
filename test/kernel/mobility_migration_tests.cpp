#include "test/kernel/mobile_net.h"
#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "xfrm/address_form.h"

#include <linux/xfrm.h>

#include <netinet/in.h>

namespace sheaf::kernel_test {
namespace {

using child::MobilityRole;

const char* const kMovedHome = "2001:db8:1::100";

// What another mobility stack tells the kernel: where a policy's SAs lead now, and that IKE is there, too.
netlink::Message migration(const xfrm::Policy& policy, const IpAddress& to) {
    netlink::Builder out(XFRM_MSG_MIGRATE, 0);
    xfrm::put_identity(out, policy);
    xfrm_user_kmaddress ike{};
    ike.local = xfrm::encode(policy.source);
    ike.remote = xfrm::encode(to);
    ike.family = AF_INET6;
    out.put_struct(XFRMA_KMADDRESS, ike);
    xfrm_user_migrate moved{};
    moved.old_saddr = moved.new_saddr = xfrm::encode(policy.source);
    moved.old_daddr = xfrm::encode(policy.destination);
    moved.new_daddr = xfrm::encode(to);
    moved.proto = IPPROTO_ESP;
    moved.mode = XFRM_MODE_TUNNEL;
    moved.reqid = policy.reqid;
    moved.old_family = moved.new_family = AF_INET6;
    out.put_struct(XFRMA_MIGRATE, moved);
    return out.finish();
}

// The home agent's policy for what it sends to the home address by default.
std::optional<xfrm::Policy> default_policy(MobileNet::End& end) {
    for (const xfrm::Policy& policy : end.world.look().policies) {
        const bool found = policy.direction == xfrm::PolicyDirection::out && policy.mark == 0 &&
                           policy.link == MobileNet::kNumber &&
                           policy.selector.destination == Prefix::host(ip(kMovedHome));
        if (found) return policy;
    }
    return std::nullopt;
}

} // namespace

void test_mobility_migration(Report& report) {
    report.begin("SAs of a home address that another mobility stack moves");
    MobileNet net;
    if (!bring_up(report, net, {1})) return;
    const UdpHost mobile(net.mobile.world, ip(kMovedHome), 7000);
    report.check(exchange(net, mobile, 5003), "a datagram passes there and back");
    const auto policy = default_policy(net.agent);
    if (!report.check(policy.has_value(), "there is a policy to migrate")) return;
    static_cast<void>(events_within(*net.agent.kernel, std::chrono::milliseconds(100)));
    const IpAddress next = MobileNet::care_of(2);
    const auto refused = net.agent.world.send(xfrm::Room::xfrm, migration(*policy, next));
    report.check(!refused, "the kernel migrates it", refused ? refused->to_string() : "");
    const auto events = events_within(*net.agent.kernel, std::chrono::seconds(5));
    const auto* moved = events.empty() ? nullptr : std::get_if<child::EndpointsMigrated>(&events[0]);
    report.check(moved != nullptr && moved->reqid == MobileNet::kNumber && moved->new_peer == next &&
                     moved->old_peer == MobileNet::care_of(1) && moved->ike_peer == next,
                 "the home agent is told where the SAs lead, and where IKE is");

    // What the engine makes of it, and what the mobile node does that has moved.
    const auto there = [&](MobilityRole role) {
        auto link = MobileNet::registered(MobileNet::picture(role), {1});
        link.care_of = {{1, next, true}};
        return link;
    };
    const std::string agent = net.agent.outcome(child::UpdateMobility{there(MobilityRole::home_agent)});
    const auto before = MobileNet::payload(MobilityRole::mobile_node, 1).id;
    child::MoveSas move{.id = before, .policies = {}, .local = {next, 500}, .peer = before.peer};
    move.policies.link = before.link;
    const std::string node = net.mobile.outcome(child::UpdateMobility{there(MobilityRole::mobile_node)}) +
                             net.mobile.outcome(std::move(move));
    report.check(agent.empty() && node.empty(), "both ends hold the new care-of address", agent + node);
    report.check(exchange(net, mobile, 5003), "a datagram passes there and back from the other address");
}

} // namespace sheaf::kernel_test

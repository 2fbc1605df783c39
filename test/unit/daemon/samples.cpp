#include "test/unit/daemon/samples.h"

#include <string_view>

namespace sheaf::daemon::test {
namespace {

using namespace std::chrono_literals;

Endpoint at(std::string_view address) { return {IpAddress::parse(address).value(), 500}; }

} // namespace

ike::Status gateway_status() {
    ike::IkeSaStatus sa;
    sa.spi_i = 0x0123456789abcdef;
    sa.spi_r = 0xff;
    sa.connection = "clients";
    sa.role = ike::Role::gateway;
    sa.state = "established";
    sa.local_id = "gw.example.org";
    sa.peer_id = "alice.example.org";
    sa.local = at("2001:db8:13::2");
    sa.peer = at("2001:db8:7:1::2");
    sa.nat_there = true;
    sa.suite = "aes256gcm16-prfsha256-x25519";
    sa.established = kNow - 12345678us;
    sa.last_heard = kNow - 1500ms;
    sa.link = child::Link{
        0x53000001,
        child::LinkRole::gateway,
        "sheaf0",
        {},
        {*Prefix::parse("2001:db8:100:1::/64"), *Prefix::parse("10.77.0.1"), *Prefix::parse("fe80::a")}};
    sa.leases = {{"v6", *Prefix::parse("2001:db8:100:1::/64")}, {"v4", *Prefix::parse("10.77.0.1"), true}};
    sa.linked = kNow - 26h;
    sa.rekey_at = kNow + 3h;
    sa.children.push_back({"clients",
                           "live",
                           kNow - 12s,
                           kNow + 50min + 500ms,
                           0xc0ffee01,
                           0xabc,
                           "aes256gcm16",
                           child::Mode::tunnel,
                           true,
                           true,
                           {"::/0"},
                           {"2001:db8:100:1::/64"}});
    ike::Status status;
    status.half_open = 2;
    status.ike_sas.push_back(sa);
    status.connections.push_back({"clients", ike::Role::gateway, "serving", 1, {}, {}});
    status.counters.datagrams_in = 10;
    status.counters.datagrams_out = 9;
    status.counters.retransmits = 1;
    status.counters.handshakes = 1;
    status.counters.refused.at(static_cast<std::size_t>(Rule::integrity_check)) = 3;
    return status;
}

std::vector<address::PoolUsage> gateway_pools() {
    address::PoolUsage pool;
    pool.spec.name = "v6";
    pool.spec.prefix = *Prefix::parse("2001:db8:100::/48");
    pool.spec.reserved.push_back({{}, *Prefix::parse("2001:db8:100:7::/64")});
    pool.size = 65536;
    pool.used = 1;
    pool.kept = 2;
    pool.next_free = kWall + 20h;
    pool.exhausted_at = kWall + 24h * 30;
    return {pool};
}

Usage gateway_usage() {
    return Usage({{*IpAddress::parse("2001:db8:7:1::2"), 0xabc, 2'000'000, 1500},
                  {*IpAddress::parse("2001:db8:13::2"), 0xabc, 7, 1}, // another client's, by chance
                  {*IpAddress::parse("2001:db8:13::2"), 0xc0ffee01, 1536, 12}});
}

Snapshot gateway_snapshot() { return {gateway_status(), gateway_pools(), gateway_usage(), kNow, kWall}; }

ike::Status waiting_status() {
    ike::Status status;
    status.connections.push_back(
        {"home", ike::Role::client, "waiting", 0, kNow + 4s, "the peer did not answer"});
    return status;
}

Snapshot paths_snapshot() {
    Snapshot out{{}, {}, {}, kNow, kWall};
    auto sa = gateway_status().ike_sas.front();
    sa.connection = "home";
    sa.role = ike::Role::client;
    sa.initiator = true;
    out.status.ike_sas.push_back(sa);
    out.usage = gateway_usage();

    ike::PathStatus up;
    up.connection = "home";
    up.peer_id = "gw.example.org";
    up.uplink = "eth0";
    up.gateway = *IpAddress::parse("2001:db8:7:1::2");
    up.state = "up";
    up.spi = sa.spi_i;
    up.number = 0x53000001;
    up.local = sa.local;
    up.peer = sa.peer;
    up.nat_here = true;
    up.carries = true;
    up.round_trip = 12345us;
    up.probes = 400;
    up.unanswered = 1;
    up.since = kNow - 90s;

    ike::PathStatus down;
    down.connection = "home";
    down.peer_id = "gw.example.org";
    down.uplink = "wwan0";
    down.gateway = *IpAddress::parse("192.0.2.2");
    down.state = "down";
    down.why = "wwan0 has no carrier";
    down.since = kNow - 3s;

    auto idle = up;
    idle.uplink = "sat0";
    idle.spi = 0xaa; // of an IKE SA that has just gone
    idle.nat_here = false;
    idle.carries = false;
    idle.round_trip = 640us;
    idle.probes = 0;
    idle.unanswered = 0;
    out.status.paths = {up, down, idle};
    return out;
}

Snapshot served_group_snapshot() {
    Snapshot out{{}, {}, {}, kNow, kWall};
    ike::GroupStatus group;
    group.name = "sites";
    group.serves = true;
    group.suite = "aes256-sha256-prfsha256";
    group.standing.generation = 2;
    group.standing.spi = 0xf0000002;
    group.standing.begun = kNow - 20s;
    group.standing.expires = kNow + 3580s;
    group.standing.old_spi = 0xf0000001;
    group.standing.switch_at = kNow + 40s;
    group.standing.stored = true;
    group.standing.members = 2;
    group.standing.behind = 1;
    group.members = {{{0xaa, "sites", at("192.0.2.5"), "alice.example.org"}, 2, false, false},
                     {{0xbb, "sites", at("192.0.2.6"), "bob.example.org"}, 1, false, true}};
    out.status.groups.push_back(group);
    return out;
}

Snapshot joined_group_snapshot() {
    constexpr child::LinkNumber kNumber = 0x53000003;
    Snapshot out{{}, {}, {}, kNow, kWall};
    ike::GroupStatus group;
    group.name = "sites";
    group.interface = "sheaf-sites";
    group.number = kNumber;
    group.connection = "gateway";
    group.connected = true;
    group.sas = {{0xf0000001, "aes256-sha256-prfsha256", kNow - 600s, kNow + 3000s, true},
                 {0xf0000002, "aes256-sha256-prfsha256", kNow - 10s, kNow + 3590s, false}};
    out.status.groups.push_back(group);
    const auto us = *IpAddress::parse("192.0.2.5");
    const auto berlin = *IpAddress::parse("192.0.2.2");
    const auto bern = *IpAddress::parse("2001:db8:14::2");
    out.group_routes[kNumber] = {{*Prefix::parse("10.2.0.0/16"), berlin, true},
                                 {*Prefix::parse("10.22.0.0/16"), berlin, false},
                                 {*Prefix::parse("10.3.0.0/16"), bern, false}};
    const auto entry = [](IpAddress from, IpAddress to, std::uint32_t spi, std::uint64_t bytes,
                          std::uint64_t packets) {
        xfrm::SaUsage usage;
        usage.destination = to;
        usage.spi = spi;
        usage.bytes = bytes;
        usage.packets = packets;
        usage.source = from;
        usage.number = kNumber;
        return usage;
    };
    std::vector<xfrm::SaUsage> entries{
        entry(berlin, us, 0xf0000001, 1000, 10), entry(berlin, us, 0xf0000002, 2000, 20),
        entry(us, berlin, 0xf0000001, 700, 7), entry(us, berlin, 0xf0000002, 1, 1)};
    entries[0].replayed = 2;
    entries[1].forged = 1;
    entries[3].number = kNumber + 1; // another group's
    out.usage = Usage(std::move(entries));
    return out;
}

child::Link client_link() {
    return {0x53000002,
            child::LinkRole::client,
            "sheaf0",
            {{*IpAddress::parse("2001:db8:100:1::1"), 64}, {*IpAddress::parse("fe80::1"), 64}},
            {Prefix::all(Family::ipv6)}};
}

ike::SaName sa_name() { return {0xff, "clients", at("192.0.2.1"), "alice.example.org"}; }

ike::IkeUp ike_up() { return {sa_name(), "aes256gcm16-prfsha256-x25519", true}; }

ike::IkeDown ike_down() { return {sa_name(), ike::DownReason::failed, "no proposal", true}; }

ike::ChildUp child_up() {
    return {sa_name(), {}, 0x100, 0x200, "aes256gcm16", client_link(), {"2001:db8:100:1::/64"}, {"::/0"}};
}

ike::ChildUp peer_child_up() {
    return {sa_name(),     "office", 0x100,           0x200,
            "aes256gcm16", {},       {"10.1.0.0/16"}, {"10.2.0.0/16", "10.3.0.1/32 tcp/80"}};
}

ike::Leased leased(ike::Leased::What what) {
    return {sa_name(), what, {*Prefix::parse("2001:db8:100:1::/64"), *Prefix::parse("10.77.0.1")}};
}

ike::PoolLow pool_low(bool exhausted) { return {"v4", exhausted ? 256U : 231U, 256, exhausted}; }

ike::PathChanged path_down() {
    return {{0, "home", {}, "gw.example.org"},
            "wwan0",
            *IpAddress::parse("192.0.2.2"),
            "down",
            "wwan0 has no carrier"};
}

ike::BindingChanged prefix_gone() {
    return {.connection = "home",
            .home = *IpAddress::parse("2001:db8:a::100"),
            .what = ike::BindingChanged::What::prefix_gone,
            .why = "the home agent has 2001:db8:b::/64"};
}

ike::BindingChanged at_home() {
    return {.connection = "home",
            .home = *IpAddress::parse("2001:db8:a::100"),
            .what = ike::BindingChanged::What::at_home,
            .why = "eth0"};
}

ike::GroupChanged group_made() {
    return {"sites", ike::GroupChanged::What::made, 0xf0000002, 2, {}, "a member left"};
}

ike::GroupChanged group_unfit() {
    return {"sites", ike::GroupChanged::What::kernel_refused, 0, 0, {}, "SPD: no room"};
}

ike::GroupChanged member_failed() {
    return {"sites", ike::GroupChanged::What::member_failed, 0xf0000002, 2, sa_name(), "NO_PROPOSAL_CHOSEN"};
}

ike::Refused refused() { return {Rule::integrity_check, at("192.0.2.1"), 0xff, {}}; }

ike::MessageTraced traced() {
    wire::Header header;
    header.initiator_spi = 1;
    header.responder_spi = 2;
    header.exchange = wire::ExchangeType::ike_auth;
    header.response = true;
    header.message_id = 1;
    header.length = 200;
    return {true, header, at("192.0.2.2"), at("192.0.2.1"), "SK"};
}

} // namespace sheaf::daemon::test

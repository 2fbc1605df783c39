#include "test/support/wire_net.h"

#include "lib/child/selector.h"

#include <algorithm>
#include <utility>

namespace sheaf::test {

using namespace ike;
using std::chrono::milliseconds;
using std::chrono::seconds;

Host::Host(std::string_view text, Config config, std::uint64_t seed, Instant now)
    : address(*IpAddress::parse(text)), random(seed), secret(16, static_cast<std::uint8_t>(seed)),
      leases(config.pools), engine(std::move(config), random, *this, now) {}

// The first one of the peer's family.
std::optional<IpAddress> Host::source_for(const IpAddress& peer) {
    if (address.family() == peer.family()) return address;
    const auto found = std::ranges::find(further, peer.family(), &IpAddress::family);
    return found == further.end() ? address : *found;
}

std::expected<IpAddress, std::string> Host::source_over(const std::string& uplink, const IpAddress& peer) {
    const auto found = uplinks.find(uplink);
    if (found == uplinks.end()) return std::unexpected(uplink + " has no carrier");
    const auto own = std::ranges::find(found->second, peer.family(), &IpAddress::family);
    if (own == found->second.end()) return std::unexpected(uplink + " has no address of the family");
    return *own;
}

bool Host::is_on_link(const std::string& uplink, const IpAddress& one) {
    constexpr unsigned kNetworkLength = 64;
    const auto found = uplinks.find(uplink);
    return found != uplinks.end() && std::ranges::any_of(found->second, [&](const IpAddress& own) {
               return Prefix(own, kNetworkLength).contains(one);
           });
}

bool Host::has(const IpAddress& one) const {
    const bool at_home = std::ranges::any_of(kernel.homes, [&](const auto& home) {
        return home.second.role == child::MobilityRole::mobile_node && home.second.home == one &&
               uplinks.contains(home.second.home_interface);
    });
    if (at_home) return true;
    const bool by_uplink = std::ranges::any_of(uplinks, [&](const auto& uplink) {
        return std::ranges::find(uplink.second, one) != uplink.second.end();
    });
    return by_uplink || one == address || std::ranges::find(further, one) != further.end();
}

void Host::pump(Instant now) {
    for (int round = 0; round < 16; ++round) {
        auto out = engine.take();
        for (auto& record : out.group_records)
            unstored.push_back(std::move(record));
        const bool storing = stores && !unstored.empty();
        if (storing) store(now);
        if (!storing && out.datagrams.empty() && out.intents.empty() && out.events.empty() &&
            out.demands.empty() && out.headers.empty() && out.advertisements.empty())
            return;
        for (auto& demand : out.demands)
            demands.push_back(std::move(demand));
        for (auto& header : out.headers)
            headers.push_back(std::move(header));
        for (auto& advertisement : out.advertisements)
            advertisements.push_back(std::move(advertisement));
        for (auto& servers : out.name_servers)
            name_servers.push_back(std::move(servers));
        if (addresses_answer) answer_demands(now);
        for (auto& datagram : out.datagrams)
            outbox.push_back(std::move(datagram));
        for (auto& record : out.keys)
            keys.push_back(std::move(record));
        for (auto& event : out.events)
            events.push_back(std::move(event));
        for (auto& intent : out.intents) {
            if (kernel_answers) {
                engine.kernel_event(now, kernel.apply(std::move(intent)));
            } else {
                held.push_back(std::move(intent));
            }
        }
    }
}

void Host::store(Instant now) {
    for (const auto& record : std::exchange(unstored, {})) {
        stored[record.group] = {record.octets.view().begin(), record.octets.view().end()};
        if (record.octets.empty()) stored.erase(record.group);
        engine.group_stored(now, record.group, record.change);
    }
}

void Host::answer_demands(Instant now) {
    for (const auto& demand : std::exchange(demands, {})) {
        if (const auto* release = std::get_if<address::Release>(&demand)) leases.release(*release, wall);
        if (const auto* assign = std::get_if<address::Assign>(&demand))
            engine.addresses(now, leases.assign(*assign, wall));
    }
}

void Host::reload(Instant now, Config config) {
    leases.update(config.pools, wall);
    if (!engine.command(now, Reload{std::move(config)})) kernel.breaches.emplace_back("no reload");
    pump(now);
}

std::uint64_t Host::blocks_used() const {
    std::uint64_t used = 0;
    for (const auto& pool : leases.usage(wall))
        used += pool.used;
    return used;
}

std::size_t Host::established() const {
    const auto status = engine.status();
    return static_cast<std::size_t>(std::ranges::count_if(
        status.ike_sas, [](const IkeSaStatus& sa) { return sa.state == "established"; }));
}

Host& WireNet::add(std::string_view address, Config config) {
    hosts_.push_back(std::make_unique<Host>(address, std::move(config), hosts_.size() + 1, now));
    return *hosts_.back();
}

void WireNet::deliver(Datagram datagram) {
    log.push_back(datagram);
    if (on_wire && !on_wire(datagram)) return;
    for (auto& host : hosts_) {
        if (!host->has(datagram.peer.address)) continue;
        // What is the peer to the sender is the local end to the receiver.
        host->engine.datagram(now, {datagram.peer, datagram.local, std::move(datagram.bytes)});
        return host->pump(now);
    }
}

bool WireNet::step() {
    bool moved = false;
    for (auto& host : hosts_) {
        host->pump(now);
        auto outbox = std::exchange(host->outbox, {});
        moved = moved || !outbox.empty();
        for (auto& datagram : outbox) {
            if (!host->strict || host->has(datagram.local.address)) deliver(std::move(datagram));
        }
    }
    return moved;
}

void WireNet::settle() {
    for (int round = 0; round < 1000 && step(); ++round) {
    }
}

std::optional<Instant> WireNet::next_timeout() const {
    std::optional<Instant> next;
    for (const auto& host : hosts_) {
        const auto at = host->engine.next_timeout();
        if (at && (!next || *at < *next)) next = at;
    }
    return next;
}

void WireNet::run_for(Duration duration) {
    const Instant end = now + duration;
    settle();
    for (int round = 0; round < 1'000'000; ++round) {
        const auto next = next_timeout();
        if (!next || *next > end) break;
        now = std::max(now, *next);
        for (auto& host : hosts_) {
            host->engine.on_timeout(now);
            host->pump(now);
        }
        settle();
    }
    now = end;
}

std::string client_name(std::size_t index) { return "client" + std::to_string(index) + ".example.org"; }

namespace {

std::shared_ptr<const Secret> secret(std::string_view text) {
    return std::make_shared<const Secret>(
        Secret::copy_of(View(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
}

Connection common(std::string name, Role role, std::string_view local, std::string_view remote) {
    Connection c;
    c.name = std::move(name);
    c.role = role;
    c.local_id = *auth::Identity::parse(local);
    c.remote_id = *auth::IdentityPattern::parse(remote);
    c.networks = {Prefix::all(Family::ipv6), Prefix::all(Family::ipv4)};
    c.ike = child::default_ike_proposals();
    c.child.esp = child::default_esp_proposals();
    c.retransmit = {milliseconds(500), 4};
    return c;
}

} // namespace

Config gateway_config(std::size_t clients) {
    Config config;
    Connection c = common("clients", Role::gateway, "gw.example.org", "*.example.org");
    c.pools = {{{"v6"}}, {{"v4"}}};
    c.dns = {*IpAddress::parse("2001:db8:9::53")};
    config.connections = {c};
    config.pools = {{"v6", *Prefix::parse("2001:db8:100::/48"), 64},
                    {"v4", *Prefix::parse("10.64.0.0/12"), 32}};
    for (std::size_t i = 0; i < clients; ++i)
        config.credentials.shared_keys.push_back(
            {*auth::IdentityPattern::parse(client_name(i)), secret("psk of " + client_name(i))});
    return config;
}

Config client_config(std::string_view gateway_address, std::size_t index) {
    Config config;
    Connection c = common("home", Role::client, client_name(index), "gw.example.org");
    c.remote = Endpoint{*IpAddress::parse(gateway_address), 500};
    c.interface = "sheaf0";
    c.start = true;
    config.connections = {c};
    config.credentials.shared_keys = {
        {*auth::IdentityPattern::parse("gw.example.org"), secret("psk of " + client_name(index))}};
    return config;
}

Config peer_config(bool left, std::string_view remote) {
    const auto network = [](bool of_left) {
        return std::vector{child::selector(*Prefix::parse(of_left ? "10.1.0.0/16" : "10.2.0.0/16"))};
    };
    Config config;
    const std::string ours = left ? "left.example.org" : "right.example.org";
    const std::string theirs = left ? "right.example.org" : "left.example.org";
    Connection c = common("site", Role::peer, ours, theirs);
    if (!remote.empty()) c.remote = Endpoint{*IpAddress::parse(remote), 500};
    ChildConfig net;
    net.name = "net";
    net.local = network(left);
    net.remote = network(!left);
    net.start = left ? Start::now : Start::manual;
    net.terms.esp = child::default_esp_proposals();
    c.children = {net};
    config.connections = {c};
    config.credentials.shared_keys = {{*auth::IdentityPattern::parse(theirs), secret("psk of the site")}};
    return config;
}

} // namespace sheaf::test

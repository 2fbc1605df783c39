#include "test/support/mobile_net.h"

#include <algorithm>

namespace sheaf::test {

using namespace std::chrono_literals;

namespace {

constexpr int kCarryRounds = 20;

// The SAs for signalling that the host has for this home address, by the peer's SPI.
std::set<wire::ChildSpi> signalling_of(const Host& host, const IpAddress& home) {
    std::set<wire::ChildSpi> out;
    for (const auto& [spi, pair] : host.kernel.sas) {
        const bool of_home = pair.id.local.address == home || pair.id.peer.address == home;
        if (pair.mode == child::Mode::transport && pair.outbound && of_home) out.insert(pair.id.spi_out);
    }
    return out;
}

bool takes(const Host& host, const FakeKernel::Pair& sent) {
    const auto other = host.kernel.sas.find(sent.id.spi_out);
    return other != host.kernel.sas.end() && other->second.inbound &&
           equal(other->second.in.encryption.view(), sent.out.encryption.view());
}

} // namespace

ike::Config agent_config() {
    ike::Config config = gateway_config(2);
    ike::Connection& c = config.connections[0];
    c.name = "homes";
    c.role = ike::Role::home_agent;
    c.local_address = v6(kAgent);
    c.pools.clear();
    c.dns.clear();
    config.pools.clear();
    ike::HomeService service;
    service.address = v6(kAgent);
    service.prefixes = {*Prefix::parse("2001:db8:a::/64")};
    service.entries = {{*auth::IdentityPattern::parse(client_name(0)),
                        {v6(kHomeAddress)},
                        {*Prefix::parse("2001:db8:f0::/48")}}};
    c.home_service = service;
    return config;
}

ike::Config node_config() {
    ike::Config config = client_config(kAgent, 0);
    ike::Connection& c = config.connections[0];
    c.name = "home";
    c.role = ike::Role::mobile_node;
    c.interface = "mob0";
    c.networks = {Prefix::all(Family::ipv6)};
    ike::MobilePlan plan;
    plan.home = v6(kHomeAddress);
    plan.access = {{"wlan0", 1, 1}, {"wwan0", 2, 2}};
    c.mobile = plan;
    return config;
}

MobileNet::MobileNet(ike::Config a, ike::Config n)
    : agent(net.add(kAgent, std::move(a))), node(net.add(kFirstPlace, std::move(n))) {
    node.strict = true;
    net.on_wire = [this](ike::Datagram& datagram) {
        return !cut.contains(datagram.local.address) && !cut.contains(datagram.peer.address);
    };
    place("wlan0", kFirstPlace);
    place("wwan0", kSecondPlace);
}

void MobileNet::place(const std::string& link, std::string_view where) {
    node.uplinks[link] = {v6(where)};
    change();
}

void MobileNet::leave(const std::string& link) {
    node.uplinks.erase(link);
    change();
}

void MobileNet::change() {
    // The address that the host began with is that of an interface.
    node.address = IpAddress::any(Family::ipv6);
    node.engine.network_changed(net.now);
}

void MobileNet::run(Duration duration) {
    const Instant end = net.now + duration;
    while (net.now < end) {
        carry();
        net.run_for(std::min<Duration>(10ms, end - net.now));
    }
    carry();
}

void MobileNet::carry() {
    for (int round = 0; round < kCarryRounds; ++round) {
        net.settle();
        bool moved = false;
        for (Host* host : {&agent, &node}) {
            for (auto& header : std::exchange(host->headers, {})) {
                moved = true;
                sent.push_back(header);
                Carried carried{header, signalling_of(*host, header.home)};
                if (on_header && !on_header(carried)) continue;
                if (headers_arrive && !cut.contains(header.care_of)) deliver(carried);
            }
        }
        if (!moved) return;
    }
}

void MobileNet::deliver(const Carried& carried) {
    Host& to = carried.header.to_agent ? agent : node;
    ike::MobilityHeader header = carried.header;
    if (!header.to_agent && !to.has(header.care_of)) return;
    header.is_protected = std::ranges::any_of(carried.sas, [&](wire::ChildSpi spi) {
        const auto there = to.kernel.sas.find(spi);
        return there != to.kernel.sas.end() && there->second.inbound;
    });
    to.engine.mobility_header(net.now, header);
    to.pump(net.now);
}

std::set<std::uint16_t> MobileNet::usable(const Host& host) {
    std::set<std::uint16_t> out;
    if (const auto* there = picture(host)) {
        for (const auto& care_of : there->care_of) {
            if (care_of.registered) out.insert(care_of.bid);
        }
    }
    return out;
}

std::string MobileNet::unreachable(std::uint16_t bid) const {
    return unreachable([bid](const child::CareOf& care_of) { return care_of.bid == bid; });
}

std::string MobileNet::unreachable(const IpAddress& address) const {
    return unreachable([&](const child::CareOf& care_of) { return care_of.address == address; });
}

std::string MobileNet::unreachable(const std::function<bool(const child::CareOf&)>& meant) const {
    if (auto why = unreachable(meant, agent, node); !why.empty()) return "from the home agent: " + why;
    if (auto why = unreachable(meant, node, agent); !why.empty()) return "from the mobile node: " + why;
    return {};
}

std::string MobileNet::unreachable(const std::function<bool(const child::CareOf&)>& meant, const Host& from,
                                   const Host& to) const {
    const auto* here = picture(from);
    const auto* there = picture(to);
    if (!here || !there) return "no picture";
    const auto care_of = std::ranges::find_if(here->care_of, meant);
    if (care_of == here->care_of.end() || !care_of->registered) return "not registered";
    const bool arrives = std::ranges::any_of(from.kernel.sas, [&](const auto& entry) {
        const FakeKernel::Pair& pair = entry.second;
        const auto& mobile = (&from == &agent ? pair.id.peer : pair.id.local).address;
        return pair.mode == child::Mode::tunnel && pair.outbound && mobile == care_of->address &&
               takes(to, pair);
    });
    if (!arrives) return "no SA that the other end has";
    // The home agent takes it from registered addresses alone.
    const auto known = std::ranges::find(there->care_of, care_of->address, &child::CareOf::address);
    if (&to == &agent && (known == there->care_of.end() || !known->registered))
        return "the home agent does not take it";
    return {};
}

std::vector<ike::BindingChanged> MobileNet::told(const Host& host, ike::BindingChanged::What what) {
    std::vector<ike::BindingChanged> out;
    for (const auto& event : host.events) {
        const auto* changed = std::get_if<ike::BindingChanged>(&event);
        if (changed && changed->what == what) out.push_back(*changed);
    }
    return out;
}

} // namespace sheaf::test

#pragma once

#include "lib/group/put.h"
#include "test/support/wire_net.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

// A gateway and the sites of its group "mesh", joined in memory.
namespace sheaf::test {

inline constexpr const char* kHub = "192.0.2.100";

inline ike::Config hub_config(std::size_t sites, const group::Terms& terms = {}) {
    ike::Config config = gateway_config(sites);
    ike::Connection& c = config.connections[0];
    c.name = "sites";
    c.role = ike::Role::peer;
    c.pools.clear();
    c.dns.clear();
    c.networks.clear();
    c.group = "mesh";
    config.pools.clear();
    config.group_services = {{"mesh", terms}};
    return config;
}

inline ike::Config site_config(std::size_t index) {
    ike::Config config = client_config(kHub, index);
    ike::Connection& c = config.connections[0];
    c.name = "hub";
    c.role = ike::Role::peer;
    c.networks.clear();
    c.interface.clear();
    c.group = "mesh";
    config.group_memberships = {{"mesh", "mesh0", {}, {}, {}}};
    return config;
}

// The one group of a host.
inline FakeKernel::Group group_of(Host& host) {
    return host.kernel.groups.empty() ? FakeKernel::Group{} : host.kernel.groups.begin()->second;
}

// Empty, or why the second does not read what the first sends.
inline std::string unread(Host& from, Host& to, Instant now) {
    const auto sender = group_of(from), receiver = group_of(to);
    const auto sent = sender.sas.find(sender.sending);
    if (sent == sender.sas.end()) return "nothing is sent";
    const auto taken = receiver.sas.find(sender.sending);
    if (taken == receiver.sas.end()) return "the SA is not known";
    if (taken->second.encryption != sent->second.encryption ||
        taken->second.integrity != sent->second.integrity)
        return "the keys differ";
    return sent->second.expires < now || taken->second.expires < now ? "beyond its life" : "";
}

inline std::set<wire::ChildSpi> spis_of(Host& host) {
    std::set<wire::ChildSpi> out;
    for (const auto& [spi, sa] : group_of(host).sas)
        out.insert(spi);
    return out;
}

inline std::size_t times(const Host& host, ike::GroupChanged::What what) {
    std::size_t n = 0;
    for (const auto& event : host.events) {
        const auto* changed = std::get_if<ike::GroupChanged>(&event);
        n += changed && changed->what == what;
    }
    return n;
}

inline std::string why(const Host& host, ike::GroupChanged::What what) {
    std::string out = "it was not told";
    for (const auto& event : host.events) {
        const auto* changed = std::get_if<ike::GroupChanged>(&event);
        if (changed && changed->what == what) out = changed->why;
    }
    return out;
}

struct Mesh {
    WireNet net;
    Host& hub;
    std::vector<Host*> sites;
    std::vector<Host*> cut; // what goes to or comes from them is lost

    explicit Mesh(std::size_t n, const group::Terms& terms = {}, std::size_t known = 8)
        : hub(net.add(kHub, hub_config(known, terms))) {
        net.on_wire = [this](ike::Datagram& datagram) {
            for (const Host* host : cut) {
                if (datagram.local.address == host->address || datagram.peer.address == host->address)
                    return false;
            }
            return true;
        };
        for (std::size_t i = 0; i < n; ++i)
            add();
        run(std::chrono::seconds(1));
    }
    Host& add() { return add(site_config(sites.size())); }
    Host& add(ike::Config config) {
        const std::string address = "192.0.2." + std::to_string(sites.size() + 1);
        sites.push_back(&net.add(address, std::move(config)));
        return *sites.back();
    }
    // The clock on the wall goes on, too.
    void run(std::chrono::seconds duration) {
        for (std::chrono::seconds gone{0}; gone < duration; ++gone) {
            net.run_for(std::chrono::seconds(1));
            hub.wall += std::chrono::seconds(1);
        }
    }
    // Likewise; empty, or at which moment who did not read whom. Of all sites but those that are cut off.
    std::string run_talking(std::chrono::seconds duration) {
        for (std::chrono::seconds gone{0}; gone < duration; ++gone) {
            run(std::chrono::seconds(1));
            if (auto wrong = silent(); !wrong.empty())
                return "after " + std::to_string(gone.count() + 1) + " s: " + wrong;
        }
        return {};
    }
    std::string silent() {
        for (Host* from : sites) {
            for (Host* to : sites) {
                if (std::ranges::count(cut, from) + std::ranges::count(cut, to) > 0) continue;
                if (auto wrong = unread(*from, *to, net.now); !wrong.empty())
                    return from->address.to_string() + " to " + to->address.to_string() + ": " + wrong;
                if (!from->kernel.breaches.empty()) return from->kernel.breaches.front();
            }
        }
        return {};
    }
    ike::GroupStatus status() { return hub.engine.status().groups.at(0); }
    bool rekey() { return hub.engine.command(net.now, ike::RekeyGroup{"mesh"}).has_value(); }
    // The daemon dies and is started again; what the disk has it finds.
    void restart_hub(const group::Terms& terms = {}, bool recalled = true) {
        hub.engine = ike::Engine(hub_config(8, terms), hub.random, hub, net.now);
        hub.outbox.clear();
        hub.unstored.clear();
        for (const auto& [name, octets] : hub.stored) {
            if (recalled && !hub.engine.recall_group(net.now, name, octets))
                hub.kernel.breaches.emplace_back("what was stored is not recalled");
        }
    }
};

} // namespace sheaf::test

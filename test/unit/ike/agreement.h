#pragma once

#include "test/support/wire_net.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>

// Whether what engines believe is what kernels hold, at each end and at both alike.
namespace sheaf::test {

inline std::string breach(const Host& host) {
    return host.kernel.breaches.empty() ? "" : host.kernel.breaches.front();
}

// Empty, or how what a host believes differs from what its kernel holds, once nothing is on its way any more.
inline std::string deluded(const Host& host, std::size_t traps = 0) {
    const FakeKernel& kernel = host.kernel;
    if (auto text = breach(host); !text.empty()) return text;
    std::map<wire::ChildSpi, wire::ChildSpi> believed, held;
    std::map<child::LinkNumber, child::Link> links;
    const auto status = host.engine.status();
    for (const auto& sa : status.ike_sas) {
        if (sa.state != "established") return "an IKE SA is " + sa.state;
        if (sa.link) links.emplace(sa.link->number, *sa.link);
        for (const auto& child : sa.children) {
            if (child.state != "live") return "a Child SA is " + child.state;
            believed.emplace(child.spi_in, child.spi_out);
        }
    }
    for (const auto& [spi, pair] : kernel.sas) {
        if (!pair.inbound || !pair.outbound) return "half of a Child SA is in the kernel";
        held.emplace(spi, pair.id.spi_out);
        const bool admitted = std::ranges::any_of(kernel.policies, [&, &p = pair](const auto& set) {
            return set.link == p.id.link && set.reqid == p.reqid && set.on_interface == p.on_interface &&
                   set.local == p.id.local.address && set.peer == p.id.peer.address;
        });
        if (!admitted) return "a Child SA has no policies in the kernel";
    }
    if (believed != held) return "the kernel holds other Child SAs than are believed in";
    if (kernel.policies.size() != held.size() + traps)
        return std::to_string(kernel.policies.size()) + " sets of policies";
    for (const auto& [number, link] : links) {
        const auto there = kernel.links.find(number);
        if (there == kernel.links.end()) return "a link is not open";
        if (there->second != link) return "a link is not as it is believed to be";
    }
    return kernel.links.size() == links.size() ? "" : std::to_string(kernel.links.size()) + " links";
}

// Empty, or how two ends differ that have so many Child SAs with each other and none with others.
inline std::string disagreement(const Host& a, const Host& b, std::size_t children) {
    if (a.kernel.sas.size() != children || b.kernel.sas.size() != children)
        return std::to_string(a.kernel.sas.size()) + " and " + std::to_string(b.kernel.sas.size()) +
               " Child SAs";
    for (const auto& [spi, ours] : a.kernel.sas) {
        const auto theirs = b.kernel.sas.find(ours.id.spi_out);
        if (theirs == b.kernel.sas.end() || theirs->second.id.spi_out != spi) return "the Child SAs differ";
        const bool same = equal(theirs->second.in.encryption.view(), ours.out.encryption.view()) &&
                          equal(theirs->second.out.encryption.view(), ours.in.encryption.view());
        if (!same) return "the keys of the Child SAs differ";
        const bool joined = ours.id.local.address == theirs->second.id.peer.address &&
                            ours.id.peer.address == theirs->second.id.local.address;
        if (!joined) return "the Child SAs run elsewhere";
    }
    return {};
}

// Empty, or what is left of a host that has ended.
inline std::string remains(const Host& host) {
    if (auto text = breach(host); !text.empty()) return text;
    if (!host.kernel.empty()) return "the kernel holds something";
    return host.engine.idle() ? "" : "the engine is at something";
}

// Lets time pass; where kernels are late, they answer some time after they were asked.
inline void run(WireNet& net, std::initializer_list<Host*> hosts, bool late, Duration duration) {
    if (!late) return net.run_for(duration);
    constexpr Duration kLate = std::chrono::milliseconds(100);
    for (Host* host : hosts)
        host->kernel_answers = false;
    for (Duration gone{}; gone < duration; gone += kLate) {
        net.run_for(kLate);
        for (Host* host : hosts) {
            for (auto& intent : std::exchange(host->held, {}))
                host->engine.kernel_event(net.now, host->kernel.apply(std::move(intent)));
            host->pump(net.now);
        }
    }
}

} // namespace sheaf::test

#pragma once

#include "lib/mobility/binding_cache.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

// A home agent and one mobile node's messages to it.
namespace sheaf::test {

using namespace mobility;
using namespace std::chrono_literals;

inline const IpAddress kHome = ip("2001:db8:a::1");
inline const IpAddress kFirst = ip("2001:db8:1::5");
inline const IpAddress kSecond = ip("2001:db8:2::5");

inline HomeAgentPolicy policy() {
    HomeAgentPolicy out;
    out.address = ip("2001:db8:a::fffe");
    out.home_prefixes = {{Prefix(ip("2001:db8:a::"), 64), {}, {}}};
    out.max_lifetime = 400s;
    return out;
}

inline BindingId bound(std::uint16_t bid, std::optional<IpAddress> care_of = {}, std::uint8_t priority = 0) {
    return {bid, Status::accepted, false, priority, care_of};
}

inline BindingId at_home(std::uint16_t bid) { return {bid, Status::accepted, true, 0, kHome}; }

struct Agent {
    BindingCache cache{policy()};
    Authority authority{{Prefix::host(kHome)}, {Prefix(ip("2001:db8:f0::"), 48)}, true};
    Arrival arrival{kHome, kFirst, true};
    Instant now{1h};
    std::uint16_t sequence = 100;
    Outcome last;

    BindingUpdate update(std::vector<BindingId> bindings, std::uint16_t lifetime = 60, unsigned flags = 0) {
        BindingUpdate out;
        out.sequence = ++sequence;
        out.flags = static_cast<std::uint16_t>(kAcknowledge | kHomeRegistration | flags);
        out.lifetime = lifetime;
        out.options.bindings = std::move(bindings);
        return out;
    }
    BindingAck send(const BindingUpdate& what) {
        last = cache.receive(now, arrival, what, authority);
        REQUIRE(last.reply);
        CHECK(last.reply->care_of == arrival.care_of);
        CHECK(last.reply->home == kHome);
        auto ack = std::get<BindingAck>(last.reply->message);
        CHECK(ack.status == last.status);
        if (!is_accepted(ack.status)) CHECK(last.changes.empty());
        return ack;
    }
    BindingAck send(std::vector<BindingId> bindings, std::uint16_t lifetime = 60, unsigned flags = 0) {
        return send(update(std::move(bindings), lifetime, flags));
    }
    void register_two() {
        REQUIRE(send({bound(1, kFirst, 10), bound(2, kSecond, 20)}, 60, kOverwrite).status ==
                Status::accepted);
    }

    [[nodiscard]] std::vector<std::uint16_t> bids() const {
        std::vector<std::uint16_t> out;
        if (const auto* found = cache.find(kHome))
            for (const Binding& binding : found->bindings)
                out.push_back(binding.bid);
        return out;
    }
    [[nodiscard]] IpAddress care_of(std::uint16_t bid) const {
        return find(cache.find(kHome)->bindings, bid)->care_of;
    }
    template <class T>
    [[nodiscard]] std::vector<T> changes() const {
        std::vector<T> out;
        for (const Change& change : last.changes)
            if (const auto* wanted = std::get_if<T>(&change)) out.push_back(*wanted);
        return out;
    }
};

using Bids = std::vector<std::uint16_t>;

inline BindingUpdate plain(Agent& agent, const IpAddress& care_of) {
    auto out = agent.update({});
    out.options.alternate_care_of = care_of;
    return out;
}

inline FlowIdentification flow(std::uint16_t fid, std::uint16_t priority, Bids bids, std::uint16_t port) {
    FlowSelector selector;
    selector.source_port = {port, port};
    return {fid, priority, FlowStatus::accepted, std::move(bids), selector};
}

} // namespace sheaf::test

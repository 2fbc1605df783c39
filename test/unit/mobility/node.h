#pragma once

#include "lib/mobility/binding_list.h"
#include "test/unit/mobility/agent.h"

// The mobile node's binding list, and the answers of a home agent that a test thinks up.
namespace sheaf::test {

inline MobileNodeSettings settings() {
    MobileNodeSettings out;
    out.home = kHome;
    out.lifetime = 400s;
    return out;
}

struct Node {
    explicit Node(const MobileNodeSettings& with = settings()) : list(with, 999) {}

    // The Binding Update that went out by the last call.
    const BindingUpdate& sent() {
        REQUIRE(last.send);
        packet = *last.send;
        last.send.reset();
        CHECK(packet.home == kHome);
        return std::get<BindingUpdate>(packet.message);
    }
    [[nodiscard]] std::vector<std::uint16_t> bids() const {
        std::vector<std::uint16_t> out;
        for (const auto& binding : std::get<BindingUpdate>(packet.message).options.bindings)
            out.push_back(binding.bid);
        return out;
    }
    // An answer to it.
    [[nodiscard]] BindingAck answer(Status status = Status::accepted) const {
        const auto& update = std::get<BindingUpdate>(packet.message);
        BindingAck ack;
        ack.status = status;
        ack.sequence = update.sequence;
        ack.lifetime = update.lifetime;
        ack.flags = kAckKeyMobility;
        ack.options.bindings = update.options.bindings;
        for (auto& binding : ack.options.bindings)
            binding.care_of.reset();
        ack.options.flows = update.options.flows;
        return ack;
    }
    void receive(const BindingAck& ack) { last = list.receive(now, ack); }
    void set(std::uint16_t bid, const IpAddress& address, std::uint8_t priority) {
        last = list.set_care_of(now, {bid, priority, address});
    }
    void pass(Duration time) {
        now += time;
        last = list.on_timeout(now);
    }
    // Both addresses are registered, the first is preferred.
    void register_two() {
        set(1, kFirst, 10);
        sent();
        receive(answer());
        now += 1s;
        set(2, kSecond, 20);
        sent();
        receive(answer());
        REQUIRE(list.is_settled());
        now += 1s;
    }
    template <class T>
    [[nodiscard]] std::vector<T> told() const {
        std::vector<T> out;
        for (const Notice& notice : last.notices)
            if (const auto* wanted = std::get_if<T>(&notice)) out.push_back(*wanted);
        return out;
    }
    template <class T>
    [[nodiscard]] std::vector<T> changes() const {
        std::vector<T> out;
        for (const Change& change : last.changes)
            if (const auto* wanted = std::get_if<T>(&change)) out.push_back(*wanted);
        return out;
    }

    BindingList list;
    Instant now{1h};
    Actions last;
    Packet packet;
};

} // namespace sheaf::test

#include "test/bench/simulated_client.h"

#include "test/support/wire_net.h"

#include <ctime>
#include <utility>

namespace sheaf::bench {
namespace {

constexpr const char* kGateway = "2001:db8:13::2";

} // namespace

CpuClock::time_point CpuClock::now() {
    timespec spent{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return time_point(std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec));
}

SimulatedGateway::SimulatedGateway(ike::Config config, Random& random, Instant now) : leases_(config.pools) {
    source_.address = IpAddress::parse(kGateway);
    engine_ = std::make_unique<ike::Engine>(std::move(config), random, source_, now);
}

SimulatedGateway::Worked SimulatedGateway::datagram(Instant now, const ike::Datagram& datagram) {
    return work(now, [&] { engine_->datagram(now, datagram); });
}

SimulatedGateway::Worked SimulatedGateway::work(Instant now, const std::function<void()>& verb) {
    Worked worked;
    const auto timed = [&](auto&& what) {
        const auto before = CpuClock::now();
        what();
        auto out = engine_->take();
        worked.time += CpuClock::now() - before;
        return out;
    };
    auto out = timed(verb);
    for (;;) {
        for (auto& reply : out.datagrams)
            worked.datagrams.push_back(std::move(reply));
        const auto intents = std::exchange(out.intents, {});
        const auto records = std::exchange(out.group_records, {});
        std::vector<address::Assigned> answers;
        for (const auto& demand : out.demands) {
            if (const auto* assign = std::get_if<address::Assign>(&demand))
                answers.push_back(leases_.assign(*assign, {}));
            else
                leases_.release(std::get<address::Release>(demand), {});
        }
        (void)leases_.take_changes();
        if (intents.empty() && answers.empty() && records.empty()) return worked;
        out = timed([&] {
            for (const auto& answer : answers)
                engine_->addresses(now, answer);
            for (const auto& intent : intents)
                engine_->kernel_event(now, child::IntentDone{intent.id, std::nullopt});
            for (const auto& record : records)
                engine_->group_stored(now, record.group, record.change);
        });
    }
}

SimulatedClient::SimulatedClient(std::size_t index, Random& random, Instant now, const std::string& group) {
    Bytes octets(16);
    octets[0] = 0x20;
    octets[1] = 0x01;
    octets[12] = 1;
    octets[13] = static_cast<std::uint8_t>(index >> 16);
    octets[14] = static_cast<std::uint8_t>(index >> 8);
    octets[15] = static_cast<std::uint8_t>(index);
    source.address = IpAddress::from_bytes(octets);
    auto config = test::client_config(kGateway, index);
    config.connections[0].ike = {
        {{{crypto::EncrId::aes_gcm_16, 256}}, {}, {crypto::PrfId::hmac_sha2_256}, {crypto::KeId::x25519}}};
    config.connections[0].child.esp = {{{{crypto::EncrId::aes_gcm_16, 256}}, {}, {}}};
    if (!group.empty()) {
        config.connections[0].group = group;
        config.group_memberships.push_back({group, "group0", {}, {}, {}});
    }
    engine = std::make_unique<ike::Engine>(std::move(config), random, source, now);
}

std::vector<ike::Datagram> SimulatedClient::datagram(Instant now, const ike::Datagram& datagram) {
    engine->datagram(now, datagram);
    return take(now);
}

std::vector<ike::Datagram> SimulatedClient::take(Instant now) {
    std::vector<ike::Datagram> all;
    for (;;) {
        auto out = engine->take();
        for (auto& each : out.datagrams)
            all.push_back(std::move(each));
        if (out.intents.empty()) return all;
        for (const auto& intent : out.intents)
            engine->kernel_event(now, child::IntentDone{intent.id, std::nullopt});
    }
}

Microseconds handshake(SimulatedGateway& gateway, SimulatedClient& client, Instant now) {
    Microseconds spent{};
    client.engine->on_timeout(now);
    auto from_client = client.engine->take();
    for (int turn = 0; turn < 4 && !from_client.datagrams.empty(); ++turn) {
        const auto& request = from_client.datagrams.front();
        auto worked = gateway.datagram(now, {request.peer, request.local, request.bytes});
        spent += worked.time;
        if (worked.datagrams.empty()) break;
        const auto& response = worked.datagrams.front();
        client.engine->datagram(now, {response.peer, response.local, response.bytes});
        from_client = client.engine->take();
        for (const auto& intent : from_client.intents)
            client.engine->kernel_event(now, child::IntentDone{intent.id, std::nullopt});
    }
    return spent;
}

} // namespace sheaf::bench

#pragma once

#include "lib/address/lease_book.h"
#include "lib/ike/engine.h"
#include "test/support/fake_kernel.h"
#include "test/support/seeded_random.h"

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Engines joined in memory: the test decides what is lost, doubled, late or changed, and what time it is.
namespace sheaf::test {

class Host final : public ike::Surroundings {
  public:
    Host(std::string_view address, ike::Config config, std::uint64_t seed, Instant now);

    View stable_secret() override { return secret; }
    std::optional<IpAddress> source_for(const IpAddress& peer) override;
    std::expected<IpAddress, std::string> source_over(const std::string& uplink,
                                                      const IpAddress& peer) override;
    // By an address that it has there; all networks are of /64.
    bool is_on_link(const std::string& uplink, const IpAddress& one) override;
    [[nodiscard]] bool has(const IpAddress& one) const; // a home address at home, too
    WallTime wall_time() override { return wall; }

    // Carries out intents and keeps events; what is to be sent stays in `outbox`.
    void pump(Instant now);
    [[nodiscard]] bool saw(std::size_t event_index) const;
    template <typename E>
    [[nodiscard]] const E* last() const {
        for (auto event = events.rbegin(); event != events.rend(); ++event) {
            if (const auto* found = std::get_if<E>(&*event)) return found;
        }
        return nullptr;
    }
    template <typename E>
    [[nodiscard]] std::size_t count() const {
        std::size_t n = 0;
        for (const auto& event : events)
            n += std::holds_alternative<E>(event);
        return n;
    }
    [[nodiscard]] std::uint64_t refused(Rule rule) const {
        return engine.counters().refused.at(static_cast<std::size_t>(rule));
    }
    // SAs in state "established".
    [[nodiscard]] std::size_t established() const;
    // Answers what the engine asks for addresses, or would have been answered by now.
    void answer_demands(Instant now);
    [[nodiscard]] std::uint64_t blocks_used() const; // of all pools
    // Another configuration; REQUIRES that the engine takes it.
    void reload(Instant now, ike::Config config);

    IpAddress address;
    std::vector<IpAddress> further;                        // addresses of its own besides that one
    std::map<std::string, std::vector<IpAddress>> uplinks; // those that are up, with their addresses
    bool strict = false; // what it sends from an address that it has not (any more) is lost
    WallTime wall{std::chrono::sys_days{std::chrono::year{2026} / 6 / 1}};
    SeededRandom random;
    Bytes secret; // each host has its own
    address::LeaseBook leases;
    ike::Engine engine;
    FakeKernel kernel;
    bool addresses_answer = true; // false: demands wait in `demands`
    std::deque<address::Demand> demands;
    bool kernel_answers = true; // false: intents wait in `held`
    std::deque<child::KernelIntent> held;
    std::vector<ike::Datagram> outbox;
    std::vector<ike::Event> events;
    std::vector<ike::MobilityHeader> headers;                // that wait for the test to bring them somewhere
    std::vector<ike::NeighbourAdvertisement> advertisements; // all that were sent
    std::vector<ike::KeyRecord> keys;
    bool stores = true; // false: what is to be stored of groups waits in `unstored`
    std::deque<ike::GroupRecord> unstored;
    std::map<std::string, Bytes> stored;        // by group
    void store(Instant now);                    // all that waits
    std::vector<ike::NameServers> name_servers; // as told, oldest first
};

class WireNet {
  public:
    Instant now{std::chrono::seconds(1000)};

    Host& add(std::string_view address, ike::Config config);
    Host& host(std::size_t i) { return *hosts_.at(i); }

    // Seen by every datagram before it is delivered; false: it is lost. It may change the datagram.
    std::function<bool(ike::Datagram&)> on_wire;

    // Delivers until nothing moves (bounded).
    void settle();
    // When the next timer of any host fires.
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    // Lets time pass, timers fire and datagrams arrive.
    void run_for(Duration duration);
    // Puts a datagram onto the wire as if its sender had sent it.
    void inject(ike::Datagram datagram) {
        deliver(std::move(datagram));
        settle();
    }

    std::vector<ike::Datagram> log; // everything that was put onto the wire, lost or not

  private:
    bool step();
    void deliver(ike::Datagram datagram);
    std::vector<std::unique_ptr<Host>> hosts_;
};

// The configuration that most tests want: a gateway with a /48 and a /24, and clients "NAME.example.org".
[[nodiscard]] ike::Config gateway_config(std::size_t clients = 1);
[[nodiscard]] ike::Config client_config(std::string_view gateway_address, std::size_t index = 0);
[[nodiscard]] std::string client_name(std::size_t index);

// Two equal sides, "left" and "right", with the networks 10.1.0.0/16 and 10.2.0.0/16: one Child SA "net",
// tunnel mode, Start::now on the left. `remote` may be empty: then it only answers.
[[nodiscard]] ike::Config peer_config(bool left, std::string_view remote);

} // namespace sheaf::test

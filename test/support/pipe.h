#pragma once

#include "lib/ike/protection.h"
#include "test/support/wire_net.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

// Two peers whose messages wait until the test delivers them, one by one and in the order that it likes.
namespace sheaf::test {

// A message on its way, in clear.
struct Flight {
    ike::Datagram datagram;
    wire::Header header;
    std::vector<wire::Payload> payloads;

    // In two or three words: "rekey child", "rekey ike", "create child", "delete child", "delete ike",
    // "alive?" for requests; "child", "ike", "deleted child", "empty" or an error's name for answers.
    [[nodiscard]] std::string what() const;
    // The SPI of the SA that it offers or accepts.
    [[nodiscard]] std::uint64_t spi() const;
    // Those that a DELETE names.
    [[nodiscard]] std::vector<wire::ChildSpi> deleted() const;
};

// The configuration of one of two peers: connection "tunnel" with Child SA "net", begun by command.
[[nodiscard]] ike::Config peer_config(bool first);

class Pipe {
  public:
    // Established, with one Child SA, by the first.
    explicit Pipe(ike::Config first = peer_config(true), ike::Config second = peer_config(false),
                  bool established = true);

    Host& a() { return *a_; }
    Host& b() { return *b_; }
    Instant now{std::chrono::seconds(1000)};

    // A command; the nonces that it leads to begin with `nonce`. False if it is refused.
    bool command(Host& host, ike::Command command, std::uint8_t nonce = kAnyNonce);
    bool rekey_child(Host& host, std::uint8_t nonce = kAnyNonce);
    bool rekey_ike(Host& host, std::uint8_t nonce = kAnyNonce);
    void kernel_event(Host& host, const child::KernelEvent& event);

    // Puts on their way what the engines have to say.
    void collect();
    // What waits for a host, oldest first.
    [[nodiscard]] std::deque<Flight>& to(Host& host) { return waiting_[&host == a_.get() ? 0 : 1]; }
    // Delivers the oldest; says what it was, "nothing" if there is none.
    std::string pass(Host& host, std::uint8_t nonce = kAnyNonce);
    // Takes the oldest out, to be delivered later or never.
    Flight hold(Host& host);
    void deliver(Host& host, const Flight& flight, std::uint8_t nonce = kAnyNonce);
    // The same message with other payloads, authentic to its receiver.
    [[nodiscard]] Flight with_payloads(Flight flight, std::vector<wire::Payload> payloads);
    // An answer to a request that its receiver knows nothing of.
    [[nodiscard]] Flight forged_answer(const Flight& request, std::vector<wire::Payload> payloads);

    // Everything in order until nothing moves, and likewise while time passes.
    void settle();
    void run(Duration duration);

    // What differs from: one IKE SA that both have, so many Child SAs with the same keys at both ends and in
    // both directions, nothing else in either kernel, nothing on its way. Empty if nothing does.
    [[nodiscard]] std::string wrong(std::size_t children = 1);
    // What fails of: rekeying either SA by either side, a question for liveness, the end by either side.
    // Nothing is left afterwards.
    [[nodiscard]] std::string unusable();

    [[nodiscard]] wire::Spi ike_spi(Host& host); // its own, of the current IKE SA
    [[nodiscard]] wire::ChildSpi child_spi(Host& host);

    static constexpr std::uint8_t kAnyNonce = 0x80;

  private:
    Flight read(ike::Datagram datagram);
    bool move_one();
    std::string wrong_at(Host& host, std::size_t children);
    ike::Protection* protection_of(const wire::Header& header);

    std::unique_ptr<Host> a_;
    std::unique_ptr<Host> b_;
    std::deque<Flight> waiting_[2];
    std::map<std::pair<wire::Spi, wire::Spi>, ike::Protection> protections_;
    crypto::Backend backend_;
    SeededRandom random_{99};
};

} // namespace sheaf::test

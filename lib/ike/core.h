#pragma once

#include "lib/address/pools.h"
#include "lib/crypto/backend.h"
#include "lib/ike/cookie.h"
#include "lib/ike/engine.h"
#include "lib/ike/ike_sa.h"
#include "lib/ike/timers.h"
#include "lib/wire/codec.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

// The engine's inside. Its member functions stand in one source per part of the protocol:
//   engine.cpp         the verbs
//   receive.cpp        from a datagram to the payloads of an exchange
//   exchange.cpp       requests, responses, retransmission
//   initiator.cpp      IKE_SA_INIT and IKE_AUTH, our requests
//   responder.cpp      IKE_SA_INIT and IKE_AUTH, the peer's requests
//   informational.cpp  INFORMATIONAL and what we refuse of CREATE_CHILD_SA
//   lifecycle.cpp      the end of an IKE SA, timers, clients that come back
//   snapshot.cpp       status()
namespace sheaf::ike {

// A connection in which we are the client: what the operator wants of it and how far we are.
struct Client {
    Client(ConnectionPtr c, Instant now) : connection(std::move(c)), wanted(connection->start) {
        if (wanted) next_attempt = now;
    }

    ConnectionPtr connection;
    bool wanted = false; // to be up; retried until it is
    wire::Spi sa = 0;    // our SPI of the current IKE SA or attempt, 0: none
    unsigned failures = 0;
    std::optional<Instant> next_attempt;
    std::string last_error;
};

class Engine::Core {
  public:
    Core(Config config, Random& random, SourceAddress& source, Instant now);

    void datagram(Instant now, const Datagram& datagram);
    std::expected<void, std::string> command(Instant now, Command command);
    void kernel_event(Instant now, const child::KernelEvent& event);
    std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    Outputs take();
    Status status() const;
    const Counters& counters() const { return counters_; }
    bool idle() const { return sas_.empty() && intents_.empty(); }
    void trace(bool on) { trace_ = on; }

  private:
    // What is known of the datagram that is being worked on.
    struct Input {
        Instant now;
        const Datagram& datagram;
        const wire::Header& header;
    };

    // receive.cpp
    void receive_init(const Input& in, const wire::OuterMessage& outer);
    void receive_for_sa(const Input& in, const wire::OuterMessage& outer);
    void receive_unprotected(const Input& in, IkeSa& sa, const wire::OuterMessage& outer);
    std::optional<Reassembly::Whole> open(const Input& in, IkeSa& sa, const wire::Encrypted& encrypted);
    void on_request(const Input& in, IkeSa& sa, const Reassembly::Whole& whole);
    void on_response(const Input& in, IkeSa& sa, const Reassembly::Whole& whole);
    void dispatch_request(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    void answer_unknown_spi(const Input& in);

    // responder.cpp
    void on_init_request(const Input& in, std::span<const wire::Payload> payloads);
    bool admit(const Input& in, std::span<const wire::Payload> payloads, View nonce);
    void answer_init(const Input& in, std::span<const wire::Payload> payloads,
                     const ConnectionPtr& connection, const child::ChosenIke& chosen,
                     const wire::KeyExchange& ke, const wire::Nonce& nonce);
    std::expected<std::pair<ConnectionPtr, child::ChosenIke>, Rule>
    choose_connection(const Datagram& datagram, const wire::Sa& offer, std::uint16_t group) const;
    bool derive_half_open_keys(IkeSa& sa);
    void on_auth_request(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    std::expected<auth::Verified, Rule> authenticate_initiator(IkeSa& sa,
                                                               std::span<const wire::Payload> payloads);
    std::expected<void, Rule> prepare_child(IkeSa& sa, const auth::Verified& peer,
                                            std::span<const wire::Payload> payloads,
                                            std::vector<wire::Payload>& reply);
    void finish_auth(Instant now, IkeSa& sa, bool installed);
    static void forget_auth_keys(IkeSa& sa);
    ConnectionPtr connection_for(const IkeSa& sa, const auth::Identity& peer,
                                 const std::optional<auth::Identity>& wanted) const;

    // initiator.cpp
    void start(Instant now, Client& client);
    void send_init(Instant now, IkeSa& sa);
    void on_init_response(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    bool restart_init(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    void send_auth(const Input& in, IkeSa& sa, Connecting connecting, View nonce_r);
    void on_auth_response(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    std::expected<auth::Verified, Rule> authenticate_responder(IkeSa& sa,
                                                               std::span<const wire::Payload> payloads);
    std::expected<void, Rule> accept_child(auth::Verified peer, IkeSa& sa,
                                           std::span<const wire::Payload> payloads);

    // informational.cpp
    void on_informational_request(const Input& in, IkeSa& sa, std::span<const wire::Payload> payloads);
    void on_create_child_request(const Input& in, IkeSa& sa);
    void probe_liveness(Instant now, IkeSa& sa);

    // exchange.cpp
    wire::Header header_for(const IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                            bool response) const;
    void send_request(Instant now, IkeSa& sa, wire::ExchangeType exchange,
                      std::span<const wire::Payload> payloads);
    void send_outstanding(IkeSa& sa);
    void send_response(IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                       std::span<const wire::Payload> payloads);
    void send_plain(const Endpoint& local, const Endpoint& peer, const wire::Header& header,
                    std::span<const wire::Payload> payloads);
    void transmit(const Endpoint& local, const Endpoint& peer, Bytes bytes);
    void retransmit(Instant now, IkeSa& sa);
    static std::size_t largest_message(const IkeSa& sa);

    // lifecycle.cpp
    void arm(IkeSa& sa);
    Instant due(const IkeSa& sa) const;
    void look_at(Instant now, IkeSa& sa);
    void set_state(IkeSa& sa, State next);
    // Tells the peer, takes the SA out of the kernel and forgets it when the peer has answered or is silent.
    void close(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    // Forgets it at once. The reference is dead afterwards.
    void drop(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    void send_delete(Instant now, IkeSa& sa);
    void leave_kernel(IkeSa& sa);
    void report_down(Instant now, IkeSa& sa, DownReason reason, const std::string& detail);
    void erase(IkeSa& sa);
    void drop_others_of_peer(Instant now, const IkeSa& sa);
    void retry(Instant now, Client& client, DownReason reason, const std::string& detail);
    void on_intent_done(Instant now, const child::IntentDone& done);
    void lose_child(Instant now, const IpAddress& destination, wire::ChildSpi spi, const std::string& why);
    void reload(Instant now, Config config);

    // shared
    IkeSa& create_sa(Instant now, const ConnectionPtr& connection, const Path& path, State state,
                     bool initiator);
    IkeSa* find(wire::Spi our_spi);
    Client* client_of(const IkeSa& sa);
    void install(IkeSa& sa, auth::Verified peer, crypto::ChildKeys keys, ChildSa child,
                 std::vector<wire::Payload> reply, std::vector<wire::Payload> otherwise);
    child::IntentId submit(std::vector<child::KernelStep> steps, wire::Spi sa);
    wire::ChildSpi fresh_child_spi();
    wire::Spi fresh_spi();
    child::LinkNumber fresh_link();
    void refuse(const Endpoint& peer, Rule rule, wire::Spi spi = 0, std::string detail = {});
    void tell(Event event) { out_.events.push_back(std::move(event)); }
    void trace_message(bool sent, const wire::Header& header, const Endpoint& local, const Endpoint& peer,
                       std::span<const wire::Payload> payloads);
    Bytes nonce();

    Config config_;
    std::vector<ConnectionPtr> connections_;
    std::map<std::string, Client> clients_;
    address::Pools pools_;
    auth::KeyRing keys_;
    Random* random_;
    SourceAddress* source_;
    crypto::Backend backend_;
    CookieJar cookies_;
    Timers timers_;
    Outputs out_;
    Counters counters_;
    bool trace_ = false;
    bool shutting_down_ = false;
    std::size_t half_open_ = 0;
    Instant unknown_spi_window_;
    unsigned unknown_spi_answers_ = 0;

    std::unordered_map<wire::Spi, std::unique_ptr<IkeSa>> sas_;   // by our SPI
    std::map<std::pair<wire::Spi, Endpoint>, wire::Spi> by_init_; // responder: initiator's SPI and address
    std::unordered_multimap<std::uint64_t, wire::Spi>
        by_peer_; // responder: authenticated identity (its hash)
    std::unordered_map<wire::ChildSpi, wire::Spi> by_child_spi_; // inbound SPIs to our IKE SPI
    std::unordered_map<child::IntentId, wire::Spi> intents_;     // unanswered; 0: of no IKE SA any more
    std::unordered_map<child::LinkNumber, wire::Spi> links_;
    child::IntentId last_intent_ = 0;
    child::LinkNumber last_link_ = child::kLastLink;
};

// The single payload of a type. Errors: missing_payload, duplicate_payload.
template <typename T>
std::expected<const T*, Rule> single(std::span<const wire::Payload> payloads) {
    const T* found = nullptr;
    for (const wire::Payload& payload : payloads) {
        const T* candidate = std::get_if<T>(&payload);
        if (!candidate) continue;
        if (found) return std::unexpected(Rule::duplicate_payload);
        found = candidate;
    }
    if (!found) return std::unexpected(Rule::missing_payload);
    return found;
}

// Likewise for types of which each side has its own.
[[nodiscard]] std::expected<const wire::Identification*, Rule>
single_id(std::span<const wire::Payload> payloads, bool initiator);
[[nodiscard]] std::expected<const wire::TrafficSelectors*, Rule>
single_ts(std::span<const wire::Payload> payloads, bool initiator);
// The first notify of a type, or null.
[[nodiscard]] const wire::Notify* find_notify(std::span<const wire::Payload> payloads, wire::NotifyType type);
// The first error notify, or null.
[[nodiscard]] const wire::Notify* find_error(std::span<const wire::Payload> payloads);
[[nodiscard]] wire::Notify notify(wire::NotifyType type, Bytes data = {});
// The error notify that a broken rule asks for; REQUIRES notify_type(rule) != 0.
[[nodiscard]] wire::Notify notify(Rule rule);

[[nodiscard]] std::uint64_t peer_hash(const auth::Identity& identity);
[[nodiscard]] std::string describe(const crypto::IkeSuite& suite);
[[nodiscard]] std::string describe(const crypto::EspSuite& suite);

inline constexpr Duration kNever = Duration::max();

} // namespace sheaf::ike

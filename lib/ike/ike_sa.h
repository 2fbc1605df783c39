#pragma once

#include "lib/address/pools.h"
#include "lib/auth/shared_key.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/child/proposal.h"
#include "lib/crypto/key_exchange.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/protection.h"
#include "lib/wire/cfg.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

// One IKE SA as the engine keeps it: where it is in its life (State), how it talks to its peer, and what
// hangs on it.
namespace sheaf::ike {

using ConnectionPtr = std::shared_ptr<const Connection>;

// Initiator: IKE_SA_INIT is sent.
struct Connecting {
    crypto::KeyExchange exchange;
    Bytes nonce;
    Bytes request;         // as sent, for AUTH (RFC 7296 2.15)
    Bytes cookie;          // empty until the responder asks for one
    unsigned restarts = 0; // with a cookie or another group
};

// Responder: IKE_SA_INIT is answered; the keys are computed when the next message shows that the peer goes
// on.
struct HalfOpen {
    crypto::IkeSuite suite;
    crypto::KeyExchange exchange;
    Bytes peer_public;
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes request;
    Bytes response;
    Instant expires;
};

// Initiator: IKE_AUTH is sent.
struct Authenticating {
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes init_response; // as received, for the responder's AUTH
    wire::ChildSpi spi_in = 0;
    wire::InterfaceId interface_id{};
};

// Either side: the peer has proved who it is, and the kernel has been asked for the first Child SA.
struct Installing {
    auth::Verified peer;
    child::IntentId intent = 0;
    std::vector<wire::Payload> reply;     // responder: IKE_AUTH's answer if the kernel agrees
    std::vector<wire::Payload> otherwise; // responder: the answer if it does not
};

struct Established {
    auth::Verified peer;
    Instant since;
};

// We are done; the peer has yet to hear or to acknowledge it.
struct Deleting {
    Instant expires;
};

using State = std::variant<Connecting, HalfOpen, Authenticating, Installing, Established, Deleting>;
[[nodiscard]] std::string_view name(const State& state);

// The addresses that the IKE SA runs between.
struct Path {
    Endpoint local;
    Endpoint peer;
    bool nat_here = false;
    bool nat_there = false;
    [[nodiscard]] bool nat() const { return nat_here || nat_there; }
};

// A request of ours that is not answered yet. The window is 1 (RFC 7296 2.3): there is at most one.
struct Outstanding {
    std::uint32_t message_id = 0;
    wire::ExchangeType exchange{};
    std::vector<Bytes> datagrams;
    Instant due; // of the next transmission
    Duration wait{};
    unsigned left = 0; // transmissions to come
};

struct ChildSa {
    child::SaPairId id;
    crypto::EspSuite suite;
    bool udp_encapsulation = false;
    bool installed = false;
    std::vector<wire::TrafficSelector> local;
    std::vector<wire::TrafficSelector> remote;
    [[nodiscard]] child::PolicySet policies() const {
        return {id.link, child::Mode::tunnel, id.local.address, id.peer.address, local, remote};
    }
};

// The virtual link that belongs to an IKE SA.
struct VirtualLink {
    child::Link link;
    std::vector<address::Lease> leases; // gateway
    Bytes link_id;                      // RFC 5739
    std::vector<IpAddress> dns;         // client
};

struct IkeSa {
    explicit IkeSa(State first) : state(std::move(first)) {}

    bool initiator = false;
    wire::Spi spi_i = 0;
    wire::Spi spi_r = 0;
    ConnectionPtr connection;
    Path path;
    Endpoint init_peer; // where IKE_SA_INIT went or came from
    State state;
    std::optional<Protection> protection;  // from the moment the keys exist
    std::optional<auth::Identity> peer_id; // as proved; stays through Deleting
    bool fragmentation = false;            // both sides announced RFC 7383
    bool delete_wanted = false;            // DELETE goes out when the outstanding request is answered

    std::uint32_t next_request = 0;  // message ID of our next request
    std::uint32_t next_expected = 0; // of the peer's next request
    std::optional<Outstanding> outstanding;
    std::vector<Bytes> last_response; // to the request before next_expected
    Endpoint answer_from;             // between these the answer to the peer's latest request goes
    Endpoint answer_to;
    std::unique_ptr<Reassembly> reassembly;

    Instant last_heard; // of an authentic message
    Instant armed = Instant::max();

    std::vector<ChildSa> children;
    std::unique_ptr<VirtualLink> link;

    [[nodiscard]] wire::Spi our_spi() const { return initiator ? spi_i : spi_r; }
    [[nodiscard]] wire::Spi peer_spi() const { return initiator ? spi_r : spi_i; }
    template <typename T>
    [[nodiscard]] T* in() {
        return std::get_if<T>(&state);
    }
    template <typename T>
    [[nodiscard]] const T* in() const {
        return std::get_if<T>(&state);
    }
    // REQUIRES that the state is T.
    template <typename T>
    [[nodiscard]] T& as() {
        return std::get<T>(state);
    }
    [[nodiscard]] SaName name() const;
};

} // namespace sheaf::ike

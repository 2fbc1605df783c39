#pragma once

#include "lib/auth/authenticator.h"
#include "lib/auth/verified.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/child/proposal.h"
#include "lib/crypto/key_exchange.h"
#include "lib/group/group.h"
#include "lib/ike/assignment.h"
#include "lib/ike/child_sa.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/mobile_use.h"
#include "lib/ike/protection.h"
#include "lib/ike/request.h"
#include "lib/ike/virtual_link.h"
#include "lib/wire/cfg.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
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
    std::string refused{}; // what an answer said that nobody vouches for
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
    std::vector<wire::Payload> first_auth{}; // of IKE_AUTH, while the authentication takes further rounds
};

// Initiator: IKE_AUTH is sent.
struct Authenticating {
    Bytes nonce_i;
    Bytes nonce_r;
    Bytes request;             // IKE_SA_INIT, for our AUTH
    Bytes init_response;       // as received, for the responder's AUTH
    wire::ChildSpi spi_in = 0; // 0: no Child SA was asked for
    std::string child;         // its name
    bool transport = false;    // as offered
    std::vector<wire::TrafficSelector> local;
    std::vector<wire::TrafficSelector> remote;
    wire::InterfaceId interface_id{};
    std::optional<wire::Identification> peer_id; // from the first response, while there are further rounds
};

// Gateway: the client has proved who it is, and whoever gives addresses has been asked for its own.
struct Assigning {
    auth::Verified peer;
    std::uint32_t message_id = 0;       // of the request to answer
    std::vector<wire::Payload> request; // IKE_AUTH, its first message
    std::vector<wire::Payload> reply;   // what is said whatever comes of it
    Bytes nonce_i;
    Bytes nonce_r;
    AddressPlan plan;
    address::DemandId demand = 0;
    Instant expires;
};

// Either side: the peer has proved who it is, and the kernel has been asked for the first Child SA.
struct Installing {
    auth::Verified peer;
    std::uint32_t message_id = 0;         // responder: of the request to answer
    std::vector<wire::Payload> reply;     // responder: IKE_AUTH's answer if the kernel agrees
    std::vector<wire::Payload> otherwise; // responder: the answer if it does not
};

struct Established {
    auth::Verified peer;
    Instant since; // of the authentication
};

// We are done; the peer has yet to hear or to acknowledge it.
struct Deleting {
    Instant expires;
};

using State =
    std::variant<Connecting, HalfOpen, Authenticating, Assigning, Installing, Established, Deleting>;
[[nodiscard]] std::string_view name(const State& state);

// The addresses that the IKE SA runs between.
struct Path {
    Endpoint local;
    Endpoint peer;
    bool nat_here = false;
    bool nat_there = false;
    bool forced = false; // ESP in UDP is wanted without a NAT
    [[nodiscard]] bool nat() const { return nat_here || nat_there; }
    [[nodiscard]] bool encapsulated() const { return nat() || forced; }
};

// What an IKE SA is among those that a rekeying has made of it (RFC 7296 2.8).
enum class Standing : std::uint8_t {
    current,
    undecided, // made by the peer while a request of ours to rekey the same one is under way
    replaced,  // its Child SAs have gone to its successor; a DELETE will end it
    redundant, // made by the losing one of two simultaneous rekeyings; its maker deletes it
    left, // the mobile node has moved away from it (no K bit); its Child SAs stay until others have their places
};

// The answer to a CREATE_CHILD_SA request that waits for the kernel.
struct Deferred {
    std::uint32_t message_id = 0;
    Endpoint from; // of the answer
    Endpoint to;
    wire::ChildSpi child = 0; // our SPI
    std::vector<wire::Payload> reply;
    std::vector<wire::Payload> otherwise;
};

// RFC 4555: what an IKE SA needs whose addresses may change. A rekeyed one has it from the one before.
struct Mobility {
    bool on = false;                             // both sides support it
    bool nat_traversal = false;                  // both sides support RFC 7296 2.23
    std::vector<IpAddress> peer_addresses;       // those that the peer has told besides the one that it uses
    std::optional<std::uint32_t> latest_request; // of the peer's, that told addresses
    unsigned moves = 0;                          // of whoever moves: those that began the IKE SA
    unsigned refused = 0;                        // of ours, one after the other
    bool no_path = false;                        // none of our addresses reaches the peer
    Bytes seen_as;                               // NAT_DETECTION_DESTINATION_IP of the peer's latest answer
    // Where the Child SAs run while the IKE SA is ahead of them: until the peer has answered from there (our
    // move), or has shown that it is there (the peer's; RFC 4555 3.7).
    std::optional<Path> behind;
};

// RFC 7791: the IKE SAs that one authentication carries: the first, its clones and theirs, and what replaces
// any of them. Limits are counted over all of it.
struct CloneFamily {
    wire::Spi founder = 0; // our SPI of the first one, which may be gone
    bool full = false;     // the peer said NO_ADDITIONAL_SAS; until one of them ends
};

// How many requests either side may have under way (RFC 7296 2.3); ours is told to the peer in IKE_AUTH, and the
// peer's is taken up to this.
inline constexpr std::uint32_t kWindow = 4;

struct IkeSa {
    explicit IkeSa(State first) : state(std::move(first)) {}

    bool initiator = false; // of the exchange that made it, be it a rekeying
    bool began = false;     // whether it was us who wanted the first of its line
    wire::Spi spi_i = 0;
    wire::Spi spi_r = 0;
    ConnectionPtr connection;
    Path path;
    Endpoint init_peer; // where IKE_SA_INIT went or came from
    State state;
    std::optional<Protection> protection;  // from the moment the keys exist
    std::optional<auth::Identity> peer_id; // as proved; stays through Deleting
    Mobility mobility;
    std::shared_ptr<CloneFamily> family;     // null: it cannot be cloned
    bool fragmentation = false;              // both sides announced RFC 7383
    bool small_fragments = false;            // the larger ones did not get through
    bool peer_childless = false;             // the responder announced RFC 6023
    std::vector<crypto::HashId> peer_hashes; // RFC 7427 4
    bool multipoint = false;     // both sides announced multi-point SAs; its heirs and clones have it from it
    group::MemberKey member = 0; // gateway: who is told a group's SA on it, and on its family; 0: nobody
    std::unique_ptr<auth::Authenticator> authenticator; // until the peer has proved itself

    std::uint32_t next_request = 0; // message ID of our next request
    std::uint32_t peer_window = 1;  // how many of ours may be under way
    std::vector<Outstanding> outstanding;
    std::deque<Want> wanted;
    std::vector<std::pair<Instant, Want>> later; // what the peer has put off

    std::uint32_t next_expected = 0; // the oldest of the peer's requests that is not answered
    std::uint32_t own_window = 1;    // how many of the peer's may be under way, as it was told
    std::map<std::uint32_t, std::vector<Bytes>>
        answers;          // of the window behind and before it; empty: being worked on
    Endpoint answer_from; // between these the answer to the peer's latest request goes
    Endpoint answer_to;
    std::vector<Deferred> deferred;
    std::unique_ptr<Reassembly> requests; // fragments of the peer's messages
    std::unique_ptr<Reassembly> responses;

    Instant last_heard; // of an authentic message
    Instant last_sent;  // anything, for NAT keepalives
    Instant armed = Instant::max();
    Instant rekey_at = Instant::max();
    Instant reauth_at = Instant::max();
    Instant expires = Instant::max();             // at the latest it is deleted then
    Instant authenticated_until = Instant::max(); // gateway: and so are its heirs (RFC 4478 3)

    Standing standing = Standing::current;
    bool superseded = false; // its peer has authenticated another one: `expires` holds for its heirs, too
    bool unproved = false;   // responder: the peer has not authenticated itself; counted as half-open
    std::optional<Successor<wire::Spi>> ours; // made by our request to rekey it
    std::optional<Successor<wire::Spi>> theirs;

    std::vector<ChildSa> children;
    std::vector<wire::ChildSpi>
        deleted_early; // by the peer, before its answer to our request told us of them
    std::shared_ptr<VirtualLink> link;
    std::shared_ptr<const LinkShare> share; // gateway, client: what it has brought to the link
    std::shared_ptr<const HomeClaim> claim; // home agent, mobile node: another one with each authentication
    child::LinkNumber way = 0; // gateway, client: which way into the link is its own; 0: none yet

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
    // Where its Child SAs run.
    [[nodiscard]] const Path& esp_path() const { return mobility.behind ? *mobility.behind : path; }
    [[nodiscard]] SaName name() const;
};

} // namespace sheaf::ike

#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/crypto/key_exchange.h"
#include "lib/group/group.h"
#include "lib/ike/mobile_use.h"
#include "lib/wire/header.h"
#include "lib/wire/payload.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// The requests that we send on an IKE SA: what is wanted, what is under way, and what its answer is needed
// for.
namespace sheaf::ike {

struct IkeSa;

// What is to be asked of the peer when its window has room (RFC 7296 2.3).
struct Want {
    enum class Kind : std::uint8_t {
        liveness,
        create_child,
        rekey_child,
        delete_child,
        rekey_ike,
        delete_ike,
        tell_lifetime,    // the peer is to authenticate anew (RFC 4478 3)
        update_addresses, // RFC 4555 3.5
        prove_route,      // RFC 4555 3.7
        clone_ike,        // RFC 7791
        tell_group,       // MPSA_PUT, what is due of it
    };
    Kind kind{};
    std::string child{};                     // create_child: the name; empty: that of the link
    wire::ChildSpi spi = 0;                  // rekey_child, delete_child: ours
    crypto::KeId group = crypto::KeId::none; // the one that the peer asked for; none: our first
    unsigned put_off = 0;                    // clone_ike: how often the peer has done so
    friend bool operator==(const Want&, const Want&) = default;
};

// Why a request was sent. IKE_SA_INIT and IKE_AUTH keep what they need in the IKE SA's state.
struct FirstExchange {};
struct Liveness {};
struct CreatingChild {
    Want want;
    wire::ChildSpi spi_in = 0;
    Bytes nonce;
    std::optional<crypto::KeyExchange> exchange;
    std::vector<wire::TrafficSelector> local; // as offered
    std::vector<wire::TrafficSelector> remote;
    bool transport = false;
    bool on_link = false;           // of a client's virtual link
    std::optional<MobileUse> use{}; // mobile node
};
struct DeletingChild {
    wire::ChildSpi spi = 0; // ours
};
struct RekeyingIke {
    crypto::KeId asked = crypto::KeId::none; // the group that the peer named before
    wire::Spi spi = 0;                       // ours of the new IKE SA
    Bytes nonce;
    crypto::KeyExchange exchange;
};
// What has come of it, whichever side asked: the new IKE SA, without anything that hangs on the old one.
struct MadeIke {
    IkeSa* sa = nullptr;
    Bytes lowest_nonce; // of the two of its exchange
};
// RFC 7791 3.1: another IKE SA beside this one, without another authentication.
struct CloningIke {
    RekeyingIke made;
    unsigned put_off = 0; // as in Want
};
struct DeletingIke {};
// RFC 4555 3.5: we are elsewhere.
struct Moving {
    unsigned moves = 0; // Mobility::moves when it was sent: an answer after another move means nothing
    Bytes cookie;
};
// RFC 4555 3.7: whether the peer is where it says.
struct ProvingRoute {
    unsigned moves =
        0; // as in Moving, of the peer's: a question from before its latest move may have gone to several
           // places, and proves nothing
    Bytes cookie;
};
// A member of a group is told its SA.
struct TellingGroup {
    group::MemberKey member = 0;
    std::uint64_t generation = 0;
    wire::ChildSpi spi = 0;
};
using Purpose = std::variant<FirstExchange, Liveness, CreatingChild, DeletingChild, RekeyingIke, CloningIke,
                             DeletingIke, Moving, ProvingRoute, TellingGroup>;

// A request that is not answered yet.
struct Outstanding {
    std::uint32_t message_id = 0;
    wire::ExchangeType exchange{};
    Purpose purpose;
    std::vector<wire::Payload> payloads; // kept where a further transmission may have to cut them smaller
    std::vector<Bytes> datagrams;
    Instant sent{}; // for the first time
    Instant due;    // of the next transmission
    Duration wait{};
    unsigned left = 0;       // transmissions to come
    bool everywhere = false; // sent over other paths, too (RFC 4555 3.5)
    unsigned repeats = 0;    // transmissions after the first
    bool over = false;       // first sent over another path than the IKE SA's, to see whether it lives
};

} // namespace sheaf::ike

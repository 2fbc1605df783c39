// MOBIKE (RFC 4555): an IKE SA, and all that hangs on it, between other addresses. Who began it decides where it
// runs; the other side follows when it has seen that its answers arrive there.

#include "lib/base/bytes.h"
#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"
#include "lib/ike/nat_detection.h"
#include "lib/wire/reader.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;
using wire::to_bytes;

namespace {

constexpr std::size_t kCookieSize = 16;
// Of a peer's list: as many as a host with many uplinks may have.
constexpr std::size_t kMaxAddresses = 16;

std::optional<IpAddress> told_address(const Payload& payload) {
    const auto* notify = std::get_if<wire::Notify>(&payload);
    if (!notify) return std::nullopt;
    const bool address = notify->type == NotifyType::additional_ip4_address ||
                         notify->type == NotifyType::additional_ip6_address;
    return address ? IpAddress::from_bytes(notify->data) : std::nullopt;
}

std::vector<IpAddress> told_addresses(std::span<const Payload> payloads) {
    std::vector<IpAddress> out;
    for (const Payload& payload : payloads) {
        const auto address = told_address(payload);
        if (address && out.size() < kMaxAddresses) out.push_back(*address);
    }
    return out;
}

bool tells_addresses(std::span<const Payload> payloads) {
    return find_notify(payloads, NotifyType::no_additional_addresses) || !told_addresses(payloads).empty();
}

// RFC 4555 4.2.6: source and destination, then their ports, as the sender sees them.
Bytes no_nats(const Endpoint& source, const Endpoint& destination) {
    Bytes out = to_bytes(source.address.view());
    append(out, destination.address.view());
    for (const std::uint16_t port : {source.port, destination.port}) {
        out.push_back(static_cast<std::uint8_t>(port >> 8));
        out.push_back(static_cast<std::uint8_t>(port));
    }
    return out;
}

// RFC 4555 3.7: what a question had, its answer must have.
bool fits(const Bytes& cookie, std::span<const Payload> payloads) {
    const wire::Notify* echo = find_notify(payloads, NotifyType::cookie2);
    return echo && constant_time_equal(echo->data, cookie);
}

} // namespace

// RFC 4555 3.3, 3.4: offered in IKE_AUTH, with the addresses that we have besides the one we use.
void Engine::Core::offer_mobike(const IkeSa& sa, Reply& to) const {
    to.emplace_back(notify(NotifyType::mobike_supported));
    if (sa.initiator) return;
    for (const IpAddress& address : sa.connection->addresses) {
        if (address == sa.path.local.address) continue;
        const auto type =
            address.is_v6() ? NotifyType::additional_ip6_address : NotifyType::additional_ip4_address;
        to.emplace_back(notify(type, to_bytes(address.view())));
    }
}

void Engine::Core::accept_mobike(IkeSa& sa, Payloads payloads) {
    const bool theirs = find_notify(payloads, NotifyType::mobike_supported) != nullptr;
    sa.mobility.on = sa.connection->mobike && theirs;
    if (sa.mobility.on) sa.mobility.peer_addresses = told_addresses(payloads);
}

void Engine::Core::network_changed(Instant now) {
    bindings_->network_changed(now);
    for (auto& [connection_name, initiation] : initiations_) {
        if (initiation.connection->paths.uplinks.empty()) continue;
        // What was silent may be another network now.
        for (auto& [pair, silence] : initiation.paths.silent)
            silence.until = now;
        settle_paths(now, initiation);
        // An attempt that waits for a better time has it.
        if (initiation.sa == 0 && initiation.next_attempt && !usable_pairs(initiation).empty())
            initiation.next_attempt = now;
    }
    std::vector<wire::Spi> moving;
    for (const auto& [spi, sa] : sas_) {
        const bool may =
            sa->in<Established>() && sa->mobility.on && sa->began && sa->standing == Standing::current;
        if (may && !has_uplinks(*sa)) moving.push_back(spi);
    }
    for (const wire::Spi spi : moving) {
        if (IkeSa* sa = find(spi)) reconsider_path(now, *sa);
    }
}

// Pairs of our address and the peer's that routes connect, besides those in use: first to where the peer is.
std::vector<std::pair<IpAddress, IpAddress>> Engine::Core::other_paths(const IkeSa& sa) const {
    const Connection& connection = *sa.connection;
    if (has_uplinks(sa)) return other_pairs(sa);
    std::vector<IpAddress> peers{sa.path.peer.address};
    const auto add = [&](const IpAddress& address) {
        if (std::ranges::find(peers, address) == peers.end()) peers.push_back(address);
    };
    if (connection.remote) add(connection.remote->address);
    std::ranges::for_each(connection.addresses, add);
    std::ranges::for_each(sa.mobility.peer_addresses, add);
    std::vector<std::pair<IpAddress, IpAddress>> out;
    for (const IpAddress& peer : peers) {
        const auto local = host_->source_for(peer);
        if (!local || local->family() != peer.family()) continue;
        if (connection.local_address && *local != *connection.local_address) continue;
        const bool used = *local == sa.path.local.address && peer == sa.path.peer.address;
        if (!used) out.emplace_back(*local, peer);
    }
    return out;
}

void Engine::Core::reconsider_path(Instant now, IkeSa& sa) {
    if (has_uplinks(sa)) return wake_paths(now, sa);
    const auto source = host_->source_for(sa.path.peer.address);
    if (source && *source == sa.path.local.address) {
        sa.mobility.no_path = false;
        return;
    }
    const auto others = other_paths(sa);
    sa.mobility.no_path = others.empty();
    if (!others.empty()) move_to(now, sa, others.front().first, others.front().second);
}

// What waits for an answer goes to the new place at once, and has all of its time again.
void Engine::Core::send_again(Instant now, IkeSa& sa) {
    for (Outstanding& request : sa.outstanding) {
        request.left = sa.connection->retransmit.tries;
        request.wait = sa.connection->retransmit.first;
        request.due = now + request.wait;
        request.repeats = 1;
        request.everywhere = false;
        send_outstanding(now, sa, request);
    }
    arm(sa);
}

void Engine::Core::tell_moved(const IkeSa& sa, const Path& before) {
    if (before.local.address != sa.path.local.address)
        tell(Moved{sa.name(), sa.path.local.address, before.local.address});
    if (before.peer.address != sa.path.peer.address) tell(PeerMoved{sa.name(), before.peer});
}

// RFC 4555 3.5: the IKE SA is there at once, the Child SAs when the peer has answered from there; or at once,
// too, where it has answered another IKE SA of the family from there, which then also knows what NATs there are.
void Engine::Core::move_to(Instant now, IkeSa& sa, const IpAddress& local, const IpAddress& peer) {
    const Path before = sa.path;
    if (!sa.mobility.behind) sa.mobility.behind = sa.path;
    sa.path.local = {local, config_.nat_port};
    if (peer != sa.path.peer.address) {
        const std::uint16_t port = sa.connection->remote ? sa.connection->remote->port : std::uint16_t{500};
        sa.path.peer = {peer, port == 500 ? std::uint16_t{4500} : port};
    }
    ++sa.mobility.moves;
    sa.mobility.no_path = false;
    if (before.peer.address != peer || sa.mobility.behind->local.address != local) forget_round_trip(sa);
    if (const IkeSa* other = proved_at(sa, local, peer)) {
        sa.path.peer = other->path.peer;
        sa.path.nat_here = other->path.nat_here;
        sa.path.nat_there = other->path.nat_there;
        move_children(sa);
    }
    send_again(now, sa);
    std::erase_if(sa.wanted, [](const Want& w) { return w.kind == Want::Kind::update_addresses; });
    sa.wanted.push_front({Want::Kind::update_addresses});
    tell_moved(sa, before);
    serve(now, sa);
    arm(sa);
}

void Engine::Core::add_nat_detection(const IkeSa& sa, const Endpoint& local, const Endpoint& peer,
                                     Reply& to) {
    const Endpoint source = sa.path.forced ? Endpoint{} : local;
    to.emplace_back(nat_detection(backend_, NotifyType::nat_detection_source_ip, sa.spi_i, sa.spi_r, source));
    to.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_destination_ip, sa.spi_i, sa.spi_r, peer));
}

void Engine::Core::send_update(Instant now, IkeSa& sa) {
    Moving moving{sa.mobility.moves, Bytes(kCookieSize)};
    random_->fill(moving.cookie);
    Reply request{notify(NotifyType::update_sa_addresses)};
    if (sa.connection->nats_allowed)
        add_nat_detection(sa, sa.path.local, sa.path.peer, request);
    else
        request.emplace_back(notify(NotifyType::no_nats_allowed, no_nats(sa.path.local, sa.path.peer)));
    request.emplace_back(notify(NotifyType::cookie2, moving.cookie));
    send_request(now, sa, wire::ExchangeType::informational, std::move(moving), std::move(request));
}

void Engine::Core::on_update_answered(const Input& in, IkeSa& sa, const Moving& moving, Payloads payloads) {
    if (!fits(moving.cookie, payloads)) {
        refuse(in.datagram.peer, Rule::wrong_route_cookie, sa.our_spi());
        return close(in.now, sa, DownReason::failed, std::string(sentence(Rule::wrong_route_cookie)));
    }
    if (moving.moves != sa.mobility.moves) return;
    if (const wire::Notify* error = find_error(payloads)) {
        refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(),
               "the peer answered " + std::string(wire::name(error->type)) + " to our move to " +
                   sa.path.local.to_string());
        const auto others = other_paths(sa);
        note_refusal(in.now, sa);
        if (!others.empty() && ++sa.mobility.refused < kMaxAddresses)
            return move_to(in.now, sa, others.front().first, others.front().second);
        return close(in.now, sa, DownReason::failed, "the peer takes none of our addresses");
    }
    sa.mobility.refused = 0;
    const NatFound nat = find_nat(backend_, payloads, sa.spi_i, sa.spi_r, sa.path.local, sa.path.peer);
    sa.path.nat_here = nat.here;
    sa.path.nat_there = nat.there;
    if (const wire::Notify* seen = find_notify(payloads, NotifyType::nat_detection_destination_ip))
        sa.mobility.seen_as = seen->data;
    move_children(sa);
}

// RFC 4555 3.8: behind a NAT, liveness tells whether the mapping is still the same.
void Engine::Core::on_liveness_answered(const Input& in, IkeSa& sa, Payloads payloads) {
    const wire::Notify* seen = find_notify(payloads, NotifyType::nat_detection_destination_ip);
    if (!sa.mobility.on || !sa.began || !seen) return;
    // Of an IKE SA that was never moved it is not known what the peer saw when it was made.
    const bool changed = sa.mobility.seen_as != seen->data;
    sa.mobility.seen_as = seen->data;
    if (changed) move_to(in.now, sa, sa.path.local.address, sa.path.peer.address);
}

// RFC 7296 1.4, 2.4: an empty request that only a living peer can answer. `over`: first from our address to the
// peer's, which may not be where the IKE SA runs; its answer shows that it could.
void Engine::Core::send_question(Instant now, IkeSa& sa, const AddressPair& over) {
    Reply question;
    // RFC 4555 3.8: the answer tells whether a NAT has changed what it makes of us.
    if (sa.mobility.on && sa.began && sa.path.nat_here && !over)
        add_nat_detection(sa, sa.path.local, sa.path.peer, question);
    if (!over) note_probe(sa, false);
    send_request(now, sa, wire::ExchangeType::informational, Liveness{}, std::move(question), over);
}

// An IKE SA that took the place of another one, or stands beside it, asks anew what that one was asking about
// its addresses: the answer would come for the other.
void Engine::Core::catch_up(Instant now, const IkeSa& from, IkeSa& sa) {
    const Want wanted{sa.began ? Want::Kind::update_addresses : Want::Kind::prove_route};
    const auto asks = [&](const IkeSa& who) {
        return std::ranges::find(who.wanted, wanted) != who.wanted.end();
    };
    const bool needed = sa.mobility.behind || under_way<Moving>(from) || asks(from);
    if (needed && !asks(sa)) sa.wanted.push_front(wanted);
    serve(now, sa);
    arm(sa);
}

void Engine::Core::send_route_proof(Instant now, IkeSa& sa) {
    ProvingRoute proving{sa.mobility.moves, Bytes(kCookieSize)};
    random_->fill(proving.cookie);
    Reply request{notify(NotifyType::cookie2, proving.cookie)};
    send_request(now, sa, wire::ExchangeType::informational, std::move(proving), std::move(request));
}

void Engine::Core::on_route_proved(const Input& in, IkeSa& sa, const ProvingRoute& proving,
                                   Payloads payloads) {
    if (!fits(proving.cookie, payloads)) {
        refuse(in.datagram.peer, Rule::wrong_route_cookie, sa.our_spi());
        return close(in.now, sa, DownReason::failed, std::string(sentence(Rule::wrong_route_cookie)));
    }
    if (proving.moves == sa.mobility.moves) return move_children(sa);
    if (sa.mobility.behind) want(in.now, sa, {Want::Kind::prove_route});
}

// The addresses and cookies of an INFORMATIONAL request (RFC 4555 3.5 to 3.8).
void Engine::Core::on_addresses_told(const Input& in, IkeSa& sa, Payloads payloads, Reply& reply) {
    if (!sa.mobility.on) return;
    const bool update = find_notify(payloads, NotifyType::update_sa_addresses) != nullptr;
    const bool list = tells_addresses(payloads);
    if (update || list) {
        // RFC 4555 3.5: with a window, an older request may come after a newer one.
        const bool stale = sa.mobility.latest_request && in.header.message_id < *sa.mobility.latest_request;
        if (!stale) {
            sa.mobility.latest_request = in.header.message_id;
            if (list) sa.mobility.peer_addresses = told_addresses(payloads);
            if (update) on_update(in, sa, payloads, reply);
        }
    }
    const bool asked = find_notify(payloads, NotifyType::nat_detection_source_ip) != nullptr;
    const bool refused = find_error(reply) != nullptr;
    if (asked && !refused) add_nat_detection(sa, in.datagram.local, in.datagram.peer, reply);
    if (const wire::Notify* cookie = find_notify(payloads, NotifyType::cookie2)) reply.emplace_back(*cookie);
    // RFC 4555 3.5: where the peer's own addresses went away, it is us who look for others.
    if (list && !update && sa.began) reconsider_path(in.now, sa);
}

void Engine::Core::on_update(const Input& in, IkeSa& sa, Payloads payloads, Reply& reply) {
    const Endpoint& local = in.datagram.local;
    const Endpoint& peer = in.datagram.peer;
    const wire::Notify* no_nat = find_notify(payloads, NotifyType::no_nats_allowed);
    if (no_nat && no_nat->data != no_nats(peer, local)) {
        refuse(peer, Rule::unexpected_nat, sa.our_spi());
        reply.emplace_back(notify(Rule::unexpected_nat));
        return;
    }
    const Connection& connection = *sa.connection;
    const bool ours = !connection.local_address || *connection.local_address == local.address ||
                      std::ranges::find(connection.addresses, local.address) != connection.addresses.end();
    if (sa.began || !ours) {
        refuse(peer, Rule::unacceptable_addresses, sa.our_spi(), "it asked for " + peer.to_string());
        reply.emplace_back(notify(Rule::unacceptable_addresses));
        return;
    }
    const Endpoint before = sa.path.peer;
    if (!sa.mobility.behind) sa.mobility.behind = sa.path;
    const NatFound nat = find_nat(backend_, payloads, sa.spi_i, sa.spi_r, local, peer);
    sa.path.local = local;
    sa.path.peer = peer;
    sa.path.nat_here = nat.here;
    sa.path.nat_there = nat.there;
    groups_->on_moved(in.now, sa);
    if (before != peer) {
        ++sa.mobility.moves;
        tell(PeerMoved{sa.name(), before});
        send_again(in.now, sa);
    }
    // Where another IKE SA of the same login runs, the peer has shown that it is.
    const IkeSa* other = proved_at(sa, local.address, peer.address);
    const bool proved = sa.mobility.behind->peer == peer || (other && other->path.peer == peer);
    if (!connection.route_proof || proved) return move_children(sa);
    const Want proof{Want::Kind::prove_route}; // after the answer
    if (std::ranges::find(sa.wanted, proof) == sa.wanted.end()) sa.wanted.push_back(proof);
}

} // namespace sheaf::ike

// IKE_SA_INIT and IKE_AUTH as the responder (RFC 7296 1.2).

#include "lib/child/selector.h"
#include "lib/crypto/psk_auth.h"
#include "lib/ike/assignment.h"
#include "lib/ike/core.h"
#include "lib/ike/nat_detection.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

void Engine::Core::on_init_request(const Input& in, std::span<const Payload> payloads) {
    // RFC 7296 2.1: a request seen before gets the same answer, and never a second IKE SA.
    const auto seen = by_init_.find({in.header.initiator_spi, in.datagram.peer});
    if (seen != by_init_.end()) {
        const IkeSa* sa = find(seen->second);
        const auto* half_open = sa ? sa->in<HalfOpen>() : nullptr;
        if (!half_open || !equal(half_open->request, in.datagram.bytes))
            return refuse(in.datagram.peer, Rule::message_id, seen->second);
        ++counters_.retransmits;
        return transmit(in.datagram.local, in.datagram.peer, half_open->response);
    }
    const auto offer = single<wire::Sa>(payloads);
    const auto ke = single<wire::KeyExchange>(payloads);
    const auto nonce = single<wire::Nonce>(payloads);
    if (!offer || !ke || !nonce)
        return refuse(in.datagram.peer, !offer ? offer.error() : !ke ? ke.error() : nonce.error());
    if (!admit(in, payloads, (*nonce)->data)) return;

    wire::Header answer = in.header;
    answer.response = true;
    answer.from_initiator = false;
    const auto chosen = choose_connection(in.datagram, **offer, (*ke)->group);
    if (!chosen) {
        refuse(in.datagram.peer, chosen.error());
        return send_plain(in.datagram.local, in.datagram.peer, answer,
                          std::vector<Payload>{notify(chosen.error())});
    }
    const auto group = static_cast<std::uint16_t>(chosen->second.suite.ke);
    if ((*ke)->group != group) {
        // RFC 7296 1.3, 3.10.1: the answer names the group that we want.
        refuse(in.datagram.peer, Rule::invalid_ke_group);
        wire::Notify wanted = notify(Rule::invalid_ke_group);
        wanted.data = {static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)};
        return send_plain(in.datagram.local, in.datagram.peer, answer, std::vector<Payload>{wanted});
    }
    if ((*ke)->data.size() != crypto::ke_public_length(chosen->second.suite.ke)) {
        refuse(in.datagram.peer, Rule::bad_key_exchange_size);
        return send_plain(in.datagram.local, in.datagram.peer, answer,
                          std::vector<Payload>{notify(Rule::bad_key_exchange_size)});
    }
    answer_init(in, payloads, chosen->first, chosen->second, **ke, **nonce);
}

// RFC 7296 2.6: under load nobody gets state here before having shown that answers reach them.
bool Engine::Core::admit(const Input& in, std::span<const Payload> payloads, View nonce) {
    if (shutting_down_) return false;
    if (half_open_ >= config_.limits.half_open) {
        refuse(in.datagram.peer, Rule::too_many_half_open);
        return false;
    }
    if (sas_.size() >= config_.limits.ike_sas) {
        refuse(in.datagram.peer, Rule::too_many_ike_sas);
        return false;
    }
    if (half_open_ < config_.limits.half_open_for_cookies) return true;
    const wire::Notify* cookie = find_notify(payloads, NotifyType::cookie);
    if (cookie &&
        cookies_.check(backend_, in.now, cookie->data, nonce, in.datagram.peer, in.header.initiator_spi))
        return true;
    refuse(in.datagram.peer, cookie ? Rule::bad_cookie : Rule::cookie_required);
    wire::Header answer = in.header;
    answer.response = true;
    answer.from_initiator = false;
    Bytes fresh = cookies_.make(backend_, in.now, nonce, in.datagram.peer, in.header.initiator_spi);
    send_plain(in.datagram.local, in.datagram.peer, answer,
               std::vector<Payload>{notify(NotifyType::cookie, std::move(fresh))});
    return false;
}

// The first connection that serves this address and shares an algorithm of each kind with the peer. Who the
// peer is comes later; the connection may then become another one.
std::expected<std::pair<ConnectionPtr, child::ChosenIke>, Rule>
Engine::Core::choose_connection(const Datagram& datagram, const wire::Sa& offer, std::uint16_t group) const {
    Rule why = Rule::no_connection;
    for (const ConnectionPtr& connection : connections_) {
        if (connection->role != Role::gateway) continue;
        if (connection->local_address && *connection->local_address != datagram.local.address) continue;
        auto chosen = child::choose_ike(connection->ike, offer, group, {});
        if (chosen) return std::pair(connection, *std::move(chosen));
        why = chosen.error();
    }
    return std::unexpected(why);
}

void Engine::Core::answer_init(const Input& in, std::span<const Payload> payloads,
                               const ConnectionPtr& connection, const child::ChosenIke& chosen,
                               const wire::KeyExchange& ke, const wire::Nonce& nonce_i) {
    auto exchange = crypto::KeyExchange::create(backend_, chosen.suite.ke, *random_);
    const NatFound nat =
        find_nat(backend_, payloads, in.header.initiator_spi, 0, in.datagram.local, in.datagram.peer);
    const Path path{in.datagram.local, in.datagram.peer, nat.here, nat.there};
    HalfOpen state{chosen.suite, std::move(exchange), ke.data, nonce_i.data,
                   nonce(),      in.datagram.bytes,   {},      in.now + config_.limits.half_open_timeout};
    IkeSa& sa = create_sa(in.now, connection, path, std::move(state), false);
    sa.spi_i = in.header.initiator_spi;
    sa.next_expected = 1;
    sa.fragmentation = find_notify(payloads, NotifyType::fragmentation_supported) != nullptr;
    by_init_.emplace(std::pair(sa.spi_i, path.peer), sa.spi_r);

    auto& half_open = sa.as<HalfOpen>();
    std::vector<Payload> reply;
    reply.emplace_back(wire::Sa{{chosen.answer}});
    reply.emplace_back(wire::KeyExchange{ke.group, half_open.exchange.public_value()});
    reply.emplace_back(wire::Nonce{half_open.nonce_r});
    reply.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_source_ip, sa.spi_i, sa.spi_r, path.local));
    reply.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_destination_ip, sa.spi_i, sa.spi_r, path.peer));
    if (sa.fragmentation) reply.emplace_back(notify(NotifyType::fragmentation_supported));
    const wire::Header header = header_for(sa, wire::ExchangeType::ike_sa_init, 0, true);
    half_open.response = wire::encode_message(header, reply);
    trace_message(true, header, path.local, path.peer, reply);
    transmit(path.local, path.peer, half_open.response);
    arm(sa);
}

bool Engine::Core::derive_half_open_keys(IkeSa& sa) {
    if (sa.protection) return true;
    const auto& state = sa.as<HalfOpen>();
    const auto shared = state.exchange.agree(state.peer_public, *random_);
    if (!shared) {
        refuse(sa.path.peer, shared.error(), sa.our_spi());
        return false;
    }
    const crypto::Nonces nonces{state.nonce_i, state.nonce_r};
    const Secret seed = crypto::skeyseed(backend_, state.suite.prf, nonces, shared->view());
    sa.protection.emplace(Protection{
        state.suite, crypto::ike_keys(backend_, state.suite, seed.view(), nonces, {sa.spi_i, sa.spi_r}), {}});
    return true;
}

// The connection that is meant for this peer: the one that answered IKE_SA_INIT if its identities fit, else
// another that would have chosen the same algorithms.
ConnectionPtr Engine::Core::connection_for(const IkeSa& sa, const auth::Identity& peer,
                                           const std::optional<auth::Identity>& wanted) const {
    const auto fits = [&](const ConnectionPtr& connection) {
        if (connection->role != Role::gateway || !connection->remote_id.matches(peer)) return false;
        if (wanted && *wanted != connection->local_id) return false;
        return !connection->local_address || *connection->local_address == sa.path.local.address;
    };
    if (fits(sa.connection)) return sa.connection;
    for (const ConnectionPtr& connection : connections_) {
        if (fits(connection) && connection->ike == sa.connection->ike) return connection;
    }
    return nullptr;
}

std::expected<auth::Verified, Rule> Engine::Core::authenticate_initiator(IkeSa& sa,
                                                                         std::span<const Payload> payloads) {
    const auto id = single_id(payloads, true);
    if (!id) return std::unexpected(id.error());
    const auto wanted_payload = single_id(payloads, false);
    const auto proof = single<wire::Authentication>(payloads);
    // Without AUTH the peer asks for EAP (RFC 7296 2.16).
    if (!proof)
        return std::unexpected(proof.error() == Rule::missing_payload ? Rule::unsupported_auth_method
                                                                      : proof.error());
    const auth::Identity peer = auth::Identity::from(**id);
    std::optional<auth::Identity> wanted;
    if (wanted_payload) wanted = auth::Identity::from(**wanted_payload);
    const ConnectionPtr connection = connection_for(sa, peer, wanted);
    const Secret* key = keys_.find(peer);
    if (!connection || !key) return std::unexpected(Rule::unknown_identity);
    sa.connection = connection;
    const auto& half_open = sa.as<HalfOpen>();
    const Bytes id_body = wire::identification_body(**id);
    const Bytes octets =
        crypto::signed_octets(backend_, half_open.suite.prf,
                              {half_open.request, half_open.nonce_r, id_body, sa.protection->keys.pi.view()});
    return auth::verify_shared_key(backend_, half_open.suite.prf, key->view(), octets, peer, **proof);
}

void Engine::Core::on_auth_request(const Input& in, IkeSa& sa, std::span<const Payload> payloads) {
    auto peer = authenticate_initiator(sa, payloads);
    if (!peer) {
        const auto id = single_id(payloads, true);
        refuse(in.datagram.peer, peer.error(), sa.our_spi(),
               id ? "the peer says it is " + auth::Identity::from(**id).to_string() : std::string());
        send_response(sa, in.header.exchange, in.header.message_id,
                      std::vector<Payload>{notify(peer.error())});
        // Kept for a while, so that a repeated request finds the same answer.
        forget_auth_keys(sa);
        set_state(sa, Deleting{in.now + config_.limits.half_open_timeout});
        return arm(sa);
    }
    sa.peer_id = peer->identity();
    // RFC 7296 2.4: the peer says that it has no other IKE SA with us; older ones of this identity are dead.
    if (find_notify(payloads, NotifyType::initial_contact)) drop_others_of_peer(in.now, sa);
    by_peer_.emplace(peer_hash(*sa.peer_id), sa.our_spi());
    const wire::Identification our_id = sa.connection->local_id.payload(false);
    const Bytes id_body = wire::identification_body(our_id);
    const auto& half_open = sa.as<HalfOpen>();
    const Bytes octets = crypto::signed_octets(
        backend_, half_open.suite.prf,
        {half_open.response, half_open.nonce_i, id_body, sa.protection->keys.pr.view()});
    std::vector<Payload> reply{our_id};
    reply.emplace_back(
        auth::prove_shared_key(backend_, half_open.suite.prf, keys_.find(peer->identity())->view(), octets));
    const auto child = prepare_child(sa, *peer, payloads, reply);
    if (child) return;
    // RFC 7296 1.2: without a Child SA the IKE SA comes up all the same.
    refuse(in.datagram.peer, child.error(), sa.our_spi(), "no Child SA for " + peer->identity().to_string());
    reply.emplace_back(notify(child.error()));
    send_response(sa, in.header.exchange, in.header.message_id, reply);
    ++counters_.handshakes;
    forget_auth_keys(sa);
    set_state(sa, Established{*std::move(peer), in.now});
    tell(IkeUp{sa.name(), describe(sa.protection->suite), sa.path.nat()});
    arm(sa);
}

// Chooses, leases, narrows and asks the kernel; `reply` so far holds IDr and AUTH, and goes out when the
// kernel has answered (finish_auth).
std::expected<void, Rule> Engine::Core::prepare_child(IkeSa& sa, const auth::Verified& peer,
                                                      std::span<const Payload> payloads,
                                                      std::vector<Payload>& reply) {
    const auto offer = single<wire::Sa>(payloads);
    const auto ts_i = single_ts(payloads, true);
    const auto ts_r = single_ts(payloads, false);
    if (!offer) return std::unexpected(offer.error());
    if (!ts_i) return std::unexpected(ts_i.error());
    if (!ts_r) return std::unexpected(ts_r.error());
    const wire::ChildSpi spi_in = fresh_child_spi();
    const auto chosen = child::choose_esp(sa.connection->esp, **offer, spi_in, false);
    if (!chosen) return std::unexpected(chosen.error());
    const auto request = single<wire::Configuration>(payloads);
    auto assigned = assign(*sa.connection, request ? *request : nullptr, peer, pools_, *random_);
    if (!assigned) return std::unexpected(assigned.error());
    const auto networks = child::selectors(sa.connection->networks);
    auto narrowed =
        child::Narrowed::narrow((*ts_i)->selectors, assigned->selectors, (*ts_r)->selectors, networks);
    if (!narrowed) return std::unexpected(narrowed.error());

    const child::LinkNumber number = fresh_link();
    links_.emplace(number, sa.our_spi());
    assigned->link.number = number;
    assigned->link.interface = config_.gateway_interface;
    sa.link = std::make_unique<VirtualLink>(VirtualLink{
        std::move(assigned->link), std::move(assigned->leases), std::move(assigned->link_id), {}});

    ChildSa child_sa;
    child_sa.id = {number, sa.path.local, sa.path.peer, spi_in, chosen->peer_spi};
    child_sa.suite = chosen->suite;
    child_sa.udp_encapsulation = sa.path.nat();
    child_sa.local = narrowed->responder();
    child_sa.remote = narrowed->initiator();

    std::vector<Payload> otherwise = reply;
    otherwise.emplace_back(notify(Rule::kernel_refused));
    reply.emplace_back(std::move(assigned->reply));
    reply.emplace_back(wire::Sa{{chosen->answer}});
    reply.emplace_back(wire::TrafficSelectors{true, narrowed->initiator()});
    reply.emplace_back(wire::TrafficSelectors{false, narrowed->responder()});
    const auto& half_open = sa.as<HalfOpen>();
    auto keys = crypto::child_keys(backend_, half_open.suite.prf, sa.protection->keys.d.view(), chosen->suite,
                                   {half_open.nonce_i, half_open.nonce_r}, {});
    install(sa, peer, std::move(keys), std::move(child_sa), std::move(reply), std::move(otherwise));
    return {};
}

// SK_pi and SK_pr have no use after IKE_AUTH.
void Engine::Core::forget_auth_keys(IkeSa& sa) {
    sa.protection->keys.pi.clear();
    sa.protection->keys.pr.clear();
}

void Engine::Core::finish_auth(Instant now, IkeSa& sa, bool installed) {
    Installing state = std::move(sa.as<Installing>());
    if (!sa.initiator)
        send_response(sa, wire::ExchangeType::ike_auth, 1, installed ? state.reply : state.otherwise);
    set_state(sa, Established{std::move(state.peer), now});
    ++counters_.handshakes;
    forget_auth_keys(sa);
    tell(IkeUp{sa.name(), describe(sa.protection->suite), sa.path.nat()});
    if (installed) {
        for (ChildSa& child : sa.children) {
            child.installed = true;
            tell(ChildUp{sa.name(), child.id.spi_in, child.id.spi_out, describe(child.suite), sa.link->link});
        }
    }
    arm(sa);
}

} // namespace sheaf::ike

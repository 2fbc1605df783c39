// IKE_SA_INIT and IKE_AUTH as the initiator (RFC 7296 1.2).

#include "lib/group/put.h"
#include "lib/ike/assignment.h"
#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"
#include "lib/ike/nat_detection.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

namespace {

// A responder needs one retry for a cookie and one for a group; more is a peer that plays with us.
constexpr unsigned kMaxRestarts = 3;

// The whole of IKE_AUTH, all rounds of it.
constexpr Duration kAuthenticationTime = std::chrono::minutes(1);

const crypto::KeId kNoGroup = crypto::KeId::none;

bool offers_group(const Connection& connection, crypto::KeId group) {
    return std::ranges::any_of(connection.ike, [group](const child::IkeProposal& proposal) {
        return std::ranges::find(proposal.key_exchange, group) != proposal.key_exchange.end();
    });
}

crypto::KeId first_group(const Connection& connection) {
    for (const child::IkeProposal& proposal : connection.ike) {
        if (!proposal.key_exchange.empty()) return proposal.key_exchange.front();
    }
    return kNoGroup;
}

} // namespace

void Engine::Core::start(Instant now, Initiation& initiation) {
    initiation.next_attempt.reset();
    const Connection& connection = *initiation.connection;
    Endpoint peer = connection.remote.value_or(Endpoint{});
    auto source = connection.local_address;
    if (connection.role == Role::client && !connection.paths.uplinks.empty()) {
        const auto pair = first_pair(initiation);
        source = pair ? std::optional(pair->first) : std::nullopt;
        if (pair) peer.address = pair->second;
    } else if (connection.role == Role::mobile_node) {
        source = bindings_->source(connection);
    } else if (!source) {
        source = host_->source_for(peer.address);
    }
    const crypto::KeId group = first_group(connection);
    if (shutting_down_) return;
    if (!source || group == kNoGroup) {
        const std::string why = source ? "the connection has no key exchange group"
                                       : "there is no route to " + peer.address.to_string();
        retry(now, initiation, DownReason::failed, why);
        return tell(IkeDown{
            {0, connection.name, peer, {}}, DownReason::failed, why, initiation.next_attempt.has_value()});
    }
    Connecting state{crypto::KeyExchange::create(backend_, group, *random_), nonce(), {}, {}, 0};
    Path path{{*source, config_.port}, peer, false, false, connection.force_encapsulation};
    IkeSa& sa = create_sa(now, initiation.connection, path, std::move(state), true);
    initiation.sa = sa.our_spi();
    send_init(now, sa);
}

void Engine::Core::send_init(Instant now, IkeSa& sa) {
    auto& state = sa.as<Connecting>();
    std::vector<Payload> payloads;
    // RFC 7296 2.6.1: a cookie goes along in every further try, also in one with another group.
    if (!state.cookie.empty()) payloads.emplace_back(notify(NotifyType::cookie, state.cookie));
    payloads.emplace_back(child::offer_ike(sa.connection->ike, {}));
    payloads.emplace_back(
        wire::KeyExchange{static_cast<std::uint16_t>(state.exchange.id()), state.exchange.public_value()});
    payloads.emplace_back(wire::Nonce{state.nonce});
    // RFC 7296 2.23: with a hash of no address the responder finds a NAT, and both use UDP.
    const Endpoint source = sa.path.forced ? Endpoint{} : sa.path.local;
    payloads.emplace_back(nat_detection(backend_, NotifyType::nat_detection_source_ip, sa.spi_i, 0, source));
    payloads.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_destination_ip, sa.spi_i, 0, sa.path.peer));
    payloads.emplace_back(notify(NotifyType::fragmentation_supported));
    payloads.emplace_back(sa.authenticator->hash_algorithms());
    if (groups_->is_joined_by(*sa.connection)) payloads.emplace_back(group::vendor_id());
    sa.next_request = 0; // RFC 7296 2.6: a retry with cookie or another group keeps message ID 0
    sa.outstanding.clear();
    send_request(now, sa, wire::ExchangeType::ike_sa_init, FirstExchange{}, payloads);
    state.request = sa.outstanding.front().datagrams.front();
}

// Whether the answer asked for another try of IKE_SA_INIT, which is then made or refused.
bool Engine::Core::restart_init(const Input& in, IkeSa& sa, std::span<const Payload> payloads) {
    auto& state = sa.as<Connecting>();
    const wire::Notify* cookie = find_notify(payloads, NotifyType::cookie);
    const wire::Notify* other_group = find_notify(payloads, NotifyType::invalid_ke_payload);
    if (!cookie && !other_group) return false;
    if (state.restarts++ >= kMaxRestarts) {
        refuse(in.datagram.peer, Rule::repeated_redirect, sa.our_spi());
        return true;
    }
    if (cookie) {
        state.cookie = cookie->data;
    } else {
        const Bytes& data = other_group->data;
        const auto group = static_cast<crypto::KeId>(data.size() == 2 ? data[0] << 8 | data[1] : 0);
        if (!crypto::supported(group) || !offers_group(*sa.connection, group) ||
            group == state.exchange.id()) {
            refuse(in.datagram.peer, Rule::invalid_ke_group, sa.our_spi(),
                   "the peer wants a group that was not offered");
            return true;
        }
        state.exchange = crypto::KeyExchange::create(backend_, group, *random_);
    }
    send_init(in.now, sa);
    return true;
}

void Engine::Core::on_init_response(const Input& in, IkeSa& sa, std::span<const Payload> payloads) {
    if (restart_init(in, sa, payloads)) return;
    if (const wire::Notify* error = find_error(payloads)) {
        refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(), error_text(*error));
        // RFC 7296 2.21.1: anybody can have sent it. One more transmission is waited for a better answer.
        auto& waiting = sa.as<Connecting>();
        waiting.refused = error_text(*error);
        sa.outstanding.front().left = std::min(sa.outstanding.front().left, 1U);
        return;
    }
    const auto answer = single<wire::Sa>(payloads);
    const auto ke = single<wire::KeyExchange>(payloads);
    const auto nonce_r = single<wire::Nonce>(payloads);
    if (!answer || !ke || !nonce_r || in.header.responder_spi == 0)
        return refuse(in.datagram.peer, Rule::missing_payload, sa.our_spi());
    auto& state = sa.as<Connecting>();
    const auto chosen = child::accept_ike(sa.connection->ike, **answer);
    if (!chosen) return refuse(in.datagram.peer, chosen.error(), sa.our_spi());
    if (chosen->suite.ke != state.exchange.id() ||
        (*ke)->group != static_cast<std::uint16_t>(chosen->suite.ke))
        return refuse(in.datagram.peer, Rule::invalid_ke_group, sa.our_spi());
    const auto shared = state.exchange.agree((*ke)->data, *random_);
    if (!shared) return refuse(in.datagram.peer, shared.error(), sa.our_spi());

    sa.spi_r = in.header.responder_spi;
    sa.outstanding.clear();
    sa.last_heard = in.now;
    const NatFound nat = find_nat(backend_, payloads, sa.spi_i, sa.spi_r, sa.path.local, sa.path.peer);
    sa.path.nat_here = nat.here;
    sa.path.nat_there = nat.there;
    const bool nat_known = find_notify(payloads, NotifyType::nat_detection_source_ip) != nullptr;
    if (sa.path.encapsulated() || (sa.connection->mobike && nat_known)) {
        // RFC 7296 2.23, RFC 4555 3.3: with a NAT on the path, or where one may come, all goes on at the other
        // port, IKE and, behind a NAT, ESP alike.
        sa.path.local.port = config_.nat_port;
        if (sa.path.peer.port == 500) sa.path.peer.port = 4500;
    }
    sa.fragmentation = find_notify(payloads, NotifyType::fragmentation_supported) != nullptr;
    sa.peer_childless = find_notify(payloads, NotifyType::childless_supported) != nullptr;
    sa.multipoint = groups_->is_joined_by(*sa.connection) && Groups::announced(payloads);
    sa.peer_hashes = announced_hashes(payloads);
    const crypto::Nonces nonces{state.nonce, (*nonce_r)->data};
    const Secret seed = crypto::skeyseed(backend_, chosen->suite.prf, nonces, shared->view());
    sa.protection.emplace(
        Protection{chosen->suite,
                   crypto::ike_keys(backend_, chosen->suite, seed.view(), nonces, {sa.spi_i, sa.spi_r}),
                   {}});
    record_keys(sa);
    begin_auth(in, sa, std::move(state), (*nonce_r)->data);
}

void Engine::Core::begin_auth(const Input& in, IkeSa& sa, Connecting connecting, View nonce_r) {
    const Connection& connection = *sa.connection;
    Authenticating next;
    next.nonce_i = std::move(connecting.nonce);
    next.nonce_r.assign(nonce_r.begin(), nonce_r.end());
    next.request = std::move(connecting.request);
    next.init_response = in.datagram.bytes;
    sa.expires = in.now + kAuthenticationTime;
    set_state(sa, std::move(next));
    const auto& peer_id = connection.remote_id.exact();
    const std::vector<Payload> received = wire::parse_message(in.datagram.bytes)->payloads;
    auto proof = sa.authenticator->prove(session_of(sa), connection.local_id, peer_id, received);
    if (!proof) {
        refuse(in.datagram.peer, proof.error().rule, sa.our_spi(), proof.error().why);
        return drop(in.now, sa, DownReason::failed, proof.error().why);
    }
    Reply payloads = *std::move(proof);
    // RFC 7296 2.4: only if it is true that we have no other IKE SA between these identities.
    const bool first = std::ranges::none_of(sas_, [&](const auto& entry) {
        const IkeSa& other = *entry.second;
        return &other != &sa && other.peer_id && other.peer_id == peer_id && !other.template in<Deleting>() &&
               other.connection->local_id == connection.local_id;
    });
    if (first && peer_id) payloads.emplace_back(notify(NotifyType::initial_contact));
    if (peer_id) payloads.emplace_back(peer_id->payload(false));
    for (Payload& request : sa.authenticator->requests(backend_))
        payloads.emplace_back(std::move(request));
    payloads.emplace_back(notify(NotifyType::set_window_size, {0, 0, 0, static_cast<std::uint8_t>(kWindow)}));
    if (connection.mobike) offer_mobike(sa, payloads);
    offer_cloning(sa, payloads);
    ask_first_child(sa, sa.as<Authenticating>(), payloads);
    send_request(in.now, sa, wire::ExchangeType::ike_auth, FirstExchange{}, std::move(payloads));
}

// The first answer names the responder; later rounds, if the method has some, go on with that.
auth::Verdict Engine::Core::judge_responder(IkeSa& sa, Payloads payloads) {
    auto& state = sa.as<Authenticating>();
    if (!state.peer_id) {
        const auto id = single_id(payloads, false);
        if (!id) return auth::Refusal{id.error(), std::string(sentence(id.error()))};
        state.peer_id = **id;
    }
    const auth::Identity peer = auth::Identity::from(*state.peer_id);
    if (!sa.connection->remote_id.matches(peer))
        return auth::Refusal{Rule::unknown_identity, "the peer says it is " + peer.to_string() +
                                                         ", and we expect " +
                                                         sa.connection->remote_id.to_string() +
                                                         "; compare remote.id with the peer's own identity"};
    return sa.authenticator->verify(session_of(sa), *state.peer_id, payloads);
}

void Engine::Core::on_auth_response(const Input& in, IkeSa& sa, Payloads payloads) {
    const wire::Notify* error = find_error(payloads);
    auto verdict = judge_responder(sa, payloads);
    if (auto* further = std::get_if<auth::Continue>(&verdict))
        return send_request(in.now, sa, wire::ExchangeType::ike_auth, FirstExchange{},
                            std::move(further->payloads));
    if (const auto* refusal = std::get_if<auth::Refusal>(&verdict)) {
        // An error instead of AUTH is the responder's refusal; it came under protection.
        const bool refused = error && refusal->rule == Rule::missing_payload;
        const std::string why = refused ? error_text(*error) : refusal->why;
        refuse(in.datagram.peer, refused ? Rule::peer_refused : refusal->rule, sa.our_spi(), why);
        // RFC 7296 2.21.2: a responder that could not prove itself has an IKE SA that we do not want.
        if (refused) return drop(in.now, sa, DownReason::failed, why);
        return close(in.now, sa, DownReason::failed, why);
    }
    accept_responder(in, sa, std::get<auth::Verified>(std::move(verdict)), payloads);
}

void Engine::Core::accept_responder(const Input& in, IkeSa& sa, auth::Verified peer, Payloads payloads) {
    const wire::Notify* error = find_error(payloads);
    sa.peer_id = peer.identity();
    by_peer_.emplace(peer_hash(*sa.peer_id), sa.our_spi());
    sa.peer_window = announced_window(payloads);
    note_lifetime(in.now, sa, payloads);
    accept_mobike(sa, payloads);
    accept_cloning(sa, payloads);
    const bool asked = sa.as<Authenticating>().spi_in != 0;
    if (!asked) return establish(in.now, sa, std::move(peer));
    const auto child = error ? std::unexpected(Rule::peer_refused) : accept_first_child(in.now, sa, payloads);
    if (child) {
        return set_state(sa, Installing{std::move(peer), 0, {}, {}});
    }
    const std::string why = error ? error_text(*error) : std::string(sentence(child.error()));
    const wire::ChildSpi made = error ? 0 : sa.as<Authenticating>().spi_in;
    refuse(in.datagram.peer, child.error(), sa.our_spi(),
           error ? why : "the Child SA that the peer answered with");
    const bool needs_child = sa.connection->role == Role::client || sa.connection->role == Role::mobile_node;
    if (needs_child) return close(in.now, sa, DownReason::failed, why);
    // RFC 7296 1.2: without a Child SA the IKE SA is up all the same.
    const wire::Spi spi = sa.our_spi();
    if (Initiation* initiation = initiation_of(sa)) initiation->last_error = why;
    establish(in.now, sa, std::move(peer));
    if (IkeSa* left = find(spi); left && made != 0) want(in.now, *left, {Want::Kind::delete_child, {}, made});
}

} // namespace sheaf::ike

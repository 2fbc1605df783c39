// IKE_SA_INIT and IKE_AUTH as the responder (RFC 7296 1.2).

#include "lib/crypto/psk_auth.h"
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

// How long whoever gives addresses may take: as long as most clients repeat their request.
constexpr Duration kAddressTime = std::chrono::seconds(30);

// Whether a connection is for requests between these addresses. Behind a NAT a peer's address is not its own,
// but then the connection cannot name it either.
bool answers(const Connection& connection, const IpAddress& local, const IpAddress& peer) {
    if (connection.role == Role::client || connection.role == Role::mobile_node) return false;
    if (connection.local_address && *connection.local_address != local) return false;
    return connection.role == Role::gateway || !connection.remote || connection.remote->address == peer;
}

} // namespace

Prefix source_of(const IpAddress& address) { return {address, address.is_v6() ? 64U : 32U}; }

std::vector<crypto::HashId> announced_hashes(std::span<const Payload> payloads) {
    std::vector<crypto::HashId> out;
    const wire::Notify* hashes = find_notify(payloads, NotifyType::signature_hash_algorithms);
    for (std::size_t i = 0; hashes && i + 1 < hashes->data.size() && out.size() < 16; i += 2)
        out.push_back(static_cast<crypto::HashId>(hashes->data[i] << 8 | hashes->data[i + 1]));
    return out;
}

// RFC 7296 2.3: 1 unless the peer says more.
std::uint32_t announced_window(std::span<const Payload> payloads) {
    const wire::Notify* told = find_notify(payloads, NotifyType::set_window_size);
    if (!told) return 1;
    std::uint32_t size = 0;
    for (const std::uint8_t octet : told->data)
        size = size << 8 | octet;
    return std::clamp(size, 1U, kWindow);
}

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
    const auto from = half_open_from_.find(source_of(in.datagram.peer.address));
    const std::size_t here = from == half_open_from_.end() ? 0 : from->second;
    if (here >= 2 * config_.limits.half_open_per_source) {
        refuse(in.datagram.peer, Rule::too_many_half_open);
        return false;
    }
    if (half_open_ < config_.limits.half_open_for_cookies && here < config_.limits.half_open_per_source)
        return true;
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
        if (!answers(*connection, datagram.local.address, datagram.peer.address)) continue;
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
    const Path path{in.datagram.local, in.datagram.peer, nat.here, nat.there,
                    connection->force_encapsulation};
    HalfOpen state{chosen.suite, std::move(exchange), ke.data, nonce_i.data,
                   nonce(),      in.datagram.bytes,   {},      in.now + config_.limits.half_open_timeout};
    IkeSa& sa = create_sa(in.now, connection, path, std::move(state), false);
    sa.spi_i = in.header.initiator_spi;
    sa.next_expected = 1;
    sa.fragmentation = find_notify(payloads, NotifyType::fragmentation_supported) != nullptr;
    sa.peer_hashes = announced_hashes(payloads);
    by_init_.emplace(std::pair(sa.spi_i, path.peer), sa.spi_r);

    auto& half_open = sa.as<HalfOpen>();
    std::vector<Payload> reply;
    reply.emplace_back(wire::Sa{{chosen.answer}});
    reply.emplace_back(wire::KeyExchange{ke.group, half_open.exchange.public_value()});
    reply.emplace_back(wire::Nonce{half_open.nonce_r});
    const Endpoint source = path.forced ? Endpoint{} : path.local;
    reply.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_source_ip, sa.spi_i, sa.spi_r, source));
    reply.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_destination_ip, sa.spi_i, sa.spi_r, path.peer));
    if (sa.fragmentation) reply.emplace_back(notify(NotifyType::fragmentation_supported));
    reply.emplace_back(notify(NotifyType::childless_supported));
    // RFC 7427 4: only to a peer that has announced the same.
    if (!sa.peer_hashes.empty()) reply.emplace_back(sa.authenticator->hash_algorithms());
    for (Payload& request : sa.authenticator->requests(backend_))
        reply.emplace_back(std::move(request));
    // Who the peer is, and so whether a group is meant for it, comes later.
    sa.multipoint =
        Groups::announced(payloads) && std::ranges::any_of(connections_, [&](const ConnectionPtr& other) {
            return groups_->is_served_by(*other) &&
                   answers(*other, in.datagram.local.address, in.datagram.peer.address);
        });
    if (sa.multipoint) reply.emplace_back(group::vendor_id());
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
    record_keys(sa);
    return true;
}

// The connection that is meant for this peer: the one that answered IKE_SA_INIT if its identities fit, else
// another that would have chosen the same algorithms.
ConnectionPtr Engine::Core::connection_for(const IkeSa& sa, const auth::Identity& peer,
                                           const std::optional<auth::Identity>& wanted) const {
    const auto fits = [&](const ConnectionPtr& connection) {
        if (!connection->remote_id.matches(peer)) return false;
        if (wanted && !auth::same_identity(*wanted, connection->local_id)) return false;
        return answers(*connection, sa.path.local.address, sa.path.peer.address);
    };
    if (fits(sa.connection)) return sa.connection;
    for (const ConnectionPtr& connection : connections_) {
        if (fits(connection) && connection->ike == sa.connection->ike) return connection;
    }
    return nullptr;
}

// What the authentication needs to know; valid as long as the IKE SA is in its state.
auth::Session Engine::Core::session_of(IkeSa& sa) {
    auth::Session out{
        backend_, *random_, sa.protection->suite.prf, host_->wall_time(), sa.initiator, sa.peer_hashes,
        {},       {}};
    const auto octets = [this, prf = out.prf](View message, View nonce, View key) {
        return [this, prf, message, nonce, key](View id_body) {
            return crypto::signed_octets(backend_, prf, {message, nonce, id_body, key});
        };
    };
    const crypto::IkeKeys& keys = sa.protection->keys;
    if (const auto* state = sa.in<HalfOpen>()) {
        out.our_octets = octets(state->response, state->nonce_i, keys.pr.view());
        out.peer_octets = octets(state->request, state->nonce_r, keys.pi.view());
    } else if (const auto* initiating = sa.in<Authenticating>()) {
        out.our_octets = octets(initiating->request, initiating->nonce_r, keys.pi.view());
        out.peer_octets = octets(initiating->init_response, initiating->nonce_i, keys.pr.view());
    }
    return out;
}

// `first` is the first IKE_AUTH request, which says who the peer is; `received` the latest.
auth::Verdict Engine::Core::judge_initiator(IkeSa& sa, Payloads first, Payloads received) {
    const auto id = single_id(first, true);
    if (!id) return auth::Refusal{id.error(), std::string(sentence(id.error()))};
    const auth::Identity peer = auth::Identity::from(**id);
    std::optional<auth::Identity> wanted;
    if (const auto named = single_id(first, false)) wanted = auth::Identity::from(**named);
    const ConnectionPtr connection = connection_for(sa, peer, wanted);
    if (!connection)
        return auth::Refusal{Rule::unknown_identity,
                             "no connection is for " + peer.to_string() +
                                 (wanted ? " that asks for " + wanted->to_string() : std::string()) +
                                 "; compare remote.id and local.id with what the peer sends"};
    if (connection != sa.connection) {
        sa.connection = connection;
        sa.authenticator = methods_->authenticator(connection->auth);
    }
    return sa.authenticator->verify(session_of(sa), **id, received);
}

bool Engine::Core::is_connected(const auth::Identity& peer, const Connection& connection) const {
    const auto [first, last] = by_peer_.equal_range(peer_hash(peer));
    return std::any_of(first, last, [&](const auto& entry) {
        const auto found = sas_.find(entry.second);
        return found != sas_.end() && found->second->peer_id == peer &&
               (found->second->template in<Established>() || found->second->template in<Installing>() ||
                found->second->template in<Assigning>()) &&
               found->second->standing != Standing::left &&
               found->second->connection->name == connection.name;
    });
}

void Engine::Core::on_auth_request(const Input& in, IkeSa& sa, Payloads payloads) {
    // RFC 4555 3.7: an initiator has shown that it is where IKE_SA_INIT was answered. Where it says that it is next
    // would get its ESP.
    if (sa.connection->mobike && sa.connection->route_proof &&
        in.datagram.peer.address != sa.init_peer.address) {
        sa.answers.erase(in.header.message_id); // it may come again from where it should
        return refuse(in.datagram.peer, Rule::unacceptable_addresses, sa.our_spi(),
                      "IKE_AUTH from elsewhere");
    }
    auto& state = sa.as<HalfOpen>();
    const bool further = !state.first_auth.empty();
    if (!further) state.first_auth.assign(payloads.begin(), payloads.end());
    const std::vector<Payload> first = state.first_auth;
    auto verdict = judge_initiator(sa, first, payloads);
    if (const auto* more = std::get_if<auth::Continue>(&verdict))
        return send_response(in.now, sa, in.header.exchange, in.header.message_id, more->payloads);
    if (const auto* refusal = std::get_if<auth::Refusal>(&verdict))
        return refuse_auth(in, sa, first, *refusal);
    accept_initiator(in, sa, std::get<auth::Verified>(std::move(verdict)), first);
}

void Engine::Core::refuse_auth(const Input& in, IkeSa& sa, Payloads payloads, const auth::Refusal& why) {
    const auto id = single_id(payloads, true);
    const std::string who =
        id ? "the peer says it is " + auth::Identity::from(**id).to_string() : std::string();
    refuse(in.datagram.peer, why.rule, sa.our_spi(), why.why.empty() ? who : why.why);
    send_response(
        in.now, sa, in.header.exchange, in.header.message_id,
        std::vector<Payload>{notify(notify_type(why.rule) != 0 ? why.rule : Rule::authentication_failed)});
    // Kept for a while, so that a repeated request finds the same answer.
    forget_auth_keys(sa);
    set_state(sa, Deleting{in.now + config_.limits.half_open_timeout});
    arm(sa);
}

void Engine::Core::accept_initiator(const Input& in, IkeSa& sa, auth::Verified peer, Payloads payloads) {
    if (sa.connection->uniqueness == Uniqueness::keep && is_connected(peer.identity(), *sa.connection))
        return refuse_auth(in, sa, payloads,
                           {Rule::already_connected,
                            peer.identity().to_string() +
                                " has an IKE SA already; end that first, or set unique to replace"});
    sa.peer_id = peer.identity();
    by_peer_.emplace(peer_hash(*sa.peer_id), sa.our_spi());
    if (other_logins(sa) >= config_.limits.ike_sas_per_identity)
        return refuse_auth(in, sa, payloads, {Rule::too_many_of_identity, peer.identity().to_string()});
    auto proof = sa.authenticator->prove(session_of(sa), sa.connection->local_id, peer.identity(), payloads);
    if (!proof) return refuse_auth(in, sa, payloads, proof.error());
    set_unproved(sa, false);
    // RFC 7296 2.4: the peer says that it has no other IKE SA with us; older ones of this identity are dead.
    if (find_notify(payloads, NotifyType::initial_contact)) drop_others_of_peer(in.now, sa);
    sa.peer_window = announced_window(payloads);
    Reply reply = *std::move(proof);
    reply.emplace_back(notify(NotifyType::set_window_size, {0, 0, 0, static_cast<std::uint8_t>(kWindow)}));
    accept_mobike(sa, payloads);
    if (sa.mobility.on) offer_mobike(sa, reply);
    accept_cloning(sa, payloads);
    if (sa.family) offer_cloning(sa, reply);
    const bool gateway = sa.connection->role == Role::gateway;
    if (gateway && sa.connection->reauth > Duration::zero()) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(sa.connection->reauth).count();
        reply.emplace_back(
            notify(NotifyType::auth_lifetime, spi_octets(static_cast<std::uint32_t>(seconds))));
        limit_authentication(in.now, sa, sa.connection->reauth);
    }
    const auto lacks = [](const auto& payload) {
        return !payload && payload.error() == Rule::missing_payload;
    };
    const bool childless = lacks(single<wire::Sa>(payloads)) && lacks(single_ts(payloads, true)) &&
                           lacks(single_ts(payloads, false));
    if (childless) {
        send_response(in.now, sa, in.header.exchange, in.header.message_id, reply);
        return establish(in.now, sa, std::move(peer));
    }
    auto& half_open = sa.as<HalfOpen>();
    Rule why{};
    auto plan = gateway || sa.connection->role == Role::home_agent ? ask_addresses(in.now, sa, peer, payloads)
                                                                   : AddressPlan{};
    if (plan && !plan->wants.empty()) {
        set_state(sa, Assigning{std::move(peer),
                                in.header.message_id,
                                {payloads.begin(), payloads.end()},
                                std::move(reply),
                                std::move(half_open.nonce_i),
                                std::move(half_open.nonce_r),
                                *std::move(plan),
                                last_demand_,
                                in.now + kAddressTime});
        return arm(sa);
    }
    if (!plan) {
        why = plan.error();
    } else {
        Reply otherwise = reply;
        otherwise.emplace_back(notify(Rule::kernel_refused));
        const auto child = answer_first_child(in.now, sa, {payloads, {half_open.nonce_i, half_open.nonce_r}},
                                              nullptr, reply);
        if (child) {
            set_state(sa, Installing{std::move(peer), in.header.message_id, std::move(reply),
                                     std::move(otherwise)});
            return arm(sa);
        }
        why = child.error();
    }
    refuse(in.datagram.peer, why, sa.our_spi(), "no Child SA for " + peer.identity().to_string());
    establish_without_child(in.now, sa, std::move(peer), std::move(reply), in.header.message_id, why);
}

// RFC 7296 1.2: without a Child SA the IKE SA comes up all the same.
void Engine::Core::establish_without_child(Instant now, IkeSa& sa, auth::Verified peer, Reply reply,
                                           std::uint32_t message_id, Rule why) {
    reply.emplace_back(notify(why));
    send_response(now, sa, wire::ExchangeType::ike_auth, message_id, reply);
    establish(now, sa, std::move(peer));
}

// SK_pi and SK_pr have no use after IKE_AUTH.
void Engine::Core::forget_auth_keys(IkeSa& sa) {
    sa.protection->keys.pi.clear();
    sa.protection->keys.pr.clear();
}

void Engine::Core::finish_auth(Instant now, IkeSa& sa, bool installed) {
    Installing state = std::move(sa.as<Installing>());
    if (!sa.initiator)
        send_response(now, sa, wire::ExchangeType::ike_auth, state.message_id,
                      installed ? state.reply : state.otherwise);
    const wire::Spi spi = sa.our_spi();
    establish(now, sa, std::move(state.peer));
    IkeSa* left = find(spi);
    if (!installed || !left) return;
    tell_leases(*left);
    if (left->link) tell_name_servers(*left->link);
    for (ChildSa& child : left->children) {
        if (child.state != ChildState::live) continue; // handed over, to listen for a while
        tell_child_up(*left, child);
        await_handover(now, *left, child);
    }
    settle_ways(*left);
}

void Engine::Core::establish(Instant now, IkeSa& sa, auth::Verified peer) {
    set_state(sa, Established{std::move(peer), now});
    ++counters_.handshakes;
    forget_auth_keys(sa);
    sa.authenticator.reset();
    forget_methods();
    sa.expires = Instant::max();
    // RFC 7296 2.3: it opens when the peer has authenticated itself, on this IKE SA and on none that is made of it.
    sa.own_window = kWindow;
    set_ike_lifetimes(now, sa);
    const Duration reauth = sa.connection->reauth;
    if (reauth > Duration::zero() && initiation_of(sa)) sa.reauth_at = now + reauth - jittered(reauth / 10);
    tell(IkeUp{sa.name(), describe(sa.protection->suite), sa.path.nat()});
    groups_->on_up(now, sa);
    replace_others(now, sa);
    if (sa.connection->role == Role::gateway && has_old_blocks(sa)) renumber(now, sa); // reloaded meanwhile
    if (!sa.initiator)
        adopt(now, sa);
    else if (Initiation* initiation = initiation_of(sa))
        on_up(now, *initiation, sa);
    arm(sa);
}

// RFC 7296 2.8: well before the keys are worn out; what could not be rekeyed ends when a quarter more is used
// up.
void Engine::Core::set_ike_lifetimes(Instant now, IkeSa& sa) {
    const Duration life = sa.connection->rekey;
    if (life <= Duration::zero()) return;
    sa.rekey_at = now + life - jittered(life / 10);
    sa.expires = now + life + life / 4;
}

// One identity, one IKE SA: those from before have been taken over, or have nothing that could be.
void Engine::Core::replace_others(Instant now, IkeSa& sa) {
    const Uniqueness uniqueness = sa.connection->uniqueness;
    const bool several = uniqueness == Uniqueness::many || uniqueness == Uniqueness::share;
    const bool ours = sa.connection->role == Role::client || sa.connection->role == Role::mobile_node;
    if (ours) return;
    for (const wire::Spi spi : others_of_peer(sa)) {
        IkeSa* old = find(spi);
        if (!old || !old->in<Established>() || old->standing != Standing::current) continue;
        if (old->connection->name != sa.connection->name) continue;
        if (several) {
            // Nobody but the client knows its Link ID, and what it had is given no more.
            const bool itself = withdraws(*old, sa) && old->share->link_id == sa.share->link_id;
            if (itself && has_old_blocks(*old)) supersede(now, *old, kWithdrawnStays);
            continue;
        }
        // A client whose new IKE SA got no addresses lives on the old one.
        if (old->share && !sa.share) continue;
        // When both sides have begun at once, each sees the other's come last: both let the one with the
        // lower SPI go.
        const bool crossed = old->began != sa.began && now - old->as<Established>().since < kReplacedStays;
        IkeSa& loser = crossed && sa.spi_i < old->spi_i ? sa : *old;
        if (crossed || uniqueness == Uniqueness::replace)
            supersede(now, loser, withdraws(loser, sa) ? kWithdrawnStays : kReplacedStays);
    }
}

// It has authenticated anew: how long the old one stays is a matter of `stays` alone.
void Engine::Core::supersede(Instant now, IkeSa& sa, Duration stays) {
    sa.superseded = true;
    sa.authenticated_until = Instant::max();
    sa.expires = std::min(sa.expires, now + stays);
    arm(sa);
}

} // namespace sheaf::ike

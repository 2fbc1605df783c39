// IKE_SA_INIT and IKE_AUTH as the initiator (RFC 7296 1.2).

#include "lib/child/selector.h"
#include "lib/crypto/psk_auth.h"
#include "lib/ike/assignment.h"
#include "lib/ike/core.h"
#include "lib/ike/nat_detection.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

namespace {

// A responder needs one retry for a cookie and one for a group; more is a peer that plays with us.
constexpr unsigned kMaxRestarts = 3;

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

std::string error_text(const wire::Notify& error) {
    const auto known = wire::name(error.type);
    const std::string what = known == "unknown" ? "error " + std::to_string(static_cast<unsigned>(error.type))
                                                : std::string(known);
    return "the peer answered " + what;
}

} // namespace

void Engine::Core::start(Instant now, Client& client) {
    client.next_attempt.reset();
    const Connection& connection = *client.connection;
    const Endpoint peer = connection.remote.value_or(Endpoint{});
    const auto source =
        connection.local_address ? connection.local_address : source_->source_for(peer.address);
    const crypto::KeId group = first_group(connection);
    if (shutting_down_) return;
    if (!source || group == kNoGroup) {
        const std::string why = source ? "the connection has no key exchange group"
                                       : "there is no route to " + peer.address.to_string();
        retry(now, client, DownReason::failed, why);
        return tell(IkeDown{
            {0, connection.name, peer, {}}, DownReason::failed, why, client.next_attempt.has_value()});
    }
    Connecting state{crypto::KeyExchange::create(backend_, group, *random_), nonce(), {}, {}, 0};
    IkeSa& sa = create_sa(now, client.connection, {{*source, config_.port}, peer, false, false},
                          std::move(state), true);
    client.sa = sa.our_spi();
    send_init(now, sa);
}

void Engine::Core::send_init(Instant now, IkeSa& sa) {
    auto& state = sa.as<Connecting>();
    std::vector<Payload> payloads;
    if (!state.cookie.empty()) payloads.emplace_back(notify(NotifyType::cookie, state.cookie));
    payloads.emplace_back(child::offer_ike(sa.connection->ike, {}));
    payloads.emplace_back(
        wire::KeyExchange{static_cast<std::uint16_t>(state.exchange.id()), state.exchange.public_value()});
    payloads.emplace_back(wire::Nonce{state.nonce});
    payloads.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_source_ip, sa.spi_i, 0, sa.path.local));
    payloads.emplace_back(
        nat_detection(backend_, NotifyType::nat_detection_destination_ip, sa.spi_i, 0, sa.path.peer));
    payloads.emplace_back(notify(NotifyType::fragmentation_supported));
    sa.next_request = 0; // RFC 7296 2.6: a retry with cookie or another group keeps message ID 0
    send_request(now, sa, wire::ExchangeType::ike_sa_init, payloads);
    state.request = sa.outstanding->datagrams.front();
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
        return drop(in.now, sa, DownReason::failed, error_text(*error));
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
    sa.outstanding.reset();
    sa.last_heard = in.now;
    const NatFound nat = find_nat(backend_, payloads, sa.spi_i, sa.spi_r, sa.path.local, sa.path.peer);
    sa.path.nat_here = nat.here;
    sa.path.nat_there = nat.there;
    if (nat.here || nat.there) {
        // RFC 7296 2.23: with a NAT on the path all goes on at the other port, IKE and ESP alike.
        sa.path.local.port = config_.nat_port;
        if (sa.path.peer.port == 500) sa.path.peer.port = 4500;
    }
    sa.fragmentation = find_notify(payloads, NotifyType::fragmentation_supported) != nullptr;
    const crypto::Nonces nonces{state.nonce, (*nonce_r)->data};
    const Secret seed = crypto::skeyseed(backend_, chosen->suite.prf, nonces, shared->view());
    sa.protection.emplace(
        Protection{chosen->suite,
                   crypto::ike_keys(backend_, chosen->suite, seed.view(), nonces, {sa.spi_i, sa.spi_r}),
                   {}});
    send_auth(in, sa, std::move(state), (*nonce_r)->data);
}

void Engine::Core::send_auth(const Input& in, IkeSa& sa, Connecting connecting, View nonce_r) {
    const Connection& connection = *sa.connection;
    const auto& peer_id = connection.remote_id.exact();
    const Secret* key = peer_id ? keys_.find(*peer_id) : nullptr;
    if (!key)
        return drop(in.now, sa, DownReason::failed,
                    "no secret is configured for " + connection.remote_id.to_string());

    Authenticating next;
    next.nonce_i = std::move(connecting.nonce);
    next.nonce_r.assign(nonce_r.begin(), nonce_r.end());
    next.init_response = in.datagram.bytes;
    next.spi_in = fresh_child_spi();
    next.interface_id = random_interface_id(*random_);

    const wire::Identification our_id = connection.local_id.payload(true);
    const Bytes id_body = wire::identification_body(our_id);
    const crypto::PrfId prf = sa.protection->suite.prf;
    const Bytes octets = crypto::signed_octets(
        backend_, prf, {connecting.request, nonce_r, id_body, sa.protection->keys.pi.view()});
    std::vector<Payload> payloads{our_id};
    // RFC 7296 2.4: only if it is true that we have no other IKE SA between these identities.
    const bool first = std::ranges::none_of(sas_, [&](const auto& entry) {
        const IkeSa& other = *entry.second;
        return &other != &sa && other.initiator && other.peer_id == peer_id &&
               !other.template in<Deleting>() && other.connection->local_id == connection.local_id;
    });
    if (first) payloads.emplace_back(notify(NotifyType::initial_contact));
    payloads.emplace_back(peer_id->payload(false));
    payloads.emplace_back(auth::prove_shared_key(backend_, prf, key->view(), octets));
    payloads.emplace_back(address_request(connection.request, next.interface_id));
    payloads.emplace_back(child::offer_esp(connection.esp, next.spi_in, false));
    payloads.emplace_back(wire::TrafficSelectors{true, requested_selectors(connection.request)});
    payloads.emplace_back(wire::TrafficSelectors{false, child::selectors(connection.networks)});
    set_state(sa, std::move(next));
    send_request(in.now, sa, wire::ExchangeType::ike_auth, payloads);
}

std::expected<auth::Verified, Rule> Engine::Core::authenticate_responder(IkeSa& sa,
                                                                         std::span<const Payload> payloads) {
    const auto id = single_id(payloads, false);
    const auto proof = single<wire::Authentication>(payloads);
    if (!id) return std::unexpected(id.error());
    if (!proof) return std::unexpected(proof.error());
    const auth::Identity peer = auth::Identity::from(**id);
    const Secret* key = keys_.find(peer);
    if (!sa.connection->remote_id.matches(peer) || !key) return std::unexpected(Rule::unknown_identity);
    const auto& state = sa.as<Authenticating>();
    const Bytes id_body = wire::identification_body(**id);
    const crypto::PrfId prf = sa.protection->suite.prf;
    const Bytes octets = crypto::signed_octets(
        backend_, prf, {state.init_response, state.nonce_i, id_body, sa.protection->keys.pr.view()});
    return auth::verify_shared_key(backend_, prf, key->view(), octets, peer, **proof);
}

void Engine::Core::on_auth_response(const Input& in, IkeSa& sa, std::span<const Payload> payloads) {
    const wire::Notify* error = find_error(payloads);
    auto peer = authenticate_responder(sa, payloads);
    if (!peer) {
        // An error instead of AUTH is the responder's refusal; it came under protection.
        const bool refused = error && peer.error() == Rule::missing_payload;
        const std::string why = refused ? error_text(*error) : std::string(sentence(peer.error()));
        refuse(in.datagram.peer, refused ? Rule::peer_refused : peer.error(), sa.our_spi(),
               refused ? why : std::string());
        // RFC 7296 2.21.2: a responder that could not prove itself has an IKE SA that we do not want.
        if (refused) return drop(in.now, sa, DownReason::failed, why);
        return close(in.now, sa, DownReason::failed, why);
    }
    sa.peer_id = peer->identity();
    if (error) {
        refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(), error_text(*error));
        return close(in.now, sa, DownReason::failed, error_text(*error));
    }
    const auto child = accept_child(*std::move(peer), sa, payloads);
    if (child) return;
    refuse(in.datagram.peer, child.error(), sa.our_spi());
    close(in.now, sa, DownReason::failed, std::string(sentence(child.error())));
}

std::expected<void, Rule> Engine::Core::accept_child(auth::Verified peer, IkeSa& sa,
                                                     std::span<const Payload> payloads) {
    const auto& state = sa.as<Authenticating>();
    const Connection& connection = *sa.connection;
    const auto answer = single<wire::Sa>(payloads);
    const auto ts_i = single_ts(payloads, true);
    const auto ts_r = single_ts(payloads, false);
    if (!answer) return std::unexpected(answer.error());
    if (!ts_i) return std::unexpected(ts_i.error());
    if (!ts_r) return std::unexpected(ts_r.error());
    const auto chosen = child::accept_esp(connection.esp, **answer, false);
    if (!chosen) return std::unexpected(chosen.error());
    const auto narrowed = child::Narrowed::accept((*ts_i)->selectors, requested_selectors(connection.request),
                                                  (*ts_r)->selectors, child::selectors(connection.networks));
    if (!narrowed) return std::unexpected(narrowed.error());
    const auto reply = single<wire::Configuration>(payloads);
    auto received = read_reply(connection.request, state.interface_id, reply ? *reply : nullptr);
    if (!received) return std::unexpected(received.error());

    const child::LinkNumber number = fresh_link();
    child::Link link{
        number, child::LinkRole::client, connection.interface, std::move(received->addresses), {}};
    for (const wire::TrafficSelector& selector : narrowed->responder()) {
        const auto prefixes = child::prefixes_of(selector, wire::kMaxSelectors);
        if (!prefixes) return std::unexpected(Rule::ts_not_narrowed);
        for (const Prefix& prefix : *prefixes) {
            const bool usable = std::ranges::any_of(link.addresses, [&](const child::InterfaceAddress& a) {
                return a.address.family() == prefix.family() && !a.address.is_link_local();
            });
            if (usable) link.routes.push_back(prefix);
        }
    }
    links_.emplace(number, sa.our_spi());
    sa.link = std::make_unique<VirtualLink>(
        VirtualLink{std::move(link), {}, std::move(received->link_id), std::move(received->dns)});

    ChildSa child_sa;
    child_sa.id = {number, sa.path.local, sa.path.peer, state.spi_in, chosen->peer_spi};
    child_sa.suite = chosen->suite;
    child_sa.udp_encapsulation = sa.path.nat();
    child_sa.local = narrowed->initiator();
    child_sa.remote = narrowed->responder();
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, {state.nonce_i, state.nonce_r}, {});
    install(sa, std::move(peer), std::move(keys), std::move(child_sa), {}, {});
    return {};
}

} // namespace sheaf::ike

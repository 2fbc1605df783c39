// The Child SA of IKE_AUTH (RFC 7296 1.2), and the virtual link that comes with it.

#include "lib/ike/assignment.h"
#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

// What we ask for in IKE_AUTH; nothing where the IKE SA is to come up without a Child SA (RFC 6023 3).
void Engine::Core::ask_first_child(IkeSa& sa, Authenticating& state, Reply& request) {
    const Connection& connection = *sa.connection;
    const ChildTerms* terms = &connection.child;
    if (connection.role == Role::peer) {
        if (connection.childless && sa.peer_childless) return;
        const Initiation* initiation = initiation_of(sa);
        const bool wanted = initiation && !initiation->children.empty();
        if (connection.children.empty()) return;
        state.child = wanted ? *initiation->children.begin() : connection.children.front().name;
        const ChildConfig* config = child_config(connection, state.child);
        if (!config) return;
        terms = &config->terms;
        state.transport = config->mode == child::Mode::transport;
        state.local = selectors_of(config->local, sa.path.local.address);
        state.remote = selectors_of(config->remote, sa.path.peer.address);
    } else {
        state.child = connection.name;
        state.local = requested_selectors(connection.request);
        state.remote = child::selectors(connection.networks);
        request.emplace_back(address_request(connection.request, state.interface_id));
    }
    state.spi_in = fresh_child_spi();
    if (state.transport) request.emplace_back(notify(NotifyType::use_transport_mode));
    request.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    request.emplace_back(child::offer_esp(terms->esp, state.spi_in, false));
    request.emplace_back(wire::TrafficSelectors{true, state.local});
    request.emplace_back(wire::TrafficSelectors{false, state.remote});
}

// The link of another IKE SA of the same peer and connection, which the new one takes over with its number
// and, as the pools go by identity, its addresses (make before break).
std::shared_ptr<VirtualLink> Engine::Core::take_over_link(Instant now, IkeSa& sa) {
    for (const wire::Spi spi : others_of_peer(sa)) {
        IkeSa* old = find(spi);
        if (!old || old->connection != sa.connection || !old->link || old->standing != Standing::current)
            continue;
        supersede(now, *old);
        return old->link;
    }
    return nullptr;
}

// Gateway: gives the client its addresses.
std::expected<Opening, Rule> Engine::Core::assign_link(const Input& in, IkeSa& sa, const auth::Verified& peer,
                                                       const Offer& offer, Payloads payloads,
                                                       Assignment& assigned) {
    const auto request = single<wire::Configuration>(payloads);
    if (sa.connection->uniqueness == Uniqueness::replace) sa.link = take_over_link(in.now, sa);
    // The pools go by identity: what was given before is given again.
    if (sa.link) sa.link->leases.clear();
    auto given =
        assign(*sa.connection, request ? *request : nullptr, offer.ts_i->selectors, peer, pools_, *random_);
    if (!given) return std::unexpected(given.error());
    assigned = *std::move(given);
    if (!sa.link) sa.link = new_link();
    sa.link->leases = std::move(assigned.leases);
    sa.link->link_id = std::move(assigned.link_id);
    assigned.link.number = sa.link->link.number;
    assigned.link.interface = config_.gateway_interface;
    return Opening{sa.link, assigned.link};
}

// The responder's side. What was agreed on goes out when the kernel has answered (finish_auth).
std::expected<void, Rule> Engine::Core::answer_first_child(const Input& in, IkeSa& sa,
                                                           const auth::Verified& peer, Payloads payloads,
                                                           Reply& reply) {
    const auto offer = Offer::read(payloads);
    if (!offer) return std::unexpected(offer.error());
    const bool gateway = sa.connection->role == Role::gateway;
    const ChildTerms* terms = &sa.connection->child;
    const wire::ChildSpi spi_in = fresh_child_spi();
    std::optional<Match> matched;
    if (!gateway) {
        auto found = match(sa, *offer);
        if (!found) return std::unexpected(found.error());
        matched.emplace(*std::move(found));
        terms = matched->terms;
    } else if (offer->transport) {
        return std::unexpected(Rule::mode_refused);
    }
    const auto chosen = child::choose_esp(terms->esp, *offer->sa, spi_in, false);
    if (!chosen) return std::unexpected(chosen.error());
    Opening opening;
    if (gateway) {
        Assignment assigned;
        auto link = assign_link(in, sa, peer, *offer, payloads, assigned);
        if (!link) {
            drop_link(sa);
            return std::unexpected(link.error());
        }
        opening = *std::move(link);
        auto narrowed =
            child::Narrowed::narrow(offer->ts_i->selectors, assigned.selectors, offer->ts_r->selectors,
                                    child::selectors(sa.connection->networks));
        if (!narrowed) {
            drop_link(sa);
            return std::unexpected(narrowed.error());
        }
        matched.emplace(Match{sa.connection->name, terms, child::Mode::tunnel, *std::move(narrowed)});
        reply.emplace_back(std::move(assigned.reply));
    }
    ChildSa made = child_of(sa, matched->name, *matched->terms, matched->mode);
    made.id.spi_in = spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = matched->narrowed.responder();
    made.remote = matched->narrowed.initiator();
    if (offer->transport) reply.emplace_back(notify(NotifyType::use_transport_mode));
    reply.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    reply.emplace_back(wire::Sa{{chosen->answer}});
    reply.emplace_back(wire::TrafficSelectors{true, matched->narrowed.initiator()});
    reply.emplace_back(wire::TrafficSelectors{false, matched->narrowed.responder()});
    const auto& half_open = sa.as<HalfOpen>();
    auto keys = crypto::child_keys(backend_, half_open.suite.prf, sa.protection->keys.d.view(), chosen->suite,
                                   {half_open.nonce_i, half_open.nonce_r}, {});
    if (!gateway) opening = peer_opening(sa, made);
    install(in.now, sa, std::move(keys), std::move(made), opening);
    return {};
}

// Client: what the gateway has given. A link that is still open from before goes on with its number.
std::expected<Opening, Rule> Engine::Core::take_link(IkeSa& sa, Payloads payloads,
                                                     const child::Narrowed& narrowed) {
    const Connection& connection = *sa.connection;
    const auto reply = single<wire::Configuration>(payloads);
    auto received =
        read_reply(connection.request, sa.as<Authenticating>().interface_id, reply ? *reply : nullptr);
    if (!received) return std::unexpected(received.error());
    child::Link link{0, child::LinkRole::client, connection.interface, std::move(received->addresses), {}};
    for (const wire::TrafficSelector& selector : narrowed.responder()) {
        const auto prefixes = child::prefixes_of(selector, wire::kMaxSelectors);
        if (!prefixes) return std::unexpected(Rule::ts_not_narrowed);
        for (const Prefix& prefix : *prefixes) {
            const bool usable = std::ranges::any_of(link.addresses, [&](const child::InterfaceAddress& a) {
                return a.address.family() == prefix.family() && !a.address.is_link_local();
            });
            if (usable) link.routes.push_back(prefix);
        }
    }
    Initiation* initiation = initiation_for(sa);
    sa.link = initiation && initiation->link ? initiation->link : new_link();
    if (initiation) initiation->link = sa.link;
    sa.link->interface_id = sa.as<Authenticating>().interface_id;
    sa.link->link_id = std::move(received->link_id);
    sa.link->dns = std::move(received->dns);
    link.number = sa.link->link.number;
    return Opening{sa.link, std::move(link)};
}

std::expected<void, Rule> Engine::Core::accept_first_child(Instant now, IkeSa& sa, Payloads payloads) {
    const auto& state = sa.as<Authenticating>();
    const Connection& connection = *sa.connection;
    const auto offer = Offer::read(payloads);
    if (!offer) return std::unexpected(offer.error());
    const ChildConfig* config = child_config(connection, state.child);
    if (connection.role == Role::peer && !config) return std::unexpected(Rule::unknown_child);
    const ChildTerms& terms = config ? config->terms : connection.child;
    const auto chosen = child::accept_esp(terms.esp, *offer->sa, false);
    if (!chosen) return std::unexpected(chosen.error());
    const auto narrowed =
        child::Narrowed::accept(offer->ts_i->selectors, state.local, offer->ts_r->selectors, state.remote);
    if (!narrowed) return std::unexpected(narrowed.error());
    if (offer->transport != state.transport) return std::unexpected(Rule::mode_refused);
    if (offer->transport && sa.path.nat()) return std::unexpected(Rule::mode_refused);
    Opening opening;
    if (connection.role == Role::client) {
        auto link = take_link(sa, payloads, *narrowed);
        if (!link) return std::unexpected(link.error());
        opening = *std::move(link);
    }
    ChildSa made =
        child_of(sa, state.child, terms, state.transport ? child::Mode::transport : child::Mode::tunnel);
    made.id.spi_in = state.spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = narrowed->initiator();
    made.remote = narrowed->responder();
    made.initiator = true;
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, {state.nonce_i, state.nonce_r}, {});
    if (connection.role == Role::peer) opening = peer_opening(sa, made);
    install(now, sa, std::move(keys), std::move(made), opening);
    return {};
}

void Engine::Core::drop_link(IkeSa& sa) {
    std::vector<child::KernelStep> steps;
    release_link(sa, steps);
    if (!steps.empty()) submit(std::move(steps));
}

} // namespace sheaf::ike

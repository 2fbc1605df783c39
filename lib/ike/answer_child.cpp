// CREATE_CHILD_SA for Child SAs: what the peer asks (RFC 7296 1.3.1, 1.3.3, 2.25.1).

#include "lib/ike/bindings.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

std::expected<Offer, Rule> Offer::read(std::span<const Payload> payloads) {
    const auto sa = single<wire::Sa>(payloads);
    const auto ts_i = single_ts(payloads, true);
    const auto ts_r = single_ts(payloads, false);
    if (!sa) return std::unexpected(sa.error());
    if (!ts_i) return std::unexpected(ts_i.error());
    if (!ts_r) return std::unexpected(ts_r.error());
    Offer out;
    out.sa = *sa;
    out.ts_i = *ts_i;
    out.ts_r = *ts_r;
    out.link_id = find_notify(payloads, NotifyType::link_id);
    out.transport = find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
    out.bid = read_binding_identifier(payloads).value_or(0);
    if (const auto nonce = single<wire::Nonce>(payloads)) out.nonce = *nonce;
    if (const auto ke = single<wire::KeyExchange>(payloads)) out.ke = *ke;
    return out;
}

void Engine::Core::on_create_child_request(const Input& in, IkeSa& sa, Payloads payloads) {
    const auto offer = single<wire::Sa>(payloads);
    const bool for_ike =
        offer && !(*offer)->proposals.empty() && (*offer)->proposals.front().protocol == wire::Protocol::ike;
    decided_by_peer(in.now, sa);
    // RFC 7296 2.25.2: an IKE SA that is on its way out takes nothing new.
    if (sa.in<Deleting>() || sa.standing != Standing::current || sa.ours) {
        send_response(in.now, sa, in.header.exchange, in.header.message_id,
                      std::vector<Payload>{notify(Rule::collision)});
        return arm(sa);
    }
    if (for_ike) return on_ike_rekey_request(in, sa, payloads);
    on_child_request(in, sa, payloads);
}

void Engine::Core::on_child_request(const Input& in, IkeSa& sa, Payloads payloads) {
    const auto refuse_with = [&](const wire::Notify& why, Rule rule, std::string detail = {}) {
        refuse(in.datagram.peer, rule, sa.our_spi(), std::move(detail));
        send_response(in.now, sa, in.header.exchange, in.header.message_id, std::vector<Payload>{why});
        arm(sa);
    };
    // RFC 7296 2.25.2: not while the IKE SA is being rekeyed, by either side.
    if (under_way<RekeyingIke>(sa) || sa.theirs) return refuse_with(notify(Rule::collision), Rule::collision);
    const auto offer = Offer::read(payloads);
    if (!offer || !offer->nonce) {
        const Rule rule = offer ? Rule::missing_payload : offer.error();
        return refuse_with(notify(rule), rule);
    }
    ChildSa* old = nullptr;
    if (const wire::Notify* rekeys = find_notify(payloads, NotifyType::rekey_sa)) {
        wire::ChildSpi spi = 0;
        for (const std::uint8_t octet : rekeys->spi)
            spi = spi << 8 | octet;
        old = find_child_by_peer(sa, spi);
        // RFC 7296 2.25.1: it may be what we have asked for, when the answer to that is late.
        if (!old && under_way<CreatingChild>(sa))
            return refuse_with(notify(Rule::collision), Rule::collision);
        if (!old) {
            wire::Notify unknown = notify(Rule::unknown_child);
            unknown.protocol = rekeys->protocol;
            unknown.spi = rekeys->spi;
            return refuse_with(unknown, Rule::unknown_child);
        }
        // RFC 7296 2.25.1: it is being closed, or has a successor already.
        if (old->state != ChildState::live || old->replaced())
            return refuse_with(notify(Rule::collision), Rule::collision);
        // Those that were replaced and not deleted yet count, so that a peer cannot pile them up.
        if (sa.children.size() >= 2 * config_.limits.children_per_ike_sa)
            return refuse_with(notify(Rule::collision), Rule::collision);
    } else if (children_of_family(sa) >= config_.limits.children_per_ike_sa) {
        return refuse_with(notify(Rule::no_additional_sas), Rule::no_additional_sas);
    }
    const auto answered = answer_child(in, sa, old, *offer);
    if (answered) return;
    refuse_with(answered.error().answer, answered.error().rule, answered.error().detail);
}

// RFC 5739 4.3: a request that concerns a virtual link names it, and one that does not names none. A link
// without a name is the only one there can be.
bool Engine::Core::names_link(const IkeSa& sa, const Offer& offer, bool on_link) {
    const bool named = sa.share && !sa.share->link_id.empty();
    if (offer.link_id) return on_link && named && sa.link->is_named(offer.link_id->data);
    return !on_link || !named;
}

// The Child SA of the virtual link, of a gateway or client.
std::expected<ChildMatch, Rule> Engine::Core::match_link(const IkeSa& sa, const Offer& offer) {
    if (!sa.share || offer.transport) return std::unexpected(Rule::ts_unacceptable);
    const Connection& connection = *sa.connection;
    const auto networks = child::selectors(connection.networks);
    const bool gateway = connection.role == Role::gateway;
    auto narrowed = child::Narrowed::narrow(offer.ts_i->selectors, gateway ? sa.share->clients : networks,
                                            offer.ts_r->selectors, gateway ? networks : sa.share->clients);
    if (!narrowed) return std::unexpected(narrowed.error());
    return ChildMatch{connection.name, &connection.child, child::Mode::tunnel, *std::move(narrowed), true};
}

// Which Child SA of ours an offer means.
std::expected<ChildMatch, Rule> Engine::Core::match(const IkeSa& sa, const Offer& offer) const {
    const child::Mode mode = offer.transport ? child::Mode::transport : child::Mode::tunnel;
    const Connection& connection = *sa.connection;
    if (connection.role == Role::home_agent) return bindings_->match(sa, offer);
    const auto narrow = [&](const auto& theirs, const auto& ours) {
        return child::Narrowed::narrow(offer.ts_i->selectors, theirs, offer.ts_r->selectors, ours);
    };
    const bool nameless = sa.share && sa.share->link_id.empty();
    if (offer.link_id && !names_link(sa, offer, true)) return std::unexpected(Rule::foreign_link);
    if (offer.link_id || nameless) {
        auto matched = match_link(sa, offer);
        if (matched || offer.link_id || connection.children.empty()) return matched;
    }
    // RFC 7296 2.23.1 is not followed: addresses that a NAT changes do not fit the selectors of transport
    // mode.
    if (offer.transport && sa.path.nat()) return std::unexpected(Rule::mode_refused);
    Rule why = Rule::ts_unacceptable;
    for (const ChildConfig& config : connection.children) {
        auto narrowed = narrow(selectors_of(config.remote, sa.path.peer.address),
                               selectors_of(config.local, sa.path.local.address));
        if (!narrowed) continue;
        if (config.mode != mode) {
            why = Rule::mode_refused;
            continue;
        }
        return ChildMatch{config.name, &config.terms, mode, *std::move(narrowed), false};
    }
    return std::unexpected(why);
}

std::expected<void, ChildRefused> Engine::Core::answer_child(const Input& in, IkeSa& sa, ChildSa* old,
                                                             const Offer& offer) {
    const auto because = [](Rule rule) { return std::unexpected(ChildRefused{rule, notify(rule), {}}); };
    std::optional<ChildMatch> matched;
    if (old) {
        const bool on_link = is_on_link(sa, *old);
        if (!names_link(sa, offer, on_link)) return because(Rule::foreign_link);
        // RFC 7296 2.9.2: a successor is for what the old one is for, and no more.
        auto narrowed =
            child::Narrowed::narrow(offer.ts_i->selectors, old->remote, offer.ts_r->selectors, old->local);
        if (!narrowed) return because(narrowed.error());
        if (offer.transport != (old->mode == child::Mode::transport)) return because(Rule::mode_refused);
        matched.emplace(ChildMatch{old->name, old->terms, old->mode, *std::move(narrowed), on_link});
    } else {
        auto found = match(sa, offer);
        if (!found) return because(found.error());
        matched.emplace(*std::move(found));
    }
    const wire::ChildSpi spi_in = fresh_child_spi();
    const auto chosen =
        child::choose_esp(matched->terms->esp, *offer.sa, spi_in, true, offer.ke ? offer.ke->group : 0);
    if (!chosen) return because(chosen.error());
    Secret shared;
    std::optional<wire::KeyExchange> ke;
    if (chosen->suite.ke) {
        const auto group = static_cast<std::uint16_t>(*chosen->suite.ke);
        if (!offer.ke || offer.ke->group != group) {
            wire::Notify wanted = notify(Rule::invalid_ke_group);
            wanted.data = {static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)};
            return std::unexpected(ChildRefused{Rule::invalid_ke_group, std::move(wanted), {}});
        }
        const auto exchange = crypto::KeyExchange::create(backend_, *chosen->suite.ke, *random_);
        auto agreed = exchange.agree(offer.ke->data, *random_);
        if (!agreed) return because(agreed.error());
        shared = *std::move(agreed);
        ke = wire::KeyExchange{group, exchange.public_value()};
    }
    const Bytes nonce_r = nonce();
    ChildSa made = old ? successor_to(sa, *old) : child_of(sa, *matched);
    made.id.spi_in = spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = matched->narrowed.responder();
    made.remote = matched->narrowed.initiator();
    made.lowest_nonce = std::min(offer.nonce->data, nonce_r);
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, {offer.nonce->data, nonce_r}, shared.view());

    Reply reply;
    if (offer.transport) reply.emplace_back(notify(NotifyType::use_transport_mode));
    reply.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    reply.emplace_back(wire::Sa{{chosen->answer}});
    reply.emplace_back(wire::Nonce{nonce_r});
    if (ke) reply.emplace_back(*std::move(ke));
    reply.emplace_back(wire::TrafficSelectors{true, matched->narrowed.initiator()});
    reply.emplace_back(wire::TrafficSelectors{false, matched->narrowed.responder()});
    sa.deferred.push_back({in.header.message_id,
                           in.datagram.local,
                           in.datagram.peer,
                           spi_in,
                           std::move(reply),
                           {notify(Rule::kernel_refused)}});
    const Opening opening = opening_for(sa, made);
    install(in.now, sa, std::move(keys), std::move(made), opening);
    arm(sa);
    return {};
}

} // namespace sheaf::ike

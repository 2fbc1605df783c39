// CREATE_CHILD_SA for Child SAs: what we ask (RFC 7296 1.3.1, 1.3.3).

#include "lib/ike/bindings.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

Bytes spi_octets(wire::ChildSpi spi) {
    return {static_cast<std::uint8_t>(spi >> 24), static_cast<std::uint8_t>(spi >> 16),
            static_cast<std::uint8_t>(spi >> 8), static_cast<std::uint8_t>(spi)};
}

const ChildConfig* child_config(const Connection& connection, const std::string& name) {
    const auto found = std::ranges::find(connection.children, name, &ChildConfig::name);
    return found == connection.children.end() ? nullptr : &*found;
}

std::vector<wire::TrafficSelector> selectors_of(const std::vector<wire::TrafficSelector>& configured,
                                                const IpAddress& outer) {
    return configured.empty() ? std::vector{child::selector(Prefix::host(outer))} : configured;
}

const ChildTerms* Engine::Core::ask_successor(IkeSa& sa, const ChildSa* old, CreatingChild& request) {
    if (!old || old->state != ChildState::live || old->replaced()) return nullptr;
    request.local = old->local;
    request.remote = old->remote;
    request.transport = old->mode == child::Mode::transport;
    request.on_link = is_on_link(sa, *old);
    return old->terms;
}

const ChildTerms* Engine::Core::ask_new(IkeSa& sa, CreatingChild& request) {
    if (sa.connection->role == Role::mobile_node) return bindings_->ask_new(sa, request);
    const std::string& wanted = request.want.child;
    const ChildConfig* config = child_config(*sa.connection, wanted);
    const bool there = std::ranges::any_of(
        sa.children, [&](const ChildSa& c) { return c.name == wanted && c.state <= ChildState::live; });
    const bool asked = std::ranges::any_of(sa.outstanding, [&](const Outstanding& other) {
        const auto* creating = std::get_if<CreatingChild>(&other.purpose);
        return creating && creating->want.kind == request.want.kind && creating->want.child == wanted;
    });
    if (!config || there || asked) return nullptr;
    request.local = selectors_of(config->local, sa.path.local.address);
    request.remote = selectors_of(config->remote, sa.path.peer.address);
    request.transport = config->mode == child::Mode::transport;
    return &config->terms;
}

// One more Child SA of the client's virtual link, on a path of its own: for what the link's others are for.
const ChildTerms* Engine::Core::ask_for_link(IkeSa& sa, CreatingChild& request) {
    const auto on_link = [](const IkeSa& member) {
        return std::ranges::find_if(member.children, [&](const ChildSa& child) {
            return is_on_link(member, child) && child.state <= ChildState::live;
        });
    };
    if (!sa.share || on_link(sa) != sa.children.end()) return nullptr;
    request.on_link = true;
    request.local = sa.share->clients;
    request.remote = child::selectors(sa.connection->networks);
    for (const IkeSa* member : family_of(sa)) {
        const auto child = on_link(*member);
        if (child == member->children.end()) continue;
        request.local = child->local;
        request.remote = child->remote;
    }
    return &sa.connection->child;
}

// Asks for a new Child SA, or for a successor of one.
void Engine::Core::create_child(Instant now, IkeSa& sa, const Want& wanted) {
    const bool rekeys = wanted.kind == Want::Kind::rekey_child;
    ChildSa* old = rekeys ? find_child(sa, wanted.spi) : nullptr;
    CreatingChild request;
    request.want = wanted;
    const ChildTerms* terms = rekeys                 ? ask_successor(sa, old, request)
                              : wanted.child.empty() ? ask_for_link(sa, request)
                                                     : ask_new(sa, request);
    if (!terms) {
        if (old) old->rekeying = false;
        return;
    }
    request.spi_in = fresh_child_spi();
    request.nonce = nonce();
    const auto first = child::first_group(terms->esp);
    const auto group = wanted.group != crypto::KeId::none ? std::optional(wanted.group) : first;
    if (group) request.exchange.emplace(crypto::KeyExchange::create(backend_, *group, *random_));

    Reply payloads;
    if (old)
        payloads.emplace_back(
            wire::Notify{wire::Protocol::esp, spi_octets(old->id.spi_in), NotifyType::rekey_sa, {}});
    if (request.on_link && sa.share && !sa.share->link_id.empty())
        payloads.emplace_back(notify(NotifyType::link_id, sa.share->link_id)); // RFC 5739 4.3
    if (request.use && request.use->bid != 0)
        payloads.emplace_back(write_binding_identifier(request.use->bid));
    if (request.transport) payloads.emplace_back(notify(NotifyType::use_transport_mode));
    // RFC 7296 1.3.1: we do not take apart padding that hides traffic flow.
    payloads.emplace_back(notify(NotifyType::esp_tfc_padding_not_supported));
    payloads.emplace_back(child::offer_esp(terms->esp, request.spi_in, true));
    payloads.emplace_back(wire::Nonce{request.nonce});
    if (request.exchange)
        payloads.emplace_back(wire::KeyExchange{static_cast<std::uint16_t>(request.exchange->id()),
                                                request.exchange->public_value()});
    payloads.emplace_back(wire::TrafficSelectors{true, request.local});
    payloads.emplace_back(wire::TrafficSelectors{false, request.remote});
    send_request(now, sa, wire::ExchangeType::create_child_sa, std::move(request), std::move(payloads));
}

void Engine::Core::on_child_response(const Input& in, IkeSa& sa, CreatingChild request, Payloads payloads) {
    if (!sa.in<Established>()) return; // it ends, with all that it has
    const auto deleted_early =
        under_way<CreatingChild>(sa) ? sa.deleted_early : std::exchange(sa.deleted_early, {});
    if (const wire::Notify* error = find_error(payloads)) return on_child_refused(in, sa, request, *error);
    const auto answer = single<wire::Sa>(payloads);
    const bool gone =
        answer && std::ranges::any_of(deleted_early, [&](wire::ChildSpi spi) {
            return !(*answer)->proposals.empty() && (*answer)->proposals.front().spi == spi_octets(spi);
        });
    const auto accepted =
        gone ? std::unexpected(Rule::unknown_child) : accept_child(in.now, sa, request, payloads);
    if (accepted) return;
    refuse(in.datagram.peer, accepted.error(), sa.our_spi(), "the answer to our request for a Child SA");
    ChildSa* old = find_child(sa, request.want.spi);
    if (!old && request.on_link)
        path_refused(in.now, sa,
                     gone ? "the gateway has deleted the Child SA" : std::string(sentence(accepted.error())));
    if (old && !gone) rekeying_failed(in.now, sa, *old);
    if (old) old->rekeying = false;
    // Either the peer has made what we cannot use, or it has ended the successor already and with it what
    // that replaced.
    if (!gone)
        want(in.now, sa, {Want::Kind::delete_child, {}, request.spi_in});
    else if (old && old->state == ChildState::live && !old->replaced())
        want(in.now, sa, {Want::Kind::delete_child, {}, old->id.spi_in});
    old = find_child(sa, request.want.spi);
    if (old && old->state == ChildState::doomed) end_doomed(in.now, sa, *old);
}

std::expected<void, Rule> Engine::Core::accept_child(Instant now, IkeSa& sa, CreatingChild& request,
                                                     Payloads payloads) {
    ChildSa* old = find_child(sa, request.want.spi);
    const ChildConfig* config = child_config(*sa.connection, request.want.child);
    const bool rekeys = request.want.kind == Want::Kind::rekey_child;
    const bool for_link = !rekeys && request.on_link;
    if (!rekeys && !for_link && !config && !request.use) return std::unexpected(Rule::unknown_child);
    if (for_link && !sa.share) return std::unexpected(Rule::unknown_child); // the link has gone meanwhile
    const ChildTerms& terms = old ? *old->terms : config ? config->terms : sa.connection->child;
    const auto answer = single<wire::Sa>(payloads);
    const auto nonce_r = single<wire::Nonce>(payloads);
    const auto ts_i = single_ts(payloads, true);
    const auto ts_r = single_ts(payloads, false);
    if (!answer) return std::unexpected(answer.error());
    if (!nonce_r) return std::unexpected(nonce_r.error());
    if (!ts_i) return std::unexpected(ts_i.error());
    if (!ts_r) return std::unexpected(ts_r.error());
    const auto chosen = child::accept_esp(terms.esp, **answer, true);
    if (!chosen) return std::unexpected(chosen.error());
    Secret shared;
    if (chosen->suite.ke) {
        const auto ke = single<wire::KeyExchange>(payloads);
        if (!ke) return std::unexpected(ke.error());
        const bool fits = request.exchange && *chosen->suite.ke == request.exchange->id() &&
                          (*ke)->group == static_cast<std::uint16_t>(*chosen->suite.ke);
        if (!fits) return std::unexpected(Rule::invalid_ke_group);
        auto agreed = request.exchange->agree((*ke)->data, *random_);
        if (!agreed) return std::unexpected(agreed.error());
        shared = *std::move(agreed);
    }
    // OpenIKED 7.2 answers a rekeying with all that its policy has, instead of what the Child SA has. What is
    // more than that is not for this Child SA, and our policies do not have it.
    const auto narrowed =
        rekeys
            ? child::Narrowed::narrow((*ts_i)->selectors, request.local, (*ts_r)->selectors, request.remote)
            : child::Narrowed::accept((*ts_i)->selectors, request.local, (*ts_r)->selectors, request.remote);
    if (!narrowed) return std::unexpected(narrowed.error());
    const bool transport = find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
    if (transport != request.transport) return std::unexpected(Rule::mode_refused);
    if (rekeys && !old) return std::unexpected(Rule::unknown_child);

    ChildSa made;
    if (old) {
        made = successor_to(sa, *old);
    } else if (request.use) {
        made = bindings_->child_of(sa, *request.use, terms);
    } else {
        made = child_of(sa, config ? config->name : sa.connection->name, terms,
                        request.transport ? child::Mode::transport : child::Mode::tunnel, for_link);
    }
    made.id.spi_in = request.spi_in;
    made.id.spi_out = chosen->peer_spi;
    made.suite = chosen->suite;
    made.local = narrowed->initiator();
    made.remote = narrowed->responder();
    made.initiator = true;
    made.lowest_nonce = std::min(request.nonce, (*nonce_r)->data);
    auto keys = crypto::child_keys(backend_, sa.protection->suite.prf, sa.protection->keys.d.view(),
                                   chosen->suite, {request.nonce, (*nonce_r)->data}, shared.view());
    const Opening opening = opening_for(sa, made);
    install(now, sa, std::move(keys), std::move(made), opening);
    return {};
}

void Engine::Core::on_child_refused(const Input& in, IkeSa& sa, const CreatingChild& request,
                                    const wire::Notify& error) {
    ChildSa* old = find_child(sa, request.want.spi);
    if (old) old->rekeying = false;
    if (old && old->state == ChildState::doomed) return end_doomed(in.now, sa, *old);
    if (old && old->unwanted) {
        const wire::ChildSpi left = old->theirs ? old->theirs->spi : old->id.spi_in;
        return want(in.now, sa, {Want::Kind::delete_child, {}, left});
    }
    if (old && old->theirs) return; // the peer's own rekeying has won
    const ChildConfig* config = child_config(*sa.connection, old ? old->name : request.want.child);
    const ChildTerms& terms = old ? *old->terms : config ? config->terms : sa.connection->child;
    switch (error.type) {
    case NotifyType::invalid_ke_payload: {
        const auto group = static_cast<crypto::KeId>(error.data[0] << 8 | error.data[1]);
        const bool asked_before = request.want.group != crypto::KeId::none;
        if (asked_before || !child::offers_group(terms.esp, group)) break;
        Want again = request.want;
        again.group = group;
        if (old) old->rekeying = true;
        return want(in.now, sa, std::move(again));
    }
    case NotifyType::temporary_failure:
        if (!old && request.use) return; // the mobile node asks again, with pauses of its own
        if (old) old->rekeying = true;
        return want_later(in.now, sa, request.want);
    case NotifyType::child_sa_not_found:
        // RFC 7296 2.25: the peer does not have the old one, so it is gone here, too; it is made anew.
        if (!old || old->state != ChildState::live) return;
        // Of two simultaneous rekeyings the peer has kept the other.
        if (old->rekeys != 0 && has_twin(sa, *old)) return remove_child(in.now, sa, old->id.spi_in, true);
        tell(ChildDown{sa.name(), old->name, old->id.spi_in, old->id.spi_out});
        {
            const Want anew{Want::Kind::create_child, old->name};
            remove_child(in.now, sa, old->id.spi_in, false);
            if (child_config(*sa.connection, anew.child)) return want(in.now, sa, anew);
        }
        if (sa.connection->role == Role::client)
            close(in.now, sa, DownReason::failed, "the peer does not know the Child SA any more");
        return;
    default: break;
    }
    refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(),
           error_text(error) + " to our request for " + (old ? "a successor of Child SA " : "Child SA ") +
               (old               ? old->name
                : request.on_link ? sa.connection->name
                                  : request.want.child));
    // RFC 7296 1.3: a peer that makes no further SAs is authenticated anew before the keys wear out.
    if (old && error.type == NotifyType::no_additional_sas && initiation_of(sa)) {
        sa.reauth_at = in.now;
        return arm(sa);
    }
    if (!old && request.on_link) path_refused(in.now, sa, error_text(error));
    if (old) {
        old->rekeying = true;
        want_later(in.now, sa, request.want);
    } else if (Initiation* initiation = initiation_of(sa)) {
        initiation->last_error = error_text(error);
    }
}

} // namespace sheaf::ike

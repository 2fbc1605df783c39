// CREATE_CHILD_SA for the IKE SA itself (RFC 7296 1.3.2, 2.18, 2.25.2).

#include "lib/ike/groups.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {

using wire::NotifyType;
using wire::Payload;

namespace {

Bytes spi_octets(wire::Spi spi) {
    Bytes out(8);
    for (std::size_t i = 0; i < 8; ++i)
        out[i] = static_cast<std::uint8_t>(spi >> (56 - 8 * i));
    return out;
}

wire::Spi read_spi(View octets) {
    wire::Spi spi = 0;
    if (octets.size() != 8) return 0;
    for (const std::uint8_t octet : octets)
        spi = spi << 8 | octet;
    return spi;
}

// What a redundant or replaced IKE SA waits for its maker's DELETE.
constexpr Duration kWaitForIkeDelete = std::chrono::minutes(1);

} // namespace

// What is asked for a new IKE SA, as its successor or its clone.
RekeyingIke Engine::Core::ask_for_ike(IkeSa& sa, crypto::KeId asked, Reply& to) {
    const auto group = asked != crypto::KeId::none ? asked : sa.protection->suite.ke;
    RekeyingIke request{asked, fresh_spi(), nonce(), crypto::KeyExchange::create(backend_, group, *random_)};
    to.emplace_back(child::offer_ike(sa.connection->ike, spi_octets(request.spi)));
    to.emplace_back(wire::Nonce{request.nonce});
    to.emplace_back(wire::KeyExchange{static_cast<std::uint16_t>(group), request.exchange.public_value()});
    return request;
}

void Engine::Core::rekey_ike(Instant now, IkeSa& sa, const Want& wanted) {
    if (sa.ours || sa.theirs) return;
    Reply payloads;
    auto request = ask_for_ike(sa, wanted.group, payloads);
    send_request(now, sa, wire::ExchangeType::create_child_sa, std::move(request), std::move(payloads));
}

// The responder's side of a new IKE SA. The error is the notify to answer with.
std::expected<MadeIke, wire::Notify> Engine::Core::answer_ike(const Input& in, IkeSa& sa, Payloads payloads,
                                                              Reply& reply) {
    const auto because = [](Rule rule) { return std::unexpected(notify(rule)); };
    const auto offer = single<wire::Sa>(payloads);
    const auto nonce_i = single<wire::Nonce>(payloads);
    const auto ke = single<wire::KeyExchange>(payloads);
    if (!offer || !nonce_i || !ke) return because(Rule::missing_payload);
    const wire::Spi ours = fresh_spi();
    const auto chosen = child::choose_ike(sa.connection->ike, **offer, (*ke)->group, spi_octets(ours));
    if (!chosen) return because(chosen.error());
    const wire::Spi theirs = read_spi(chosen->peer_spi);
    if (theirs == 0) return because(Rule::bad_spi_size);
    const auto group = static_cast<std::uint16_t>(chosen->suite.ke);
    if ((*ke)->group != group) {
        wire::Notify wanted = notify(Rule::invalid_ke_group);
        wanted.data = {static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)};
        return std::unexpected(std::move(wanted));
    }
    const auto exchange = crypto::KeyExchange::create(backend_, chosen->suite.ke, *random_);
    const auto shared = exchange.agree((*ke)->data, *random_);
    if (!shared) return because(shared.error());
    const Bytes nonce_r = nonce();
    const crypto::Nonces nonces{(*nonce_i)->data, nonce_r};
    const Secret seed = crypto::rekey_skeyseed(backend_, sa.protection->suite.prf,
                                               sa.protection->keys.d.view(), nonces, shared->view());
    IkeSa& made = successor_of(
        in.now, sa, ours, theirs, false,
        Protection{chosen->suite,
                   crypto::ike_keys(backend_, chosen->suite, seed.view(), nonces, {theirs, ours}),
                   {}});
    reply.emplace_back(wire::Sa{{chosen->answer}});
    reply.emplace_back(wire::Nonce{nonce_r});
    reply.emplace_back(wire::KeyExchange{group, exchange.public_value()});
    return MadeIke{&made, std::min((*nonce_i)->data, nonce_r)};
}

void Engine::Core::on_ike_rekey_request(const Input& in, IkeSa& sa, Payloads payloads) {
    const auto refuse_with = [&](const wire::Notify& why, Rule rule) {
        refuse(in.datagram.peer, rule, sa.our_spi(), "a request to rekey the IKE SA");
        send_response(in.now, sa, in.header.exchange, in.header.message_id, std::vector<Payload>{why});
        arm(sa);
    };
    // RFC 7791 5.2: the notify means nothing where it was not agreed on.
    const bool cloned = sa.family && find_notify(payloads, NotifyType::clone_ike_sa);
    if (cloned) {
        if (const auto why = refuses_clone(sa)) return refuse_with(notify(*why), *why);
    }
    // RFC 7296 2.25.2: not while a Child SA is being made, replaced or deleted.
    const bool busy =
        under_way<CreatingChild>(sa) || under_way<DeletingChild>(sa) || !sa.deferred.empty() || sa.theirs ||
        std::ranges::any_of(sa.children, [](const ChildSa& c) { return c.state == ChildState::installing; });
    // Those that were replaced and not deleted yet count, so that a peer cannot pile them up.
    const auto waiting = std::ranges::count_if(others_of_peer(sa), [&](wire::Spi spi) {
        const Standing standing = find(spi)->standing;
        return standing != Standing::current && standing != Standing::left;
    });
    const bool full = sas_.size() >= config_.limits.ike_sas || waiting >= 2;
    if (!cloned && (busy || full)) return refuse_with(notify(Rule::collision), Rule::collision);
    Reply reply;
    const auto made = answer_ike(in, sa, payloads, reply);
    if (!made) {
        const bool group = made.error().type == NotifyType::invalid_ke_payload;
        return refuse_with(made.error(), group ? Rule::invalid_ke_group : Rule::no_proposal_chosen);
    }
    if (!cloned) sa.theirs = Successor<wire::Spi>{made->sa->our_spi(), made->lowest_nonce};
    send_response(in.now, sa, in.header.exchange, in.header.message_id, reply);
    // With a request of ours under way, its answer decides which of the two new ones stays.
    if (cloned)
        add_to_family(in.now, sa, *made->sa);
    else if (under_way<RekeyingIke>(sa))
        made->sa->standing = Standing::undecided;
    else
        inherit(in.now, sa, *made->sa);
    arm(sa);
}

// The IKE SA that an undecided one is to replace.
IkeSa* Engine::Core::replaced_by(const IkeSa& made) {
    for (const wire::Spi spi : others_of_peer(made)) {
        IkeSa* old = find(spi);
        if (old && old->theirs && old->theirs->spi == made.our_spi()) return old;
    }
    return nullptr;
}

// A peer that works with what it has made has decided for it (RFC 7296 2.8.1); it may have overtaken the
// DELETE of the old one.
void Engine::Core::decided_by_peer(Instant now, IkeSa& made) {
    if (made.standing != Standing::undecided) return;
    if (IkeSa* old = replaced_by(made); old && old->in<Established>()) inherit(now, *old, made);
}

void Engine::Core::on_ike_rekey_response(const Input& in, IkeSa& sa, RekeyingIke request, Payloads payloads) {
    IkeSa* theirs = sa.theirs ? find(sa.theirs->spi) : nullptr;
    const auto fall_back = [&] {
        if (theirs && sa.in<Established>() && sa.standing == Standing::current) inherit(in.now, sa, *theirs);
    };
    if (const wire::Notify* error = find_error(payloads)) {
        if (theirs || sa.in<Deleting>()) return fall_back();
        if (error->type == NotifyType::temporary_failure)
            return want_later(in.now, sa, {Want::Kind::rekey_ike});
        if (error->type == NotifyType::invalid_ke_payload) {
            const auto group = static_cast<crypto::KeId>(error->data[0] << 8 | error->data[1]);
            const bool offered =
                std::ranges::any_of(sa.connection->ike, [group](const child::IkeProposal& p) {
                    return std::ranges::find(p.key_exchange, group) != p.key_exchange.end();
                });
            const bool asked_before = request.asked != crypto::KeId::none;
            if (!asked_before && offered && crypto::supported(group) && group != request.exchange.id())
                return want(in.now, sa, {Want::Kind::rekey_ike, {}, 0, group});
        }
        refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(),
               "the peer answered " + std::string(wire::name(error->type)) +
                   " to our request to rekey the IKE SA");
        // RFC 7296 1.3: a peer that makes no further SAs is authenticated anew before the keys wear out.
        if (initiation_of(sa) && error->type == NotifyType::no_additional_sas)
            sa.reauth_at = in.now;
        else
            want_later(in.now, sa, {Want::Kind::rekey_ike});
        return arm(sa);
    }
    const auto accepted = accept_ike_rekey(in, sa, request, payloads);
    if (accepted) return;
    refuse(in.datagram.peer, accepted.error(), sa.our_spi(), "the answer to our request to rekey the IKE SA");
    if (theirs) return fall_back();
    close(in.now, sa, DownReason::failed, std::string(sentence(accepted.error())));
}

// The initiator's side of a new IKE SA.
std::expected<MadeIke, Rule> Engine::Core::accept_ike(Instant now, IkeSa& sa, RekeyingIke& request,
                                                      Payloads payloads) {
    const auto answer = single<wire::Sa>(payloads);
    const auto nonce_r = single<wire::Nonce>(payloads);
    const auto ke = single<wire::KeyExchange>(payloads);
    if (!answer) return std::unexpected(answer.error());
    if (!nonce_r) return std::unexpected(nonce_r.error());
    if (!ke) return std::unexpected(ke.error());
    const auto chosen = child::accept_ike(sa.connection->ike, **answer);
    if (!chosen) return std::unexpected(chosen.error());
    const wire::Spi theirs = read_spi(chosen->peer_spi);
    if (theirs == 0) return std::unexpected(Rule::bad_spi_size);
    if (chosen->suite.ke != request.exchange.id() ||
        (*ke)->group != static_cast<std::uint16_t>(chosen->suite.ke))
        return std::unexpected(Rule::invalid_ke_group);
    const auto shared = request.exchange.agree((*ke)->data, *random_);
    if (!shared) return std::unexpected(shared.error());
    const crypto::Nonces nonces{request.nonce, (*nonce_r)->data};
    const Secret seed = crypto::rekey_skeyseed(backend_, sa.protection->suite.prf,
                                               sa.protection->keys.d.view(), nonces, shared->view());
    IkeSa& made = successor_of(
        now, sa, request.spi, theirs, true,
        Protection{chosen->suite,
                   crypto::ike_keys(backend_, chosen->suite, seed.view(), nonces, {request.spi, theirs}),
                   {}});
    return MadeIke{&made, std::min(request.nonce, (*nonce_r)->data)};
}

std::expected<void, Rule> Engine::Core::accept_ike_rekey(const Input& in, IkeSa& sa, RekeyingIke& request,
                                                         Payloads payloads) {
    const auto accepted = accept_ike(in.now, sa, request, payloads);
    if (!accepted) return std::unexpected(accepted.error());
    IkeSa& made = *accepted->sa;
    if (!sa.in<Established>() || sa.standing != Standing::current) {
        // We are done with this peer, or it has decided for its own; yet it believes in the new one now.
        made.standing = Standing::redundant;
        want(in.now, made, {Want::Kind::delete_ike});
        return {};
    }
    sa.ours = Successor<wire::Spi>{request.spi, accepted->lowest_nonce};
    IkeSa* other = sa.theirs ? find(sa.theirs->spi) : nullptr;
    // RFC 7296 2.8.2: of two new IKE SAs the one with the lowest nonce goes, by the hand of who made it; the
    // other inherits.
    if (other && sa.ours->lowest_nonce < sa.theirs->lowest_nonce) {
        inherit(in.now, sa, *other);
        sa.expires = in.now + kWaitForIkeDelete;
        made.standing = Standing::redundant;
        retire(in.now, made);
        return {};
    }
    if (other) {
        other->standing = Standing::redundant;
        other->expires = in.now + kWaitForIkeDelete;
        arm(*other);
    }
    inherit(in.now, sa, made);
    retire(in.now, sa);
    return {};
}

// RFC 7296 2.18: a new IKE SA, with message IDs from 0 and a window of 1.
IkeSa& Engine::Core::successor_of(Instant now, IkeSa& old, wire::Spi ours, wire::Spi theirs, bool initiator,
                                  Protection protection) {
    const auto* established = old.in<Established>();
    auto made = std::make_unique<IkeSa>(established ? State(*established) : State(Deleting{Instant::max()}));
    made->initiator = initiator;
    made->began = old.began;
    made->spi_i = initiator ? ours : theirs;
    made->spi_r = initiator ? theirs : ours;
    made->connection = old.connection;
    made->path = old.path;
    made->init_peer = old.init_peer;
    made->peer_id = old.peer_id;
    made->family = old.family;
    made->multipoint = old.multipoint;
    made->member = old.member;
    made->claim = old.claim;
    made->mobility = old.mobility;
    made->mobility.latest_request.reset(); // message IDs begin anew
    made->mobility.seen_as.clear();        // the hash has the SPIs in it
    made->fragmentation = old.fragmentation;
    made->small_fragments = old.small_fragments;
    made->protection.emplace(std::move(protection));
    made->protection->keys.pi.clear();
    made->protection->keys.pr.clear();
    made->last_heard = now;
    made->last_sent = now;
    made->reauth_at = old.reauth_at;
    made->authenticated_until = old.authenticated_until;
    IkeSa& out = *sas_.emplace(ours, std::move(made)).first->second;
    by_peer_.emplace(peer_hash(*out.peer_id), ours);
    record_keys(out);
    return out;
}

// All that hangs on the old IKE SA is the heir's from now on; the old one has only its DELETE before it.
void Engine::Core::inherit(Instant now, IkeSa& old, IkeSa& heir) {
    for (ChildSa& child : old.children) {
        by_child_spi_[child.id.spi_in] = heir.our_spi();
        heir.children.push_back(std::move(child));
    }
    old.children.clear();
    heir.link = std::move(old.link);
    heir.share = std::move(old.share);
    heir.way = std::exchange(old.way, 0);
    if (Initiation* initiation = has_uplinks(heir) ? initiation_for(heir) : nullptr) {
        if (ClientPath* path = initiation->paths.of(old.our_spi())) path->sa = heir.our_spi();
    }
    for (Want& wanted : old.wanted) {
        if (wanted.kind != Want::Kind::rekey_ike && wanted.kind != Want::Kind::delete_ike)
            heir.wanted.push_back(std::move(wanted));
    }
    for (auto& [at, wanted] : old.later) {
        if (wanted.kind != Want::Kind::rekey_ike) heir.later.emplace_back(at, std::move(wanted));
    }
    old.wanted.clear();
    old.later.clear();
    if (Initiation* initiation = initiation_of(old))
        (initiation->before == old.our_spi() ? initiation->before : initiation->sa) = heir.our_spi();
    old.standing = Standing::replaced;
    heir.standing = Standing::current;
    old.rekey_at = old.reauth_at = old.authenticated_until = Instant::max();
    // The heir, too, ends when its peer has authenticated another one.
    const Instant expires = old.superseded ? old.expires : Instant::max();
    set_ike_lifetimes(now, heir);
    heir.superseded = old.superseded;
    if (old.superseded) heir.authenticated_until = Instant::max();
    heir.expires = std::min(heir.expires, expires);
    old.expires = std::min(old.expires, now + kWaitForIkeDelete);
    // It may have moved since the new one was made.
    heir.path = old.path;
    heir.mobility = old.mobility;
    heir.mobility.latest_request.reset();
    heir.mobility.seen_as.clear();
    groups_->on_rekeyed(old, heir);
    tell(IkeRekeyed{heir.name(), old.our_spi(), describe(heir.protection->suite)});
    arm(old);
    catch_up(now, old, heir);
}

// Deletes an IKE SA that nothing hangs on any more, without a word to the operator.
void Engine::Core::retire(Instant now, IkeSa& sa) {
    if (sa.standing == Standing::left) {
        leave_kernel(now, sa);
        return erase(sa);
    }
    if (sa.standing == Standing::current) sa.standing = Standing::replaced;
    set_state(sa, Deleting{Instant::max()});
    sa.wanted.clear();
    sa.expires = Instant::max();
    want(now, sa, {Want::Kind::delete_ike});
}

} // namespace sheaf::ike

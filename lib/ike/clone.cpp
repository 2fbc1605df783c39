// Cloned IKE SAs (RFC 7791): several of them, each with Child SAs and addresses of its own, carried by one
// authentication.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

using wire::NotifyType;

namespace {

// How often a request for a clone is put off before it counts as refused. With pauses that double, the last one comes
// after some five minutes at least: no rekeying takes so long, which is what the peer may be at (RFC 7791 5.2).
constexpr unsigned kMostPutOff = 5;

} // namespace

// RFC 7791 5.1: in the first request and the last answer of IKE_AUTH.
void Engine::Core::offer_cloning(const IkeSa& sa, Reply& to) const {
    if (sa.connection->ike_sas_per_login > 1) to.emplace_back(notify(NotifyType::clone_ike_sa_supported));
}

void Engine::Core::accept_cloning(IkeSa& sa, Payloads payloads) {
    const bool theirs = find_notify(payloads, NotifyType::clone_ike_sa_supported) != nullptr;
    if (sa.connection->ike_sas_per_login <= 1 || !theirs) return;
    sa.family = std::make_shared<CloneFamily>();
    sa.family->founder = sa.our_spi();
}

// Those that live, and among them this one.
std::vector<IkeSa*> Engine::Core::family_of(const IkeSa& sa) {
    std::vector<IkeSa*> out;
    if (IkeSa* self = find(sa.our_spi())) out.push_back(self);
    if (!sa.family) return out;
    for (const wire::Spi spi : others_of_peer(sa)) {
        IkeSa* other = find(spi);
        const bool lives = other->in<Established>() && other->standing == Standing::current;
        if (other->family == sa.family && lives) out.push_back(other);
    }
    return out;
}

// RFC 7791 8: what is allowed to one login does not grow with its clones.
std::size_t Engine::Core::children_of_family(const IkeSa& sa) {
    std::size_t out = 0;
    for (const IkeSa* member : family_of(sa))
        out += member->children.size();
    return out;
}

// The peer's besides this one. What one login carries counts as one; where nothing can be cloned, each IKE SA does.
std::size_t Engine::Core::other_logins(const IkeSa& sa) {
    std::set<const CloneFamily*> families;
    std::size_t out = 0;
    for (const wire::Spi spi : others_of_peer(sa)) {
        const auto& family = find(spi)->family;
        if (!family || families.insert(family.get()).second) ++out;
    }
    return out;
}

void Engine::Core::clone_ike(Instant now, IkeSa& sa, const Want& wanted) {
    if (!sa.family || sa.family->full || family_of(sa).size() >= sa.connection->ike_sas_per_login) return;
    Reply payloads{notify(NotifyType::clone_ike_sa)};
    CloningIke request{ask_for_ike(sa, wanted.group, payloads), wanted.put_off};
    send_request(now, sa, wire::ExchangeType::create_child_sa, std::move(request), std::move(payloads));
}

// RFC 7791 5.2: for a while, where the IKE SA is being replaced or ends; for good, where there are enough.
// Cloning changes nothing of the old IKE SA, so what else is under way on it does not matter.
std::optional<Rule> Engine::Core::refuses_clone(const IkeSa& sa) {
    if (under_way<RekeyingIke>(sa) || sa.theirs) return Rule::collision;
    if (sas_.size() >= config_.limits.ike_sas) return Rule::collision;
    if (family_of(sa).size() >= sa.connection->ike_sas_per_login) return Rule::no_additional_sas;
    return std::nullopt;
}

// RFC 7791 3.1: Child SAs stay where they are; what one authentication has brought is there for all.
void Engine::Core::add_to_family(Instant now, IkeSa& sa, IkeSa& made) {
    made.link = sa.link;
    made.share = sa.share;
    made.superseded = sa.superseded;
    set_ike_lifetimes(now, made);
    if (sa.superseded) made.expires = std::min(made.expires, sa.expires);
    // Whoever began asks its own time of the next authentication of the first one only.
    made.reauth_at = Instant::max();
    tell(IkeCloned{made.name(), sa.our_spi(), describe(made.protection->suite)});
    catch_up(now, sa, made);
}

void Engine::Core::on_clone_response(const Input& in, IkeSa& sa, CloningIke request, Payloads payloads) {
    if (const wire::Notify* error = find_error(payloads)) return on_clone_refused(in, sa, request, *error);
    const bool ended = sa.in<Deleting>() && sa.standing == Standing::current;
    const auto made = accept_ike(in.now, sa, request.made, payloads);
    if (!made) {
        refuse(in.datagram.peer, made.error(), sa.our_spi(), "the answer to our request for a clone");
        return close(in.now, sa, DownReason::failed, std::string(sentence(made.error())));
    }
    if (ended) {
        // The peer believes in it.
        made->sa->standing = Standing::redundant;
        return want(in.now, *made->sa, {Want::Kind::delete_ike});
    }
    // What it is a clone of may have been replaced meanwhile; all that it would have had is its heir's.
    const auto& heir = sa.ours ? sa.ours : sa.theirs;
    IkeSa* current = sa.standing == Standing::current ? &sa : heir ? find(heir->spi) : nullptr;
    const auto* established = current ? current->in<Established>() : nullptr;
    if (made->sa->in<Deleting>() && established) set_state(*made->sa, *established);
    add_to_family(in.now, current ? *current : sa, *made->sa);
    settle_paths_of(in.now, *made->sa);
}

void Engine::Core::on_clone_refused(const Input& in, IkeSa& sa, const CloningIke& request,
                                    const wire::Notify& error) {
    const auto& heir = sa.ours ? sa.ours : sa.theirs;
    IkeSa* current = sa.standing == Standing::current ? &sa : heir ? find(heir->spi) : nullptr;
    if (!current || !current->in<Established>()) return;
    const bool put_off = error.type == NotifyType::temporary_failure;
    if (put_off && request.put_off < kMostPutOff)
        return want_later(in.now, *current, {.kind = Want::Kind::clone_ike, .put_off = request.put_off + 1});
    if (error.type == NotifyType::invalid_ke_payload && request.made.asked == crypto::KeId::none) {
        const auto group = static_cast<crypto::KeId>(error.data[0] << 8 | error.data[1]);
        const bool offered =
            std::ranges::any_of(sa.connection->ike, [group](const child::IkeProposal& proposal) {
                return std::ranges::find(proposal.key_exchange, group) != proposal.key_exchange.end();
            });
        if (offered && crypto::supported(group))
            return want(in.now, *current, {Want::Kind::clone_ike, {}, 0, group, request.put_off});
    }
    // RFC 7791 5.2: no more until one of them ends.
    if (error.type == NotifyType::no_additional_sas) sa.family->full = true;
    std::string why =
        "the peer answered " + std::string(wire::name(error.type)) + " to our request for a clone";
    if (put_off) why += ", " + std::to_string(request.put_off + 1) + " times";
    refuse(in.datagram.peer, Rule::peer_refused, sa.our_spi(), why);
    clone_refused(in.now, *current, why);
}

} // namespace sheaf::ike

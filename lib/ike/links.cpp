// Virtual links: who holds them, and what the kernel has of them.

#include "lib/ike/core.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {

namespace {

constexpr Duration kLinkRetry = std::chrono::seconds(5);

} // namespace

std::shared_ptr<VirtualLink> Engine::Core::new_link() {
    auto out = std::make_shared<VirtualLink>();
    out->link.number = fresh_number();
    return out;
}

bool Engine::Core::is_on_link(const IkeSa& sa, const ChildSa& child) {
    const bool has_link = sa.connection->role == Role::gateway || sa.connection->role == Role::client;
    return has_link && child.on_interface;
}

// RFC 5739 4.1: ours must differ from the client's. One serves nearly all clients, so that they share one
// address of ours; whoever has chosen the same gets the other.
wire::InterfaceId Engine::Core::own_interface_id(const wire::InterfaceId& not_this) {
    while (interface_ids_.size() < 2)
        interface_ids_.push_back(random_interface_id(*random_));
    return interface_ids_[0] == not_this ? interface_ids_[1] : interface_ids_[0];
}

// The link of a client that is about to get its addresses: the one that it names, if it is its own (RFC 5739
// 4.2); else, if the identity has but one, that of its other IKE SA, which it takes over with number and
// addresses; else a new one.
std::shared_ptr<VirtualLink> Engine::Core::link_for_client(IkeSa& sa, const AddressPlan& plan) {
    const Bytes named = plan.link ? plan.link->link_id : Bytes{};
    const bool one_link =
        sa.connection->uniqueness == Uniqueness::replace || sa.connection->uniqueness == Uniqueness::share;
    std::shared_ptr<VirtualLink> out;
    for (const wire::Spi spi : others_of_peer(sa)) {
        const IkeSa* other = find(spi);
        const bool living = other->standing == Standing::current || other->standing == Standing::left;
        if (other->connection != sa.connection || !other->link || !living) continue;
        // Whose link it is was proved by who holds it: only IKE SAs of this identity are looked at.
        if (!named.empty() && other->link->is_named(named)) return other->link;
        if (one_link) out = other->link;
    }
    if (!named.empty())
        refuse(sa.path.peer, Rule::foreign_link, sa.our_spi(),
               "the client authenticates anew with a Link ID that is none of its own, and gets another");
    if (out) return out;
    out = new_link();
    out->interface_id = own_interface_id(plan.link ? plan.link->interface_id : wire::InterfaceId{});
    return out;
}

// Client: the identifier of our end and, while there is a link to be kept, its Link ID.
wire::Ip6Link Engine::Core::client_end(const IkeSa& sa) {
    static constexpr std::array<std::uint8_t, 16> kLinkLocal{0xfe, 0x80};
    const Initiation* initiation = initiation_for(sa);
    const auto link = initiation ? initiation->link : nullptr;
    if (!link) {
        if (host_->stable_secret().empty()) return {random_interface_id(*random_), {}};
        const Prefix network{*IpAddress::from_bytes(kLinkLocal), 64};
        return {stable_interface_id(backend_, host_->stable_secret(), network, sa.connection->interface,
                                    sa.connection->name),
                {}};
    }
    const auto shares = link->living();
    return {link->interface_id, shares.empty() ? Bytes{} : shares.front()->link_id};
}

// Adds what an IKE SA brings to its link. REQUIRES sa.link.
Opening Engine::Core::join_link(IkeSa& sa, LinkShare share) {
    VirtualLink& link = *sa.link;
    std::erase_if(link.shares, [](const auto& old) { return old.expired(); });
    share.part.number = link.link.number;
    share.part.interface =
        sa.connection->role == Role::gateway ? config_.gateway_interface : sa.connection->interface;
    auto joined = std::make_shared<const LinkShare>(std::move(share));
    sa.share = joined;
    link.shares.push_back(joined);
    return {sa.link, link.wanted()};
}

// Takes away what only this IKE SA had brought. The last one leaves the link as it is: it closes, or stays.
void Engine::Core::leave_link(IkeSa& sa) {
    const auto share = std::exchange(sa.share, nullptr);
    if (!share || !sa.link || share.use_count() > 1) return; // clones have it, too
    std::vector<address::Grant> gone = share->grants;
    std::erase_if(sa.link->shares, [&](const auto& other) { return other.lock() == share; });
    const auto others = sa.link->living();
    for (const auto& other : others)
        std::erase_if(gone, [&](const auto& grant) {
            return std::ranges::find(other->grants, grant) != other->grants.end();
        });
    if (!others.empty()) tell_name_servers(*sa.link);
    if (!gone.empty() && sa.peer_id) {
        Leased told{sa.name(), Leased::What::released, {}};
        for (const auto& grant : gone)
            told.blocks.push_back(grant.block);
        const address::LinkId number = sa.link->link.number;
        // Else nobody was told that they were given, or they may be given again at once.
        if (!sa.in<Installing>() && !is_expected(number)) tell(std::move(told));
        give_back({sa.our_spi(), holder_of(*sa.peer_id), number, sa.link}, std::move(gone));
    }
    if (!others.empty()) settle_ways(sa);
}

// Whether something that people use, and that the old IKE SA has brought to the link, is not the newer one's
// any more.
bool Engine::Core::withdraws(const IkeSa& old, const IkeSa& newer) {
    if (!old.share || !newer.share || old.link != newer.link) return false;
    return std::ranges::any_of(old.share->clients, [&](const wire::TrafficSelector& selector) {
        return !selector.start.is_link_local() &&
               std::ranges::find(newer.share->clients, selector) == newer.share->clients.end();
    });
}

// Tells the host whom to ask for names, if that has changed.
void Engine::Core::tell_name_servers(VirtualLink& link) {
    if (link.link.role != child::LinkRole::client) return;
    NameServers now{link.link.interface, {}, {}};
    const auto shares = link.living();
    if (!shares.empty()) now = {link.link.interface, shares.front()->dns, shares.front()->domains};
    if (now.servers.empty() && link.told.servers.empty()) return;
    if (now == link.told) return;
    link.told = now;
    out_.name_servers.push_back(std::move(now));
}

// Tells which blocks a client has been given.
void Engine::Core::tell_leases(const IkeSa& sa) {
    if (!sa.share) return;
    Leased fresh{sa.name(), Leased::What::assigned, {}}, renewed{sa.name(), Leased::What::renewed, {}};
    for (const auto& grant : sa.share->grants)
        (grant.renewed ? renewed : fresh).blocks.push_back(grant.block);
    for (Leased* told : {&fresh, &renewed}) {
        if (!told->blocks.empty()) tell(std::move(*told));
    }
}

// The configured connection that an IKE SA is of, if we may begin it.
Initiation* Engine::Core::initiation_for(const IkeSa& sa) {
    const auto found = initiations_.find(sa.connection->name);
    const bool same = found != initiations_.end() && found->second.connection == sa.connection;
    return same ? &found->second : nullptr;
}

// The link of a peer connection with an interface; all of its IKE SAs and its traps share it.
std::shared_ptr<VirtualLink> Engine::Core::link_of_peer(const Connection& connection,
                                                        Initiation* initiation) {
    if (initiation && initiation->link) return initiation->link;
    auto out = new_link();
    if (initiation) initiation->link = out;
    out->link.role = child::LinkRole::client;
    out->link.interface = connection.interface;
    for (const ChildConfig& config : connection.children) {
        for (const auto& selector : config.remote) {
            const auto prefixes = child::prefixes_of(selector, wire::kMaxSelectors);
            if (prefixes) out->link.routes.insert(out->link.routes.end(), prefixes->begin(), prefixes->end());
        }
    }
    return out;
}

// The steps that make the link so. When the intent that `pending` stands for fails, the link is as it was.
std::vector<child::KernelStep> Engine::Core::open_link(const Opening& opening, Pending& pending) {
    std::vector<child::KernelStep> steps;
    if (!opening.link) return steps;
    VirtualLink& link = *opening.link;
    if (link.open && link.link == opening.next) return steps;
    // What there is to be changed depends on whether the kernel takes what it has been told before.
    link.unsettled = link.updates > 0;
    if (link.unsettled) return steps;
    pending.link = opening.link;
    if (link.open) {
        pending.before = link.link;
        ++link.updates;
        steps.emplace_back(child::UpdateLink{link.link, opening.next});
    } else {
        steps.emplace_back(child::OpenLink{opening.next});
    }
    pending.after = opening.next;
    link.link = opening.next;
    link.open = true;
    return steps;
}

// Lets go of a link; the last one closes it.
void Engine::Core::release_link(std::shared_ptr<VirtualLink>& holder, std::vector<child::KernelStep>& steps) {
    const auto link = std::exchange(holder, nullptr);
    if (!link || link.use_count() > 1) return;
    if (!link->told.servers.empty()) out_.name_servers.push_back({link->told.interface, {}, {}});
    std::pair<child::IntentId, Pending*> last{0, nullptr};
    if (link->updates > 0) {
        for (auto& [id, pending] : intents_)
            if (id > last.first && pending.link.lock() == link) last = {id, &pending};
    }
    if (last.second)
        last.second->closes = link;
    else
        close_link(*link, steps);
}

void Engine::Core::close_link(const VirtualLink& link, std::vector<child::KernelStep>& steps) {
    numbers_.erase(link.link.number);
    for (const child::LinkWay& way : link.ways)
        numbers_.erase(way.number);
    if (link.open) steps.emplace_back(child::CloseLink{link.link});
}

void Engine::Core::release_link(IkeSa& sa, std::vector<child::KernelStep>& steps) {
    leave_link(sa);
    release_link(sa.link, steps);
    if (Initiation* initiation = initiation_for(sa)) settle_link(*initiation, steps);
}

// Closes what no IKE SA uses and nothing wants to stay.
void Engine::Core::settle_link(Initiation& initiation, std::vector<child::KernelStep>& steps) {
    if (!initiation.link || initiation.link.use_count() > 1) return;
    const bool trapped = std::ranges::any_of(initiation.traps, [](const auto& entry) {
        return entry.second.policies && entry.second.policies->on_interface;
    });
    const bool stays = trapped || (initiation.wanted && initiation.fails_closed());
    if (shutting_down_ || !initiation.link->open || !stays) release_link(initiation.link, steps);
}

void Engine::Core::settle_link(Initiation& initiation) {
    std::vector<child::KernelStep> steps;
    settle_link(initiation, steps);
    if (!steps.empty()) submit(std::move(steps));
}

// The kernel has answered what opens or changes a link. If it has refused that, it has undone all of the intent: the
// link is as it was, and what it lacks is asked for again.
void Engine::Core::on_link_answered(Instant now, Pending& pending, bool refused) {
    const auto link = pending.link.lock();
    if (!link) return;
    if (pending.before) --link->updates;
    const bool not_opened = refused && !pending.before;
    if (not_opened && link->updates > 0) {
        for (auto& [id, later] : intents_) { // they will be refused as well
            if (!later.before || later.link.lock() != link) continue;
            later.before.reset();
            --link->updates;
        }
    }
    if (refused && link->link == pending.after) {
        link->open = pending.before.has_value();
        if (pending.before) link->link = *std::move(pending.before);
    }
    if (pending.closes) {
        std::vector<child::KernelStep> steps;
        close_link(*link, steps);
        if (!steps.empty()) submit(std::move(steps));
        return;
    }
    if (!refused && (!link->unsettled || link->updates > 0)) return;
    link->unsettled = false;
    if (refused) link->again = now + kLinkRetry;
    for (const auto& [spi, sa] : sas_) {
        if (sa->link != link) continue;
        if (!refused) return settle_ways(*sa);
        arm(*sa);
    }
}

} // namespace sheaf::ike

// A client's paths (PathPlan): one IKE SA for each, cloned from the first (RFC 7791) and moved to where the path
// is (RFC 4555), with a Child SA of its own. A path whose own uplink is gone or silent borrows another one.

#include "lib/ike/core.h"

#include <algorithm>
#include <tuple>

namespace sheaf::ike {

namespace {

constexpr std::size_t kMaxPaths = 16;
constexpr Duration kFirstPause = std::chrono::seconds(1);
constexpr Duration kLongestPause = std::chrono::seconds(10);
// How long what the gateway has refused is not asked for again (RFC 7296 2.25).
constexpr Duration kRefusedPause = std::chrono::minutes(1);
// What does not live for so long counts as refused.
constexpr Duration kShortLife = std::chrono::seconds(10);

// RFC 6298 2: the share of a new sample in the smoothed round-trip time is an eighth.
constexpr int kSmoothing = 8;

void add_address(std::vector<IpAddress>& to, const IpAddress& address) {
    if (to.size() < kMaxPaths && std::ranges::find(to, address) == to.end()) to.push_back(address);
}

// What each path is for, in order of preference.
std::vector<std::vector<UplinkPair>> wanted_paths(const PathPlan& plan,
                                                  const std::vector<IpAddress>& gateways) {
    std::vector<std::vector<UplinkPair>> out;
    const std::size_t uplinks = plan.uplinks.size();
    switch (plan.set) {
    case PathSet::uplinks:
        out.resize(uplinks);
        for (std::size_t i = 0; i < uplinks; ++i)
            for (const IpAddress& gateway : gateways)
                out[i].push_back({i, gateway});
        break;
    case PathSet::gateways:
        for (const IpAddress& gateway : gateways) {
            out.emplace_back();
            for (std::size_t i = 0; i < uplinks; ++i)
                out.back().push_back({i, gateway});
        }
        break;
    case PathSet::pairs:
        for (std::size_t i = 0; i < uplinks; ++i)
            for (const IpAddress& gateway : gateways)
                out.push_back({{i, gateway}});
        break;
    }
    if (out.size() > kMaxPaths) out.resize(kMaxPaths);
    return out;
}

bool is_member(const IkeSa* sa, const IkeSa& first) {
    return sa && sa->in<Established>() && sa->standing == Standing::current && sa->family == first.family;
}

} // namespace

// The IKE SA whose authentication carries the paths: while the next one is being made, the present one.
IkeSa* Engine::Core::login_of(const Initiation& initiation) {
    if (IkeSa* sa = established_of(initiation)) return sa;
    IkeSa* before = find(initiation.before);
    return before && before->in<Established>() ? before : nullptr;
}

bool Engine::Core::has_uplinks(const IkeSa& sa) {
    return sa.connection->role == Role::client && !sa.connection->paths.uplinks.empty();
}

// The paths that the plan and the addresses of the gateway make. Those that are there keep their place: of the
// gateway's addresses none is forgotten while the daemon runs, so paths are only added.
void Engine::Core::plan_paths(Initiation& initiation) {
    const Connection& connection = *initiation.connection;
    ClientPaths& paths = initiation.paths;
    add_address(paths.gateways, connection.remote->address);
    for (const IpAddress& address : connection.addresses)
        add_address(paths.gateways, address);
    if (const IkeSa* first = login_of(initiation)) {
        for (const IpAddress& address : first->mobility.peer_addresses)
            add_address(paths.gateways, address);
    }
    auto wanted = wanted_paths(connection.paths, paths.gateways);
    std::vector<ClientPath> next(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto old = std::ranges::find_if(paths.all, [&](const ClientPath& path) {
            const bool taken = path.own.empty();
            return !taken && path.own.front() == wanted[i].front();
        });
        if (old != paths.all.end()) next[i] = std::move(*old);
        next[i].own = std::move(wanted[i]);
    }
    paths.all = std::move(next);
}

// Every pair that can be used now, the preferred ones first, with our address.
std::vector<std::pair<UplinkPair, IpAddress>> Engine::Core::usable_pairs(const Initiation& initiation) const {
    std::vector<std::pair<UplinkPair, IpAddress>> out;
    const auto& uplinks = initiation.connection->paths.uplinks;
    for (std::size_t i = 0; i < uplinks.size(); ++i) {
        for (const IpAddress& gateway : initiation.paths.gateways) {
            const auto local = host_->source_over(uplinks[i].interface, gateway);
            if (local) out.emplace_back(UplinkPair{i, gateway}, *local);
        }
    }
    return out;
}

// Those besides the one in use, as addresses.
std::vector<std::pair<IpAddress, IpAddress>> Engine::Core::other_pairs(const IkeSa& sa) const {
    std::vector<std::pair<IpAddress, IpAddress>> out;
    const auto found = initiations_.find(sa.connection->name);
    if (found == initiations_.end() || found->second.connection != sa.connection) return out;
    for (const auto& [pair, local] : usable_pairs(found->second)) {
        const bool used = local == sa.path.local.address && pair.gateway == sa.path.peer.address;
        if (!used) out.emplace_back(local, pair.gateway);
    }
    return out;
}

// Where to begin: attempt after attempt over another pair.
std::optional<std::pair<IpAddress, IpAddress>> Engine::Core::first_pair(Initiation& initiation) {
    plan_paths(initiation);
    const auto usable = usable_pairs(initiation);
    auto answering = usable;
    std::erase_if(answering, [&](const auto& one) { return initiation.paths.is_silent(one.first); });
    const auto& among = answering.empty() ? usable : answering;
    if (among.empty()) return std::nullopt;
    const auto& [pair, local] = among.at(initiation.failures % among.size());
    return std::pair(local, pair.gateway);
}

// Where a path is to run: its own pairs first, then one that another path is known to run over, then any.
std::optional<PlacedPath> Engine::Core::place_of(const Initiation& initiation, const ClientPath& path) {
    const auto usable = usable_pairs(initiation);
    std::optional<PlacedPath> best;
    std::tuple<bool, bool, bool, bool> best_rank{};
    const IkeSa* sa = find(path.sa);
    for (const auto& [pair, local] : usable) {
        const bool own = std::ranges::find(path.own, pair) != path.own.end();
        const bool answers = !initiation.paths.is_silent(pair);
        const bool here = sa && sa->path.local.address == local && sa->path.peer.address == pair.gateway;
        const bool proved = sa && proved_at(*sa, local, pair.gateway);
        const std::tuple rank{answers, own, here, proved};
        if (best && rank <= best_rank) continue;
        best = PlacedPath{pair, local, own && answers};
        best_rank = rank;
    }
    return best;
}

// Another IKE SA of the family that runs between these addresses, to which its peer has answered.
const IkeSa* Engine::Core::proved_at(const IkeSa& sa, const IpAddress& local, const IpAddress& peer) {
    for (const IkeSa* other : family_of(sa)) {
        const bool there = other->path.local.address == local && other->path.peer.address == peer;
        if (other != &sa && there && !other->mobility.behind) return other;
    }
    return nullptr;
}

void Engine::Core::set_path(Instant now, const Initiation& initiation, ClientPath& path, PathState state,
                            std::string why) {
    const bool same = path.state == state && path.why == why;
    if (path.state != state) path.since = now;
    path.state = state;
    path.why = std::move(why);
    if (same || (state == PathState::down && !initiation.wanted))
        return; // an end that was ordered is told as such
    const IkeSa* sa = find(path.sa);
    const auto& pair = path.own.front();
    tell(PathChanged{sa ? sa->name() : SaName{0, initiation.connection->name, {}, {}},
                     initiation.connection->paths.uplinks[pair.uplink].interface, pair.gateway,
                     std::string(name(state)), path.why});
}

// Why none of a path's own pairs can be used.
std::string Engine::Core::why_down(const Initiation& initiation, const ClientPath& path) const {
    for (const UplinkPair& pair : path.own) {
        const auto local =
            host_->source_over(initiation.connection->paths.uplinks[pair.uplink].interface, pair.gateway);
        if (!local) return local.error();
        if (initiation.paths.is_silent(pair))
            return "no answer from " + pair.gateway.to_string() + " over " +
                   initiation.connection->paths.uplinks[pair.uplink].interface;
    }
    return {};
}

void Engine::Core::wake_paths(Instant now, const IkeSa& sa) {
    if (!has_uplinks(sa)) return;
    if (Initiation* initiation = initiation_for(sa)) initiation->paths.due = now;
}

// Brings what there is closer to what is wanted, after anything that may have changed either.
void Engine::Core::settle_paths(Instant now, Initiation& initiation) {
    ClientPaths& paths = initiation.paths;
    paths.due.reset();
    const Connection& connection = *initiation.connection;
    if (connection.role != Role::client || connection.paths.uplinks.empty() || shutting_down_) return;
    plan_paths(initiation);
    std::erase_if(paths.silent,
                  [now](const auto& one) { return one.second.refused && one.second.until <= now; });
    IkeSa* first = login_of(initiation);
    if (!first) {
        for (ClientPath& path : paths.all) {
            path.sa = 0;
            set_path(now, initiation, path, PathState::down, "the connection is not up");
        }
        return;
    }
    const auto usable = usable_pairs(initiation);
    const bool stranded = !first->mobility.on && std::ranges::none_of(usable, [&](const auto& one) {
        return one.second == first->path.local.address;
    });
    if (stranded)
        return close(now, *first, DownReason::failed,
                     "its uplink has gone, and the gateway does not take other addresses (RFC 4555)");
    share_out_family(now, initiation, *first);
    for (ClientPath& path : paths.all) {
        if (path.sa == 0)
            open_path(now, initiation, path);
        else
            keep_path(now, initiation, path);
    }
    settle_ways(*first);
    for (const ClientPath& path : paths.all)
        remind(now, paths, path);
}

// Which IKE SA of the family is whose path's. One that is nobody's, such as a clone of the gateway's making, takes
// the next path that has none.
void Engine::Core::share_out_family(Instant now, Initiation& initiation, IkeSa& first) {
    auto& all = initiation.paths.all;
    for (ClientPath& path : all) {
        if (path.sa == 0) continue;
        const bool lives = path.sa != first.our_spi() && first.family && is_member(find(path.sa), first);
        // What was lost as soon as it was made is not made again at once.
        if (!lives && path.sa != first.our_spi() && now - path.since < kShortLife)
            path.again = now + kRefusedPause;
        if (!lives) path.sa = 0;
    }
    all.front().sa = first.our_spi();
    auto free = family_of(first);
    std::erase_if(free, [&](const IkeSa* sa) { return initiation.paths.of(sa->our_spi()) != nullptr; });
    for (ClientPath& path : all) {
        if (path.sa != 0 || free.empty()) continue;
        path.sa = free.back()->our_spi();
        free.pop_back();
    }
    const auto usable = usable_pairs(initiation);
    for (IkeSa* sa : free) {
        const bool routed = std::ranges::any_of(
            usable, [&](const auto& one) { return one.second == sa->path.local.address; });
        if (!routed && !usable.empty() && sa->mobility.on)
            move_to(now, *sa, usable.front().second, usable.front().first.gateway);
    }
}

// When to look at a path again, if nothing happens meanwhile.
void Engine::Core::remind(Instant now, ClientPaths& paths, const ClientPath& path) {
    const auto at = [&](Instant when) {
        const Instant soon = std::max(when, now + kFirstPause);
        paths.due = std::min(paths.due.value_or(soon), soon);
    };
    if (path.again > now) at(path.again);
    if (path.state != PathState::away && path.state != PathState::down) return;
    for (const UplinkPair& pair : path.own) {
        if (const auto silence = paths.silent.find(pair); silence != paths.silent.end())
            at(silence->second.until);
    }
}

// A path without an IKE SA gets one when its own uplink is there.
void Engine::Core::open_path(Instant now, Initiation& initiation, ClientPath& path) {
    IkeSa& first = *login_of(initiation);
    std::erase_if(initiation.paths.silent, [&](const auto& entry) {
        return entry.second.until <= now && std::ranges::find(path.own, entry.first) != path.own.end();
    });
    const auto where = place_of(initiation, path);
    if (!where || !where->own)
        return set_path(now, initiation, path, PathState::down, why_down(initiation, path));
    if (now < path.again) return;
    if (!first.family || !first.mobility.on)
        return set_path(now, initiation, path, PathState::refused,
                        first.connection->ike_sas_per_login > 1
                            ? "the gateway does not take several paths (RFC 7791, RFC 4555)"
                            : "the connection may not have several IKE SAs of one login");
    const bool full = first.family->full || family_of(first).size() >= first.connection->ike_sas_per_login;
    if (full)
        return set_path(now, initiation, path, PathState::refused,
                        "there may be no more IKE SAs of this login");
    set_path(now, initiation, path, PathState::opening, {});
    const auto cloning = [](const Want& wanted) { return wanted.kind == Want::Kind::clone_ike; };
    const bool asked = under_way<CloningIke>(first) || std::ranges::any_of(first.wanted, cloning) ||
                       std::ranges::any_of(first.later, [&](const auto& l) { return cloning(l.second); });
    if (!asked) want(now, first, {Want::Kind::clone_ike});
}

// A path with an IKE SA: that is where it belongs, and has a Child SA.
void Engine::Core::keep_path(Instant now, Initiation& initiation, ClientPath& path) {
    IkeSa& sa = *find(path.sa);
    const auto where = place_of(initiation, path);
    if (!where) {
        sa.mobility.no_path = true;
        return set_path(now, initiation, path, PathState::down, why_down(initiation, path));
    }
    const bool there = sa.path.local.address == where->local && sa.path.peer.address == where->pair.gateway;
    if (!there && sa.mobility.on) move_to(now, sa, where->local, where->pair.gateway);
    sa.mobility.no_path = false;
    const bool carries = std::ranges::any_of(sa.children, [&](const ChildSa& child) {
        return is_on_link(sa, child) && child.state <= ChildState::deleting;
    });
    if (!carries && now < path.again) return; // refused
    if (!carries) {
        set_path(now, initiation, path, PathState::opening, {});
        if (!under_way<CreatingChild>(sa)) want(now, sa, {Want::Kind::create_child});
        return;
    }
    if (where->own) return set_path(now, initiation, path, PathState::up, {});
    set_path(now, initiation, path, PathState::away, why_down(initiation, path));
    if (!sa.outstanding.empty()) return;
    if (const auto pair = pair_to_try(now, sa)) send_question(now, sa, pair);
}

// A silent pair is asked now and then whether it answers again: the next question of the path's IKE SA goes over
// it, and only that.
Engine::Core::AddressPair Engine::Core::pair_to_try(Instant now, const IkeSa& sa) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    const ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    if (!path || path->state != PathState::away) return std::nullopt;
    for (const UplinkPair& pair : path->own) {
        const auto silence = initiation->paths.silent.find(pair);
        if (silence == initiation->paths.silent.end() || silence->second.until > now) continue;
        const auto local =
            host_->source_over(initiation->connection->paths.uplinks[pair.uplink].interface, pair.gateway);
        if (!local) continue;
        silence->second.pause = std::min(silence->second.pause * 2, kLongestPause);
        silence->second.until = now + silence->second.pause;
        return std::pair(*local, pair.gateway);
    }
    return std::nullopt;
}

// What a path ran over has not answered since then, while another pair did. Nor is anything else over the same
// uplink trusted, unless it has answered meanwhile.
void Engine::Core::note_silence(Instant now, const IkeSa& sa, Instant since) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    if (!initiation) return;
    const auto usable = usable_pairs(*initiation);
    const auto here = std::ranges::find_if(usable, [&](const auto& one) {
        return one.second == sa.path.local.address && one.first.gateway == sa.path.peer.address;
    });
    initiation->paths.due = now;
    if (here == usable.end()) return;
    const auto family = family_of(sa);
    for (const auto& [pair, local] : usable) {
        if (pair.uplink != here->first.uplink) continue;
        const bool heard =
            std::ranges::any_of(family, [&, own = local, gateway = pair.gateway](const IkeSa* other) {
                return other != &sa && other->last_heard > since && other->path.local.address == own &&
                       other->path.peer.address == gateway;
            });
        if (!heard) initiation->paths.silent.try_emplace(pair, Silence{now + kFirstPause, kFirstPause});
    }
}

// The gateway takes us not from here: it would answer, but the pair is of no use for a while.
void Engine::Core::note_refusal(Instant now, const IkeSa& sa) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    if (!initiation) return;
    for (const auto& [pair, local] : usable_pairs(*initiation)) {
        if (local != sa.path.local.address || pair.gateway != sa.path.peer.address) continue;
        initiation->paths.silent[pair] = {now + kRefusedPause, kRefusedPause, true};
    }
    initiation->paths.due = now;
}

void Engine::Core::note_answer_from(Instant now, const IkeSa& sa, const IpAddress& local,
                                    const IpAddress& peer) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    if (!initiation) return;
    for (const auto& [pair, own] : usable_pairs(*initiation)) {
        const auto silence = initiation->paths.silent.find(pair);
        const bool answers = own == local && pair.gateway == peer;
        if (!answers || silence == initiation->paths.silent.end() || silence->second.refused) continue;
        initiation->paths.silent.erase(silence);
        initiation->paths.due = now;
    }
}

void Engine::Core::note_round_trip(const IkeSa& sa, const Outstanding& request, Instant now) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    if (!path || request.repeats > 0 || request.over) return;
    const Duration sample = now - request.sent;
    path->round_trip =
        path->round_trip ? *path->round_trip + (sample - *path->round_trip) / kSmoothing : sample;
}

void Engine::Core::note_probe(const IkeSa& sa, bool unanswered) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    if (path) ++(unanswered ? path->unanswered : path->probes);
}

Duration Engine::Core::round_trip(const IkeSa& sa) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    const ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    return path ? path->round_trip.value_or(Duration::zero()) : Duration::zero();
}

void Engine::Core::forget_round_trip(const IkeSa& sa) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    if (path) path->round_trip.reset();
}

void Engine::Core::settle_paths_of(Instant now, const IkeSa& sa) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    if (initiation) settle_paths(now, *initiation);
}

void Engine::Core::refuse_path(Instant now, Initiation& initiation, ClientPath& path,
                               const std::string& why) {
    path.again = now + kRefusedPause;
    set_path(now, initiation, path, PathState::refused, why);
    initiation.paths.due = std::min(initiation.paths.due.value_or(path.again), path.again);
}

// The Child SA of the link that a path's IKE SA was to have.
void Engine::Core::path_refused(Instant now, const IkeSa& sa, const std::string& why) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    ClientPath* path = initiation ? initiation->paths.of(sa.our_spi()) : nullptr;
    if (path) refuse_path(now, *initiation, *path, why);
}

void Engine::Core::clone_refused(Instant now, const IkeSa& sa, const std::string& why) {
    Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr;
    if (!initiation) return;
    for (ClientPath& path : initiation->paths.all) {
        if (path.sa == 0 && path.state == PathState::opening) refuse_path(now, *initiation, path, why);
    }
}

// A client tells of each path that it wants, a gateway of each IKE SA that shares a link with others.
void Engine::Core::tell_paths(Status& out) const {
    const auto describe = [](PathStatus& status, const IkeSa& sa) {
        status.spi = sa.our_spi();
        status.number = sa.way;
        status.local = sa.esp_path().local;
        status.peer = sa.esp_path().peer;
        status.nat_here = sa.esp_path().nat_here;
        status.nat_there = sa.esp_path().nat_there;
        if (sa.peer_id) status.peer_id = sa.peer_id->to_string();
        if (!sa.link) return;
        const auto way = std::ranges::find(sa.link->ways, sa.way, &child::LinkWay::number);
        const unsigned weight = way != sa.link->ways.end() ? way->weight : sa.link->weight;
        status.carries = weight > 0 && sa.way != 0 && carries(sa);
    };
    for (const auto& [connection_name, initiation] : initiations_) {
        const PathPlan& plan = initiation.connection->paths;
        for (const ClientPath& path : initiation.paths.all) {
            PathStatus status;
            status.connection = connection_name;
            status.uplink = plan.uplinks[path.own.front().uplink].interface;
            status.gateway = path.own.front().gateway;
            status.state = name(path.state);
            status.why = path.why;
            status.round_trip = path.round_trip;
            status.probes = path.probes;
            status.unanswered = path.unanswered;
            status.since = path.since;
            if (const auto login = sas_.find(initiation.sa); login != sas_.end() && login->second->peer_id)
                status.peer_id = login->second->peer_id->to_string();
            if (const auto sa = sas_.find(path.sa); sa != sas_.end()) describe(status, *sa->second);
            out.paths.push_back(std::move(status));
        }
    }
    for (const auto& [spi, sa] : sas_) {
        const auto* established = sa->in<Established>();
        if (sa->connection->role != Role::gateway || !established) continue;
        if (sa->standing != Standing::current || !sa->family || sa->family.use_count() == 1) continue;
        PathStatus status;
        status.connection = sa->connection->name;
        status.gateway = sa->path.local.address;
        status.state = name(carries(*sa) ? PathState::up : PathState::opening);
        status.since = established->since;
        describe(status, *sa);
        out.paths.push_back(std::move(status));
    }
}

} // namespace sheaf::ike

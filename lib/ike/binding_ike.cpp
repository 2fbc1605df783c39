// Who speaks for which home address, and which Child SAs a mobile node and its home agent have (RFC 4877 4, 7, 9).

#include "lib/ike/bindings.h"

#include <algorithm>

namespace sheaf::ike {

using wire::CfgAttributeType;

namespace {

constexpr MobileUse kSignalling{MobileTraffic::signalling, 0};
// A Child SA that was asked for and is not there. Without signalling and payload nothing works, so that these are asked for
// at one pace; what a home agent may well not offer is asked for ever more seldom.
constexpr Duration kAskAgain = std::chrono::seconds(10);
constexpr Duration kLongestPause = std::chrono::minutes(10);
constexpr unsigned kHomeAddressBits = 128;

bool has_attribute(const wire::Configuration& configuration, CfgAttributeType type) {
    return std::ranges::any_of(configuration.attributes,
                               [type](const wire::CfgAttribute& a) { return a.type == type; });
}

// The pools of a connection that give home addresses, or mobile networks.
std::optional<address::Want> want_of(const Connection& connection,
                                     const std::vector<address::PoolSpec>& pools, bool for_home) {
    for (const address::Want& entry : connection.pools) {
        address::Want want;
        for (const std::string& name : entry.pools) {
            const auto pool = std::ranges::find(pools, name, &address::PoolSpec::name);
            const bool fits = pool != pools.end() && pool->prefix.family() == sheaf::Family::ipv6 &&
                              (pool->delegate == kHomeAddressBits) == for_home;
            if (fits) want.pools.push_back(name);
        }
        if (!want.pools.empty()) return want;
    }
    return std::nullopt;
}

bool is_optional(const MobileUse& use) {
    return use.traffic == MobileTraffic::home_test || use.traffic == MobileTraffic::prefix_discovery;
}

bool is_single(const std::vector<wire::TrafficSelector>& selectors, const IpAddress& address) {
    return selectors.size() == 1 && selectors.front().start == address && selectors.front().end == address;
}

} // namespace

Engine::Core::Bindings::Home& Engine::Core::Bindings::home_of(const std::string& connection,
                                                              const HomeClaim& claim) {
    const Key key{connection, claim.home};
    const auto found = homes_.find(key);
    if (found != homes_.end()) return found->second;
    const HomeLink::Numbers numbers{core_->fresh_number(), core_->fresh_number(), core_->fresh_number(),
                                    core_->fresh_number()};
    return homes_.emplace(key, HomeLink(connection, claim, numbers)).first->second;
}

void Engine::Core::Bindings::claim(IkeSa& sa, HomeClaim claim) {
    // A mobile node has one home address of a connection; its interface is free for the new one.
    for (auto& [key, other] : homes_) {
        if (!sa.connection->mobile || key.first != sa.connection->name || key.second == claim.home) continue;
        close(other);
        touched_.insert(key);
    }
    Home& home = home_of(sa.connection->name, claim);
    home.link.set_networks(claim.networks);
    sa.claim = std::make_shared<const HomeClaim>(std::move(claim));
    touch(sa);
}

void Engine::Core::Bindings::disclaim(IkeSa& sa) {
    touch(sa);
    sa.claim.reset();
}

// Whether an IKE SA of somebody else speaks for it, of whatever connection.
bool Engine::Core::Bindings::is_taken(const IpAddress& address, const auth::Identity& by) {
    return std::ranges::any_of(homes_, [&](auto& entry) {
        return entry.first.second == address &&
               std::ranges::any_of(users_of(entry.second),
                                   [&](const IkeSa* user) { return user->peer_id && *user->peer_id != by; });
    });
}

void Engine::Core::Bindings::touch(const IkeSa& sa) {
    if (!sa.claim) return;
    const Key key{sa.connection->name, sa.claim->home};
    const auto home = homes_.find(key);
    if (home == homes_.end()) return;
    home->second.users.insert(sa.our_spi());
    touched_.insert(key);
}

std::vector<IkeSa*> Engine::Core::Bindings::users_of(Home& home) {
    std::vector<IkeSa*> out;
    std::erase_if(home.users, [&](wire::Spi spi) {
        IkeSa* sa = core_->find(spi);
        const bool uses = sa && sa->claim && sa->claim->home == home.link.claim().home;
        if (uses) out.push_back(sa);
        return !uses;
    });
    return out;
}

std::optional<IpAddress> Engine::Core::Bindings::source(const Connection& connection) const {
    const auto node = nodes_.find(connection.name);
    return node == nodes_.end() ? std::nullopt : node->second.node.source();
}

// Mobile node: SAs for signalling come first, by which the rest is registered.
void Engine::Core::Bindings::ask_first(Authenticating& state, const Connection& connection,
                                       Reply& request) const {
    const MobilePlan& plan = *connection.mobile;
    HomeClaim claim{plan.home.value_or(IpAddress::any(sheaf::Family::ipv6)), connection.remote->address, {}};
    auto selectors = selectors_for(kSignalling, claim);
    state.child = name(kSignalling);
    state.transport = true;
    state.local = std::move(selectors.node);
    state.remote = std::move(selectors.agent);
    wire::Configuration asked{wire::CfgType::request, {}};
    if (!plan.home) asked.attributes.push_back(wire::empty_attribute(CfgAttributeType::internal_ip6_address));
    if (plan.router && plan.networks.empty())
        asked.attributes.push_back(wire::empty_attribute(CfgAttributeType::internal_ip6_prefix));
    if (!asked.attributes.empty()) request.emplace_back(std::move(asked));
}

// Mobile node: which home address we have, by our configuration or the home agent's answer.
std::expected<void, Rule> Engine::Core::Bindings::take_home(IkeSa& sa, Payloads payloads,
                                                            const child::Narrowed& narrowed) {
    const MobilePlan& plan = *sa.connection->mobile;
    HomeClaim given{IpAddress::any(sheaf::Family::ipv6), sa.connection->remote->address, plan.networks};
    if (plan.home) given.home = *plan.home;
    if (const auto reply = single<wire::Configuration>(payloads)) {
        for (const wire::CfgAttribute& attribute : (*reply)->attributes) {
            const auto address = wire::read_ip6_address(attribute);
            const auto network = wire::read_prefix(attribute);
            if (address && !plan.home) given.home = address->address;
            if (network && plan.router && plan.networks.empty() && may_be_taken(*network) &&
                given.networks.size() < mobility::kMaxPrefixes)
                given.networks.push_back(*network);
        }
    }
    if (!mobility::is_unicast_routable(given.home)) return std::unexpected(Rule::address_failure);
    if (!is_single(narrowed.initiator(), given.home)) return std::unexpected(Rule::ts_not_narrowed);
    claim(sa, std::move(given));
    return {};
}

// Home agent: of the addresses that the identity may have, the one that it names, or the first.
std::optional<IpAddress> Engine::Core::Bindings::wanted_home(const HomeEntry& entry,
                                                             Payloads payloads) const {
    const auto offered = single_ts(payloads, true);
    if (!offered || entry.homes.empty()) return std::nullopt;
    const auto& selectors = (*offered)->selectors;
    for (const IpAddress& home : entry.homes) {
        if (is_single(selectors, home)) return home;
    }
    const auto request = single<wire::Configuration>(payloads);
    const bool asks = request && has_attribute(**request, CfgAttributeType::internal_ip6_address);
    return asks ? std::optional(entry.homes.front()) : std::nullopt;
}

std::expected<AddressPlan, Rule> Engine::Core::Bindings::admit(IkeSa& sa, const auth::Verified& peer,
                                                               Payloads payloads) {
    const HomeRegistry& registry = registries_.at(sa.connection->name);
    const auto entry = registry.entry_for(peer.identity());
    const IpAddress& agent = registry.service().address;
    if (entry) {
        if (const auto home = wanted_home(*entry, payloads)) {
            if (is_taken(*home, peer.identity())) return std::unexpected(Rule::address_failure);
            claim(sa, {*home, agent, entry->networks});
            return AddressPlan{};
        }
        // What it wants is not its own, or nothing is configured for it but networks.
        if (!entry->homes.empty()) return std::unexpected(Rule::ts_unacceptable);
    }
    const auto request = single<wire::Configuration>(payloads);
    const bool asks = request && has_attribute(**request, CfgAttributeType::internal_ip6_address);
    if (!asks) return std::unexpected(Rule::ts_unacceptable);
    AddressPlan plan;
    const auto home = want_of(*sa.connection, core_->config_.pools, true);
    if (!home) return std::unexpected(Rule::address_failure);
    plan.ip6_address = true;
    plan.wants.push_back(*home);
    const bool network = has_attribute(**request, CfgAttributeType::internal_ip6_prefix);
    const auto networks = want_of(*sa.connection, core_->config_.pools, false);
    if (network && networks && !(entry && !entry->networks.empty())) plan.wants.push_back(*networks);
    plan.ip6 = plan.wants.size();
    return plan;
}

// Home agent: what the pools have given, if they were asked; and the answer to who asks.
std::expected<void, Rule> Engine::Core::Bindings::give_home(IkeSa& sa, Payloads payloads,
                                                            const address::Assigned* granted, Reply& reply) {
    if (granted) {
        if (granted->grants.empty() || !granted->grants.front())
            return std::unexpected(Rule::address_failure);
        const HomeRegistry& registry = registries_.at(sa.connection->name);
        const auto entry = registry.entry_for(*sa.peer_id);
        HomeClaim made{granted->grants.front()->block.address(), registry.service().address, {}};
        if (!registry.is_home(made.home) || is_taken(made.home, *sa.peer_id))
            return std::unexpected(Rule::address_failure);
        if (entry) made.networks = entry->networks;
        LinkShare share;
        for (const auto& grant : granted->grants) {
            if (!grant) continue;
            if (!share.grants.empty()) made.networks.push_back(grant->block);
            share.grants.push_back(*grant);
        }
        claim(sa, std::move(made));
        (void)core_->join_link(sa, std::move(share));
    }
    if (!sa.claim) return std::unexpected(Rule::address_failure);
    const auto request = single<wire::Configuration>(payloads);
    if (!request) return {};
    wire::Configuration given{wire::CfgType::reply, {}};
    if (has_attribute(**request, CfgAttributeType::internal_ip6_address))
        given.attributes.push_back(wire::ip6_address_attribute(sa.claim->home, kHomeAddressBits));
    if (has_attribute(**request, CfgAttributeType::internal_ip6_prefix)) {
        for (const Prefix& network : sa.claim->networks)
            given.attributes.push_back(wire::prefix_attribute(network));
    }
    reply.emplace_back(std::move(given));
    return {};
}

// Home agent: what a request of the mobile node's is for.
std::expected<ChildMatch, Rule> Engine::Core::Bindings::match(const IkeSa& sa, const Offer& offer) const {
    if (!sa.claim) return std::unexpected(Rule::ts_unacceptable);
    if (offer.transport && sa.path.nat()) return std::unexpected(Rule::mode_refused);
    const auto traffic = traffic_of(offer.transport, offer.ts_i->selectors, offer.ts_r->selectors);
    const HomeRegistry& registry = registries_.at(sa.connection->name);
    if (!traffic) return std::unexpected(Rule::mode_refused);
    const HomeService& service = registry.service();
    if ((*traffic == MobileTraffic::home_test && !service.home_test) ||
        (*traffic == MobileTraffic::prefix_discovery && !service.prefix_discovery))
        return std::unexpected(Rule::ts_unacceptable);
    MobileUse use{*traffic, 0};
    if (use.traffic == MobileTraffic::payload) use.bid = offer.bid;
    // RFC 5648 9: where a pair for a binding leads to, its registration says, which has to come first.
    const mobility::Registration* known = registry.find(sa.claim->home);
    if (use.is_tunnel() && (!known || !care_of(*known, use))) return std::unexpected(Rule::collision);
    const auto policy = selectors_for(use, *sa.claim);
    auto narrowed =
        child::Narrowed::narrow(offer.ts_i->selectors, policy.node, offer.ts_r->selectors, policy.agent);
    if (!narrowed) return std::unexpected(narrowed.error());
    return ChildMatch{name(use),
                      &sa.connection->child,
                      use.is_tunnel() ? child::Mode::tunnel : child::Mode::transport,
                      *std::move(narrowed),
                      false,
                      use};
}

const ChildTerms* Engine::Core::Bindings::ask_new(const IkeSa& sa, CreatingChild& request) const {
    const auto use = mobile_use(request.want.child);
    if (!use || !sa.claim || !sa.connection->mobile) return nullptr;
    const bool there = std::ranges::any_of(sa.children, [&](const ChildSa& child) {
        return child.use == use && child.state <= ChildState::live;
    });
    const bool asked = std::ranges::any_of(sa.outstanding, [&](const Outstanding& other) {
        const auto* creating = std::get_if<CreatingChild>(&other.purpose);
        return creating && creating->want == request.want;
    });
    const mobility::Registration known = nodes_.at(sa.connection->name).node.usable();
    if (there || asked || (use->is_tunnel() && !care_of(known, *use))) return nullptr;
    auto selectors = selectors_for(*use, *sa.claim);
    request.use = use;
    request.local = std::move(selectors.node);
    request.remote = std::move(selectors.agent);
    request.transport = !use->is_tunnel();
    return &sa.connection->child;
}

ChildSa Engine::Core::Bindings::child_of(IkeSa& sa, const MobileUse& use, const ChildTerms& terms) {
    const Home& home = home_of(sa.connection->name, *sa.claim);
    const auto there = use.is_tunnel() ? care_of(registered(home), use) : sa.claim->home;
    const bool agent = sa.connection->home_service.has_value();
    const IpAddress node = there.value_or((agent ? sa.path.peer : sa.path.local).address);
    ChildSa out;
    out.name = name(use);
    out.use = use;
    out.terms = &terms;
    out.mode = use.is_tunnel() ? child::Mode::tunnel : child::Mode::transport;
    out.on_interface = use.is_tunnel();
    out.id.link = home.link.numbers().payload;
    out.reqid = home.link.reqid_for(use);
    out.id.local = {agent ? sa.claim->agent : node, sa.path.local.port};
    out.id.peer = {agent ? node : sa.claim->agent, sa.path.peer.port};
    return out;
}

// The IKE SA by which a mobile node speaks with its home agent.
IkeSa* Engine::Core::Bindings::current_of(const Connection& connection) {
    const auto found = core_->initiations_.find(connection.name);
    if (found == core_->initiations_.end()) return nullptr;
    for (const wire::Spi spi : {found->second.sa, found->second.before}) {
        IkeSa* sa = core_->find(spi);
        if (sa && sa->in<Established>() && sa->standing == Standing::current && sa->claim) return sa;
    }
    return nullptr;
}

void Engine::Core::Bindings::settle_node(Instant now, const Connection& connection, Node& node) {
    const IkeSa* sa = current_of(connection);
    const bool live = sa && std::ranges::any_of(sa->children, [](const ChildSa& child) {
                          return child.use == kSignalling && child.state == ChildState::live;
                      });
    if (live && node.up != sa->claim) {
        node.up = sa->claim;
        node.asked.clear();
        // Which link is the home link could not be known before.
        if (!node.node.plan().home) place(now, connection, node);
        node.node.signalling_up(now, *sa->claim, sa->path.local.address, *core_->random_);
    }
    if (node.up) {
        const auto home = homes_.find({connection.name, node.up->home});
        const auto users = home == homes_.end() ? std::vector<IkeSa*>{} : users_of(home->second);
        const bool lost = std::ranges::none_of(users, [](const IkeSa* user) {
            return std::ranges::any_of(user->children, [](const ChildSa& child) {
                return child.use == kSignalling && child.state <= ChildState::deleting;
            });
        });
        if (lost) {
            node.node.signalling_lost(now);
            node.up.reset();
        }
    }
    const auto home = node.up ? homes_.find({connection.name, node.up->home}) : homes_.end();
    node.node.seek_prefixes(now, home != homes_.end() && home->second.link.guards_prefixes(),
                            *core_->random_);
    carry_out(now, node.node.take(), connection);
    node.again.reset();
    if (IkeSa* left = current_of(connection)) ask_children(now, node, *left);
}

// The Child SAs that a mobile node has to have: those for signalling, and for what is registered.
void Engine::Core::Bindings::ask_children(Instant now, Node& node, IkeSa& sa) {
    std::vector<MobileUse> wanted{kSignalling};
    for (const mobility::Binding& binding : node.node.usable().bindings) {
        if (!binding.at_home) wanted.push_back({MobileTraffic::payload, binding.bid});
    }
    const bool away = wanted.size() > 1;
    if (away && node.node.plan().home_test) wanted.push_back({MobileTraffic::home_test, 0});
    if (away && node.node.plan().prefix_discovery) wanted.push_back({MobileTraffic::prefix_discovery, 0});
    for (const MobileUse& use : wanted) {
        const bool there = std::ranges::any_of(sa.children, [&](const ChildSa& child) {
            return child.use == use && child.state <= ChildState::live;
        });
        Asked& asked = node.asked[use];
        if (there) asked = {};
        if (there) continue;
        if (asked.again <= now) {
            const bool seldom = is_optional(use) && asked.pause > Duration::zero();
            asked.pause = seldom ? std::min(asked.pause * 2, kLongestPause) : kAskAgain;
            asked.again = now + asked.pause;
            core_->want(now, sa, {Want::Kind::create_child, name(use)});
        }
        node.again = node.again ? std::min(*node.again, asked.again) : asked.again;
    }
}

} // namespace sheaf::ike

// What the kernel is to hold of a home address (child::MobilityLink).

#include "lib/ike/bindings.h"

#include <algorithm>
#include <iterator>

namespace sheaf::ike {

mobility::Registration Engine::Core::Bindings::registered(const Home& home) const {
    const auto& [connection, claim] = std::pair(home.link.connection(), home.link.claim());
    if (const auto node = nodes_.find(connection); node != nodes_.end()) {
        mobility::Registration out = node->second.node.usable();
        return out.home == claim.home ? out : mobility::Registration{claim.home};
    }
    const auto registry = registries_.find(connection);
    const auto* known = registry == registries_.end() ? nullptr : registry->second.find(claim.home);
    return known ? *known : mobility::Registration{claim.home};
}

// Where the pair for this use leads to at the mobile node's end.
std::optional<IpAddress> Engine::Core::Bindings::care_of(const mobility::Registration& registration,
                                                         const MobileUse& use) const {
    const mobility::Binding* binding =
        use.bid != 0 ? mobility::find(registration.bindings, use.bid) : mobility::default_path(registration);
    if (!binding || binding->at_home) return std::nullopt;
    return binding->care_of;
}

child::MobilityLink Engine::Core::Bindings::picture_of(Home& home, const Connection& connection) {
    const bool agent = connection.home_service.has_value();
    const HomeClaim& claim = home.link.claim();
    child::MobilityLink out;
    out.number = home.link.numbers().payload;
    out.role = agent ? child::MobilityRole::home_agent : child::MobilityRole::mobile_node;
    out.interface = agent ? core_->config_.gateway_interface : connection.interface;
    out.home = claim.home;
    out.home_agent = claim.agent;
    out.signalling = home.link.numbers().signalling;
    if (!agent) out.networks = claim.networks;
    if (!agent) out.correspondents = connection.networks;
    // A care-of address of which nothing can be sent yet is as good as none.
    std::set<IpAddress> paired;
    std::optional<child::ReturnRoutability> home_test;
    bool asks_prefixes = false;
    for (const IkeSa* sa : users_of(home)) {
        for (const ChildSa& child : sa->children) {
            if (!child.use || !child.out) continue;
            if (child.use->traffic == MobileTraffic::prefix_discovery) asks_prefixes = true;
            if (!child.use->is_tunnel()) continue;
            const IpAddress& node = (agent ? child.id.peer : child.id.local).address;
            if (child.use->traffic == MobileTraffic::payload) paired.insert(node);
            if (child.use->traffic == MobileTraffic::home_test) home_test = {child.reqid, node};
        }
    }
    out.home_test = home_test;
    mobility::Registration usable = registered(home);
    std::erase_if(usable.bindings, [&](const mobility::Binding& binding) {
        return !binding.at_home && !paired.contains(binding.care_of);
    });
    // RFC 6275 6.7: a mobile node asks while it is away; at home ICMPv6 is as without it.
    const bool away = std::ranges::any_of(usable.bindings, [](const auto& b) { return !b.at_home; });
    if (asks_prefixes && away) out.prefix_discovery = home.link.numbers().prefix_discovery;
    const auto is_usable = [&](const IpAddress& care_of) { return mobility::has_care_of(usable, care_of); };
    const mobility::Binding* first = mobility::default_path(usable);
    const auto node = nodes_.find(connection.name);
    if (agent) {
        out.networks = usable.prefixes; // RFC 3963 6.2: those that are registered
        out.home_interface = connection.home_service->home_link;
        for (const mobility::Binding& binding : registered(home).bindings)
            if (!binding.at_home)
                out.care_of.push_back({binding.bid, binding.care_of, is_usable(binding.care_of)});
        if (first) out.default_bid = first->bid;
        out.at_home = first && first->at_home;
        for (const auto& flow : usable.flows)
            out.flows.push_back({flow.selector, 0, flow.bids});
        return out;
    }
    if (node == nodes_.end()) return out;
    if (const auto& place = node->second.node.home_place(); place && place->home == claim.home) {
        out.home_interface = place->interface;
        out.at_home = node->second.node.is_home();
    }
    for (const auto& [bid, address] : node->second.node.places()) {
        out.care_of.push_back({bid, address, is_usable(address)});
        if (first && first->care_of == address) out.default_bid = bid;
    }
    for (const MarkedFlow& flow : connection.mobile->marked)
        out.flows.push_back({{}, flow.mark, flow.bids});
    for (const auto& flow : connection.mobile->flows)
        out.flows.push_back({flow.selector, 0, flow.bids});
    return out;
}

// The pairs whose care-of address is another one now.
void Engine::Core::Bindings::move_pairs(Home& home, std::vector<child::KernelStep>& steps,
                                        std::vector<Pending::Move>& moved) {
    const mobility::Registration known = registered(home);
    const bool agent = registries_.contains(home.link.connection());
    for (IkeSa* sa : users_of(home)) {
        for (ChildSa& child : sa->children) {
            const bool stays = child.state == ChildState::installing || child.state == ChildState::live;
            if (!child.use || !child.use->is_tunnel() || !stays) continue;
            const auto place = care_of(known, *child.use);
            Endpoint& node = agent ? child.id.peer : child.id.local;
            if (!place || *place == node.address) continue;
            const child::SaPairId before = child.id;
            moved.push_back({before, child.udp_encapsulation});
            node.address = *place;
            child::PolicySet none{child.id.link,        child.reqid,         child.mode, child.on_interface,
                                  before.local.address, before.peer.address, {},         {}};
            steps.emplace_back(child::MoveSas{before, std::move(none), child.id.local, child.id.peer, false});
            if (child.outbound) child.outbound->id = child.id;
        }
    }
}

// First the picture, which then says what moves.
void Engine::Core::Bindings::settle_kernel(Instant now, Home& home, const Connection& connection) {
    if (!home.link.is_open()) return;
    std::vector<child::KernelStep> moves;
    Pending pending;
    move_pairs(home, moves, pending.moves);
    const child::MobilityLink picture = picture_of(home, connection);
    if (moves.empty() && !home.link.wants(picture, now)) return;
    std::vector<child::KernelStep> steps;
    steps.push_back(home.link.tell(picture));
    std::ranges::move(moves, std::back_inserter(steps));
    const child::IntentId id = core_->submit(std::move(steps), std::move(pending));
    home.link.submitted(id);
    told_.emplace(id, Key{connection.name, home.link.claim().home});
}

bool Engine::Core::Bindings::open(const IkeSa& sa, std::vector<child::KernelStep>& steps) {
    Home& home = home_of(sa.connection->name, *sa.claim);
    if (home.link.is_open()) return false;
    steps.push_back(home.link.tell(picture_of(home, *sa.connection)));
    return true;
}

void Engine::Core::Bindings::opened(const IkeSa& sa, child::IntentId id) {
    home_of(sa.connection->name, *sa.claim).link.submitted(id);
    told_.emplace(id, Key{sa.connection->name, sa.claim->home});
    touch(sa);
}

void Engine::Core::Bindings::on_intent_done(Instant now, const child::IntentDone& done) {
    const auto told = told_.extract(done.id);
    if (told.empty()) return;
    const auto home = homes_.find(told.mapped());
    if (home == homes_.end()) return;
    home->second.link.done(done, now);
    if (home->second.link.next_timeout()) retried_.insert(home->first);
    if (home->second.link.announcer().next_timeout()) announcing_.insert(home->first);
    announce(now);
}

void Engine::Core::Bindings::announce(Instant now) {
    std::erase_if(announcing_, [&](const Key& key) {
        const auto home = homes_.find(key);
        if (home == homes_.end()) return true;
        Announcer& announcer = home->second.link.announcer();
        if (const auto interface = announcer.step(now))
            core_->out_.advertisements.push_back({*interface, key.second});
        return !announcer.next_timeout();
    });
}

void Engine::Core::Bindings::settle_home(Instant now, const Key& key) {
    const auto found = homes_.find(key);
    if (found == homes_.end()) return;
    Home& home = found->second;
    end_left(now, home);
    auto users = users_of(home);
    const bool in_use = std::ranges::any_of(users, [](const IkeSa* sa) { return !sa->children.empty(); });
    const ConnectionPtr connection = connection_named(key.first);
    // RFC 6275 10.3.1: without an IKE SA nobody speaks for the home address any more.
    const auto registry = registries_.find(key.first);
    if (users.empty() && registry != registries_.end()) {
        registry->second.remove(now, key.second);
        if (connection) carry_out(now, registry->second.take(), *connection);
    }
    const auto initiation = core_->initiations_.find(key.first);
    const bool wanted = connection && connection->mobile && initiation != core_->initiations_.end() &&
                        initiation->second.wanted && !core_->shutting_down_ &&
                        std::ranges::none_of(homes_, [&](const auto& other) {
                            return other.first.first == key.first && other.first.second != key.second &&
                                   !other.second.users.empty();
                        });
    if (in_use || (wanted && home.link.is_open() && connection->start)) {
        if (connection) settle_kernel(now, home, *connection);
        return;
    }
    if (!users.empty()) {
        close(home);
    } else {
        forget(found);
    }
}

void Engine::Core::Bindings::close(Home& home) {
    if (!home.link.is_open()) return;
    core_->submit(home.link.close());
}

std::map<Engine::Core::Bindings::Key, Engine::Core::Bindings::Home>::iterator
Engine::Core::Bindings::forget(std::map<Key, Home>::iterator home) {
    close(home->second);
    const auto& numbers = home->second.link.numbers();
    for (const child::LinkNumber number :
         {numbers.payload, numbers.signalling, numbers.home_test, numbers.prefix_discovery})
        core_->numbers_.erase(number);
    return homes_.erase(home);
}

} // namespace sheaf::ike

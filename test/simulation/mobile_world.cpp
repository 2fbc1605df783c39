#include "test/simulation/mobile_world.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace sheaf::test {

using namespace std::chrono_literals;

namespace {

constexpr unsigned kEpisodes = 2;
constexpr unsigned kRounds = 7;
constexpr unsigned kLatestDatagram = 400; // ms
constexpr unsigned kLatestHeader = 2500;  // ms
constexpr std::uint16_t kForeignBid = 9;  // that the mobile node does not know
constexpr Duration kRetryAtMost = 60s;    // of an IKE SA that could not be made

// An instant at which timers fire and fire again.
constexpr unsigned kStandstill = 1000;

template <typename T, std::size_t N>
T one_of(SeededRandom& chance, const std::array<T, N>& choice) {
    return choice.at(chance.below(N));
}

// For N of M.
bool happens(SeededRandom& chance, std::uint64_t n, std::uint64_t m) { return chance.below(m) < n; }

IpAddress address_in(std::uint16_t network, unsigned number) {
    return v6("2001:db8:" + std::to_string(network) + "::" + std::to_string(number));
}

// Of the mobile node's own on the home link.
IpAddress address_at_home(std::uint16_t access, unsigned number) {
    return v6("2001:db8:a::7:" + std::to_string(access) + ":" + std::to_string(number));
}

// Of a home agent that gives home addresses out of a pool.
void use_pool(ike::Config& agent) {
    only(agent).home_service->entries.clear();
    only(agent).pools = {{{"homes"}}, {{"networks"}}};
    agent.pools = {{"homes", *Prefix::parse("2001:db8:a:0:1::/80"), 128},
                   {"networks", *Prefix::parse("2001:db8:f0::/48"), 64}};
}

ike::Config agent_side(SeededRandom& chance, const ike::MobilePlan& plan) {
    auto out = agent_config();
    only(out).retransmit = {300ms, 5};
    only(out).liveness = 10s;
    auto& service = *only(out).home_service;
    service.max_lifetime = one_of(chance, std::array<Duration, 3>{20s, 60s, 30min});
    service.multiple_care_of = happens(chance, 7, 8);
    service.bulk = happens(chance, 3, 4);
    service.flows = happens(chance, 7, 8);
    service.key_mobility = happens(chance, 7, 8);
    if (!plan.home && plan.networks.empty() && happens(chance, 1, 2)) use_pool(out);
    return out;
}

std::vector<mobility::FlowBinding> flows_over(SeededRandom& chance, std::size_t links) {
    std::vector<mobility::FlowBinding> out(chance.below(7));
    for (std::uint16_t i = 0; i < out.size(); ++i) {
        auto& flow = out[i];
        flow.fid = static_cast<std::uint16_t>(i + 1);
        flow.priority = static_cast<std::uint16_t>(10 * (1 + (i * 5U) % 7)); // another order
        const auto port = static_cast<std::uint16_t>(5000 + i);
        flow.selector.source_port = {port, port};
        const auto first = chance.below(links);
        const auto many = 1 + chance.below(links);
        for (std::size_t k = 0; k < many; ++k)
            flow.bids.push_back(static_cast<std::uint16_t>(1 + (first + k) % links));
    }
    return out;
}

ike::Config node_side(SeededRandom& chance) {
    auto out = node_config();
    only(out).retransmit = {300ms, 5};
    only(out).liveness = 10s;
    auto& plan = *only(out).mobile;
    if (happens(chance, 1, 2)) plan.access.push_back({"eth0", 3, 3});
    for (auto& link : plan.access)
        link.priority = static_cast<std::uint8_t>(1 + chance.below(3));
    plan.flows = flows_over(chance, plan.access.size());
    if (happens(chance, 1, 3)) plan.marked = {{7, {2, 1}}};
    plan.lifetime = one_of(chance, std::array<Duration, 4>{12s, 40s, 120s, 7min});
    plan.multiple_care_of = happens(chance, 7, 8);
    plan.bulk = happens(chance, 3, 4);
    plan.key_mobility = happens(chance, 3, 4);
    plan.home_test = happens(chance, 1, 3);
    plan.router = happens(chance, 1, 3);
    if (plan.router && happens(chance, 1, 2)) plan.networks = {*Prefix::parse("2001:db8:f0:0::/64")};
    if (happens(chance, 1, 4)) plan.home.reset();
    return out;
}

bool same_path(const ike::Datagram& datagram, const IpAddress& address) {
    return datagram.local.address == address || datagram.peer.address == address;
}

} // namespace

MobileWorld::Tally& MobileWorld::Tally::operator+=(const Tally& other) {
    bindings += other.bindings;
    moved += other.moved;
    ended += other.ended;
    expired += other.expired;
    decided += other.decided;
    restarts += other.restarts;
    logins += other.logins;
    returns += other.returns;
    ike_moves += other.ike_moves;
    rekeyed += other.rekeyed;
    peaces += other.peaces;
    return *this;
}

MobileWorld::MobileWorld(std::uint64_t seed)
    : chance_(seed), node_config_(node_side(chance_)), agent_config_(agent_side(chance_, plan())),
      net_(agent_config_, node_config_) {
    net_.net.on_wire = [this](ike::Datagram& datagram) { return on_wire(datagram); };
    net_.on_header = [this](const MobileNet::Carried& carried) { return on_header(carried); };
    for (const auto& link : plan().access)
        access_.push_back({link.interface, link.bid, address_in(link.bid, 5)});
    show_links();
}

// The network.

bool MobileWorld::passes(const Late& late, unsigned latest_ms) {
    if (happens(chance_, lost_percent_, 100)) return false;
    if (!happens(chance_, late_percent_, 100)) return true;
    late_.push_back(late);
    late_.back().at += std::chrono::milliseconds(1 + chance_.below(latest_ms));
    return happens(chance_, 1, 3); // doubled, or only late
}

bool MobileWorld::on_wire(ike::Datagram& datagram) {
    const auto lost = [&](const IpAddress& address) { return same_path(datagram, address); };
    if (std::ranges::any_of(net_.cut, lost)) return false;
    return passes({net_.net.now, datagram}, kLatestDatagram);
}

bool MobileWorld::on_header(const MobileNet::Carried& carried) {
    const auto& header = carried.header;
    granted_.read(net_.net.now, header);
    if (header.to_agent && !net_.node.has(header.care_of))
        wrong_ = "a message goes from " + header.care_of.to_string() + ", which the mobile node has not";
    return !net_.cut.contains(header.care_of) && passes({net_.net.now, carried}, kLatestHeader);
}

void MobileWorld::deliver_late() {
    for (bool found = true; found;) {
        const auto due = std::ranges::find_if(late_, [this](const Late& l) { return l.at <= net_.net.now; });
        found = due != late_.end();
        if (!found) return;
        const auto what = std::move(due->what);
        late_.erase(due);
        if (const auto* carried = std::get_if<MobileNet::Carried>(&what)) {
            if (!net_.cut.contains(carried->header.care_of)) net_.deliver(*carried);
            continue;
        }
        const auto& datagram = std::get<ike::Datagram>(what);
        for (Host* host : {&net_.agent, &net_.node}) {
            if (!host->has(datagram.peer.address)) continue;
            host->engine.datagram(net_.net.now, {datagram.peer, datagram.local, datagram.bytes});
            host->pump(net_.net.now);
        }
    }
}

void MobileWorld::run_to_next(Instant end) {
    Instant next = end;
    if (const auto timer = net_.net.next_timeout()) next = std::min(next, *timer);
    for (const Late& late : late_)
        next = std::min(next, late.at);
    net_.net.run_for(std::max(next - net_.net.now, Duration::zero()));
    deliver_late();
    net_.carry();
    net_.net.log.clear();
    net_.sent.clear();
    for (Host* host : {&net_.agent, &net_.node})
        count(*host);
}

void MobileWorld::run_for(Duration duration) {
    const Instant end = net_.net.now + duration;
    Instant before = net_.net.now;
    unsigned steps = 0;
    while (net_.net.now < end && wrong_.empty()) {
        run_to_next(end);
        steps = net_.net.now == before ? steps + 1 : 0;
        before = net_.net.now;
        if (wrong_.empty()) wrong_ = check();
        if (steps > kStandstill) wrong_ = "time stands still";
    }
}

void MobileWorld::count(Host& host) {
    using What = ike::BindingChanged::What;
    const bool agent = &host == &net_.agent;
    for (const auto& event : host.events) {
        const auto* changed = std::get_if<ike::BindingChanged>(&event);
        if (changed && agent) {
            tally_.bindings += changed->what == What::registered;
            tally_.moved += changed->what == What::moved;
            tally_.ended += changed->what == What::ended;
            tally_.expired +=
                changed->what == What::ended && granted_.has_expired(net_.net.now, changed->bid);
        }
        tally_.returns += !agent && changed && changed->what == What::at_home;
        tally_.logins += agent && std::holds_alternative<ike::IkeUp>(event);
        tally_.ike_moves += agent && std::holds_alternative<ike::PeerMoved>(event);
        tally_.rekeyed += agent && std::holds_alternative<ike::ChildRekeyed>(event);
    }
    host.events.clear();
}

// What happens in it.

void MobileWorld::show_links() {
    net_.node.uplinks.clear();
    std::set<IpAddress> there;
    for (const Access& access : access_) {
        if (!access.address) continue;
        net_.node.uplinks[access.name] = {*access.address};
        there.insert(*access.address);
    }
    std::erase_if(net_.cut, [&](const IpAddress& address) { return !there.contains(address); });
    // The home address is on the same link.
    if (const Access* home = home_access(); home && net_.cut.contains(*home->address))
        net_.cut.insert(*home_address());
    net_.change();
    net_.carry();
    if (wrong_.empty()) wrong_ = check();
}

std::vector<MobileWorld::Access*> MobileWorld::present() {
    std::vector<Access*> out;
    for (Access& access : access_) {
        if (access.address) out.push_back(&access);
    }
    return out;
}

const MobileWorld::Access* MobileWorld::access_with(const IpAddress& address) const {
    const auto found = std::ranges::find(access_, address, &Access::address);
    return found == access_.end() ? nullptr : &*found;
}

void MobileWorld::give_new_address(Access& access) {
    access.address = address_in(access.bid, 10 + ++access.addresses);
}

void MobileWorld::come_home(Access& access) {
    access.address = address_at_home(access.bid, ++access.addresses);
}

std::optional<IpAddress> MobileWorld::home_address() const {
    if (plan().home) return plan().home;
    const auto homes = net_.node.engine.status().homes;
    return homes.empty() ? std::nullopt : std::optional(homes.front().registration.home);
}

const MobileWorld::Access* MobileWorld::home_access() const {
    const auto home = home_address();
    const auto found = std::ranges::find_if(access_, [&](const Access& access) {
        return home && access.address && Prefix(*access.address, 64).contains(*home);
    });
    return found == access_.end() ? nullptr : &*found;
}

void MobileWorld::come_or_go(Access& access) {
    const auto before = address_in(access.bid, 10 + access.addresses);
    if (access.address)
        access.address.reset();
    else if (!access_with(before) && happens(chance_, 1, 2))
        access.address = before;
    else
        give_new_address(access);
}

void MobileWorld::hand_over_address(Access& from) {
    Access& to = access_[chance_.below(access_.size())];
    if (&to == &from) return;
    if (happens(chance_, 1, 2)) {
        std::swap(to.address, from.address);
    } else if (from.address) {
        to.address = std::exchange(from.address, std::nullopt);
    }
}

void MobileWorld::cut_or_mend(const Access& access) {
    if (access.address && net_.cut.erase(*access.address) == 0) net_.cut.insert(*access.address);
}

// The operator's word. A care-of address that the mobile node takes for its own binding stays what it says.
void MobileWorld::decide() {
    const auto* picture = MobileNet::picture(net_.agent);
    if (!picture) return;
    auto& engine = net_.agent.engine;
    const Instant now = net_.net.now;
    const auto known = present();
    if (happens(chance_, 1, 2)) {
        ike::SetBinding set{picture->home, kForeignBid, v6("2001:db8:66::6")};
        set.priority = static_cast<std::uint8_t>(chance_.below(4));
        set.lifetime = std::chrono::seconds(5 + chance_.below(15));
        if (happens(chance_, 1, 8)) set.bid = 0;
        if (happens(chance_, 1, 3) && !known.empty()) {
            const Access& access = *known[chance_.below(known.size())];
            set.bid = access.bid;
            set.care_of = *access.address;
        }
        if (!engine.command(now, set)) return;
        granted_.set(set.bid, {set.care_of, now + set.lifetime});
    } else {
        ike::RemoveBinding remove{picture->home, std::nullopt};
        if (happens(chance_, 2, 3)) remove.bid = static_cast<std::uint16_t>(chance_.below(4));
        if (!engine.command(now, remove)) return;
        if (remove.bid)
            granted_.remove(*remove.bid);
        else
            granted_.clear();
    }
    ++tally_.decided;
}

void MobileWorld::renew_keys() {
    const Instant now = net_.net.now;
    if (happens(chance_, 1, 4)) {
        static_cast<void>(net_.node.engine.command(now, ike::Reauthenticate{"home"}));
        return;
    }
    const auto what = happens(chance_, 1, 2) ? ike::Rekey::What::ike : ike::Rekey::What::children;
    const bool node = happens(chance_, 1, 2);
    static_cast<void>(
        (node ? net_.node : net_.agent).engine.command(now, ike::Rekey{node ? "home" : "homes", what}));
}

void MobileWorld::restart(bool agent) {
    Host& host = agent ? net_.agent : net_.node;
    host.engine = ike::Engine(agent ? agent_config_ : node_config_, host.random, host, net_.net.now);
    auto breaches = std::move(host.kernel.breaches);
    host.kernel = FakeKernel{};
    host.kernel.breaches = std::move(breaches);
    // Who was given a block is given it again, by the holder's name.
    host.leases = address::LeaseBook((agent ? agent_config_ : node_config_).pools);
    host.headers.clear();
    host.outbox.clear();
    if (agent) granted_.clear();
    ++tally_.restarts;
}

void MobileWorld::disturb() {
    Access& access = access_[chance_.below(access_.size())];
    switch (chance_.below(18)) {
    case 0:
    case 1:
    case 2:
    case 3: come_or_go(access); break;
    case 4:
    case 5: give_new_address(access); break;
    case 6: hand_over_address(access); break;
    case 7:
    case 8:
    case 9: cut_or_mend(access); break;
    case 10:
    case 11: decide(); break;
    case 12:
    case 13: renew_keys(); break;
    case 14: restart(happens(chance_, 1, 2)); break;
    case 15:
    case 16: come_home(access); break;
    default: break;
    }
    show_links();
}

void MobileWorld::make_peace() {
    lost_percent_ = late_percent_ = 0;
    net_.cut.clear();
    if (present().empty()) give_new_address(access_.front());
    show_links();
    // What has been granted may have to end before it is known that it was lost.
    const Duration granted = std::min(service().max_lifetime, plan().lifetime);
    run_for(2 * granted + 2 * kRetryAtMost);
    if (wrong_.empty()) wrong_ = check_at_peace();
    ++tally_.peaces;
}

void MobileWorld::end() {
    const bool shutdown = happens(chance_, 1, 2);
    if (shutdown) {
        for (Host* host : {&net_.agent, &net_.node})
            static_cast<void>(host->engine.command(net_.net.now, ike::Shutdown{}));
    } else {
        static_cast<void>(net_.node.engine.command(net_.net.now, ike::Down{"home"}));
    }
    run_for(60s);
    for (const Host* host : {&net_.agent, &net_.node}) {
        const auto& kernel = host->kernel;
        if (!wrong_.empty() || (kernel.empty() && host->engine.idle())) continue;
        wrong_ = std::to_string(kernel.homes.size()) + " home addresses, " +
                 std::to_string(kernel.links.size()) + " links, " + std::to_string(kernel.sas.size()) +
                 " Child SAs, " + std::to_string(kernel.policies.size()) + " policies and " +
                 std::to_string(host->engine.status().ike_sas.size()) + " IKE SAs are left after the end";
    }
}

std::string MobileWorld::run() {
    for (unsigned episode = 0; episode < kEpisodes && wrong_.empty(); ++episode) {
        lost_percent_ = one_of(chance_, std::array<unsigned, 3>{2, 10, 30});
        late_percent_ = one_of(chance_, std::array<unsigned, 3>{5, 15, 40});
        run_for(std::chrono::milliseconds(chance_.below(3000)));
        for (unsigned round = 0; round < kRounds && wrong_.empty(); ++round) {
            disturb();
            if (happens(chance_, 1, 4)) disturb();
            const unsigned longest = one_of(chance_, std::array<unsigned, 3>{1000, 10'000, 40'000});
            run_for(std::chrono::milliseconds(chance_.below(longest)));
        }
        if (wrong_.empty()) make_peace();
    }
    if (wrong_.empty()) end();
    return wrong_;
}

} // namespace sheaf::test

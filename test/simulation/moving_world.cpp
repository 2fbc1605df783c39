#include "test/simulation/moving_world.h"

#include <algorithm>
#include <chrono>

namespace sheaf::test {

using namespace std::chrono_literals;

namespace {

constexpr const char* kGateway = "192.0.2.2";
constexpr const char* kOtherGateway = "192.0.2.3";
constexpr const char* kVictim = "192.0.2.99"; // has nothing to do with any of it
constexpr unsigned kRounds = 12;
constexpr unsigned kLostPercent = 10;
constexpr unsigned kLatePercent = 15;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

bool is_gateway(const IpAddress& address) { return address == ip(kGateway) || address == ip(kOtherGateway); }

ike::Config gateway_side() {
    auto out = gateway_config();
    auto& connection = out.connections[0];
    connection.mobike = true;
    connection.addresses = {ip(kGateway), ip(kOtherGateway)};
    connection.ike_sas_per_login = 8;
    connection.retransmit = {300ms, 7};
    return out;
}

ike::Config client_side(SeededRandom& chance) {
    auto out = client_config(kGateway);
    auto& connection = out.connections[0];
    connection.mobike = true;
    connection.addresses = {ip(kOtherGateway)};
    connection.ike_sas_per_login = 8;
    connection.retransmit = {300ms, 7};
    const ike::PathSet set = chance.below(3) == 0 ? ike::PathSet::pairs : ike::PathSet::uplinks;
    const ike::PathUse use = chance.below(2) == 0 ? ike::PathUse::balance : ike::PathUse::primary;
    connection.paths = {{{"lte"}, {"dsl"}}, set, use, chance.below(2) == 0 ? Duration(600ms) : Duration(0)};
    return out;
}

} // namespace

MovingWorld::MovingWorld(std::uint64_t seed) : chance_(seed) {
    gateway_ = &net_.add(kGateway, gateway_side());
    gateway_->further = {ip(kOtherGateway)};
    client_ = &net_.add("0.0.0.0", client_side(chance_));
    client_->strict = true;
    uplinks_ = {{.name = "lte", .inside = ip("10.1.0.2"), .outside = ip("198.51.100.1")},
                {.name = "dsl", .inside = ip("203.0.113.9"), .outside = ip("203.0.113.9")}};
    if (chance_.below(2) == 0) uplinks_[1].outside = ip("198.51.100.2");
    spoofed_ = chance_.below(4) == 0;
    show_uplinks();
    net_.on_wire = [this](ike::Datagram& datagram) { return on_wire(datagram); };
}

void MovingWorld::show_uplinks() {
    client_->uplinks.clear();
    for (const Uplink& uplink : uplinks_) {
        if (uplink.up) client_->uplinks[uplink.name] = {uplink.inside};
    }
    client_->engine.network_changed(net_.now);
    client_->pump(net_.now);
}

bool MovingWorld::on_wire(ike::Datagram& datagram) {
    const bool through = is_gateway(datagram.peer.address) ? from_client(datagram) : to_client(datagram);
    if (!through || !bad_) return through;
    if (chance_.below(100) < kLostPercent) return false;
    if (chance_.below(100) >= kLatePercent) return true;
    late_.push_back({net_.now + std::chrono::milliseconds(chance_.below(400)), datagram});
    return chance_.below(3) == 0; // doubled, or only late
}

bool MovingWorld::from_client(ike::Datagram& datagram) {
    const auto uplink = std::ranges::find(uplinks_, datagram.local.address, &Uplink::inside);
    if (uplink == uplinks_.end() || !uplink->up || uplink->silent) return false;
    if (uplink->inside != uplink->outside) {
        if (uplink->port == 0) uplink->port = next_port_++;
        datagram.local = {uplink->outside, uplink->port};
    }
    if (bad_ && spoofed_ && chance_.below(50) == 0) datagram.local = {ip(kVictim), 4500};
    return true;
}

bool MovingWorld::to_client(ike::Datagram& datagram) {
    const auto uplink = std::ranges::find(uplinks_, datagram.peer.address, &Uplink::outside);
    if (uplink == uplinks_.end() || !uplink->up || uplink->silent) return false;
    if (uplink->inside != uplink->outside) {
        if (uplink->port != datagram.peer.port) return false;
        reached_.insert(datagram.peer.address);
        datagram.peer = {uplink->inside, 4500};
        return true;
    }
    reached_.insert(datagram.peer.address);
    return true;
}

void MovingWorld::deliver_late() {
    for (bool found = true; found;) {
        const auto due = std::ranges::find_if(late_, [this](const Late& l) { return l.at <= net_.now; });
        found = due != late_.end();
        if (!found) return;
        const ike::Datagram datagram = due->datagram;
        late_.erase(due);
        const auto was = std::exchange(net_.on_wire, nullptr); // it has been translated already
        for (Host* host : {gateway_, client_}) {
            if (!host->has(datagram.peer.address)) continue;
            host->engine.datagram(net_.now, {datagram.peer, datagram.local, datagram.bytes});
            host->pump(net_.now);
        }
        net_.on_wire = was;
        net_.settle();
    }
}

void MovingWorld::run_for(Duration duration) {
    for (const Instant end = net_.now + duration; net_.now < end && wrong_.empty();) {
        net_.run_for(50ms);
        deliver_late();
        wrong_ = check();
    }
}

void MovingWorld::cut_or_mend(Uplink& uplink) {
    const Uplink& other = &uplink == &uplinks_[0] ? uplinks_[1] : uplinks_[0];
    const bool works = uplink.up && !uplink.silent;
    if (!works) {
        uplink.up = true;
        uplink.silent = false;
    } else if (other.up && !other.silent) {
        (chance_.below(2) == 0 ? uplink.up : uplink.silent) ^= true;
    }
    show_uplinks();
}

void MovingWorld::readdress(Uplink& uplink) {
    const bool translated = uplink.inside != uplink.outside;
    const bool first = &uplink == &uplinks_[0];
    const std::string network =
        translated ? (first ? "10.1.0." : "10.2.0.") : (first ? "198.51.100." : "203.0.113.");
    uplink.inside = ip(network + std::to_string(10 + ++uplink.addresses));
    if (!translated) uplink.outside = uplink.inside;
    uplink.port = 0;
    show_uplinks();
}

void MovingWorld::rekey() {
    const auto what = chance_.below(2) == 0 ? ike::Rekey::What::ike : ike::Rekey::What::children;
    const bool client = chance_.below(2) == 0;
    static_cast<void>((client ? client_ : gateway_)
                          ->engine.command(net_.now, ike::Rekey{client ? "home" : "clients", what}));
}

void MovingWorld::disturb() {
    Uplink& uplink = uplinks_[chance_.below(2)];
    switch (chance_.below(8)) {
    case 0:
    case 1:
    case 2: cut_or_mend(uplink); break;
    case 3: readdress(uplink); break;
    case 4: uplink.port = 0; break; // the NAT has forgotten
    case 5: rekey(); break;
    case 6:
        rekey();
        cut_or_mend(uplink);
        break;
    default: break;
    }
    net_.settle();
}

std::string MovingWorld::check() const {
    for (const Host* host : {gateway_, client_}) {
        if (!host->kernel.breaches.empty()) return host->kernel.breaches.front();
        if (host->kernel.links.size() > 1) return std::to_string(host->kernel.links.size()) + " links";
    }
    for (const auto& [spi, pair] : gateway_->kernel.sas) {
        if (pair.outbound && !reached_.contains(pair.id.peer.address))
            return "ESP goes to " + pair.id.peer.address.to_string() + ", from where nobody has answered";
    }
    if (!spoofed_ && client_->engine.counters().handshakes > 1) return "another login was needed";
    return {};
}

std::string MovingWorld::check_at_peace() const {
    const auto status = client_->engine.status();
    std::string told;
    for (const auto& path : status.paths)
        told += path.uplink + " " + path.state + " (" + path.why + ") " + path.local.to_string() + "-" +
                path.peer.to_string() + "; ";
    for (const auto& path : status.paths) {
        if (path.state != "up") return "a path is not up: " + told;
    }
    const std::size_t paths = status.paths.size();
    if (paths < 2) return "there are " + std::to_string(paths) + " paths";
    for (const Host* host : {gateway_, client_}) {
        const std::string who = host == gateway_ ? "gateway" : "client";
        if (host->established() != paths)
            return std::to_string(host->established()) + " IKE SAs at the " + who + ": " + told;
        if (host->kernel.pairs() != paths || host->kernel.sas.size() != paths)
            return std::to_string(host->kernel.sas.size()) + " Child SAs at the " + who + ": " + told;
        std::set<child::LinkNumber> used;
        for (const auto& [spi, pair] : host->kernel.sas)
            used.insert(pair.id.link);
        if (host->kernel.links.size() != 1) return "the " + who + " has not one link: " + told;
        const child::Link& link = host->kernel.links.begin()->second;
        // The link's own way goes with the first IKE SA.
        const std::size_t ways = link.ways.size() + (used.contains(link.number) ? 1 : 0);
        if (used.size() != paths || ways != paths)
            return "the link of the " + who + " has not a way for each path: " + told;
        if (host->kernel.policies.size() != paths) return "policies at the " + who + " are left over";
    }
    for (const auto& [spi, ours] : client_->kernel.sas) {
        const auto theirs = gateway_->kernel.sas.find(ours.id.spi_out);
        if (theirs == gateway_->kernel.sas.end()) return "a Child SA is at one end only";
        if (!equal(theirs->second.in.encryption.view(), ours.out.encryption.view())) return "keys differ";
        if (theirs->second.id.local.address != ours.id.peer.address)
            return "the ends of a Child SA are not where they think";
        const auto uplink = std::ranges::find(uplinks_, ours.id.local.address, &Uplink::inside);
        if (uplink == uplinks_.end() || theirs->second.id.peer.address != uplink->outside)
            return "the gateway sends where the client is not: " + told;
        if (uplink->inside != uplink->outside && theirs->second.id.peer.port != uplink->port)
            return "the gateway sends to a port that the NAT has not: " + told;
    }
    return {};
}

std::string MovingWorld::run() {
    run_for(5s);
    for (unsigned round = 0; round < kRounds && wrong_.empty(); ++round) {
        disturb();
        run_for(std::chrono::milliseconds(500 + chance_.below(8000)));
    }
    if (!wrong_.empty()) return wrong_;
    bad_ = false;
    late_.clear();
    for (Uplink& uplink : uplinks_)
        uplink.up = true, uplink.silent = false;
    show_uplinks();
    run_for(250s);
    if (wrong_.empty()) wrong_ = check_at_peace();
    if (!wrong_.empty()) return wrong_;
    for (Host* host : {client_, gateway_})
        static_cast<void>(host->engine.command(net_.now, ike::Shutdown{}));
    run_for(60s);
    for (const Host* host : {gateway_, client_}) {
        const auto& kernel = host->kernel;
        if (kernel.empty() && host->engine.idle()) continue;
        return std::to_string(kernel.links.size()) + " links, " + std::to_string(kernel.sas.size()) +
               " Child SAs, " + std::to_string(kernel.policies.size()) + " policies and " +
               std::to_string(host->engine.status().ike_sas.size()) + " IKE SAs are left after the end";
    }
    return wrong_;
}

} // namespace sheaf::test

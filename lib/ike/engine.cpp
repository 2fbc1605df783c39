#include "lib/ike/engine.h"

#include "lib/ike/bindings.h"
#include "lib/ike/core.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

Engine::Engine(Config config, Random& random, Surroundings& host, Instant now, auth::MethodsMaker methods)
    : core_(std::make_unique<Core>(std::move(config), random, host, now, std::move(methods))) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::datagram(Instant now, const Datagram& datagram) {
    core_->datagram(now, datagram);
    core_->settle(now);
}
std::expected<void, std::string> Engine::command(Instant now, Command command) {
    auto out = core_->command(now, std::move(command));
    core_->settle(now);
    return out;
}
void Engine::kernel_event(Instant now, const child::KernelEvent& event) {
    core_->kernel_event(now, event);
    core_->settle(now);
}
void Engine::network_changed(Instant now) {
    core_->network_changed(now);
    core_->settle(now);
}
void Engine::addresses(Instant now, const address::Assigned& answer) {
    core_->addresses(now, answer);
    core_->settle(now);
}
void Engine::mobility_header(Instant now, const MobilityHeader& header) {
    core_->mobility_header(now, header);
    core_->settle(now);
}
std::expected<void, std::string> Engine::recall_group(Instant now, const std::string& group, View octets) {
    return core_->recall_group(now, group, octets);
}
void Engine::group_stored(Instant now, const std::string& group, std::uint64_t change) {
    core_->group_stored(now, group, change);
    core_->settle(now);
}
std::optional<Instant> Engine::next_timeout() const { return core_->next_timeout(); }
void Engine::on_timeout(Instant now) {
    core_->on_timeout(now);
    core_->settle(now);
}
Engine::Outputs Engine::take() { return core_->take(); }
Status Engine::status() const { return core_->status(); }
const Counters& Engine::counters() const { return core_->counters(); }
bool Engine::idle() const { return core_->idle(); }
void Engine::trace(bool on) { core_->trace(on); }
void Engine::write_keys(bool on) { core_->write_keys(on); }

namespace {

std::vector<ConnectionPtr> share(const std::vector<Connection>& connections) {
    std::vector<ConnectionPtr> out;
    for (const Connection& connection : connections)
        out.push_back(std::make_shared<const Connection>(connection));
    return out;
}

} // namespace

bool may_begin(const Connection& connection) {
    return connection.role == Role::client || connection.role == Role::mobile_node ||
           (connection.role == Role::peer && connection.remote.has_value());
}

Engine::Core::Core(Config config, Random& random, Surroundings& host, Instant now,
                   auth::MethodsMaker make_methods)
    : config_(std::move(config)), connections_(share(config_.connections)),
      make_methods_(std::move(make_methods)), methods_(make_methods_(std::move(config_.credentials))),
      random_(&random), host_(&host), cookies_(random, now), plain_answers_since_(now) {
    for (const ConnectionPtr& connection : connections_) {
        if (may_begin(*connection)) initiations_.emplace(connection->name, Initiation(connection, now));
    }
    for (auto& [connection_name, initiation] : initiations_)
        set_traps(now, initiation);
    groups_ = std::make_unique<Groups>(*this, now);
    bindings_ = std::make_unique<Bindings>(*this, now);
    settle(now);
}

Engine::Outputs Engine::Core::take() { return std::exchange(out_, {}); }

std::expected<void, std::string> Engine::Core::command(Instant now, Command command) {
    if (std::holds_alternative<Shutdown>(command)) {
        shut_down(now);
        return {};
    }
    const auto* down_command = std::get_if<Down>(&command);
    if (shutting_down_ && !down_command) return std::unexpected("sheafd is ending; start it again first");
    if (down_command) return down(now, down_command->name);
    if (auto* next = std::get_if<Reload>(&command)) {
        reload(now, std::move(next->config));
        return {};
    }
    if (const auto* child = std::get_if<DownChild>(&command)) return down_child(now, *child);
    if (const auto* fresh = std::get_if<Rekey>(&command)) return rekey(now, *fresh);
    if (const auto* cloned = std::get_if<Clone>(&command)) return clone(now, *cloned);
    if (const auto* again = std::get_if<Reauthenticate>(&command)) return reauthenticate(now, *again);
    if (const auto* group = std::get_if<RekeyGroup>(&command)) return groups_->rekey(group->group);
    if (const auto* binding = std::get_if<SetBinding>(&command)) return bindings_->set(now, *binding);
    if (const auto* binding = std::get_if<RemoveBinding>(&command)) return bindings_->remove(now, *binding);
    return up(now, std::get<Up>(command));
}

std::expected<void, std::string> Engine::Core::up(Instant now, const Up& command) {
    const auto found = initiations_.find(command.connection);
    if (found == initiations_.end())
        return std::unexpected(
            "no connection \"" + command.connection +
            "\" that this side can begin is configured; `sheafctl list` names those that are");
    Initiation& initiation = found->second;
    initiation.wanted = true;
    for (const ChildConfig& config : initiation.connection->children)
        initiation.children.insert(config.name);
    if (initiation.sa != 0 || initiation.connection->role == Role::peer) {
        if (initiation.sa == 0) initiation.next_attempt.reset();
        make_children(now, initiation);
        return {};
    }
    initiation.failures = 0;
    start(now, initiation);
    return {};
}

// IKE SAs of a connection, or of one peer identity.
std::vector<wire::Spi> Engine::Core::named(const std::string& given) const {
    std::vector<wire::Spi> out;
    for (const auto& [spi, sa] : sas_) {
        const bool fits = sa->connection->name == given || (sa->peer_id && sa->peer_id->to_string() == given);
        if (fits) out.push_back(spi);
    }
    return out;
}

std::expected<void, std::string> Engine::Core::down(Instant now, const std::string& given) {
    const auto doomed = named(given);
    const auto initiation = initiations_.find(given);
    if (initiation != initiations_.end()) {
        initiation->second.wanted = false;
        initiation->second.next_attempt.reset();
        initiation->second.children.clear();
    }
    for (const wire::Spi spi : doomed) {
        if (IkeSa* sa = find(spi)) close(now, *sa, DownReason::command, {});
    }
    if (initiation != initiations_.end()) settle_link(initiation->second);
    bindings_->touch(given);
    const bool configured = std::ranges::any_of(
        connections_, [&](const ConnectionPtr& connection) { return connection->name == given; });
    if (doomed.empty() && !configured)
        return std::unexpected("no connection and no connected peer is named \"" + given +
                               "\"; `sheafctl status` shows both");
    return {};
}

std::expected<void, std::string> Engine::Core::rekey(Instant now, const Rekey& command) {
    bool found = false;
    for (const wire::Spi spi : named(command.name)) {
        IkeSa* sa = find(spi);
        if (!sa || !sa->in<Established>() || sa->standing != Standing::current) continue;
        found = true;
        if (command.what == Rekey::What::ike) {
            want(now, *sa, {Want::Kind::rekey_ike});
            continue;
        }
        std::vector<wire::ChildSpi> children;
        for (const ChildSa& child : sa->children)
            children.push_back(child.id.spi_in);
        for (const wire::ChildSpi child : children) {
            if (ChildSa* there = find_child(*sa, child)) rekey_child(now, *sa, *there);
        }
    }
    if (!found)
        return std::unexpected("nothing of \"" + command.name + "\" is up; `sheafctl status` shows what is");
    return {};
}

std::expected<void, std::string> Engine::Core::clone(Instant now, const Clone& command) {
    std::set<const CloneFamily*> cloned; // one more for each login, however many it has
    for (const wire::Spi spi : named(command.name)) {
        IkeSa* sa = find(spi);
        if (!sa || !sa->in<Established>() || sa->standing != Standing::current || !sa->family) continue;
        if (cloned.insert(sa->family.get()).second) want(now, *sa, {Want::Kind::clone_ike});
    }
    if (!cloned.empty()) return {};
    return std::unexpected("nothing of \"" + command.name +
                           "\" that both sides would clone is up; `sheafctl status` shows what is");
}

std::expected<void, std::string> Engine::Core::reauthenticate(Instant now, const Reauthenticate& command) {
    const auto found = initiations_.find(command.connection);
    IkeSa* sa = found == initiations_.end() ? nullptr : find(found->second.sa);
    if (!sa || !sa->in<Established>())
        return std::unexpected("no connection \"" + command.connection +
                               "\" that this side began is up; `sheafctl status` shows those that are");
    begin_again(now, found->second, *sa);
    return {};
}

std::expected<void, std::string> Engine::Core::down_child(Instant now, const DownChild& command) {
    bool found = false;
    for (const wire::Spi spi : named(command.connection)) {
        IkeSa* sa = find(spi);
        if (!sa || !sa->in<Established>()) continue;
        std::vector<wire::ChildSpi> doomed;
        for (ChildSa& child : sa->children) {
            if (child.name != command.child || child.state != ChildState::live) continue;
            found = true;
            if (child.rekeying)
                child.unwanted = true;
            else
                doomed.push_back(child.id.spi_in);
        }
        for (const wire::ChildSpi child : doomed)
            want(now, *sa, {Want::Kind::delete_child, {}, child});
    }
    if (!found)
        return std::unexpected("no Child SA \"" + command.child + "\" of \"" + command.connection +
                               "\" is up; `sheafctl status` shows those that are");
    return {};
}

void Engine::Core::shut_down(Instant now) {
    shutting_down_ = true;
    std::vector<wire::Spi> doomed;
    for (const auto& [spi, sa] : sas_)
        doomed.push_back(spi);
    for (auto& [connection_name, initiation] : initiations_) {
        initiation.wanted = false;
        initiation.next_attempt.reset();
        initiation.children.clear();
    }
    for (const wire::Spi spi : doomed) {
        IkeSa* sa = find(spi);
        if (!sa) continue;
        // Nobody waits for what was refused.
        const auto* deleting = sa->in<Deleting>();
        if (deleting && deleting->expires != Instant::max())
            erase(*sa);
        else if (sa->member != 0) // a DELETE would end the group's SA there
            drop(now, *sa, DownReason::shutdown, {});
        else
            close(now, *sa, DownReason::shutdown, {});
    }
    for (auto& [connection_name, initiation] : initiations_) {
        lift_traps(initiation);
        bindings_->touch(connection_name);
    }
    groups_->shut_down(now);
}

child::IntentId Engine::Core::submit(std::vector<child::KernelStep> steps, Pending pending) {
    for (const child::KernelStep& step : steps) {
        const auto* install = std::get_if<child::InstallSas>(&step);
        if (install && install->directions == child::Directions::out)
            pending.outbound.push_back(install->id.spi_in);
    }
    const child::IntentId id = ++last_intent_;
    intents_.emplace(id, std::move(pending));
    out_.intents.push_back({id, std::move(steps)});
    return id;
}

void Engine::Core::submit(child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    submit(std::move(steps));
}

void Engine::Core::kernel_event(Instant now, const child::KernelEvent& event) {
    if (const auto* done = std::get_if<child::IntentDone>(&event)) return on_intent_done(now, *done);
    if (const auto* gone = std::get_if<child::SaGone>(&event)) {
        if (groups_->holds(gone->spi)) return; // it goes by our clock
        if (!gone->hard) return sa_worn(now, gone->destination, gone->spi);
        return lose_sa(now, gone->destination, gone->spi, "the kernel no longer holds its SA");
    }
    if (const auto* acquire = std::get_if<child::Acquire>(&event)) return on_acquire(now, *acquire);
    if (const auto* moved = std::get_if<child::PeerMoved>(&event)) return on_peer_moved(*moved);
    if (const auto* moved = std::get_if<child::EndpointsMigrated>(&event))
        return bindings_->on_migrated(now, *moved);
    if (const auto* repaired = std::get_if<child::GroupRepaired>(&event))
        return groups_->on_repaired(*repaired);
    auto present = std::get<child::SasPresent>(event).sas;
    std::ranges::sort(present);
    // Where the entries are of what is on its way, the end of that tells.
    std::vector<wire::ChildSpi> under_way;
    for (const auto& [id, pending] : intents_) {
        under_way.push_back(pending.child);
        for (const Pending::Move& move : pending.moves)
            under_way.push_back(move.before.spi_in);
    }
    std::ranges::sort(under_way);
    std::vector<child::SasPresent::Sa> missing;
    const auto check = [&](const IpAddress& destination, wire::ChildSpi spi) {
        const child::SasPresent::Sa wanted{destination, spi};
        if (!std::ranges::binary_search(present, wanted)) missing.push_back(wanted);
    };
    for (const auto& [ike_spi, sa] : sas_) {
        for (const ChildSa& child : sa->children) {
            if (std::ranges::binary_search(under_way, child.id.spi_in)) continue;
            if (child.in) check(child.id.local.address, child.id.spi_in);
            if (child.out) check(child.id.peer.address, child.id.spi_out);
        }
    }
    for (const auto& sa : missing)
        lose_sa(now, sa.destination, sa.spi, "the kernel no longer holds its SA");
}

std::optional<Instant> Engine::Core::next_timeout() const {
    std::optional<Instant> next = timers_.next();
    for (const auto& at : {groups_->next_timeout(), bindings_->next_timeout()}) {
        if (at && (!next || *at < *next)) next = at;
    }
    for (const auto& [connection_name, initiation] : initiations_) {
        for (const auto& at : {initiation.next_attempt, initiation.traps_at, initiation.paths.due}) {
            if (at && (!next || *at < *next)) next = at;
        }
    }
    return next;
}

void Engine::Core::on_timeout(Instant now) {
    while (const auto entry = timers_.pop(now)) {
        IkeSa* sa = find(entry->second);
        if (!sa || sa->armed != entry->first) continue;
        sa->armed = Instant::max();
        look_at(now, *sa);
    }
    for (auto& [connection_name, initiation] : initiations_) {
        if (initiation.traps_at && *initiation.traps_at <= now) set_traps(now, initiation);
        if (initiation.paths.due && *initiation.paths.due <= now) settle_paths(now, initiation);
        if (!initiation.next_attempt || *initiation.next_attempt > now) continue;
        initiation.next_attempt.reset();
        if (initiation.sa != 0) continue;
        if (initiation.connection->role == Role::peer)
            make_children(now, initiation);
        else
            start(now, initiation);
    }
    groups_->on_timeout(now);
    bindings_->on_timeout(now);
}

void Engine::Core::mobility_header(Instant now, const MobilityHeader& header) {
    bindings_->receive(now, header);
}

IkeSa* Engine::Core::find(wire::Spi our_spi) {
    const auto found = sas_.find(our_spi);
    return found == sas_.end() ? nullptr : found->second.get();
}

IkeSa& Engine::Core::create_sa(Instant now, const ConnectionPtr& connection, const Path& path, State state,
                               bool initiator) {
    const wire::Spi spi = fresh_spi();
    auto sa = std::make_unique<IkeSa>(std::move(state));
    sa->initiator = initiator;
    sa->began = initiator;
    (initiator ? sa->spi_i : sa->spi_r) = spi;
    sa->connection = connection;
    sa->path = path;
    sa->init_peer = path.peer;
    sa->last_heard = now;
    sa->last_sent = now;
    sa->authenticator = methods_->authenticator(connection->auth);
    set_unproved(*sa, !initiator);
    return *sas_.emplace(spi, std::move(sa)).first->second;
}

wire::Spi Engine::Core::fresh_spi() {
    wire::Spi spi = 0;
    do
        spi = random_->u64();
    while (spi == 0 || sas_.contains(spi));
    return spi;
}

// Values below 256 are reserved (RFC 4303 2.1); from 0xf0000000 on they belong to multi-point SAs.
wire::ChildSpi Engine::Core::fresh_child_spi() {
    wire::ChildSpi spi = 0;
    do
        spi = random_->u32();
    while (spi < group::kFirstFreeSpi || spi >= group::kFirstGroupSpi || by_child_spi_.contains(spi) ||
           groups_->holds(spi));
    return spi;
}

// REQUIRES: fewer are in use than there are, which the limits of IKE SAs and their Child SAs see to.
child::LinkNumber Engine::Core::fresh_number() {
    do
        last_number_ = last_number_ == child::kLastLink ? child::kFirstLink : last_number_ + 1;
    while (!numbers_.insert(last_number_).second);
    return last_number_;
}

// RFC 7296 2.10: at least 16 octets, and half the key of any PRF that we offer.
Bytes Engine::Core::nonce() {
    Bytes out(32);
    random_->fill(out);
    return out;
}

void Engine::Core::record_keys(const IkeSa& sa) {
    if (!write_keys_) return;
    const crypto::IkeKeys& keys = sa.protection->keys;
    out_.keys.emplace_back(IkeKeys{sa.spi_i, sa.spi_r, sa.protection->suite, keys.ei.copy(), keys.er.copy(),
                                   keys.ai.copy(), keys.ar.copy()});
}

void Engine::Core::record_keys(const child::InstallSas& sas) {
    if (!write_keys_) return;
    const IpAddress& local = sas.id.local.address;
    const IpAddress& peer = sas.id.peer.address;
    out_.keys.emplace_back(
        ChildKeys{peer, local, sas.id.spi_in, sas.suite, sas.in.encryption.copy(), sas.in.integrity.copy()});
    out_.keys.emplace_back(ChildKeys{local, peer, sas.id.spi_out, sas.suite, sas.out.encryption.copy(),
                                     sas.out.integrity.copy()});
}

void Engine::Core::refuse(const Endpoint& peer, Rule rule, wire::Spi spi, std::string detail) {
    ++counters_.refused.at(static_cast<std::size_t>(rule));
    tell(Refused{rule, peer, spi, std::move(detail)});
}

} // namespace sheaf::ike

#include "lib/ike/engine.h"

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

Engine::Engine(Config config, Random& random, SourceAddress& source, Instant now)
    : core_(std::make_unique<Core>(std::move(config), random, source, now)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::datagram(Instant now, const Datagram& datagram) { core_->datagram(now, datagram); }
std::expected<void, std::string> Engine::command(Instant now, Command command) {
    return core_->command(now, std::move(command));
}
void Engine::kernel_event(Instant now, const child::KernelEvent& event) { core_->kernel_event(now, event); }
std::optional<Instant> Engine::next_timeout() const { return core_->next_timeout(); }
void Engine::on_timeout(Instant now) { core_->on_timeout(now); }
Engine::Outputs Engine::take() { return core_->take(); }
Status Engine::status() const { return core_->status(); }
const Counters& Engine::counters() const { return core_->counters(); }
bool Engine::idle() const { return core_->idle(); }
void Engine::trace(bool on) { core_->trace(on); }

namespace {

std::vector<ConnectionPtr> share(const std::vector<Connection>& connections) {
    std::vector<ConnectionPtr> out;
    for (const Connection& connection : connections)
        out.push_back(std::make_shared<const Connection>(connection));
    return out;
}

} // namespace

Engine::Core::Core(Config config, Random& random, SourceAddress& source, Instant now)
    : config_(std::move(config)), connections_(share(config_.connections)), pools_(config_.pools),
      keys_(config_.secrets), random_(&random), source_(&source), cookies_(random, now),
      unknown_spi_window_(now) {
    for (const ConnectionPtr& connection : connections_) {
        if (connection->role != Role::client) continue;
        clients_.emplace(connection->name, Client(connection, now));
    }
}

Engine::Outputs Engine::Core::take() { return std::exchange(out_, {}); }

std::expected<void, std::string> Engine::Core::command(Instant now, Command command) {
    const bool begins = std::holds_alternative<Reload>(command) || std::holds_alternative<Up>(command);
    if (shutting_down_ && begins) return std::unexpected("sheafd is ending; start it again first");
    if (auto* reload_command = std::get_if<Reload>(&command)) {
        reload(now, std::move(reload_command->config));
        return {};
    }
    if (const auto* up = std::get_if<Up>(&command)) {
        const auto client = clients_.find(up->connection);
        if (client == clients_.end())
            return std::unexpected("no connection \"" + up->connection +
                                   "\" with role client is configured; `sheafctl list` names those that are");
        client->second.wanted = true;
        if (client->second.sa == 0) {
            client->second.failures = 0;
            start(now, client->second);
        }
        return {};
    }
    const auto* down = std::get_if<Down>(&command);
    bool found = false;
    std::vector<wire::Spi> doomed;
    for (const auto& [spi, sa] : sas_) {
        const bool named = !down || sa->connection->name == down->name ||
                           (sa->peer_id && sa->peer_id->to_string() == down->name);
        if (named) doomed.push_back(spi);
    }
    for (auto& [connection_name, client] : clients_) {
        if (down && connection_name != down->name) continue;
        found = true;
        client.wanted = false;
        client.next_attempt.reset();
    }
    shutting_down_ = shutting_down_ || !down;
    for (const wire::Spi spi : doomed) {
        if (IkeSa* sa = find(spi)) close(now, *sa, down ? DownReason::command : DownReason::shutdown, {});
    }
    const bool configured = down && std::ranges::any_of(connections_, [&](const ConnectionPtr& connection) {
                                return connection->name == down->name;
                            });
    if (down && !found && doomed.empty() && !configured)
        return std::unexpected("no connection and no connected peer is named \"" + down->name +
                               "\"; `sheafctl status` shows both");
    return {};
}

void Engine::Core::kernel_event(Instant now, const child::KernelEvent& event) {
    if (const auto* done = std::get_if<child::IntentDone>(&event)) return on_intent_done(now, *done);
    if (const auto* gone = std::get_if<child::SaGone>(&event)) {
        if (gone->hard) lose_child(now, gone->destination, gone->spi, "the kernel no longer holds its SA");
        return;
    }
    auto present = std::get<child::SasPresent>(event).sas;
    std::ranges::sort(present);
    std::vector<child::SasPresent::Sa> missing;
    for (const auto& [child_spi, ike_spi] : by_child_spi_) {
        const IkeSa* sa = find(ike_spi);
        if (!sa) continue;
        for (const ChildSa& child : sa->children) {
            if (child.id.spi_in != child_spi || !child.installed) continue;
            const child::SasPresent::Sa wanted{child.id.local.address, child_spi};
            const bool there = std::ranges::binary_search(present, wanted);
            if (!there) missing.push_back(wanted);
        }
    }
    for (const auto& sa : missing)
        lose_child(now, sa.destination, sa.spi, "the kernel no longer holds its SA");
}

std::optional<Instant> Engine::Core::next_timeout() const {
    std::optional<Instant> next = timers_.next();
    for (const auto& [connection_name, client] : clients_) {
        if (client.next_attempt && (!next || *client.next_attempt < *next)) next = client.next_attempt;
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
    for (auto& [connection_name, client] : clients_) {
        if (client.next_attempt && *client.next_attempt <= now) start(now, client);
    }
}

IkeSa* Engine::Core::find(wire::Spi our_spi) {
    const auto found = sas_.find(our_spi);
    return found == sas_.end() ? nullptr : found->second.get();
}

Client* Engine::Core::client_of(const IkeSa& sa) {
    const auto found = clients_.find(sa.connection->name);
    return found != clients_.end() && found->second.sa == sa.our_spi() ? &found->second : nullptr;
}

IkeSa& Engine::Core::create_sa(Instant now, const ConnectionPtr& connection, const Path& path, State state,
                               bool initiator) {
    const wire::Spi spi = fresh_spi();
    auto sa = std::make_unique<IkeSa>(std::move(state));
    sa->initiator = initiator;
    (initiator ? sa->spi_i : sa->spi_r) = spi;
    sa->connection = connection;
    sa->path = path;
    sa->init_peer = path.peer;
    sa->last_heard = now;
    if (sa->in<HalfOpen>()) ++half_open_;
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
    while (spi < 256 || spi >= 0xf0000000 || by_child_spi_.contains(spi));
    return spi;
}

child::LinkNumber Engine::Core::fresh_link() {
    do
        last_link_ = last_link_ == child::kLastLink ? child::kFirstLink : last_link_ + 1;
    while (links_.contains(last_link_));
    return last_link_;
}

Bytes Engine::Core::nonce() {
    Bytes out(32);
    random_->fill(out);
    return out;
}

void Engine::Core::refuse(const Endpoint& peer, Rule rule, wire::Spi spi, std::string detail) {
    ++counters_.refused.at(static_cast<std::size_t>(rule));
    tell(Refused{rule, peer, spi, std::move(detail)});
}

} // namespace sheaf::ike

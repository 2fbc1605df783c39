#include "daemon/driver.h"

#include "daemon/clock.h"

#include <fmt/format.h>

#include <cstring>
#include <sys/epoll.h>
#include <utility>

namespace sheaf::daemon {
namespace {

// Datagrams that one turn takes from one socket: enough to share system calls among intents, and at some
// 0.2 ms for a new peer's key exchange short enough for the others.
constexpr int kDatagramsPerTurn = 32;
// How often one turn asks the engine again after kernel events. Answers to answers are rare; what is left
// over comes with the next turn.
constexpr int kRoundsPerTurn = 16;
constexpr unsigned kSendFailuresPerSecond = 5;
constexpr unsigned kOverloadsPerSecond = 1;

} // namespace

Driver::Driver(Loop& loop, Log& log, UdpPorts& ports, xfrm::KernelEdge& kernel, AddressSource& addresses,
               ike::Engine engine)
    : loop_(loop), log_(log), ports_(ports), kernel_(kernel), addresses_(addresses),
      engine_(std::move(engine)), send_failures_(kSendFailuresPerSecond),
      overloads_told_(kOverloadsPerSecond), timer_(loop.on_timer([this] { on_timer(); })) {
    engine_.trace(log_.wants(LogLevel::debug));
    for (auto& socket : ports_.sockets()) {
        Overload& overload = overloads_.emplace_back();
        sources_.push_back(loop.on_io(socket.fd(), EPOLLIN, [this, &socket, &overload](std::uint32_t) {
            on_socket(socket, overload);
        }));
    }
    for (const int fd : kernel_.fds())
        sources_.push_back(loop.on_io(fd, EPOLLIN, [this](std::uint32_t) { on_kernel(); }));
    for (const int fd : addresses_.fds())
        sources_.push_back(loop.on_io(fd, EPOLLIN, [this](std::uint32_t) { on_addresses(); }));
}

void Driver::watch(Loop& loop, HostNetwork& network) {
    network_ = &network;
    sources_.push_back(loop.on_io(network.fd(), EPOLLIN, [this](std::uint32_t) { on_network(); }));
}

std::expected<void, std::string> Driver::keep_groups(GroupKeeper& keeper) {
    groups_ = &keeper;
    for (const auto& stored : keeper.recalled())
        if (const auto done = engine_.recall_group(now(), stored.group, stored.octets.view()); !done)
            return std::unexpected(
                fmt::format("group file {}: {}: put a copy of the file back, or move it away and start again",
                            keeper.path(), done.error()));
    return {};
}

// What a configuration needs that may be refused, before anything is changed for it.
std::expected<void, std::string> Driver::open_mobility(const ike::Config& config) {
    if (!mobility_ && needs_mobility(config)) {
        auto socket = MobilitySocket::open();
        if (!socket) return std::unexpected(std::move(socket.error()));
        mobility_.emplace(std::move(*socket));
        watch_mobility(mobility_->fd(), mobility::kMobilityProtocol);
    }
    if (!neighbours_ && needs_neighbours(config)) {
        auto socket = NeighbourSocket::open();
        if (!socket) return std::unexpected(std::move(socket.error()));
        neighbours_.emplace(std::move(*socket));
    }
    if (mobility_ && !mobility_->prefixes_fd() && !prefix_messages(config).empty()) {
        auto socket = MobilitySocket::open(mobility::kIcmp6Protocol);
        if (!socket) return std::unexpected(std::move(socket.error()));
        watch_mobility(socket->fd(), mobility::kIcmp6Protocol);
        mobility_->carry_prefixes(std::move(*socket));
    }
    return {};
}

std::expected<void, std::string> Driver::carry_mobility(const ike::Config& config) {
    if (auto opened = open_mobility(config); !opened) return opened;
    return mobility_ ? mobility_->configure(mobility_scope(config)) : std::expected<void, std::string>{};
}

void Driver::watch_mobility(int fd, std::uint8_t protocol) {
    sources_.push_back(loop_.on_io(fd, EPOLLIN, [this, protocol](std::uint32_t) { on_mobility(protocol); }));
}

void Driver::start() { on_timer(); }

void Driver::write_keys(KeyWriter writer) {
    key_writer_ = std::move(writer);
    engine_.write_keys(true);
}

std::expected<void, std::string> Driver::command(ike::Command command) {
    const bool ends = std::holds_alternative<ike::Shutdown>(command);
    auto done = engine_.command(now(), std::move(command));
    ending_ = ending_ || ends;
    if (done) turn(); // a command that is refused changes nothing
    return done;
}

// The pools come last of what may be refused, for their change cannot be taken back: leases would be forgotten.
std::expected<void, std::string> Driver::reload(ike::Config config) {
    if (ending_) return command(ike::Reload{std::move(config)}); // which says why it is refused
    if (auto done = open_mobility(config); !done) return done;
    if (groups_ != nullptr) {
        if (auto done = groups_->serve(config.group_services); !done) return done;
        (void)groups_->recalled(); // the engine founds a group that a reload brings
    }
    const auto scope = mobility_ ? mobility_->scope() : MobilityScope{};
    if (mobility_)
        if (auto done = mobility_->configure(mobility_scope(config)); !done) return done;
    if (auto done = addresses_.update(config.pools, now()); !done) {
        const auto back = mobility_ ? mobility_->configure(scope) : std::expected<void, std::string>{};
        if (!back) log_.error(back.error());
        return done;
    }
    if (network_ == nullptr) return command(ike::Reload{std::move(config)});
    auto before = network_->uplinks().plan();
    network_->configure(config);
    auto done = command(ike::Reload{std::move(config)});
    if (!done) network_->configure(std::move(before));
    return done;
}

void Driver::ask_usage() {
    kernel_.ask_usage(now());
    turn();
}

void Driver::on_socket(UdpSocket& socket, Overload& overload) {
    if (overload.observe(socket.fill()) && overloads_told_.pass(now()))
        log_.warning(
            fmt::format("more datagrams at {} than can be worked on: requests for new IKE SAs without a "
                        "cookie are dropped meanwhile ({} were before)",
                        socket.bound().to_string(), overload.dropped()));
    for (int i = 0; i < kDatagramsPerTurn; ++i) {
        const auto received = socket.receive();
        if (std::holds_alternative<UdpSocket::Empty>(received)) break;
        const auto* datagram = std::get_if<ike::Datagram>(&received);
        if (datagram && !overload.drops(*datagram)) engine_.datagram(now(), *datagram);
    }
    turn();
}

void Driver::on_kernel() {
    kernel_.on_readable(now());
    turn();
}

void Driver::on_addresses() {
    addresses_.on_readable(now());
    turn();
}

void Driver::on_network() {
    network_->on_readable(now());
    turn();
}

void Driver::on_mobility(std::uint8_t protocol) {
    for (int i = 0; i < kDatagramsPerTurn; ++i) {
        const auto received = mobility_->receive(protocol);
        if (std::holds_alternative<MobilitySocket::Empty>(received)) break;
        const auto* header = std::get_if<ike::MobilityHeader>(&received);
        if (header) engine_.mobility_header(now(), *header);
    }
    turn();
}

void Driver::on_timer() {
    const Instant moment = now();
    if (const auto due = kernel_.next_timeout(); due && *due <= moment) kernel_.on_timeout(moment);
    if (const auto due = addresses_.next_timeout(); due && *due <= moment) addresses_.on_timeout(moment);
    if (network_ != nullptr && network_->changed(moment)) engine_.network_changed(moment);
    engine_.on_timeout(moment);
    turn();
}

void Driver::turn() {
    bool unfinished = true;
    for (int round = 0; unfinished && round < kRoundsPerTurn; ++round)
        unfinished = carry_out(now());
    arm(now(), unfinished);
    if (hooks_.turned) hooks_.turned();
}

bool Driver::carry_out(Instant now) {
    auto outputs = engine_.take();
    for (const auto& event : outputs.events)
        if (hooks_.event) hooks_.event(event);
    for (const auto& servers : outputs.name_servers)
        if (hooks_.name_servers) hooks_.name_servers(servers);
    for (auto& demand : outputs.demands)
        addresses_.ask(std::move(demand), now);
    // First the keys, so that a decoder that reads along has them when the packets come.
    write_out(outputs.keys);
    const bool kept = keep(std::move(outputs.group_records), now);
    for (const auto& datagram : outputs.datagrams)
        send(datagram, now);
    advertise(outputs.advertisements, now);
    for (auto& intent : outputs.intents) {
        unanswered_.insert(intent.id);
        last_intent_ = intent.id;
        kernel_.apply(std::move(intent), now);
    }
    kernel_.flush(now);
    if (auto usage = kernel_.take_usage(); usage && hooks_.usage) hooks_.usage(std::move(*usage));
    const auto events = kernel_.take_events();
    for (const auto& event : events) {
        if (const auto* done = std::get_if<child::IntentDone>(&event)) unanswered_.erase(done->id);
        engine_.kernel_event(now, event);
    }
    if (mobility_)
        for (auto& header : outputs.headers)
            mobility_->send_after(last_intent_, std::move(header));
    send_headers(now);
    return supply(now) || kept || !events.empty();
}

// True if the engine was told of some that are safe. Once for all of this round: it is a write to the disk.
bool Driver::keep(std::vector<ike::GroupRecord> records, Instant now) {
    if (groups_ == nullptr) {
        for (const auto& record : records)
            engine_.group_stored(now, record.group, record.change);
        return !records.empty();
    }
    for (auto& record : records)
        groups_->put(std::move(record));
    const auto taken = groups_->take(now);
    for (const auto& remark : taken.remarks)
        log_.write(remark.level, remark.text);
    for (const auto& stored : taken.stored)
        engine_.group_stored(now, stored.group, stored.change);
    return !taken.stored.empty();
}

// Once for all that was asked for in this round, for it may cost a write to the disk.
bool Driver::supply(Instant now) {
    const auto supplied = addresses_.take(now);
    for (const auto& remark : supplied.remarks)
        log_.write(remark.level, remark.text);
    for (const auto& notice : supplied.notices)
        if (hooks_.event) hooks_.event(ike::PoolLow(notice));
    for (const auto& answer : supplied.answers)
        engine_.addresses(now, answer);
    return !supplied.answers.empty();
}

void Driver::send(const ike::Datagram& datagram, Instant now) {
    const int error = ports_.send(datagram);
    if (error != 0 && send_failures_.pass(now))
        log_.warning(fmt::format("datagram from {} to {} not sent: {}", datagram.local.to_string(),
                                 datagram.peer.to_string(), std::strerror(error)));
}

void Driver::send_headers(Instant now) {
    if (!mobility_) return;
    const auto failure = mobility_->flush([this](child::IntentId mark) { return answered(mark); });
    if (!failure.empty() && send_failures_.pass(now)) log_.warning(failure);
}

void Driver::advertise(const std::vector<ike::NeighbourAdvertisement>& advertisements, Instant now) {
    for (const auto& one : advertisements) {
        const int error = neighbours_ ? neighbours_->send(one) : 0;
        if (error != 0 && send_failures_.pass(now))
            log_.warning(fmt::format("Neighbour Advertisement for {} on {} not sent: {}",
                                     one.target.to_string(), one.interface, std::strerror(error)));
    }
}

void Driver::write_out(const std::vector<ike::KeyRecord>& keys) {
    for (const auto& record : keys) {
        const int error = key_writer_ ? key_writer_->write(record) : 0;
        if (error == 0 || std::exchange(key_failure_told_, true)) continue;
        log_.error(fmt::format("--write-keys: {}: keys are missing in the files from here on",
                               std::strerror(error)));
    }
}

void Driver::arm(Instant now, bool unfinished) {
    auto due = engine_.next_timeout();
    if (const auto kernel = kernel_.next_timeout(); kernel && (!due || *kernel < *due)) due = kernel;
    if (const auto source = addresses_.next_timeout(); source && (!due || *source < *due)) due = source;
    const auto groups = groups_ != nullptr ? groups_->next_timeout() : std::nullopt;
    if (groups && (!due || *groups < *due)) due = groups;
    const auto network = network_ != nullptr ? network_->next_timeout() : std::nullopt;
    if (network && (!due || *network < *due)) due = network;
    if (unfinished) due = now;
    if (due)
        timer_.arm(*due);
    else
        timer_.disarm();
}

} // namespace sheaf::daemon

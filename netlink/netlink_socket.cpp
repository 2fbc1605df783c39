#include "netlink/netlink_socket.h"

#include "netlink/acknowledgement.h"

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/uio.h>
#include <utility>

namespace sheaf::netlink {
namespace {

// Well under the default send buffer, and few enough that the pieces fit an array on the stack.
constexpr std::size_t kMaxDatagram = 64 << 10;
constexpr std::size_t kMaxBatch = 128;
// The kernel fills dump answers up to 32 KiB when the reader's buffer shows that it can take them.
constexpr std::size_t kReceiveBuffer = 64 << 10;
constexpr int kMaxReads = 512; // per on_readable(), so that a flood of events cannot keep the caller
constexpr unsigned kMaxDumpTries = 8;
constexpr Duration kSendRetry = std::chrono::milliseconds(10);

std::unexpected<Error> failed(int negated, std::string text = {}) {
    return std::unexpected(Error{.code = -negated, .text = std::move(text)});
}

Error too_late() {
    return {.code = ETIMEDOUT, .text = "the kernel did not answer in time", .unanswered = true};
}

} // namespace

std::expected<std::unique_ptr<Socket>, Error> Socket::open(Os& os, int protocol, const Settings& settings) {
    const int fd = os.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) return failed(fd);
    std::unique_ptr<Socket> socket(new Socket(os, fd, 0, settings));
    if (auto configured = socket->configure(); !configured) return std::unexpected(configured.error());
    return socket;
}

Socket::Socket(Os& os, int fd, std::uint32_t port, const Settings& settings)
    : os_(os), fd_(fd), port_(port), settings_(settings), buffer_(kReceiveBuffer) {}

Socket::~Socket() { os_.close(fd_); }

std::expected<void, Error> Socket::configure() {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (const int rc = os_.bind(fd_, generic, sizeof address); rc < 0) return failed(rc);
    socklen_t size = sizeof address;
    if (const int rc = os_.getsockname(fd_, generic, &size); rc < 0) return failed(rc);
    port_ = address.nl_pid;

    // Without these two (Linux 4.12) errors have no text and quote the request, keys included.
    const int on = 1;
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
        if (const int rc = os_.setsockopt(fd_, SOL_NETLINK, option, &on, sizeof on); rc < 0)
            return failed(rc);
    }
    // Lets a dump be asked for by table, protocol or kind (Linux 4.20); older kernels give all, and we
    // filter.
    static_cast<void>(os_.setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on));
    const int octets = settings_.receive_buffer;
    if (os_.setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets) < 0)
        static_cast<void>(os_.setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets));
    return {};
}

std::expected<void, Error> Socket::listen(unsigned group) {
    const int rc = os_.setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
    if (rc < 0) return failed(rc);
    return {};
}

void Socket::request(Message message, Done done, OnObject on_object) {
    Pending pending;
    if (!message.empty()) message.add_flags(NLM_F_ACK);
    pending.message = std::move(message);
    pending.done = std::move(done);
    pending.on_object = std::move(on_object);
    waiting_.push_back(std::move(pending));
}

void Socket::dump(Message message, Notice begin, OnObject on_object, Done done) {
    Pending pending;
    pending.message = std::move(message);
    pending.done = std::move(done);
    pending.on_object = std::move(on_object);
    pending.begin = std::move(begin);
    pending.dump = true;
    waiting_.push_back(std::move(pending));
}

bool Socket::wants_flush() const {
    if (waiting_.empty() || retry_at_ || sent_.size() >= settings_.window) return false;
    return !(waiting_.front().dump && dumping_);
}

void Socket::flush(Instant now) {
    while (wants_flush() && send_batch(now)) {
    }
}

// Sends one datagram from the head of the queue; false when the kernel does not take it.
bool Socket::send_batch(Instant now) {
    std::array<iovec, kMaxBatch> pieces{};
    std::size_t count = 0, octets = 0;
    const std::size_t room = std::min(settings_.window - sent_.size(), kMaxBatch);
    bool dumping = dumping_;
    while (count < room && count < waiting_.size()) {
        Pending& next = waiting_[count];
        if (next.message.empty()) break;
        if (next.dump && std::exchange(dumping, true)) break;
        const View view = next.message.view();
        if (count > 0 && octets + view.size() > kMaxDatagram) break;
        next.message.stamp(next_sequence_ + static_cast<std::uint32_t>(count), port_);
        octets += view.size();
        // sendmsg only reads what iov_base points to.
        pieces.at(count++) = {const_cast<std::uint8_t*>(view.data()), view.size()};
    }
    if (count == 0) {
        fail_batch(1, {.code = EMSGSIZE, .text = "the request does not fit a netlink message"});
        return true;
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr header{};
    header.msg_name = &kernel;
    header.msg_namelen = sizeof kernel;
    header.msg_iov = pieces.data();
    header.msg_iovlen = count;
    const ssize_t rc = os_.sendmsg(fd_, &header, 0);
    if (rc == -EINTR) return true;
    if (rc == -EAGAIN || rc == -ENOBUFS) {
        retry_at_ = now + kSendRetry;
        return false;
    }
    if (rc < 0) {
        fail_batch(count, {.code = static_cast<int>(-rc)});
        return true;
    }
    for (std::size_t i = 0; i < count; ++i) {
        Pending pending = std::move(waiting_.front());
        waiting_.pop_front();
        pending.deadline = now + settings_.deadline;
        if (pending.dump) {
            dumping_ = true;
            if (pending.begin) pending.begin();
        } else {
            pending.message = {};
        }
        sent_.emplace(next_sequence_++, std::move(pending));
    }
    return true;
}

void Socket::fail_batch(std::size_t count, const Error& error) {
    std::vector<Pending> refused;
    for (; count > 0; --count) {
        refused.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    for (Pending& pending : refused)
        pending.done(std::unexpected(error));
}

void Socket::on_readable(Instant now) {
    for (int reads = 0; reads < kMaxReads; ++reads) {
        sockaddr_nl from{};
        iovec piece{buffer_.data(), buffer_.size()};
        msghdr header{};
        header.msg_name = &from;
        header.msg_namelen = sizeof from;
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        const ssize_t rc = os_.recvmsg(fd_, &header, 0);
        if (rc == -EINTR) continue;
        if (rc == -ENOBUFS) {
            overrun_seen_ = true;
            continue;
        }
        if (rc < 0) {
            if (std::exchange(overrun_seen_, false)) {
                give_up({.code = ENOBUFS, .text = "the kernel's answer was lost", .unanswered = true}, {});
                if (overrun_) overrun_();
            }
            return;
        }
        const auto size = static_cast<std::size_t>(rc);
        const std::size_t held = std::min(size, buffer_.size());
        if (from.nl_pid == 0) { // only the kernel's word counts
            if ((header.msg_flags & MSG_TRUNC) != 0) overrun_seen_ = true;
            int left = static_cast<int>(held);
            const auto* at = reinterpret_cast<const nlmsghdr*>(buffer_.data());
            for (; mnl_nlmsg_ok(at, left); at = mnl_nlmsg_next(at, &left))
                take(*at, now);
        }
        wipe(std::span(buffer_).first(held));
    }
}

void Socket::take(const nlmsghdr& message, Instant now) {
    const auto found = message.nlmsg_pid == port_ ? sent_.find(message.nlmsg_seq) : sent_.end();
    if (found == sent_.end()) {
        if (event_ && message.nlmsg_type >= NLMSG_MIN_TYPE) event_(message);
        return;
    }
    Pending& pending = found->second;
    if (pending.dump) {
        pending.deadline = now + settings_.deadline;
        pending.interrupted |= (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    }
    switch (message.nlmsg_type) {
    case NLMSG_ERROR: finish(message.nlmsg_seq, acknowledgement(message)); break;
    case NLMSG_DONE: finish(message.nlmsg_seq, end_of_dump(message)); break;
    case NLMSG_NOOP:
    case NLMSG_OVERRUN: break;
    default:
        if (pending.on_object) pending.on_object(message);
    }
}

void Socket::finish(std::uint32_t sequence, std::expected<void, Error> result) {
    if (sent_.at(sequence).dump) return dump_done(sequence, std::move(result));
    auto node = sent_.extract(sequence);
    node.mapped().done(result);
}

void Socket::dump_done(std::uint32_t sequence, std::expected<void, Error> result) {
    auto node = sent_.extract(sequence);
    Pending pending = std::move(node.mapped());
    dumping_ = false;
    if (std::exchange(pending.interrupted, false)) {
        if (++pending.tries < kMaxDumpTries) {
            waiting_.push_front(std::move(pending));
            return;
        }
        result = std::unexpected(
            Error{.code = EINTR, .text = "the objects changed during every attempt to list them"});
    }
    pending.done(result);
}

// Fails what is unanswered: all, or what is due.
void Socket::give_up(const Error& error, std::optional<Instant> due) {
    std::vector<std::uint32_t> late;
    for (const auto& [sequence, pending] : sent_) {
        if (!due || pending.deadline <= *due) late.push_back(sequence);
    }
    std::ranges::sort(late);
    for (const std::uint32_t sequence : late) {
        auto node = sent_.extract(sequence);
        if (node.mapped().dump) dumping_ = false;
        node.mapped().done(std::unexpected(error));
    }
}

std::optional<Instant> Socket::next_timeout() const {
    std::optional<Instant> next = retry_at_;
    if (wants_flush()) next = Instant::min();
    for (const auto& [sequence, pending] : sent_) {
        if (!next || pending.deadline < *next) next = pending.deadline;
    }
    return next;
}

void Socket::on_timeout(Instant now) {
    if (retry_at_ && *retry_at_ <= now) retry_at_.reset();
    on_readable(now); // a process that slept finds answers beside passed deadlines
    give_up(too_late(), now);
    flush(now);
}

void Socket::abandon() {
    retry_at_.reset();
    const std::size_t unsent = waiting_.size(); // callbacks may add to it
    give_up(too_late(), std::nullopt);
    fail_batch(unsent, too_late());
}

} // namespace sheaf::netlink

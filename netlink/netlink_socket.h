#pragma once

#include "lib/base/time.h"
#include "netlink/error.h"
#include "netlink/message.h"
#include "netlink/os.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace sheaf::netlink {

// One netlink socket, non-blocking, for requests or for events.
//
// Batching: requests wait in a queue until flush(); many travel in one datagram, and the kernel handles the
//   messages of a datagram in their order. Answers are matched by sequence number.
// Window: no more than `window` requests are unanswered at once, so that the answers fit the receive buffer;
// the
//   rest waits for answers. One dump at a time (the kernel allows no more).
// Deadline: a request without an answer fails with ETIMEDOUT and `unanswered`; late answers are ignored.
// Dumps: one that the kernel marks as interrupted (NLM_F_DUMP_INTR) is asked again; `begin` tells the
// receiver
//   to forget what it has.
// Overrun: ENOBUFS on reading means that answers or events are lost. Requests that are unanswered once the
// buffer
//   is empty fail as after a deadline; `on_overrun` tells the receiver of events to ask for the whole.
// Callbacks run inside flush(), on_readable() and on_timeout(); they may call request() and dump(), no more.
// Secrets: a request is wiped once sent, the receive buffer after each read.
class Socket {
  public:
    using Done = std::move_only_function<void(const std::expected<void, Error>&)>;
    using OnObject = std::move_only_function<void(const nlmsghdr&)>;
    using Notice = std::move_only_function<void()>;

    struct Settings {
        Duration deadline = std::chrono::seconds(10);
        std::size_t window = 256;
        int receive_buffer = 4 << 20; // octets; asked for, the kernel may give less
    };

    // `protocol` is NETLINK_ROUTE or NETLINK_XFRM. `os` must outlive the socket.
    [[nodiscard]] static std::expected<std::unique_ptr<Socket>, Error> open(Os& os, int protocol,
                                                                            const Settings& settings);
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket();

    // Asks for an acknowledgement by itself. `on_object` sees what precedes it (the answer to an RTM_GET...).
    void request(Message message, Done done, OnObject on_object = {});
    // REQUIRES: NLM_F_DUMP among the flags.
    void dump(Message message, Notice begin, OnObject on_object, Done done);

    [[nodiscard]] std::expected<void, Error> listen(unsigned group);
    [[nodiscard]] std::expected<void, Error> ignore(unsigned group); // no longer
    void on_event(OnObject handler) { event_ = std::move(handler); }
    void on_overrun(Notice handler) { overrun_ = std::move(handler); }

    void flush(Instant now);       // sends what the window permits
    void on_readable(Instant now); // reads what is there, within a bound
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    void abandon(); // fails all that is unanswered or unsent, as at its deadline

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] std::uint32_t port() const { return port_; } // tells our own changes among events
    [[nodiscard]] bool idle() const { return waiting_.empty() && sent_.empty(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    // Whether flush() has something that it may send now.
    [[nodiscard]] bool wants_flush() const;

  private:
    struct Pending {
        Message message; // until it is sent; of a dump, for ever (it may be repeated)
        Done done;
        OnObject on_object;
        Notice begin;
        Instant deadline{};
        unsigned tries = 0;
        bool dump = false;
        bool interrupted = false;
    };

    Socket(Os& os, int fd, std::uint32_t port, const Settings& settings);
    [[nodiscard]] std::expected<void, Error> configure();
    [[nodiscard]] bool send_batch(Instant now);
    void fail_batch(std::size_t count, const Error& error);
    void take(const nlmsghdr& message, Instant now);
    void finish(std::uint32_t sequence, std::expected<void, Error> result);
    void dump_done(std::uint32_t sequence, std::expected<void, Error> result);
    void give_up(const Error& error, std::optional<Instant> due);

    Os& os_;
    int fd_;
    std::uint32_t port_;
    Settings settings_;
    std::uint32_t next_sequence_ = 1;
    std::deque<Pending> waiting_;
    std::unordered_map<std::uint32_t, Pending> sent_;
    bool dumping_ = false;
    bool overrun_seen_ = false;
    std::optional<Instant> retry_at_; // after the kernel had no memory for a send
    OnObject event_;
    Notice overrun_;
    std::vector<std::uint8_t> buffer_;
};

} // namespace sheaf::netlink

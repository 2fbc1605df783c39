#include "netlink/caller.h"

#include <cerrno>
#include <optional>
#include <poll.h>
#include <utility>

namespace sheaf::netlink {

std::expected<std::unique_ptr<Caller>, Error> Caller::open(Os& os) {
    auto socket = Socket::open(os, NETLINK_ROUTE, {});
    if (!socket) return std::unexpected(socket.error());
    return std::unique_ptr<Caller>(new Caller(os, std::move(*socket)));
}

std::expected<void, Error> Caller::request(Message message, OnObject on_object) {
    std::expected<void, Error> out;
    socket_->request(
        std::move(message), [&](const auto& result) { out = result; }, std::move(on_object));
    settle();
    return out;
}

std::expected<void, Error> Caller::dump(Message message, Socket::Notice begin, OnObject on_object) {
    std::expected<void, Error> out;
    socket_->dump(std::move(message), std::move(begin), std::move(on_object),
                  [&](const auto& result) { out = result; });
    settle();
    return out;
}

// The socket's own deadlines play no part: its clock stands still.
void Caller::settle() {
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience);
    const Instant now{};
    while (!socket_->idle()) {
        socket_->flush(now);
        socket_->on_readable(now);
        if (socket_->idle()) return;
        if (socket_->wants_flush()) continue;
        pollfd watched{socket_->fd(), POLLIN, 0};
        const int ready = os_.poll(&watched, 1, static_cast<int>(patience.count()));
        if (ready <= 0 && ready != -EINTR) socket_->abandon();
    }
}

} // namespace sheaf::netlink

#include "daemon/control_server.h"

#include "daemon/clock.h"
#include "daemon/control_message.h"
#include "daemon/status_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace sheaf::daemon {

struct ControlServer::Client {
    FileDescriptor fd;
    LoopSource io;
    LoopSource deadline;
    LineReader in{kMaxRequest};
    std::string out;
    std::size_t sent = 0; // of out
    bool busy = false;    // a request is being answered
    bool watching = false;
    bool ended = false;   // it sends no more
    bool refused = false; // it is closed when `out` has left
    bool dropped = false;

    [[nodiscard]] std::size_t backlog() const { return out.size() - sent; }
    [[nodiscard]] bool reads() const {
        return !busy && !ended && !refused && backlog() == 0 && !in.has_line();
    }
    [[nodiscard]] bool finished() const {
        return dropped || (backlog() == 0 && (refused || (ended && !busy && !watching && !in.has_line())));
    }
};

ControlServer::ControlServer(Loop& loop, FileDescriptor listening, Handler handler)
    : loop_(loop), listening_(std::move(listening)), handler_(std::move(handler)),
      source_(loop.on_io(listening_.value(), EPOLLIN, [this](std::uint32_t) { on_connection(); })) {}

ControlServer::~ControlServer() = default;

void ControlServer::on_connection() {
    FileDescriptor fd(::accept4(listening_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.open()) return;
    const ClientId id = ++last_;
    auto client = std::make_unique<Client>();
    client->io =
        loop_.on_io(fd.value(), EPOLLIN, [this, id](std::uint32_t events) { on_client(id, events); });
    client->deadline = loop_.on_timer([this, id] { clients_.erase(id); });
    client->fd = std::move(fd);
    if (clients_.size() >= kMaxClients) {
        client->refused = true;
        put(*client, one_line(failure(fmt::format(
                         "{} clients are connected already; end one of them, or wait", kMaxClients))));
        return; // what fits the socket's buffer has left; nobody waits for more
    }
    update(*client);
    clients_.emplace(id, std::move(client));
}

void ControlServer::on_client(ClientId id, std::uint32_t events) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    Client& client = *found->second;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        drop(client);
    else if ((events & EPOLLIN) != 0 && client.reads())
        read(client);
    flush(client);
    serve(id, client);
    if (client.finished())
        clients_.erase(id);
    else
        update(client);
}

void ControlServer::read(Client& client) {
    std::array<char, kMaxRequest + 1> buffer;
    const ssize_t size = ::recv(client.fd.value(), buffer.data(), buffer.size(), 0);
    if (size > 0)
        client.in.append({buffer.data(), static_cast<std::size_t>(size)});
    else if (size == 0)
        client.ended = true;
    else if (errno != EAGAIN && errno != EINTR)
        drop(client);
}

// Answers may come within the handler or later; a later one comes back here by way of EPOLLOUT.
void ControlServer::serve(ClientId id, Client& client) {
    while (!client.busy && !client.dropped && !client.refused && client.backlog() == 0) {
        if (client.in.overflow()) {
            client.refused = true;
            put(client, one_line(failure(fmt::format("the request is longer than {} octets", kMaxRequest))));
            return;
        }
        const auto line = client.in.next();
        if (!line) return;
        client.busy = true;
        handler_(id, *line);
    }
}

void ControlServer::answer(ClientId id, std::string_view line) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    Client& client = *found->second;
    client.busy = false;
    put(client, line);
    update(client);
}

void ControlServer::watch(ClientId id) {
    const auto found = clients_.find(id);
    if (found != clients_.end()) found->second->watching = true;
}

bool ControlServer::watched() const {
    return std::ranges::any_of(clients_, [](const auto& entry) { return entry.second->watching; });
}

void ControlServer::tell_watchers(std::string_view line) {
    for (auto& [id, client] : clients_) {
        if (!client->watching || client->dropped) continue;
        if (client->backlog() + line.size() > kMaxBacklog) {
            drop(*client);
            continue;
        }
        put(*client, line);
        update(*client);
    }
}

void ControlServer::put(Client& client, std::string_view line) {
    client.out += line;
    client.out += '\n';
    flush(client);
}

void ControlServer::flush(Client& client) {
    while (!client.dropped && client.backlog() > 0) {
        const ssize_t size = ::send(client.fd.value(), client.out.data() + client.sent, client.backlog(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0) {
            client.sent += static_cast<std::size_t>(size);
            client.deadline.disarm(); // update() arms it anew
        } else if (errno == EAGAIN) {
            client.out.erase(0, std::exchange(client.sent, 0));
            return;
        } else if (errno != EINTR) {
            drop(client);
        }
    }
    client.out.clear();
    client.sent = 0;
}

// What to wait for, and until when.
void ControlServer::update(Client& client) {
    const bool writes = client.backlog() > 0 || client.finished() || (!client.busy && client.in.has_line());
    client.io.watch((client.reads() ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
    if (client.backlog() > 0) {
        if (!client.deadline.armed()) client.deadline.arm(now() + kStalled);
    } else if (client.busy || client.watching) {
        client.deadline.disarm();
    } else {
        client.deadline.arm(now() + kSilent);
    }
}

// Closing the connection makes the loop come back for the client, outside of whatever goes on with it now.
void ControlServer::drop(Client& client) {
    client.dropped = true;
    ::shutdown(client.fd.value(), SHUT_RDWR);
}

} // namespace sheaf::daemon

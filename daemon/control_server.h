#pragma once

#include "daemon/file_descriptor.h"
#include "daemon/line_reader.h"
#include "daemon/loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sheaf::daemon {

// The control socket: a UNIX stream socket that only its owner can open, with lines in and lines out.
//
// A client's next request is read when the answer to the one before has left, so what a client can make us
// keep is one request and one answer. Who watches is given what happens; who does not read it in time is
// dropped.
// Limits: kMaxClients, kMaxRequest (control_message.h), kMaxBacklog; and the time limits below.
class ControlServer {
  public:
    using ClientId = std::uint64_t;
    using Handler = std::function<void(ClientId client, std::string_view request)>;

    static constexpr std::size_t kMaxClients = 32;                 // people and their tools on one machine
    static constexpr std::size_t kMaxBacklog = 1 << 20;            // of events that a watcher has not read
    static constexpr Duration kStalled = std::chrono::seconds(10); // an answer that is not read
    static constexpr Duration kSilent = std::chrono::seconds(60);  // a client that asks nothing

    // `listening`: a non-blocking UNIX stream socket (control_socket.h).
    ControlServer(Loop& loop, FileDescriptor listening, Handler handler);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // The one answer to a request: a line without its newline. Clients that are gone are passed over.
    void answer(ClientId client, std::string_view line);
    // From now on the client is told what tell_watchers() is given.
    void watch(ClientId client);
    [[nodiscard]] bool watched() const;
    void tell_watchers(std::string_view line);

    [[nodiscard]] std::size_t clients() const { return clients_.size(); }

  private:
    struct Client;

    void on_connection();
    void on_client(ClientId id, std::uint32_t events);
    void read(Client& client);
    void serve(ClientId id, Client& client);
    void put(Client& client, std::string_view line);
    static void flush(Client& client);
    static void update(Client& client);
    static void drop(Client& client);

    Loop& loop_;
    FileDescriptor listening_;
    Handler handler_;
    LoopSource source_;
    std::map<ClientId, std::unique_ptr<Client>> clients_;
    ClientId last_ = 0;
};

} // namespace sheaf::daemon

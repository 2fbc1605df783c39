#pragma once

#include "netlink/netlink_socket.h"

#include <expected>
#include <memory>

namespace sheaf::netlink {

// Requests whose answers are waited for, one at a time: for single ones that take the kernel microseconds,
// and where nothing else can be done meanwhile.
class Caller {
  public:
    using OnObject = Socket::OnObject;
    // An answer that takes longer than this fails with ETIMEDOUT. It takes a kernel that holds the lock of all
    // of rtnetlink to come near.
    static constexpr Duration kPatience = std::chrono::milliseconds(500);

    // `os` must outlive the object.
    [[nodiscard]] static std::expected<std::unique_ptr<Caller>, Error> open(Os& os);

    std::expected<void, Error> request(Message message, OnObject on_object = {});
    // REQUIRES: NLM_F_DUMP among the flags. What `on_object` has seen counts only with success, and after the
    // last call of `begin`.
    std::expected<void, Error> dump(Message message, Socket::Notice begin, OnObject on_object);

  private:
    Caller(Os& os, std::unique_ptr<Socket> socket) : os_(os), socket_(std::move(socket)) {}
    void settle();

    Os& os_;
    std::unique_ptr<Socket> socket_;
};

} // namespace sheaf::netlink

#pragma once

#include "lib/base/ip.h"

#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>

namespace sheaf::daemon {

// An Endpoint as the system's socket calls take it, and back.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    SocketAddress() = default;
    explicit SocketAddress(const Endpoint& endpoint);
    [[nodiscard]] sockaddr* pointer();
    [[nodiscard]] std::optional<Endpoint> endpoint() const;
};

// What recvmsg and sendmsg take. REQUIRES: it does not outlive any of these.
[[nodiscard]] msghdr socket_message(SocketAddress& address, std::span<iovec> parts,
                                    std::span<std::uint8_t> control = {});

[[nodiscard]] in_addr to_in_addr(const IpAddress& v4);
[[nodiscard]] in6_addr to_in6_addr(const IpAddress& v6);
[[nodiscard]] IpAddress from_in_addr(const in_addr& address);
[[nodiscard]] IpAddress from_in6_addr(const in6_addr& address);

} // namespace sheaf::daemon

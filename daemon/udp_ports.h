#pragma once

#include "daemon/udp_socket.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

namespace sheaf::daemon {

// All UDP sockets of the daemon: for each listen address one on the IKE port and one on the NAT port.
class UdpPorts {
  public:
    struct Options {
        std::vector<IpAddress> addresses;
        std::uint16_t port = 500;
        std::uint16_t nat_port = 4500;
        std::optional<std::uint32_t> mark = kSocketMark; // with `ipsec`, what needs CAP_NET_ADMIN
        bool ipsec = true;
    };
    // Errors are sentences with the remedy. An "any" address of a family that the system does not have is
    // passed over, unless it is the only one.
    [[nodiscard]] static std::expected<UdpPorts, std::string> open(const Options& options);

    [[nodiscard]] std::span<UdpSocket> sockets() { return sockets_; }
    [[nodiscard]] std::vector<std::string> shortcomings() const;

    // By the socket that serves the datagram's local endpoint. Zero or an errno; EADDRNOTAVAIL if there is no
    // such socket.
    [[nodiscard]] int send(const ike::Datagram& datagram);

  private:
    std::vector<UdpSocket> sockets_;
    std::vector<std::string> shortcomings_;
};

} // namespace sheaf::daemon

#pragma once

#include "daemon/file_descriptor.h"
#include "lib/ike/engine.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sheaf::daemon {

// Which marks keep our own packets out of our own tunnels: set on the IKE sockets, and by xfrm/ on the outer
// packets of a client's SAs.
inline constexpr std::uint32_t kSocketMark = 0x53000000;

// One of the daemon's UDP sockets: non-blocking, one address family, bound to an address or to "any".
//
// Every datagram comes with the local address that it was sent to, and leaves from the local address that it
// names. On a NAT port the non-ESP marker is taken off and put on, keepalives are dropped, and ESP in UDP
// (RFC 3948) goes to the kernel. Its packets take no part in IPsec themselves.
//
// Fragmentation: IPv4 datagrams go out without DF, IPv6 ones are cut to 1280 octets, so that a large message
// arrives whatever the path's MTU and whoever filters ICMP.
// Limits: link-local IPv6 peers are not reachable, because an Endpoint names no interface.
class UdpSocket {
  public:
    struct Options {
        Endpoint bind; // port 0: the system chooses one
        bool nat = false;
        std::optional<std::uint32_t> mark = kSocketMark;
        bool ipsec = true; // encapsulation and policy bypass; needs CAP_NET_ADMIN
    };

    // The error is a sentence with the remedy. `no_family` tells that the system has no such address family,
    // which a default of "both" may bear.
    struct Failure {
        std::string text;
        bool no_family = false;
    };
    [[nodiscard]] static std::expected<UdpSocket, Failure> open(const Options& options);

    [[nodiscard]] int fd() const { return fd_.value(); }
    [[nodiscard]] const Endpoint& bound() const { return bound_; }
    [[nodiscard]] bool nat() const { return nat_; }
    // What could not be had, though the socket works without; a sentence each.
    [[nodiscard]] const std::vector<std::string>& shortcomings() const { return shortcomings_; }

    struct Empty {};   // nothing waits
    struct Skipped {}; // a keepalive or other datagram that is none of IKE's
    using Received = std::variant<Empty, Skipped, ike::Datagram>;
    [[nodiscard]] Received receive();

    // How full its receive buffer is, in hundredths; 0 if the system does not tell.
    [[nodiscard]] unsigned fill() const;

    // Zero, or the errno of a datagram that was not sent: it is lost like any other, and IKE sends it again.
    [[nodiscard]] int send(const ike::Datagram& datagram);

    // Whether a datagram with this local endpoint leaves by this socket.
    [[nodiscard]] bool serves(const Endpoint& local) const;

  private:
    UdpSocket(FileDescriptor fd, const Options& options);
    [[nodiscard]] std::expected<void, Failure> set_up(const Options& options);
    void set_up_ipsec(const Options& options);
    [[nodiscard]] std::expected<void, Failure> bind_to(const Endpoint& where);

    FileDescriptor fd_;
    Endpoint bound_;
    bool nat_;
    std::vector<std::string> shortcomings_;
    Bytes buffer_;
};

} // namespace sheaf::daemon

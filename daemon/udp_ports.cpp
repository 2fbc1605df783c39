#include "daemon/udp_ports.h"

#include <cerrno>
#include <utility>

namespace sheaf::daemon {

std::expected<UdpPorts, std::string> UdpPorts::open(const Options& options) {
    UdpPorts ports;
    for (const auto& address : options.addresses) {
        for (const bool nat : {false, true}) {
            const std::uint16_t port = nat ? options.nat_port : options.port;
            auto socket = UdpSocket::open({{address, port}, nat, options.mark, options.ipsec});
            if (socket) {
                ports.sockets_.push_back(std::move(*socket));
                continue;
            }
            if (!socket.error().no_family || !address.is_any())
                return std::unexpected(std::move(socket.error().text));
            ports.shortcomings_.push_back(std::move(socket.error().text));
        }
    }
    if (ports.sockets_.empty())
        return std::unexpected(ports.shortcomings_.empty() ? "no address to listen on; set listen.addresses"
                                                           : ports.shortcomings_.front());
    return ports;
}

std::vector<std::string> UdpPorts::shortcomings() const {
    auto all = shortcomings_;
    for (const auto& socket : sockets_)
        all.insert(all.end(), socket.shortcomings().begin(), socket.shortcomings().end());
    return all;
}

int UdpPorts::send(const ike::Datagram& datagram) {
    // A peer's family decides where the local address is left open.
    Endpoint local = datagram.local;
    if (local.address.is_any()) local.address = IpAddress::any(datagram.peer.address.family());
    for (auto& socket : sockets_)
        if (socket.serves(local)) return socket.send(datagram);
    return EADDRNOTAVAIL;
}

} // namespace sheaf::daemon

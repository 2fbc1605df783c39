#include "daemon/socket_address.h"

#include <array>
#include <cstring>

namespace sheaf::daemon {
namespace {

template <class T>
IpAddress from_octets(const T& address) {
    std::array<std::uint8_t, sizeof(T)> octets{};
    std::memcpy(octets.data(), &address, sizeof(T));
    return IpAddress::from_bytes(octets).value();
}

template <class T>
T to_octets(const IpAddress& address) {
    T out{};
    if (address.size() == sizeof(T)) std::memcpy(&out, address.view().data(), sizeof(T));
    return out;
}

} // namespace

in_addr to_in_addr(const IpAddress& v4) { return to_octets<in_addr>(v4); }
in6_addr to_in6_addr(const IpAddress& v6) { return to_octets<in6_addr>(v6); }
IpAddress from_in_addr(const in_addr& address) { return from_octets(address); }
IpAddress from_in6_addr(const in6_addr& address) { return from_octets(address); }

SocketAddress::SocketAddress(const Endpoint& endpoint) {
    if (endpoint.address.is_v6()) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(endpoint.port);
        in6.sin6_addr = to_in6_addr(endpoint.address);
        size = sizeof in6;
        std::memcpy(&storage, &in6, sizeof in6);
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        in.sin_addr = to_in_addr(endpoint.address);
        size = sizeof in;
        std::memcpy(&storage, &in, sizeof in);
    }
}

sockaddr* SocketAddress::pointer() {
    void* address = &storage;
    return static_cast<sockaddr*>(address);
}

msghdr socket_message(SocketAddress& address, std::span<iovec> parts, std::span<std::uint8_t> control) {
    msghdr message{};
    message.msg_name = address.pointer();
    message.msg_namelen = address.size;
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    return message;
}

std::optional<Endpoint> SocketAddress::endpoint() const {
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 in6{};
        std::memcpy(&in6, &storage, sizeof in6);
        return Endpoint{from_in6_addr(in6.sin6_addr), ntohs(in6.sin6_port)};
    }
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        return Endpoint{from_in_addr(in.sin_addr), ntohs(in.sin_port)};
    }
    return std::nullopt;
}

} // namespace sheaf::daemon

#include "lib/base/ip.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace sheaf {
namespace {

// Of the octet with that index, the bits after the first `length` of the address. REQUIRES: the octet has
// some.
std::uint8_t host_bits(unsigned index, unsigned length) {
    return length <= 8 * index ? 0xff : static_cast<std::uint8_t>(0xff >> (length - 8 * index));
}

} // namespace

std::optional<IpAddress> IpAddress::from_bytes(View bytes) {
    if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
    IpAddress address;
    address.family_ = bytes.size() == 16 ? Family::ipv6 : Family::ipv4;
    std::ranges::copy(bytes, address.octets_.begin());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.find('\0') != text.npos) return std::nullopt; // inet_pton would stop there
    const std::string terminated(text);
    IpAddress address;
    address.family_ = text.find(':') != text.npos ? Family::ipv6 : Family::ipv4;
    const int family = address.is_v6() ? AF_INET6 : AF_INET;
    if (inet_pton(family, terminated.c_str(), address.octets_.data()) != 1) return std::nullopt;
    return address;
}

IpAddress IpAddress::any(Family family) {
    IpAddress address;
    address.family_ = family;
    return address;
}

IpAddress IpAddress::last(Family family) { return any(family).filled(0); }

bool IpAddress::is_any() const {
    return std::ranges::all_of(octets_, [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_link_local() const {
    if (is_v6()) return octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80;
    return octets_[0] == 169 && octets_[1] == 254;
}

std::string IpAddress::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(is_v6() ? AF_INET6 : AF_INET, octets_.data(), text.data(), text.size());
    return text.data();
}

IpAddress IpAddress::masked(unsigned length) const {
    IpAddress out = *this;
    for (unsigned i = length / 8; i < size(); ++i)
        out.octets_.at(i) = static_cast<std::uint8_t>(out.octets_.at(i) & ~host_bits(i, length));
    return out;
}

IpAddress IpAddress::filled(unsigned length) const {
    IpAddress out = *this;
    for (unsigned i = length / 8; i < size(); ++i)
        out.octets_.at(i) = static_cast<std::uint8_t>(out.octets_.at(i) | host_bits(i, length));
    return out;
}

std::optional<IpAddress> IpAddress::next() const {
    IpAddress out = *this;
    for (std::size_t i = size(); i-- > 0;) {
        if (++out.octets_.at(i) != 0) return out;
    }
    return std::nullopt;
}

Prefix::Prefix(const IpAddress& address, unsigned length)
    : address_(address.masked(std::min(length, address.bits()))), length_(std::min(length, address.bits())) {}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == text.npos) return host(*address);
    const auto digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length > address->bits())
        return std::nullopt;
    return Prefix(*address, length);
}

bool Prefix::contains(const IpAddress& address) const {
    return address.family() == family() && address.masked(length_) == address_;
}

bool Prefix::contains(const Prefix& other) const {
    return other.length_ >= length_ && contains(other.address_);
}

bool Prefix::overlaps(const Prefix& other) const { return contains(other) || other.contains(*this); }

std::string Prefix::to_string() const { return address_.to_string() + "/" + std::to_string(length_); }

std::string Endpoint::to_string() const {
    const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return host + ":" + std::to_string(port);
}

} // namespace sheaf

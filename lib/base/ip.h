#pragma once

#include "lib/base/bytes.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sheaf {

enum class Family : std::uint8_t { ipv4, ipv6 };

// An IPv4 or IPv6 address as a value. The octets beyond size() are zero.
class IpAddress {
  public:
    constexpr IpAddress() = default;                                      // 0.0.0.0
    [[nodiscard]] static std::optional<IpAddress> from_bytes(View bytes); // 4 or 16 octets
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    [[nodiscard]] static IpAddress any(Family family);
    [[nodiscard]] static IpAddress last(Family family); // all ones

    [[nodiscard]] Family family() const { return family_; }
    [[nodiscard]] bool is_v6() const { return family_ == Family::ipv6; }
    [[nodiscard]] std::size_t size() const { return is_v6() ? 16 : 4; }
    [[nodiscard]] unsigned bits() const { return static_cast<unsigned>(size()) * 8; }
    [[nodiscard]] View view() const { return View(octets_).first(size()); }
    [[nodiscard]] bool is_any() const;
    [[nodiscard]] bool is_link_local() const; // fe80::/10 or 169.254/16
    [[nodiscard]] std::string to_string() const;

    // The address with all bits after `length` set to zero or one.
    [[nodiscard]] IpAddress masked(unsigned length) const;
    [[nodiscard]] IpAddress filled(unsigned length) const;
    // The following address; none after the last of the family.
    [[nodiscard]] std::optional<IpAddress> next() const;

    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
    friend bool operator==(const IpAddress&, const IpAddress&) = default;

  private:
    Family family_ = Family::ipv4;
    std::array<std::uint8_t, 16> octets_{};
};

// An address block in CIDR form; host bits are always zero.
class Prefix {
  public:
    constexpr Prefix() = default;
    Prefix(const IpAddress& address,
           unsigned length); // host bits are cleared, length is capped to the family's
    [[nodiscard]] static Prefix host(const IpAddress& address) { return {address, address.bits()}; }
    [[nodiscard]] static Prefix all(Family family) { return {IpAddress::any(family), 0}; }
    [[nodiscard]] static std::optional<Prefix> parse(std::string_view text); // "a/len", or "a" for a host

    [[nodiscard]] const IpAddress& address() const { return address_; } // the first one
    [[nodiscard]] IpAddress last() const { return address_.filled(length_); }
    [[nodiscard]] unsigned length() const { return length_; }
    [[nodiscard]] Family family() const { return address_.family(); }
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] bool contains(const Prefix& other) const;
    [[nodiscard]] bool overlaps(const Prefix& other) const;
    [[nodiscard]] std::string to_string() const;

    friend auto operator<=>(const Prefix&, const Prefix&) = default;
    friend bool operator==(const Prefix&, const Prefix&) = default;

  private:
    IpAddress address_;
    unsigned length_ = 0;
};

// A UDP endpoint.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    [[nodiscard]] std::string to_string() const; // "192.0.2.1:500", "[2001:db8::1]:500"
    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

} // namespace sheaf

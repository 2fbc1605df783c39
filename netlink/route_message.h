#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

struct nl_msg;
struct rtnexthop;
struct nlattr;

namespace sheaf::netlink {

// Builds an rtnetlink message with libnl-3.
class RouteMessage {
  public:
    template <typename Fixed>
    RouteMessage(std::uint16_t type, std::uint16_t flags, Fixed fixed)
        : RouteMessage(type, flags, &fixed, sizeof fixed) {}

    void put_u8(int type, std::uint8_t value);
    void put_u16(int type, std::uint16_t value);
    void put_u32(int type, std::uint32_t value);
    void put_string(int type, const std::string& value);
    void put_address(int type, const IpAddress& value);
    template <typename T>
    void put_struct(int type, const T& value) {
        put_raw(type, &value, sizeof value);
    }
    void put_flag(int type);
    void begin_nest(int type); // at most kMaxDepth deep
    void end_nest();
    // What RTA_MULTIPATH lists: a structure, of which the length is filled in, with attributes.
    void begin_next_hop(const rtnexthop& fixed);
    void end_next_hop();

    [[nodiscard]] Message finish(); // empty when something did not fit

  private:
    static constexpr std::size_t kMaxDepth = 4;
    struct Free {
        void operator()(nl_msg* message) const;
    };

    RouteMessage(std::uint16_t type, std::uint16_t flags, void* fixed, std::size_t size);
    void put_raw(int type, const void* value, std::size_t size);
    [[nodiscard]] std::size_t length() const;
    void check(int result) { failed_ |= result < 0; }

    std::unique_ptr<nl_msg, Free> message_;
    std::array<nlattr*, kMaxDepth> nests_{};
    std::size_t depth_ = 0;
    std::size_t next_hop_ = 0; // where it begins
    bool failed_ = false;
};

[[nodiscard]] std::uint8_t family_number(Family family); // AF_INET or AF_INET6

} // namespace sheaf::netlink

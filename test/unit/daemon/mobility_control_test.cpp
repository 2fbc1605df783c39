#include "daemon/mobility_control.h"
#include "daemon/socket_address.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

using namespace sheaf;
using namespace sheaf::daemon;

namespace {

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

Bytes joined(Bytes first, View second) {
    append(first, second);
    return first;
}

// A destination options header with the option, aligned as RFC 6275 6.3 wants it.
Bytes destination_options(std::string_view address) {
    return joined({50, 2, 1, 2, 0, 0, 201, 16}, ip(address).view());
}

// As the kernel hands control messages out.
struct Received {
    alignas(cmsghdr) std::array<std::uint8_t, 512> octets{};
    std::size_t used = 0;

    void add(int level, int type, View data) {
        cmsghdr header{};
        header.cmsg_level = level;
        header.cmsg_type = type;
        header.cmsg_len = CMSG_LEN(data.size());
        std::memcpy(octets.data() + used, &header, sizeof header);
        std::ranges::copy(data, octets.data() + used + CMSG_LEN(0));
        used += CMSG_SPACE(data.size());
    }
    void add_destination(std::string_view address) {
        in6_pktinfo info{};
        info.ipi6_addr = to_in6_addr(ip(address));
        add(IPPROTO_IPV6, IPV6_PKTINFO, View(reinterpret_cast<const std::uint8_t*>(&info), sizeof info));
    }
    std::optional<MobilityAddresses> addresses() {
        msghdr message{};
        message.msg_control = octets.data();
        message.msg_controllen = used;
        return addresses_of(message, ip("2001:db8:1::100"));
    }
};

} // namespace

TEST_CASE("A home address option tells the care-of address", "[daemon]") {
    CHECK(home_address_option(destination_options("2001:db8:a::5")) == ip("2001:db8:a::5"));
    Bytes behind_others{50, 3, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 201, 16}; // Pad1 and PadN before it
    append(behind_others, ip("2001:db8:b::5").view());
    CHECK(home_address_option(behind_others) == ip("2001:db8:b::5"));
    CHECK_FALSE(home_address_option(Bytes{50, 0, 1, 4, 0, 0, 0, 0}));
    CHECK_FALSE(home_address_option({}));
}

TEST_CASE("Options that are cut or lie about their length tell nothing", "[daemon]") {
    const Bytes good = destination_options("2001:db8:a::5");
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK_FALSE(home_address_option(View(good).first(size)));
    Bytes wrong = good;
    wrong[7] = 15;
    CHECK_FALSE(home_address_option(wrong));
    wrong[7] = 17; // beyond the header
    CHECK_FALSE(home_address_option(wrong));
}

TEST_CASE("A routing header of type 2 has one address", "[daemon]") {
    const Bytes header = routing_header(ip("2001:db8:a::5"));
    CHECK(header == joined({0, 2, 2, 1, 0, 0, 0, 0}, ip("2001:db8:a::5").view()));
    CHECK(routing_header_address(header) == ip("2001:db8:a::5"));
    for (std::size_t size = 0; size < header.size(); ++size)
        CHECK_FALSE(routing_header_address(View(header).first(size)));
    Bytes other = header;
    other[2] = 4;
    CHECK_FALSE(routing_header_address(other));
}

TEST_CASE("Control messages tell what a Mobility Header came with", "[daemon]") {
    Received at_home;
    at_home.add_destination("2001:db8:13::1");
    CHECK(at_home.addresses() ==
          MobilityAddresses{ip("2001:db8:1::100"), ip("2001:db8:13::1"), std::nullopt});
    Received away = at_home;
    away.add(IPPROTO_IPV6, IPV6_DSTOPTS, destination_options("2001:db8:a::5"));
    CHECK(away.addresses()->care_of == ip("2001:db8:a::5"));
    Received answer = at_home;
    answer.add(IPPROTO_IPV6, IPV6_RTHDR, routing_header(ip("2001:db8:b::5")));
    CHECK(answer.addresses()->care_of == ip("2001:db8:b::5"));
    Received nothing;
    CHECK_FALSE(nothing.addresses());
    Received cut;
    cut.add(IPPROTO_IPV6, IPV6_PKTINFO, Bytes{1, 2, 3});
    CHECK_FALSE(cut.addresses());
}

TEST_CASE("What is sent names its source, its way and its mark", "[daemon]") {
    const auto types = [](Bytes control) {
        msghdr message{};
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        std::vector<std::pair<int, int>> out;
        for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at))
            out.emplace_back(at->cmsg_level, at->cmsg_type);
        return out;
    };
    using Types = std::vector<std::pair<int, int>>;
    const MobilityAddresses direct{ip("2001:db8:1::100"), ip("2001:db8:13::1"), std::nullopt};
    CHECK(types(control_of(direct, 1)) == Types{{IPPROTO_IPV6, IPV6_PKTINFO}, {SOL_SOCKET, SO_MARK}});
    const MobilityAddresses routed{ip("2001:db8:13::1"), ip("2001:db8:1::100"), ip("2001:db8:a::5")};
    CHECK(types(control_of(routed, 1)) ==
          Types{{IPPROTO_IPV6, IPV6_PKTINFO}, {IPPROTO_IPV6, IPV6_RTHDR}, {SOL_SOCKET, SO_MARK}});
    // Read back as they would be received.
    Bytes control = control_of(routed, 1);
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto addresses = addresses_of(message, ip("2001:db8:1::100"));
    REQUIRE(addresses);
    CHECK(addresses->destination == ip("2001:db8:13::1"));
    CHECK(addresses->care_of == ip("2001:db8:a::5"));
}

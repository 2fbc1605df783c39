#include "lib/ike/interface_id.h"

#include "lib/crypto/prf.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {

bool acceptable(const InterfaceId& id) {
    static constexpr InterfaceId kZero{};
    static constexpr InterfaceId kFirstReserved{0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80};
    static constexpr InterfaceId kLastReserved{0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    return id != kZero && !(id >= kFirstReserved && id <= kLastReserved);
}

InterfaceId random_interface_id(Random& random) {
    InterfaceId id{};
    do
        random.fill(id);
    while (!acceptable(id));
    return id;
}

InterfaceId stable_interface_id(crypto::Backend& backend, View secret, const Prefix& prefix,
                                std::string_view interface, std::string_view network) {
    const auto octets = [](std::string_view text) { return Bytes(text.begin(), text.end()); };
    // Lengths go in, too, so that no two inputs look alike.
    const Bytes lengths{static_cast<std::uint8_t>(prefix.length()),
                        static_cast<std::uint8_t>(interface.size()), 0};
    InterfaceId id{};
    for (std::uint8_t counter = 0; !acceptable(id); ++counter) {
        Bytes varied = lengths;
        varied.back() = counter;
        const Secret digest =
            crypto::prf(backend, crypto::PrfId::hmac_sha2_256, secret,
                        {prefix.address().view(), varied, octets(interface), octets(network)});
        std::ranges::copy(digest.view().first(id.size()), id.begin());
    }
    return id;
}

IpAddress address_in(const Prefix& prefix, const InterfaceId& id) {
    std::array<std::uint8_t, 16> octets{};
    std::ranges::copy(id, octets.begin() + 8);
    const View network = prefix.address().view();
    for (std::size_t bit = 0; bit < 128; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> bit % 8);
        const bool ours = bit >= prefix.length() && bit >= 64;
        if (ours) continue;
        const auto kept = static_cast<std::uint8_t>(octets.at(bit / 8) & ~mask);
        octets.at(bit / 8) = static_cast<std::uint8_t>(kept | (network[bit / 8] & mask));
    }
    return *IpAddress::from_bytes(octets);
}

IpAddress link_local(const InterfaceId& id) {
    static constexpr std::array<std::uint8_t, 16> kNetwork{0xfe, 0x80};
    return address_in({*IpAddress::from_bytes(kNetwork), 64}, id);
}

} // namespace sheaf::ike

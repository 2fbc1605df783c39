#include "lib/ike/nat_detection.h"

#include "lib/crypto/hash.h"

#include <algorithm>
#include <array>

namespace sheaf::ike {

using wire::Notify;
using wire::NotifyType;

Notify nat_detection(crypto::Backend& backend, NotifyType type, wire::Spi spi_i, wire::Spi spi_r,
                     const Endpoint& endpoint) {
    std::array<std::uint8_t, 16> spis{};
    for (std::size_t i = 0; i < 8; ++i) {
        spis.at(i) = static_cast<std::uint8_t>(spi_i >> (56 - 8 * i));
        spis.at(8 + i) = static_cast<std::uint8_t>(spi_r >> (56 - 8 * i));
    }
    const std::array<std::uint8_t, 2> port{static_cast<std::uint8_t>(endpoint.port >> 8),
                                           static_cast<std::uint8_t>(endpoint.port)};
    const auto digest = crypto::sha1(backend, {spis, endpoint.address.view(), port});
    return {wire::Protocol::none, {}, type, {digest.begin(), digest.end()}};
}

NatFound find_nat(crypto::Backend& backend, std::span<const wire::Payload> payloads, wire::Spi spi_i,
                  wire::Spi spi_r, const Endpoint& local, const Endpoint& peer) {
    bool source_told = false, source_fits = false, destination_told = false, destination_fits = false;
    const auto fits = [&](const Notify& notify, const Endpoint& endpoint) {
        return equal(notify.data, nat_detection(backend, notify.type, spi_i, spi_r, endpoint).data);
    };
    for (const wire::Payload& payload : payloads) {
        const auto* notify = std::get_if<Notify>(&payload);
        if (!notify) continue;
        // RFC 7296 2.23: a sender that does not know its address may send several source hashes; one fit
        // suffices.
        if (notify->type == NotifyType::nat_detection_source_ip) {
            source_told = true;
            source_fits = source_fits || fits(*notify, peer);
        } else if (notify->type == NotifyType::nat_detection_destination_ip) {
            destination_told = true;
            destination_fits = destination_fits || fits(*notify, local);
        }
    }
    return {destination_told && !destination_fits, source_told && !source_fits};
}

} // namespace sheaf::ike

#pragma once

#include "lib/base/rule.h"
#include "lib/crypto/ids.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Finding payloads in a message, and the notifies that answer one.
namespace sheaf::ike {

// What a request for a Child SA holds; views of its payloads.
struct Offer {
    const wire::Sa* sa = nullptr;
    const wire::TrafficSelectors* ts_i = nullptr;
    const wire::TrafficSelectors* ts_r = nullptr;
    const wire::Nonce* nonce = nullptr;    // null in IKE_AUTH
    const wire::KeyExchange* ke = nullptr; // may be absent
    const wire::Notify* link_id = nullptr; // RFC 5739 4.3: for the virtual link of this name
    bool transport = false;
    std::uint16_t bid = 0; // of a mobile node's payload; 0: none is said

    // Errors: missing_payload, duplicate_payload.
    [[nodiscard]] static std::expected<Offer, Rule> read(std::span<const wire::Payload> payloads);
};

// The single payload of a type. Errors: missing_payload, duplicate_payload.
template <typename T>
std::expected<const T*, Rule> single(std::span<const wire::Payload> payloads) {
    const T* found = nullptr;
    for (const wire::Payload& payload : payloads) {
        const T* candidate = std::get_if<T>(&payload);
        if (!candidate) continue;
        if (found) return std::unexpected(Rule::duplicate_payload);
        found = candidate;
    }
    if (!found) return std::unexpected(Rule::missing_payload);
    return found;
}

// Likewise for types of which each side has its own.
[[nodiscard]] std::expected<const wire::Identification*, Rule>
single_id(std::span<const wire::Payload> payloads, bool initiator);
[[nodiscard]] std::expected<const wire::TrafficSelectors*, Rule>
single_ts(std::span<const wire::Payload> payloads, bool initiator);
// The first notify of a type, or null.
[[nodiscard]] const wire::Notify* find_notify(std::span<const wire::Payload> payloads, wire::NotifyType type);
// The first error notify, or null.
[[nodiscard]] const wire::Notify* find_error(std::span<const wire::Payload> payloads);
[[nodiscard]] std::string error_text(const wire::Notify& error); // "the peer answered TS_UNACCEPTABLE"
[[nodiscard]] wire::Notify notify(wire::NotifyType type, Bytes data = {});
// The error notify that a broken rule asks for; REQUIRES notify_type(rule) != 0.
[[nodiscard]] wire::Notify notify(Rule rule);

// Overwrites what MPSA_PUT carries: the keys of a group.
void wipe_keys(std::span<wire::Payload> payloads);
[[nodiscard]] std::vector<crypto::HashId> announced_hashes(std::span<const wire::Payload> payloads);
[[nodiscard]] std::uint32_t announced_window(std::span<const wire::Payload> payloads);
} // namespace sheaf::ike

#pragma once

#include "lib/group/breach.h"
#include "lib/group/shared_sa.h"
#include "lib/wire/payload.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>

// The two messages of multi-point SAs (draft-yamaya-ipsecme-mpsa-00 3.2), a Vendor ID and a notification.
//
// The number of the notification is one for private use and others use it too, so a Notify is only read by
// what stands here after both sides have sent the Vendor ID, and only by the endpoint, out of an
// INFORMATIONAL request.
namespace sheaf::group {

// "multi-point SA" without a zero at its end.
inline constexpr std::array<std::uint8_t, 14> kVendorId{'m', 'u', 'l', 't', 'i', '-', 'p',
                                                        'o', 'i', 'n', 't', ' ', 'S', 'A'};
[[nodiscard]] wire::VendorId vendor_id();
[[nodiscard]] bool is_vendor_id(const wire::VendorId& payload);

inline constexpr wire::NotifyType kMpsaPut{40960};

// Bounds on what a gateway can make us look at: eight transforms of one attribute are all that there are.
inline constexpr std::size_t kMaxPutTransforms = 16;

// MPSA_PUT: the gateway tells an endpoint a group SA.
struct Put {
    SharedSa sa;
    std::chrono::seconds life{0};      // left when this was sent
    std::chrono::seconds rollover1{0}; // from receipt until outbound packets use it
    std::chrono::seconds rollover2{0}; // from receipt until inbound packets of the SA before it are refused
};

// Reads what a gateway sent. Tolerated, for the draft contradicts itself there: any mark of the last
// transform; 16386 for the attribute of the rollover times; any order of transforms; no rollover times.
[[nodiscard]] std::expected<Put, Breach> read_put(const wire::Notify& notify, const Acceptance& acceptance);

// As it is sent. The octets hold SK_d: whoever gets them wipes them when they are sealed.
// REQUIRES: check(put.sa.suite) holds; times are below 2^32 seconds, and life is not 0.
[[nodiscard]] wire::Notify write_put(const Put& put);

} // namespace sheaf::group

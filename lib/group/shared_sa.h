#pragma once

#include "lib/base/bytes.h"
#include "lib/base/random.h"
#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/key_schedule.h"
#include "lib/group/suite.h"
#include "lib/wire/header.h"

#include <cstddef>

namespace sheaf::group {

// From here to the end of the range SPIs are for group SAs: their gateway chooses them, so a member must not
// have given the same one to a Child SA of its own.
inline constexpr wire::ChildSpi kFirstGroupSpi = 0xf0000000;
inline constexpr wire::ChildSpi kFirstFreeSpi = 256; // RFC 4303 2.1: what is below is reserved

inline constexpr std::size_t kSentNonce = 32; // RFC 7296 2.10: half of the longest PRF key at least

// A group SA as all members have it: one SPI, and one key set for both directions of everybody.
struct SharedSa {
    wire::ChildSpi spi = 0;
    Suite suite;
    Bytes nonce;
    Secret sk_d; // random, and no relation of any IKE SA's

    [[nodiscard]] SharedSa copy() const { return {spi, suite, nonce, sk_d.copy()}; }
};

// Alike in all that makes packets. Takes the same time whatever the keys.
[[nodiscard]] bool same(const SharedSa& a, const SharedSa& b);

// A new one. REQUIRES: check(suite) holds.
[[nodiscard]] SharedSa draw_sa(Random& random, const Suite& suite, wire::ChildSpi spi);

// An SPI of the group range that comes after `last`, or anywhere in it when last is 0. It moves on by 256 at
// most, so that none comes back before a million others.
[[nodiscard]] wire::ChildSpi draw_spi(Random& random, wire::ChildSpi last);

// KEYMAT = prf+(SK_d, nonce), by the PRF of the announcement: the cipher's key, then integrity's. There is no
// initiator and no responder in a group. REQUIRES: check(sa.suite) holds.
[[nodiscard]] crypto::DirectionKeys keys(crypto::Backend& backend, const SharedSa& sa);

} // namespace sheaf::group

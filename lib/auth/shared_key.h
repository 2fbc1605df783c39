#pragma once

#include "lib/auth/verified.h"
#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"
#include "lib/wire/payload.h"

#include <expected>

namespace sheaf::auth {

// RFC 7296 2.15: whether `proof` is what the holder of `key` makes over `signed_octets`
// (crypto::signed_octets). Errors: unsupported_auth_method, authentication_failed.
[[nodiscard]] std::expected<Verified, Rule> verify_shared_key(crypto::Backend& backend, crypto::PrfId prf,
                                                              View key, View signed_octets, Identity claimed,
                                                              const wire::Authentication& proof);

[[nodiscard]] wire::Authentication prove_shared_key(crypto::Backend& backend, crypto::PrfId prf, View key,
                                                    View signed_octets);

} // namespace sheaf::auth

#pragma once

#include "lib/auth/stock.h"
#include "lib/wire/payload.h"

#include <span>
#include <vector>

// Only for the sources of lib/auth: which key of ours proves an identity.
namespace sheaf::auth {

// Those that stand for the identity and that the terms allow; what the peer's CERTREQ asks for comes first
// (RFC 7296 3.7). Valid as long as the stock.
[[nodiscard]] std::vector<const ReadyKey*> keys_for(const Stock& stock, const Terms& terms,
                                                    const Identity& local,
                                                    std::span<const wire::Payload> received);

// Our ID payload: of a distinguished name, as the certificate encodes it.
[[nodiscard]] wire::Identification own_identification(const ReadyKey& key, const Identity& local,
                                                      bool initiator);

// The CERT payloads. RFC 7670 3: a raw public key only goes to a peer that asks for one.
[[nodiscard]] std::vector<wire::Payload> own_certificates(const ReadyKey& key,
                                                          std::span<const wire::Payload> received);

} // namespace sheaf::auth

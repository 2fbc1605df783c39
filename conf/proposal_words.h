#pragma once

#include "conf/words.h"
#include "lib/child/proposal.h"

#include <expected>
#include <string_view>

namespace sheaf::conf {

// A proposal in words joined by "-": ciphers, integrity (with ciphers that are no AEAD), PRFs (IKE only) and
// key exchanges, e.g. "aes256gcm16-prfsha256-x25519", "aes256-sha256". Several words of one kind are
// alternatives, best first. An AEAD and integrity never share a proposal (RFC 7296 3.3). Words are those of
// lib/crypto/ids.h, without the weak ones.
[[nodiscard]] std::expected<child::IkeProposal, Fault> parse_ike_proposal(std::string_view text);
[[nodiscard]] std::expected<child::EspProposal, Fault> parse_esp_proposal(std::string_view text);

} // namespace sheaf::conf

#pragma once

#include "conf/words.h"
#include "lib/child/proposal.h"
#include "lib/group/suite.h"

#include <expected>
#include <string_view>
#include <vector>

namespace sheaf::conf {

// A proposal in words joined by "-": ciphers, integrity (with ciphers that are no AEAD), PRFs (IKE only), key
// exchanges and (ESP only) "esn" and "noesn", e.g. "aes256gcm16-prfsha256-x25519", "aes256-sha256-noesn".
// Several of a kind are alternatives, best first; AEADs and integrity never go together (RFC 7296 3.3).
//
// Words are those of lib/crypto/ids.h. Weak algorithms have "weak-" before them there, so whoever writes one
// asks for it (RFC 8221, RFC 8247). "none" in an ESP proposal allows rekeying without a key exchange beside
// others. Without a word for sequence numbers both lengths are offered, the longer one first.
[[nodiscard]] std::expected<child::IkeProposal, Fault> parse_ike_proposal(std::string_view text);
[[nodiscard]] std::expected<child::EspProposal, Fault> parse_esp_proposal(std::string_view text);

// What protects a group's SA: one cipher, one integrity and one PRF, "aes256-sha256-prfsha256". Its members have nothing to
// choose from.
[[nodiscard]] std::expected<group::Suite, Fault> parse_group_suite(std::string_view text);

// The weak words in a proposal that parses, for a warning.
[[nodiscard]] std::vector<std::string_view> weak_words(std::string_view text);

} // namespace sheaf::conf

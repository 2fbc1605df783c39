#pragma once

#include "lib/base/rule.h"
#include "lib/crypto/ids.h"
#include "lib/crypto/suite.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

// Negotiation of algorithms (RFC 7296 2.7, 3.3): what we are willing to use, as offers on the wire and as
// choices.
namespace sheaf::child {

// Within a list the order is preference. An AEAD and other ciphers never share a proposal (RFC 7296 3.3).
struct IkeProposal {
    std::vector<crypto::Encryption> encryption;
    std::vector<crypto::IntegId> integrity; // empty with AEADs
    std::vector<crypto::PrfId> prf;
    std::vector<crypto::KeId> key_exchange;
    friend bool operator==(const IkeProposal&, const IkeProposal&) = default;
};

struct EspProposal {
    std::vector<crypto::Encryption> encryption;
    std::vector<crypto::IntegId> integrity;
    std::vector<crypto::KeId>
        key_exchange; // for CREATE_CHILD_SA; "none" among them: or without one; empty: never one
    std::vector<crypto::EsnId> sequence_numbers{crypto::EsnId::none}; // RFC 7296 3.3.2: 32 or 64 bits
    friend bool operator==(const EspProposal&, const EspProposal&) = default;
};

// RFC 8221, RFC 8247: strong algorithms only.
[[nodiscard]] std::vector<IkeProposal> default_ike_proposals();
[[nodiscard]] std::vector<EspProposal> default_esp_proposals();

[[nodiscard]] wire::Sa offer_ike(std::span<const IkeProposal> ours, View spi);
[[nodiscard]] wire::Sa offer_esp(std::span<const EspProposal> ours, wire::ChildSpi spi,
                                 bool with_key_exchange);

// A choice out of the peer's offer, with the one proposal that answers it.
struct ChosenIke {
    crypto::IkeSuite suite;
    Bytes peer_spi; // empty in IKE_SA_INIT
    wire::Proposal answer;
};
struct ChosenEsp {
    crypto::EspSuite suite;
    wire::ChildSpi peer_spi = 0;
    wire::Proposal answer;
};

// The group of the first proposal that has one, for the first try of a KE payload; none without.
[[nodiscard]] std::optional<crypto::KeId> first_group(std::span<const EspProposal> ours);
[[nodiscard]] bool offers_group(std::span<const EspProposal> ours, crypto::KeId group);

// The responder's side. Our order of preference decides, but for the key exchange group: where the peer's KE
// payload is of a group that is among both sides' groups, that one is taken (it saves a round trip). Errors:
// no_proposal_chosen, bad_spi_size, bad_proposal (a reserved SPI).
[[nodiscard]] std::expected<ChosenIke, Rule> choose_ike(std::span<const IkeProposal> ours,
                                                        const wire::Sa& offered, std::uint16_t peer_group,
                                                        View our_spi);
[[nodiscard]] std::expected<ChosenEsp, Rule> choose_esp(std::span<const EspProposal> ours,
                                                        const wire::Sa& offered, wire::ChildSpi our_spi,
                                                        bool with_key_exchange, std::uint16_t peer_group = 0);

// The initiator's side: the answer must be one proposal, with one transform of each type, out of what we
// offered. Errors: chosen_not_offered, bad_spi_size, bad_proposal.
[[nodiscard]] std::expected<ChosenIke, Rule> accept_ike(std::span<const IkeProposal> ours,
                                                        const wire::Sa& answered);
[[nodiscard]] std::expected<ChosenEsp, Rule> accept_esp(std::span<const EspProposal> ours,
                                                        const wire::Sa& answered, bool with_key_exchange);

} // namespace sheaf::child

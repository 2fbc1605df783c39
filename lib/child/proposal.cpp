#include "lib/child/proposal.h"

#include <algorithm>
#include <array>

namespace sheaf::child {
namespace {

using crypto::EncrId;
using crypto::Encryption;
using crypto::IntegId;
using crypto::KeId;
using crypto::PrfId;
using wire::Transform;
using wire::TransformType;

constexpr wire::ChildSpi kFirstUsableSpi = 256; // RFC 4303 2.1: those below are reserved

Transform transform(TransformType type, std::uint16_t id) { return {type, id, std::nullopt, false}; }

Transform transform(const Encryption& encryption) {
    Transform t = transform(TransformType::encr, static_cast<std::uint16_t>(encryption.id));
    if (encryption.key_bits != 0) t.key_bits = encryption.key_bits;
    return t;
}

template <typename Id>
void append_all(std::vector<Transform>& to, TransformType type, const std::vector<Id>& ids) {
    for (const Id id : ids)
        to.push_back(transform(type, static_cast<std::uint16_t>(id)));
}

bool offers(const wire::Proposal& proposal, const Transform& wanted) {
    return std::ranges::find(proposal.transforms, wanted) != proposal.transforms.end();
}

bool has_type(const wire::Proposal& proposal, TransformType type) {
    return std::ranges::any_of(proposal.transforms, [type](const Transform& t) { return t.type == type; });
}

template <typename Id>
std::optional<Id> first_offered(const wire::Proposal& proposal, TransformType type,
                                const std::vector<Id>& ours) {
    for (const Id id : ours) {
        if (offers(proposal, transform(type, static_cast<std::uint16_t>(id)))) return id;
    }
    return std::nullopt;
}

std::optional<Encryption> first_cipher(const wire::Proposal& proposal, const std::vector<Encryption>& ours) {
    for (const Encryption& e : ours) {
        if (offers(proposal, transform(e))) return e;
    }
    return std::nullopt;
}

// RFC 5282 8: with an AEAD the integrity transform is absent, or NONE.
std::optional<IntegId> choose_integrity(const wire::Proposal& proposal, const std::vector<IntegId>& ours,
                                        EncrId cipher) {
    if (!crypto::is_aead(cipher)) return first_offered(proposal, TransformType::integ, ours);
    const bool acceptable =
        !has_type(proposal, TransformType::integ) || offers(proposal, transform(TransformType::integ, 0));
    return acceptable ? std::optional(IntegId::none) : std::nullopt;
}

// RFC 7296 3.3.6: a proposal with a transform type that we do not know is not acceptable as a whole.
bool knows_all_types(const wire::Proposal& proposal, std::initializer_list<TransformType> known) {
    return std::ranges::all_of(proposal.transforms, [&](const Transform& t) {
        return std::ranges::find(known, t.type) != known.end();
    });
}

std::optional<KeId> choose_group(const wire::Proposal& proposal, const std::vector<KeId>& ours,
                                 std::uint16_t peer_group) {
    const auto preferred = static_cast<KeId>(peer_group);
    if (std::ranges::find(ours, preferred) != ours.end() &&
        offers(proposal, transform(TransformType::ke, peer_group)))
        return preferred;
    return first_offered(proposal, TransformType::ke, ours);
}

wire::Proposal answer_for(const wire::Proposal& offered, View spi) {
    wire::Proposal answer;
    answer.number = offered.number;
    answer.protocol = offered.protocol;
    answer.spi.assign(spi.begin(), spi.end());
    return answer;
}

std::optional<ChosenIke> match_ike(const IkeProposal& ours, const wire::Proposal& offered,
                                   std::uint16_t peer_group) {
    if (offered.protocol != wire::Protocol::ike ||
        !knows_all_types(offered,
                         {TransformType::encr, TransformType::prf, TransformType::integ, TransformType::ke}))
        return std::nullopt;
    const auto cipher = first_cipher(offered, ours.encryption);
    if (!cipher) return std::nullopt;
    const auto integrity = choose_integrity(offered, ours.integrity, cipher->id);
    const auto prf = first_offered(offered, TransformType::prf, ours.prf);
    const auto group = choose_group(offered, ours.key_exchange, peer_group);
    if (!integrity || !prf || !group) return std::nullopt;
    return ChosenIke{{cipher->id, cipher->key_bits, *integrity, *prf, *group}, offered.spi, {}};
}

// RFC 7296 3.3.6: a fresh key exchange is needed unless both sides can do without: we by naming no group, or
// "none" among them, the peer by offering NONE or no group at all. None: nothing fits.
std::optional<KeId> choose_child_group(const EspProposal& ours, const wire::Proposal& offered,
                                       std::uint16_t peer_group) {
    const auto& groups = ours.key_exchange;
    const bool we_may_lack = groups.empty() || std::ranges::find(groups, KeId::none) != groups.end();
    const bool peer_may_lack =
        !has_type(offered, TransformType::ke) || offers(offered, transform(TransformType::ke, 0));
    if (peer_group == 0 && we_may_lack && peer_may_lack) return KeId::none;
    std::vector<KeId> real = groups;
    std::erase(real, KeId::none);
    if (const auto group = choose_group(offered, real, peer_group)) return group;
    return we_may_lack && peer_may_lack ? std::optional(KeId::none) : std::nullopt;
}

std::optional<ChosenEsp> match_esp(const EspProposal& ours, const wire::Proposal& offered,
                                   bool with_key_exchange, std::uint16_t peer_group) {
    if (offered.protocol != wire::Protocol::esp ||
        !knows_all_types(offered,
                         {TransformType::encr, TransformType::integ, TransformType::ke, TransformType::sn}))
        return std::nullopt;
    const auto cipher = first_cipher(offered, ours.encryption);
    if (!cipher) return std::nullopt;
    const auto integrity = choose_integrity(offered, ours.integrity, cipher->id);
    // RFC 7296 3.3.3: the transform for sequence numbers is mandatory for ESP.
    const auto numbers = first_offered(offered, TransformType::sn, ours.sequence_numbers);
    if (!integrity || !numbers) return std::nullopt;
    std::optional<KeId> group;
    if (with_key_exchange) {
        const auto choice = choose_child_group(ours, offered, peer_group);
        if (!choice) return std::nullopt;
        if (*choice != KeId::none) group = *choice;
    }
    return ChosenEsp{
        {cipher->id, cipher->key_bits, *integrity, group, *numbers == crypto::EsnId::esn}, 0, {}};
}

std::vector<Transform> transforms_of(const crypto::IkeSuite& suite) {
    std::vector<Transform> out{transform(Encryption{suite.encr, suite.key_bits})};
    if (suite.integ != IntegId::none)
        out.push_back(transform(TransformType::integ, static_cast<std::uint16_t>(suite.integ)));
    out.push_back(transform(TransformType::prf, static_cast<std::uint16_t>(suite.prf)));
    out.push_back(transform(TransformType::ke, static_cast<std::uint16_t>(suite.ke)));
    return out;
}

std::vector<Transform> transforms_of(const crypto::EspSuite& suite) {
    std::vector<Transform> out{transform(Encryption{suite.encr, suite.key_bits})};
    if (suite.integ != IntegId::none)
        out.push_back(transform(TransformType::integ, static_cast<std::uint16_t>(suite.integ)));
    if (suite.ke) out.push_back(transform(TransformType::ke, static_cast<std::uint16_t>(*suite.ke)));
    out.push_back(transform(TransformType::sn, suite.esn ? 1 : 0));
    return out;
}

Bytes spi_bytes(wire::ChildSpi spi) {
    return {static_cast<std::uint8_t>(spi >> 24), static_cast<std::uint8_t>(spi >> 16),
            static_cast<std::uint8_t>(spi >> 8), static_cast<std::uint8_t>(spi)};
}

std::optional<wire::ChildSpi> read_spi(View bytes) {
    if (bytes.size() != 4) return std::nullopt;
    wire::ChildSpi spi = 0;
    for (const std::uint8_t octet : bytes)
        spi = spi << 8 | octet;
    return spi;
}

// The proposal of ours that an answer says it took: the answer is one proposal, keeps the number that we gave
// it, and names each transform type at most once (RFC 7296 3.3).
template <typename Proposal>
std::span<const Proposal> answered_by(std::span<const Proposal> ours, const wire::Sa& answered) {
    if (answered.proposals.size() != 1) return {};
    const wire::Proposal& answer = answered.proposals.front();
    if (answer.number == 0 || answer.number > ours.size()) return {};
    for (auto t = answer.transforms.begin(); t != answer.transforms.end(); ++t) {
        if (std::any_of(t + 1, answer.transforms.end(),
                        [&](const Transform& other) { return other.type == t->type; }))
            return {};
    }
    return ours.subspan(answer.number - 1U, 1);
}

} // namespace

std::vector<IkeProposal> default_ike_proposals() {
    const std::vector<PrfId> prf{PrfId::hmac_sha2_256, PrfId::hmac_sha2_384, PrfId::hmac_sha2_512};
    const std::vector<KeId> groups{KeId::x25519,   KeId::ecp256,   KeId::ecp384,  KeId::ecp521,
                                   KeId::modp3072, KeId::modp4096, KeId::modp2048};
    return {
        {{{EncrId::aes_gcm_16, 256}, {EncrId::aes_gcm_16, 128}, {EncrId::chacha20_poly1305, 0}},
         {},
         prf,
         groups},
        {{{EncrId::aes_cbc, 256}, {EncrId::aes_cbc, 128}},
         {IntegId::hmac_sha2_256_128, IntegId::hmac_sha2_384_192, IntegId::hmac_sha2_512_256},
         prf,
         groups},
    };
}

std::vector<EspProposal> default_esp_proposals() {
    // A fresh key exchange at each rekeying where the peer can, and 64 bits of sequence numbers.
    const std::vector<KeId> groups{KeId::x25519,   KeId::ecp256,   KeId::ecp384,   KeId::ecp521,
                                   KeId::modp3072, KeId::modp4096, KeId::modp2048, KeId::none};
    const std::vector<crypto::EsnId> numbers{crypto::EsnId::esn, crypto::EsnId::none};
    return {
        {{{EncrId::aes_gcm_16, 256}, {EncrId::aes_gcm_16, 128}, {EncrId::chacha20_poly1305, 0}},
         {},
         groups,
         numbers},
        {{{EncrId::aes_cbc, 256}, {EncrId::aes_cbc, 128}},
         {IntegId::hmac_sha2_256_128, IntegId::hmac_sha2_384_192, IntegId::hmac_sha2_512_256},
         groups,
         numbers},
    };
}

wire::Sa offer_ike(std::span<const IkeProposal> ours, View spi) {
    wire::Sa sa;
    for (const IkeProposal& p : ours) {
        wire::Proposal& out = sa.proposals.emplace_back();
        out.number = static_cast<std::uint8_t>(sa.proposals.size());
        out.protocol = wire::Protocol::ike;
        out.spi.assign(spi.begin(), spi.end());
        for (const Encryption& e : p.encryption)
            out.transforms.push_back(transform(e));
        append_all(out.transforms, TransformType::integ, p.integrity);
        append_all(out.transforms, TransformType::prf, p.prf);
        append_all(out.transforms, TransformType::ke, p.key_exchange);
    }
    return sa;
}

wire::Sa offer_esp(std::span<const EspProposal> ours, wire::ChildSpi spi, bool with_key_exchange) {
    wire::Sa sa;
    for (const EspProposal& p : ours) {
        wire::Proposal& out = sa.proposals.emplace_back();
        out.number = static_cast<std::uint8_t>(sa.proposals.size());
        out.protocol = wire::Protocol::esp;
        out.spi = spi_bytes(spi);
        for (const Encryption& e : p.encryption)
            out.transforms.push_back(transform(e));
        append_all(out.transforms, TransformType::integ, p.integrity);
        if (with_key_exchange) append_all(out.transforms, TransformType::ke, p.key_exchange);
        append_all(out.transforms, TransformType::sn, p.sequence_numbers);
    }
    return sa;
}

std::optional<KeId> first_group(std::span<const EspProposal> ours) {
    for (const EspProposal& p : ours) {
        for (const KeId group : p.key_exchange) {
            if (group != KeId::none) return group;
        }
    }
    return std::nullopt;
}

bool offers_group(std::span<const EspProposal> ours, KeId group) {
    return group != KeId::none && std::ranges::any_of(ours, [group](const EspProposal& p) {
               return std::ranges::find(p.key_exchange, group) != p.key_exchange.end();
           });
}

std::expected<ChosenIke, Rule> choose_ike(std::span<const IkeProposal> ours, const wire::Sa& offered,
                                          std::uint16_t peer_group, View our_spi) {
    for (const IkeProposal& mine : ours) {
        for (const wire::Proposal& theirs : offered.proposals) {
            auto chosen = match_ike(mine, theirs, peer_group);
            if (!chosen) continue;
            chosen->answer = answer_for(theirs, our_spi);
            chosen->answer.transforms = transforms_of(chosen->suite);
            return *std::move(chosen);
        }
    }
    return std::unexpected(Rule::no_proposal_chosen);
}

std::expected<ChosenEsp, Rule> choose_esp(std::span<const EspProposal> ours, const wire::Sa& offered,
                                          wire::ChildSpi our_spi, bool with_key_exchange,
                                          std::uint16_t peer_group) {
    for (const EspProposal& mine : ours) {
        for (const wire::Proposal& theirs : offered.proposals) {
            auto chosen = match_esp(mine, theirs, with_key_exchange, peer_group);
            if (!chosen) continue;
            const auto spi = read_spi(theirs.spi);
            if (!spi) return std::unexpected(Rule::bad_spi_size);
            if (*spi < kFirstUsableSpi) return std::unexpected(Rule::bad_proposal);
            chosen->peer_spi = *spi;
            chosen->answer = answer_for(theirs, spi_bytes(our_spi));
            chosen->answer.transforms = transforms_of(chosen->suite);
            return *std::move(chosen);
        }
    }
    return std::unexpected(Rule::no_proposal_chosen);
}

std::expected<ChosenIke, Rule> accept_ike(std::span<const IkeProposal> ours, const wire::Sa& answered) {
    auto chosen = choose_ike(answered_by(ours, answered), answered, 0, {});
    if (!chosen) return std::unexpected(Rule::chosen_not_offered);
    return chosen;
}

std::expected<ChosenEsp, Rule> accept_esp(std::span<const EspProposal> ours, const wire::Sa& answered,
                                          bool with_key_exchange) {
    auto chosen = choose_esp(answered_by(ours, answered), answered, 0, with_key_exchange);
    if (!chosen && chosen.error() == Rule::no_proposal_chosen)
        return std::unexpected(Rule::chosen_not_offered);
    return chosen;
}

} // namespace sheaf::child

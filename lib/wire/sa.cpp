#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>

// RFC 7296 3.3: the SA payload, proposals that hold transforms that hold attributes. The octet that marks the
// last substructure is redundant (RFC 7296 3.3.1) and ignored: lengths and counts decide.
namespace sheaf::wire {
namespace {

constexpr std::size_t kProposalHeader = 8;
constexpr std::size_t kTransformHeader = 8;
constexpr std::uint16_t kFixedSizeFlag = 0x8000; // the attribute is a type and a two-octet value
constexpr std::uint16_t kKeyLength = 14;         // RFC 7296 3.3.5
constexpr std::uint8_t kMoreProposals = 2;
constexpr std::uint8_t kMoreTransforms = 3;

// The SPI of an IKE SA is absent in the initial exchange. Other protocols than ours are kept: such a proposal
// is unacceptable, but its neighbours count (RFC 7296 3.3.6).
bool proposal_spi_fits(Protocol protocol, std::size_t size) {
    switch (protocol) {
    case Protocol::ike: return size == 0 || size == 8;
    case Protocol::ah:
    case Protocol::esp: return size == 4;
    default: return true;
    }
}

std::expected<void, Rule> parse_attributes(Reader in, Transform& transform) {
    std::size_t count = 0;
    while (!in.at_end()) {
        if (++count > kMaxTransformAttributes) return std::unexpected(Rule::too_many_attributes);
        const std::uint16_t type = in.u16();
        const std::uint16_t value = in.u16();
        const bool fixed = (type & kFixedSizeFlag) != 0;
        if (!fixed) in.skip(value);
        if (!in.ok()) return std::unexpected(Rule::bad_proposal);
        // RFC 7296 3.3.5: a key length is never in the variable form. Two of them say nothing either.
        if (fixed && (type & ~kFixedSizeFlag) == kKeyLength && !transform.key_bits)
            transform.key_bits = value;
        else
            transform.unknown_attribute = true;
    }
    return {};
}

std::expected<Transform, Rule> parse_transform(Reader& in) {
    in.skip(2);
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < kTransformHeader) return std::unexpected(Rule::bad_proposal);
    Reader inner(in.bytes(length - 4U));
    if (!in.ok()) return std::unexpected(Rule::bad_proposal);

    Transform transform;
    transform.type = TransformType{inner.u8()};
    inner.skip(1);
    transform.id = inner.u16();
    if (const auto attributes = parse_attributes(inner, transform); !attributes)
        return std::unexpected(attributes.error());
    return transform;
}

std::expected<Proposal, Rule> parse_proposal(Reader& in) {
    in.skip(2);
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < kProposalHeader) return std::unexpected(Rule::bad_proposal);
    Reader inner(in.bytes(length - 4U));
    if (!in.ok()) return std::unexpected(Rule::bad_proposal);

    Proposal proposal;
    proposal.number = inner.u8();
    proposal.protocol = Protocol{inner.u8()};
    const std::size_t spi_size = inner.u8();
    const std::size_t count = inner.u8();
    if (!proposal_spi_fits(proposal.protocol, spi_size)) return std::unexpected(Rule::bad_spi_size);
    proposal.spi = to_bytes(inner.bytes(spi_size));
    if (!inner.ok() || count == 0) return std::unexpected(Rule::bad_proposal);
    if (count > kMaxTransforms) return std::unexpected(Rule::too_many_transforms);

    proposal.transforms.reserve(std::min(count, inner.left() / kTransformHeader));
    for (std::size_t i = 0; i < count; ++i) {
        auto transform = parse_transform(inner);
        if (!transform) return std::unexpected(transform.error());
        proposal.transforms.push_back(*transform);
    }
    if (!inner.at_end()) return std::unexpected(Rule::bad_proposal);
    return proposal;
}

void encode_transform(const Transform& transform, bool last, Bytes& to) {
    const std::size_t start = to.size();
    put_u8(to, last ? 0 : kMoreTransforms);
    put_u8(to, 0);
    LengthField length(to, start);
    put_u8(to, static_cast<std::uint8_t>(transform.type));
    put_u8(to, 0);
    put_u16(to, transform.id);
    if (transform.key_bits) {
        put_u16(to, kFixedSizeFlag | kKeyLength);
        put_u16(to, *transform.key_bits);
    }
    length.close();
}

void encode_proposal(const Proposal& proposal, bool last, Bytes& to) {
    const std::size_t start = to.size();
    put_u8(to, last ? 0 : kMoreProposals);
    put_u8(to, 0);
    LengthField length(to, start);
    put_u8(to, proposal.number);
    put_u8(to, static_cast<std::uint8_t>(proposal.protocol));
    put_u8(to, static_cast<std::uint8_t>(proposal.spi.size()));
    put_u8(to, static_cast<std::uint8_t>(proposal.transforms.size()));
    append(to, proposal.spi);
    for (const Transform& transform : proposal.transforms)
        encode_transform(transform, &transform == &proposal.transforms.back(), to);
    length.close();
}

} // namespace

std::expected<Sa, Rule> parse_sa(View body) {
    Reader in(body);
    Sa sa;
    while (!in.at_end()) {
        if (sa.proposals.size() == kMaxProposals) return std::unexpected(Rule::too_many_proposals);
        auto proposal = parse_proposal(in);
        if (!proposal) return std::unexpected(proposal.error());
        // RFC 7296 3.3.1: each number is one more than the one before. The first is 1 in an offer, and in an
        // answer the number of the chosen proposal.
        const bool follows =
            sa.proposals.empty() ? proposal->number != 0 : proposal->number == sa.proposals.back().number + 1;
        if (!follows) return std::unexpected(Rule::bad_proposal);
        sa.proposals.push_back(std::move(*proposal));
    }
    if (sa.proposals.empty()) return std::unexpected(Rule::bad_proposal);
    return sa;
}

void encode_body(const Sa& sa, Bytes& to) {
    for (const Proposal& proposal : sa.proposals)
        encode_proposal(proposal, &proposal == &sa.proposals.back(), to);
}

} // namespace sheaf::wire

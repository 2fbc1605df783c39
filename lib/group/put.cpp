#include "lib/group/put.h"

#include "lib/crypto/suite.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>
#include <optional>
#include <utility>

// The notification's data look like one proposal of an SA payload (RFC 7296 3.3), whose transforms carry
// values as well as choices.
namespace sheaf::group {
namespace {

using wire::Reader;

enum class Kind : std::uint8_t { encr = 1, prf = 2, integ = 3, nonce = 241, sk_d, life, roll1, roll2 };

constexpr std::uint16_t kValueId = 1; // the transform ID of everything from nonce on
constexpr std::uint8_t kMoreTransforms = 3;
constexpr std::size_t kProposalHeader = 8;
constexpr std::size_t kTransformHeader = 8;
constexpr std::uint16_t kFixedSizeFlag = 0x8000;
constexpr std::uint16_t kKeyLength = 14; // RFC 7296 3.3.5
constexpr std::uint16_t kFirstValue = 16384;
constexpr std::uint16_t kLifeValue = 16386; // by a figure of the draft that of rollover times as well

constexpr bool is_choice(Kind kind) { return kind == Kind::encr || kind == Kind::prf || kind == Kind::integ; }
constexpr bool is_value(Kind kind) { return kind >= Kind::nonce && kind <= Kind::roll2; }
constexpr bool is_rollover(Kind kind) { return kind == Kind::roll1 || kind == Kind::roll2; }
constexpr std::uint16_t attribute_of(Kind kind) {
    return static_cast<std::uint16_t>(kFirstValue + static_cast<unsigned>(kind) -
                                      static_cast<unsigned>(Kind::nonce));
}

struct Transform {
    Kind kind{};
    std::uint16_t id = 0;
    std::optional<std::uint16_t> key_bits;
    std::optional<View> value;
    bool unknown = false; // holds something that we do not understand, which makes it unacceptable
};

// The transforms of one PUT; at most one of each kind that we know.
struct Transforms {
    std::array<std::optional<Transform>, 8> known;
    bool unknown = false;

    [[nodiscard]] std::optional<Transform>& at(Kind kind) {
        return known[is_choice(kind) ? static_cast<std::size_t>(kind) - 1
                                     : static_cast<std::size_t>(kind) - 241 + 3];
    }
};

std::expected<void, Breach> read_attributes(Reader in, Transform& transform) {
    std::size_t count = 0;
    while (!in.at_end()) {
        if (++count > wire::kMaxTransformAttributes) return std::unexpected(Breach::bad_structure);
        const std::uint16_t type = in.u16();
        const std::uint16_t size_or_value = in.u16();
        const bool fixed = (type & kFixedSizeFlag) != 0;
        const View value = fixed ? View() : in.bytes(size_or_value);
        if (!in.ok()) return std::unexpected(Breach::bad_structure);

        const bool expected =
            is_value(transform.kind) && !fixed &&
            (type == attribute_of(transform.kind) || (is_rollover(transform.kind) && type == kLifeValue));
        if (expected) {
            if (transform.value) return std::unexpected(Breach::duplicate_transform);
            transform.value = value;
        } else if (transform.kind == Kind::encr && type == (kFixedSizeFlag | kKeyLength) &&
                   !transform.key_bits) {
            transform.key_bits = size_or_value;
        } else {
            transform.unknown = true;
        }
    }
    return {};
}

std::expected<Transform, Breach> read_transform(Reader& in) {
    in.skip(2); // RFC 7296 3.3.2: whether it is the last; the count tells, and the draft's figure errs
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < kTransformHeader) return std::unexpected(Breach::bad_structure);
    Reader inner(in.bytes(length - 4U));
    if (!in.ok()) return std::unexpected(Breach::bad_structure);
    Transform transform;
    transform.kind = Kind{inner.u8()};
    inner.skip(1);
    transform.id = inner.u16();
    if (const auto read = read_attributes(inner, transform); !read) return std::unexpected(read.error());
    return transform;
}

std::expected<Transforms, Breach> read_transforms(Reader& in, std::size_t count) {
    if (count > kMaxPutTransforms) return std::unexpected(Breach::bad_structure);
    Transforms all;
    for (std::size_t i = 0; i < count; ++i) {
        const auto transform = read_transform(in);
        if (!transform) return std::unexpected(transform.error());
        const bool ours = is_choice(transform->kind) || is_value(transform->kind);
        if (!ours || transform->unknown || (is_value(transform->kind) && transform->id != kValueId))
            all.unknown = true;
        if (!ours) continue;
        auto& slot = all.at(transform->kind);
        if (slot) return std::unexpected(Breach::duplicate_transform);
        slot = *transform;
    }
    if (!in.at_end()) return std::unexpected(Breach::bad_structure);
    return all;
}

// The head of the proposal and what is in it; `spi` is the notification's.
std::expected<Transforms, Breach> read_proposal(View data, View spi) {
    Reader in(data);
    in.skip(2);
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < kProposalHeader || length > data.size())
        return std::unexpected(Breach::bad_structure);
    if (length < data.size()) return std::unexpected(Breach::several_proposals);
    const std::uint8_t number = in.u8();
    const wire::Protocol protocol{in.u8()};
    const std::size_t spi_size = in.u8();
    const std::size_t count = in.u8();
    const View inner_spi = in.bytes(spi_size);
    if (!in.ok()) return std::unexpected(Breach::bad_structure);
    if (number != 1) return std::unexpected(Breach::several_proposals);
    if (protocol != wire::Protocol::esp) return std::unexpected(Breach::wrong_protocol);
    if (!equal(inner_spi, spi)) return std::unexpected(Breach::spi_mismatch);
    return read_transforms(in, count);
}

std::expected<std::chrono::seconds, Breach> read_time(const std::optional<Transform>& transform) {
    if (!transform) return std::chrono::seconds(0);
    if (!transform->value || transform->value->size() != 4) return std::unexpected(Breach::bad_value);
    return std::chrono::seconds(Reader(*transform->value).u32());
}

// The values, whatever the choices are.
std::expected<void, Breach> read_values(Transforms& all, Put& put) {
    const auto life = read_time(all.at(Kind::life));
    const auto roll1 = read_time(all.at(Kind::roll1));
    const auto roll2 = read_time(all.at(Kind::roll2));
    for (const auto* time : {&life, &roll1, &roll2})
        if (!*time) return std::unexpected(time->error());
    if (life->count() == 0) return std::unexpected(Breach::zero_lifetime);
    put.life = *life;
    put.rollover1 = *roll1;
    put.rollover2 = *roll2;

    const auto& nonce = all.at(Kind::nonce)->value;
    const auto& sk_d = all.at(Kind::sk_d)->value;
    if (!nonce || !sk_d) return std::unexpected(Breach::bad_value);
    if (nonce->size() < wire::kMinNonce || nonce->size() > wire::kMaxNonce)
        return std::unexpected(Breach::bad_nonce);
    put.sa.nonce = wire::to_bytes(*nonce);
    put.sa.sk_d = Secret::copy_of(*sk_d);
    return {};
}

std::expected<void, Breach> read_choices(Transforms& all, Suite& suite, const Acceptance& acceptance) {
    const Transform& encr = *all.at(Kind::encr);
    suite.encr = {crypto::EncrId{encr.id}, encr.key_bits.value_or(0)};
    suite.prf = crypto::PrfId{all.at(Kind::prf)->id};
    // With a cipher that needs none it may be absent; check() refuses the cipher then, and tells why.
    if (!all.at(Kind::integ) && !is_counter_mode(suite.encr.id))
        return std::unexpected(Breach::missing_transform);
    suite.integ = all.at(Kind::integ) ? crypto::IntegId{all.at(Kind::integ)->id} : crypto::IntegId::none;
    if (all.unknown && !is_counter_mode(suite.encr.id)) return std::unexpected(Breach::unknown_transform);
    return check(suite, acceptance);
}

void put_choice(Bytes& to, Kind kind, std::uint16_t id, std::uint16_t key_bits) {
    const std::size_t start = to.size();
    wire::put_u8(to, kMoreTransforms);
    wire::put_u8(to, 0);
    wire::LengthField length(to, start);
    wire::put_u8(to, static_cast<std::uint8_t>(kind));
    wire::put_u8(to, 0);
    wire::put_u16(to, id);
    if (key_bits != 0) {
        wire::put_u16(to, kFixedSizeFlag | kKeyLength);
        wire::put_u16(to, key_bits);
    }
    length.close();
}

void put_value(Bytes& to, Kind kind, View value, bool last = false) {
    const std::size_t start = to.size();
    wire::put_u8(to, last ? 0 : kMoreTransforms);
    wire::put_u8(to, 0);
    wire::LengthField length(to, start);
    wire::put_u8(to, static_cast<std::uint8_t>(kind));
    wire::put_u8(to, 0);
    wire::put_u16(to, kValueId);
    wire::put_u16(to, attribute_of(kind));
    wire::put_u16(to, static_cast<std::uint16_t>(value.size()));
    append(to, value);
    length.close();
}

void put_time(Bytes& to, Kind kind, std::chrono::seconds time, bool last = false) {
    Bytes value;
    wire::put_u32(value, static_cast<std::uint32_t>(time.count()));
    put_value(to, kind, value, last);
}

} // namespace

wire::VendorId vendor_id() { return {Bytes(kVendorId.begin(), kVendorId.end())}; }

bool is_vendor_id(const wire::VendorId& payload) { return equal(payload.data, kVendorId); }

std::expected<Put, Breach> read_put(const wire::Notify& notify, const Acceptance& acceptance) {
    if (notify.spi.size() != 4) return std::unexpected(Breach::spi_mismatch);
    if (notify.protocol != wire::Protocol::esp) return std::unexpected(Breach::wrong_protocol);
    auto all = read_proposal(notify.data, notify.spi);
    if (!all) return std::unexpected(all.error());
    for (const Kind kind : {Kind::encr, Kind::prf, Kind::nonce, Kind::sk_d, Kind::life})
        if (!all->at(kind)) return std::unexpected(Breach::missing_transform);

    Put put;
    put.sa.spi = Reader(notify.spi).u32();
    if (put.sa.spi < kFirstFreeSpi) return std::unexpected(Breach::reserved_spi);
    if (const auto read = read_values(*all, put); !read) return std::unexpected(read.error());
    if (const auto read = read_choices(*all, put.sa.suite, acceptance); !read)
        return std::unexpected(read.error());
    // RFC 7296 2.10: a nonce has half of the PRF's key length at least.
    const std::size_t prf_key = prf_length(put.sa.suite.prf);
    if (2 * put.sa.nonce.size() < prf_key) return std::unexpected(Breach::bad_nonce);
    if (put.sa.sk_d.size() != prf_key) return std::unexpected(Breach::bad_sk_d);
    return put;
}

wire::Notify write_put(const Put& put) {
    wire::Notify notify{wire::Protocol::esp, {}, kMpsaPut, {}};
    wire::put_u32(notify.spi, put.sa.spi);
    Bytes& to = notify.data;
    to.reserve(256); // SK_d is not left behind where the vector grew
    wire::put_u16(to, 0);
    wire::LengthField length(to, 0);
    wire::put_u8(to, 1);
    wire::put_u8(to, static_cast<std::uint8_t>(wire::Protocol::esp));
    wire::put_u8(to, 4);
    wire::put_u8(to, 8);
    append(to, notify.spi);
    const Suite& suite = put.sa.suite;
    put_choice(to, Kind::encr, static_cast<std::uint16_t>(suite.encr.id), suite.encr.key_bits);
    put_choice(to, Kind::prf, static_cast<std::uint16_t>(suite.prf), 0);
    put_choice(to, Kind::integ, static_cast<std::uint16_t>(suite.integ), 0);
    put_value(to, Kind::nonce, put.sa.nonce);
    put_value(to, Kind::sk_d, put.sa.sk_d.view());
    put_time(to, Kind::life, put.life);
    put_time(to, Kind::roll1, put.rollover1);
    put_time(to, Kind::roll2, put.rollover2, true);
    length.close();
    return notify;
}

} // namespace sheaf::group

#include "lib/group/record.h"

#include "lib/crypto/suite.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::group {
namespace {

constexpr std::uint32_t kFormat = 0x53474b01; // "SGK", first format
constexpr std::uint8_t kRekeyWanted = 1;
constexpr std::uint8_t kHasOld = 2;

void put_time(Bytes& to, WallTime time) {
    wire::put_u64(to, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

void put_octets(Bytes& to, View octets) {
    wire::put_u16(to, static_cast<std::uint16_t>(octets.size()));
    append(to, octets);
}

void put_sa(Bytes& to, const RecordedSa& recorded) {
    wire::put_u64(to, recorded.generation);
    wire::put_u32(to, recorded.sa.spi);
    wire::put_u16(to, static_cast<std::uint16_t>(recorded.sa.suite.encr.id));
    wire::put_u16(to, recorded.sa.suite.encr.key_bits);
    wire::put_u16(to, static_cast<std::uint16_t>(recorded.sa.suite.integ));
    wire::put_u16(to, static_cast<std::uint16_t>(recorded.sa.suite.prf));
    put_octets(to, recorded.sa.nonce);
    put_octets(to, recorded.sa.sk_d.view());
    for (const WallTime time : {recorded.begun, recorded.switch_at, recorded.remove_at, recorded.expires})
        put_time(to, time);
}

WallTime read_time(wire::Reader& in) {
    return WallTime(std::chrono::seconds(static_cast<std::int64_t>(in.u64())));
}

std::optional<RecordedSa> read_sa(wire::Reader& in) {
    RecordedSa out;
    out.generation = in.u64();
    out.sa.spi = in.u32();
    out.sa.suite.encr.id = crypto::EncrId{in.u16()};
    out.sa.suite.encr.key_bits = in.u16();
    out.sa.suite.integ = crypto::IntegId{in.u16()};
    out.sa.suite.prf = crypto::PrfId{in.u16()};
    out.sa.nonce = wire::to_bytes(in.bytes(in.u16()));
    out.sa.sk_d = Secret::copy_of(in.bytes(in.u16()));
    for (WallTime* time : {&out.begun, &out.switch_at, &out.remove_at, &out.expires})
        *time = read_time(in);
    const bool good = in.ok() && out.generation != 0 && out.sa.spi >= kFirstFreeSpi &&
                      check(out.sa.suite, {true}) && out.sa.nonce.size() == kSentNonce &&
                      out.sa.sk_d.size() == prf_length(out.sa.suite.prf);
    if (!good) return std::nullopt;
    return out;
}

} // namespace

Secret to_octets(const Record& record) {
    Bytes to;
    to.reserve(512); // keys are not left behind where the vector grew: a record has 350 octets at most
    wire::put_u32(to, kFormat);
    wire::put_u8(
        to, static_cast<std::uint8_t>((record.rekey_wanted ? kRekeyWanted : 0) | (record.old ? kHasOld : 0)));
    put_time(to, record.saved);
    put_sa(to, record.newest);
    if (record.old) put_sa(to, *record.old);
    Secret out = Secret::copy_of(to);
    wipe(to);
    return out;
}

std::optional<Record> record_from(View octets) {
    wire::Reader in(octets);
    if (in.u32() != kFormat) return std::nullopt;
    const std::uint8_t flags = in.u8();
    Record record;
    record.saved = read_time(in);
    record.rekey_wanted = (flags & kRekeyWanted) != 0;
    auto newest = read_sa(in);
    if (!newest) return std::nullopt;
    record.newest = std::move(*newest);
    if ((flags & kHasOld) != 0) {
        auto old = read_sa(in);
        if (!old || old->generation >= record.newest.generation) return std::nullopt;
        record.old = std::move(old);
    }
    if (!in.at_end() || flags > (kRekeyWanted | kHasOld)) return std::nullopt;
    return record;
}

} // namespace sheaf::group

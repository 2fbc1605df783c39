#include "lib/group/put.h"
#include "lib/wire/codec.h"
#include "test/support/hex.h"
#include "test/support/seeded_random.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace sheaf;
using namespace sheaf::group;
using namespace sheaf::test;
using crypto::EncrId;
using crypto::IntegId;
using crypto::PrfId;

namespace {

const Acceptance kAny{true};

Suite suite_of(const Vector& v) {
    const PrfId prf = crypto::prf_from_string(v.text("prf")).value();
    return {{EncrId::aes_cbc, 256},
            prf == PrfId::hmac_sha1 ? IntegId::hmac_sha1_96 : IntegId::hmac_sha2_256_128,
            prf};
}

Put some_put() {
    SeededRandom random(1);
    return {draw_sa(random, Suite{}, 0xf0000007), std::chrono::seconds(3000), std::chrono::seconds(60),
            std::chrono::seconds(120)};
}

// The parts of a proposal, to be put together again with something wrong.
struct Draft {
    std::uint8_t mark = 0;
    std::uint8_t number = 1;
    std::uint8_t protocol = 3;
    Bytes spi = from_hex("f0000007");
    std::vector<Bytes> transforms;
    int count_off = 0;
    Bytes after;

    Draft() {
        const Bytes data = write_put(some_put()).data;
        for (std::size_t at = 12; at < data.size();) {
            const std::size_t length = data[at + 2] * 256U + data[at + 3];
            const auto from = data.begin() + static_cast<std::ptrdiff_t>(at);
            transforms.emplace_back(from, from + static_cast<std::ptrdiff_t>(length));
            at += length;
        }
    }
    [[nodiscard]] Bytes octets() const {
        Bytes out{mark,
                  0,
                  0,
                  0,
                  number,
                  protocol,
                  static_cast<std::uint8_t>(spi.size()),
                  static_cast<std::uint8_t>(static_cast<int>(transforms.size()) + count_off)};
        append(out, spi);
        for (const Bytes& transform : transforms)
            append(out, transform);
        out[2] = static_cast<std::uint8_t>(out.size() >> 8);
        out[3] = static_cast<std::uint8_t>(out.size());
        append(out, after);
        return out;
    }
    Bytes& of_type(std::uint8_t type) {
        for (Bytes& transform : transforms)
            if (transform.at(4) == type) return transform;
        throw std::logic_error("no such transform");
    }
    void drop(std::uint8_t type) {
        std::erase_if(transforms, [type](const Bytes& t) { return t.at(4) == type; });
    }
    void replace(std::uint8_t type, const std::string& hex) { of_type(type) = from_hex(hex); }
};

std::string outcome(const Draft& draft, const Acceptance& acceptance = {}) {
    wire::Notify notify = write_put(some_put());
    notify.data = draft.octets();
    const auto read = read_put(notify, acceptance);
    return read ? "taken" : std::string(name(read.error()));
}

std::string outcome(const std::function<void(Draft&)>& change) {
    Draft draft;
    change(draft);
    return outcome(draft);
}

} // namespace

TEST_CASE("the worked example of MPSA_PUT, octet by octet") {
    const auto vectors = read_vectors("mpsa_put.txt");
    std::size_t messages = 0;
    for (const Vector& v : vectors) {
        CAPTURE(v.title);
        crypto::Backend backend;
        SharedSa sa{0xf0000001, suite_of(v), v.hex("nonce"), Secret::copy_of(v.hex("sk_d"))};
        const auto made = keys(backend, sa);
        CHECK(to_hex(made.encr.view()) == v.text("encr"));
        CHECK(to_hex(made.integ.view()) == v.text("integ"));
        if (!v.has("octets")) continue;
        ++messages;

        const auto payloads = wire::parse_payloads(wire::PayloadType::notify, v.hex("octets"));
        REQUIRE(payloads.has_value());
        const auto read = read_put(std::get<wire::Notify>(payloads->at(0)), kAny);
        REQUIRE(read.has_value());
        CHECK(same(read->sa, sa));
        CHECK(read->life.count() == static_cast<int>(v.number("life")));
        CHECK(read->rollover1.count() == static_cast<int>(v.number("rollover1")));
        CHECK(read->rollover2.count() == static_cast<int>(v.number("rollover2")));

        const wire::Payload again[] = {write_put(*read)};
        Bytes octets;
        wire::encode_payloads(again, octets);
        CHECK(to_hex(octets) == to_hex(vectors.front().hex("octets"))); // strict, however it came
    }
    CHECK(vectors.size() == 3);
    CHECK(messages == 2);
}

TEST_CASE("the Vendor ID is the draft's fourteen octets") {
    CHECK(to_hex(vendor_id().data) == "6d756c74692d706f696e74205341");
    CHECK(is_vendor_id(vendor_id()));
    CHECK_FALSE(is_vendor_id({from_hex("6d756c74692d706f696e7420534100")}));
    CHECK_FALSE(is_vendor_id({from_hex("6d756c74692d706f696e742053")}));
}

TEST_CASE("MPSA_PUT: what is sent is read alike, with every suite") {
    SeededRandom random(2);
    std::size_t count = 0;
    for (const std::uint16_t bits : std::initializer_list<std::uint16_t>{128, 192, 256})
        for (const auto prf :
             {PrfId::hmac_sha1, PrfId::hmac_sha2_256, PrfId::hmac_sha2_384, PrfId::hmac_sha2_512})
            for (const auto integ : {IntegId::hmac_sha1_96, IntegId::hmac_sha2_256_128,
                                     IntegId::hmac_sha2_384_192, IntegId::hmac_sha2_512_256}) {
                const Suite suite{{EncrId::aes_cbc, bits}, integ, prf};
                const Put put{draw_sa(random, suite, draw_spi(random, 0)), std::chrono::seconds(0xffffffff),
                              std::chrono::seconds(0), std::chrono::seconds(0xffffffff)};
                const auto read = read_put(write_put(put), kAny);
                REQUIRE(read.has_value());
                CHECK(same(read->sa, put.sa));
                CHECK(read->life == put.life);
                CHECK(read->rollover1 == put.rollover1);
                CHECK(read->rollover2 == put.rollover2);
                CHECK(put.sa.spi >= kFirstGroupSpi);
                ++count;
            }
    CHECK(count == 48);
}

TEST_CASE("MPSA_PUT: what the draft leaves open is tolerated") {
    CHECK(outcome(Draft()) == "taken");
    CHECK(outcome([](Draft& d) { d.mark = 2; }) == "taken");                  // nothing follows
    CHECK(outcome([](Draft& d) { d.transforms.back()[0] = 3; }) == "taken");  // as in the figure
    CHECK(outcome([](Draft& d) { d.transforms.front()[0] = 0; }) == "taken"); // the count decides
    CHECK(outcome([](Draft& d) { std::ranges::reverse(d.transforms); }) == "taken");
    CHECK(outcome([](Draft& d) { d.drop(244), d.drop(245); }) == "taken");
    CHECK(outcome([](Draft& d) { d.of_type(244)[9] = 2; }) == "taken"); // 16386
    CHECK(outcome([](Draft& d) { d.of_type(245)[9] = 2; }) == "taken");
    CHECK(outcome([](Draft& d) { d.transforms[2][1] = d.transforms[2][5] = 0xff; }) == "taken"); // reserved

    wire::Notify outside = write_put(some_put()); // a gateway that reserves no range
    outside.spi = from_hex("00000100");
    std::ranges::copy(outside.spi, outside.data.begin() + 8);
    CHECK(read_put(outside, {}).has_value());
}

TEST_CASE("MPSA_PUT: a time that is absent is zero") {
    Draft draft;
    draft.drop(244);
    wire::Notify notify = write_put(some_put());
    notify.data = draft.octets();
    const auto read = read_put(notify, {});
    REQUIRE(read.has_value());
    CHECK(read->rollover1.count() == 0);
    CHECK(read->rollover2.count() == 120);
}

TEST_CASE("MPSA_PUT: malformed ones are told by name") {
    CHECK(outcome([](Draft& d) { d.after = {0}; }) == "several_proposals");
    CHECK(outcome([](Draft& d) { d.number = 2; }) == "several_proposals");
    CHECK(outcome([](Draft& d) { d.protocol = 2; }) == "wrong_protocol");
    CHECK(outcome([](Draft& d) { d.spi = from_hex("f0000008"); }) == "spi_mismatch");
    CHECK(outcome([](Draft& d) { d.spi = from_hex("f000000700000000"); }) == "spi_mismatch");
    CHECK(outcome([](Draft& d) { d.count_off = -1; }) == "bad_structure");
    CHECK(outcome([](Draft& d) { d.count_off = 1; }) == "bad_structure");
    CHECK(outcome([](Draft& d) { d.transforms[0][3] = 7; }) == "bad_structure");
    CHECK(outcome([](Draft& d) { d.of_type(241)[11] = 33; }) == "bad_structure");
    CHECK(outcome([](Draft& d) { d.transforms.push_back(d.of_type(1)); }) == "duplicate_transform");
    CHECK(outcome([](Draft& d) { d.transforms.push_back(d.of_type(245)); }) == "duplicate_transform");
    for (const std::uint8_t type : Bytes{1, 2, 3, 241, 242, 243}) {
        CAPTURE(type);
        CHECK(outcome([&](Draft& d) { d.drop(type); }) == "missing_transform");
    }
    CHECK(outcome([](Draft& d) { d.replace(243, "03000010f30000014002000400000000"); }) == "zero_lifetime");
    CHECK(outcome([](Draft& d) { d.replace(243, "0300000ef300000140020002003c"); }) == "bad_value");
    CHECK(outcome([](Draft& d) { d.replace(243, "03000008f3000001"); }) == "bad_value");
    CHECK(outcome([](Draft& d) { d.replace(243, "0300000cf3000001c002003c"); }) == "bad_value"); // fixed form
    CHECK(outcome([](Draft& d) { d.replace(243, "03000010f3000001400300040000003c"); }) == "bad_value");
    CHECK(outcome([](Draft& d) { d.replace(244, "03000018f4000001400300040000003c400200040000003c"); }) ==
          "duplicate_transform");
    CHECK(outcome([](Draft& d) { d.replace(241, "0300001bf10000014000000f" + std::string(30, '4')); }) ==
          "bad_nonce");
    CHECK(outcome([](Draft& d) { d.replace(241, "0300010df100000140000101" + std::string(514, '4')); }) ==
          "bad_nonce");
    CHECK(outcome([](Draft& d) { d.replace(242, "0300002bf20000014001001f" + std::string(62, '4')); }) ==
          "bad_sk_d");
    CHECK(outcome([](Draft& d) { // 16 octets are too few for a PRF with a key of 64
              d.replace(2, "0300000802000007");
              d.replace(242, "0300004cf200000140010040" + std::string(128, '4'));
              d.replace(241, "0300001cf100000140000010" + std::string(32, '4'));
          }) == "bad_nonce");

    wire::Notify notify = write_put(some_put());
    notify.protocol = wire::Protocol::ah;
    CHECK(read_put(notify, {}).error() == Breach::wrong_protocol);
    notify.spi.clear();
    CHECK(read_put(notify, {}).error() == Breach::spi_mismatch);
    notify = write_put(some_put());
    notify.spi = from_hex("000000ff");
    std::ranges::copy(notify.spi, notify.data.begin() + 8);
    CHECK(read_put(notify, {}).error() == Breach::reserved_spi);
    CHECK(answer(Breach::reserved_spi) == wire::NotifyType::invalid_syntax);
    CHECK(rule(Breach::reserved_spi) == Rule::bad_notify);
}

TEST_CASE("MPSA_PUT: what is not supported is refused, counter modes with the reason") {
    for (const char* id :
         {"000d", "000e", "0010", "0012", "0014", "0015", "0018", "001c", "001d", "001e", "001f"}) {
        CAPTURE(id);
        CHECK(outcome([&](Draft& d) { d.replace(1, "0300000c0100" + std::string(id) + "800e0100"); }) ==
              "counter_mode");
        CHECK(outcome([&](Draft& d) { // as an AEAD comes: without integrity, and with a sender's number
                  d.replace(1, "0300000c0100" + std::string(id) + "800e0100");
                  d.drop(3);
                  d.transforms.push_back(from_hex("03000010f60000014005000400000001"));
              }) == "counter_mode");
    }
    CHECK(answer(Breach::counter_mode) == wire::NotifyType::no_proposal_chosen);
    CHECK(sentence(Breach::counter_mode).find("AES-CBC with HMAC") != std::string_view::npos);

    CHECK(outcome([](Draft& d) { d.replace(1, "0300000c01000003800e0100"); }) == "unsupported_cipher");
    CHECK(outcome([](Draft& d) { d.replace(1, "0300000c01000017800e0100"); }) == "unsupported_cipher");
    CHECK(outcome([](Draft& d) { d.replace(1, "0300000c0100000c800e0101"); }) == "unsupported_cipher");
    CHECK(outcome([](Draft& d) { d.replace(1, "030000080100000c"); }) ==
          "unsupported_cipher"); // no key length
    CHECK(outcome([](Draft& d) { d.replace(1, "030000100100000c800e0100800e0080"); }) == "unknown_transform");
    CHECK(outcome([](Draft& d) { d.replace(3, "0300000803000005"); }) == "unsupported_integrity");
    CHECK(outcome([](Draft& d) { d.replace(3, "0300000803000000"); }) == "unsupported_integrity");
    CHECK(outcome([](Draft& d) { d.replace(2, "0300000802000004"); }) == "unsupported_prf");
    CHECK(outcome([](Draft& d) { d.replace(3, "0300000803000002"); }) == "weak_algorithm");
    CHECK(outcome([](Draft& d) { d.transforms.push_back(from_hex("0000000805000000")); }) ==
          "unknown_transform");
    CHECK(outcome([](Draft& d) { d.transforms.push_back(from_hex("00000008fa000001")); }) ==
          "unknown_transform");
    CHECK(outcome([](Draft& d) { d.of_type(243)[7] = 2; }) == "unknown_transform");
    CHECK(outcome([](Draft& d) { d.replace(2, "0300000c02000005800e0100"); }) == "unknown_transform");
    CHECK(rule(Breach::weak_algorithm) == Rule::no_proposal_chosen);

    Draft weak;
    weak.replace(3, "0300000803000002");
    CHECK(outcome(weak, kAny) == "taken");
}

TEST_CASE("MPSA_PUT: no cut or changed octet does harm") {
    const wire::Notify whole = write_put(some_put());
    std::size_t refused = 0;
    for (std::size_t size = 0; size < whole.data.size(); ++size) {
        wire::Notify notify = whole;
        notify.data.resize(size);
        CHECK(read_put(notify, {}).error() == Breach::bad_structure);
    }
    for (std::size_t at = 0; at < whole.data.size(); ++at)
        for (unsigned bit = 0; bit < 8; ++bit) {
            wire::Notify notify = whole;
            notify.data[at] = static_cast<std::uint8_t>(notify.data[at] ^ 1U << bit);
            refused += !read_put(notify, {});
        }
    CHECK(refused > 300);
}

TEST_CASE("SPIs of group SAs move on through their own range") {
    SeededRandom random(3);
    wire::ChildSpi last = draw_spi(random, 0xffffffff);
    CHECK(last < kFirstGroupSpi + 256);
    for (int i = 0; i < 1000; ++i) {
        const auto next = draw_spi(random, last);
        REQUIRE(next > last);
        REQUIRE(next - last <= 256);
        last = next;
    }
}

// Messages that others made: they must be accepted, and written again octet by octet.
#include "lib/wire/cfg.h"
#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <sstream>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

using Fields = std::map<std::string, std::string>;

// "[name]" opens a vector, "key = value" adds to it, indented lines continue a value, "#" is a comment.
std::map<std::string, Fields> load(const std::string& file) {
    std::ifstream in(SHEAF_TEST_DATA "/vectors/" + file);
    REQUIRE(in.good());
    std::map<std::string, Fields> vectors;
    std::string name;
    std::string key;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        if (line[0] == '[') {
            name = line.substr(1, line.size() - 2);
        } else if (line[0] == ' ') {
            vectors[name][key] += line;
        } else {
            const auto equals = line.find(" =");
            key = line.substr(0, equals);
            vectors[name][key] = line.substr(equals + 2);
        }
    }
    return vectors;
}

PayloadType type_in(const std::string& number) {
    return PayloadType{static_cast<std::uint8_t>(std::stoi(number))};
}

std::string types_of(const std::vector<Payload>& payloads) {
    std::string out;
    for (const Payload& payload : payloads)
        out += (out.empty() ? "" : " ") + std::to_string(static_cast<unsigned>(type_of(payload)));
    return out;
}

void check_message(const Bytes& octets, const std::string& types) {
    const auto read = parse_message(octets);
    REQUIRE(broken_rule(read) == std::nullopt);
    if (!read->encrypted) {
        CHECK(" " + types_of(read->payloads) == types);
        CHECK(to_hex(encode_message(read->header, read->payloads)) == to_hex(octets));
        return;
    }
    const Encrypted& sk = *read->encrypted;
    CHECK(read->payloads.empty());
    CHECK(types == (sk.is_fragment ? " 53" : " 46"));
    const std::size_t size = sk.protected_data.size();
    Bytes again = sk.is_fragment
                      ? encode_fragment_prefix(read->header, sk.first_inner, sk.fragment, sk.fragments, size)
                      : encode_encrypted_prefix(read->header, sk.first_inner, size);
    append(again, sk.protected_data);
    CHECK(to_hex(again) == to_hex(octets));
}

void check_chain(const Bytes& octets, const Fields& fields) {
    const auto read = parse_payloads(type_in(fields.at("first")), octets);
    REQUIRE(broken_rule(read) == std::nullopt);
    CHECK(" " + types_of(*read) == fields.at("types"));
    Bytes again;
    CHECK(encode_payloads(*read, again) == type_in(fields.at("first")));
    CHECK(to_hex(again) == to_hex(octets));
}

void check_payload(const Bytes& octets, PayloadType type) {
    const auto read = parse_payload(type, octets);
    REQUIRE(broken_rule(read) == std::nullopt);
    CHECK_FALSE(std::holds_alternative<UnknownPayload>(*read));
    CHECK(to_hex(body_of(*read)) == to_hex(octets));
}

} // namespace

TEST_CASE("messages of other implementations are accepted and written again alike") {
    std::size_t count = 0;
    for (const char* file : {"wire-aosp.txt", "wire-captures.txt"}) {
        for (const auto& [name, fields] : load(file)) {
            CAPTURE(file, name);
            const Bytes octets = from_hex(fields.at("octets"));
            const std::string& kind = fields.at("kind");
            if (kind == " message")
                check_message(octets, fields.at("types").empty() ? " " : fields.at("types"));
            else if (kind == " chain")
                check_chain(octets, fields);
            else
                check_payload(octets, type_in(fields.at("type")));
            ++count;
        }
    }
    CHECK(count == 32);
}

TEST_CASE("the content of other implementations' payloads is what they say") {
    const auto aosp = load("wire-aosp.txt");
    const auto payload = [&aosp](const std::string& name) {
        const Fields& fields = aosp.at(name);
        return parse_payload(type_in(fields.at("type")), from_hex(fields.at("octets"))).value();
    };
    const Sa sa = std::get<Sa>(payload("IkeSaPayloadTest-two-child"));
    REQUIRE(sa.proposals.size() == 2);
    CHECK(to_hex(sa.proposals[0].spi) == "cae7019f");
    CHECK(sa.proposals[0].transforms[0] == Transform{TransformType::encr, 12, 128, false});
    CHECK(sa.proposals[1].transforms[0] == Transform{TransformType::encr, 18, 128, false});

    CHECK(std::get<Sa>(payload("IkeSaPayloadTest-two-ike")).proposals[0].transforms.size() == 25);

    const auto reply = std::get<Configuration>(payload("IkeConfigPayloadTest-reply"));
    CHECK(read_address(reply.attributes.at(0)) == ip("192.0.2.100"));
    CHECK(read_address(reply.attributes.at(2)) == ip("8.8.4.4"));
    const auto subnet4 = std::get<Configuration>(payload("IkeConfigPayloadTest-ip4-subnet"));
    CHECK(read_subnet(subnet4.attributes.at(0)) == prefix("192.0.2.96/28"));
    const auto address6 = std::get<Configuration>(payload("IkeConfigPayloadTest-ip6-address"));
    CHECK(read_ip6_address(address6.attributes.at(0)) == Ip6Address{ip("2001:db8::1"), 64});

    CHECK(std::get<TrafficSelectors>(payload("IkeTsPayloadTest")).selectors.at(0) ==
          TrafficSelector{0, 16, 65520, ip("192.0.2.100"), ip("192.0.3.101")});
    CHECK(std::get<Notify>(payload("IkeNotifyPayloadTest-rekey")) ==
          Notify{Protocol::esp, {0x2a, 0xd4, 0xc0, 0xa2}, NotifyType::rekey_sa, {}});
    CHECK(std::get<Delete>(payload("IkeDeletePayloadTest-children")) ==
          Delete{Protocol::esp, {0xabcdef01, 0x20fedcba}});
    CHECK(std::get<Identification>(payload("IkeIdPayloadTest-fqdn")) ==
          Identification{false, IdType::fqdn, text_bytes("ike.android.net")});
}

#include "daemon/key_writer.h"
#include "test/unit/daemon/scratch_folder.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

namespace {

Secret key(std::uint8_t octet, std::size_t size = 2) { return Secret::copy_of(Bytes(size, octet)); }

ike::IkeKeys ike_keys(crypto::EncrId cipher, std::uint16_t bits, crypto::IntegId integ) {
    ike::IkeKeys out;
    out.spi_i = 0x0123456789abcdef;
    out.spi_r = 0xff;
    out.suite.encr = cipher;
    out.suite.key_bits = bits;
    out.suite.integ = integ;
    out.sk_ei = key(0x11);
    out.sk_er = key(0x22);
    if (integ != crypto::IntegId::none) {
        out.sk_ai = key(0x33);
        out.sk_ar = key(0x44);
    }
    return out;
}

ike::ChildKeys child_keys(crypto::EncrId cipher, crypto::IntegId integ, std::string_view from,
                          std::string_view to) {
    ike::ChildKeys out;
    out.source = *IpAddress::parse(from);
    out.destination = *IpAddress::parse(to);
    out.spi = 0xabc;
    out.suite.encr = cipher;
    out.suite.integ = integ;
    out.encryption = key(0x11);
    if (integ != crypto::IntegId::none) out.integrity = key(0x33);
    return out;
}

std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

mode_t mode(const std::string& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

using crypto::EncrId;
using crypto::IntegId;

} // namespace

// The lines were loaded by tshark 4.0.17 without complaint.
TEST_CASE("Keys of IKE SAs in Wireshark's words", "[daemon]") {
    CHECK(wireshark_line(ike_keys(EncrId::aes_gcm_16, 256, IntegId::none)) ==
          "0123456789abcdef,00000000000000ff,1111,2222,\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE "
          "[RFC4306]\"");
    CHECK(
        wireshark_line(ike_keys(EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128)) ==
        "0123456789abcdef,00000000000000ff,1111,2222,\"AES-CBC-128 [RFC3602]\",3333,4444,\"HMAC_SHA2_256_128 "
        "[RFC4868]\"");
    CHECK(wireshark_line(ike_keys(EncrId::chacha20_poly1305, 0, IntegId::none))
              .starts_with("# 0123456789abcdef,"));
}

TEST_CASE("Keys of Child SAs in Wireshark's words", "[daemon]") {
    CHECK(
        wireshark_line(child_keys(EncrId::aes_gcm_16, IntegId::none, "192.0.2.1", "192.0.2.2")) ==
        R"("IPv4","192.0.2.1","192.0.2.2","0x00000abc","AES-GCM with 16 octet ICV [RFC4106]","0x1111","NULL","")");
    CHECK(wireshark_line(
              child_keys(EncrId::aes_cbc, IntegId::hmac_sha2_512_256, "2001:db8::1", "2001:db8::2")) ==
          R"("IPv6","2001:db8::1","2001:db8::2","0x00000abc","AES-CBC [RFC3602]","0x1111",)"
          R"("HMAC-SHA-512-256 [RFC4868]","0x3333")");
    CHECK(wireshark_line(child_keys(EncrId::chacha20_poly1305, IntegId::none, "192.0.2.1", "192.0.2.2"))
              .starts_with("# \"IPv4\","));
    // A group's, between all addresses.
    CHECK(wireshark_line(child_keys(EncrId::aes_cbc, IntegId::hmac_sha2_256_128, "::", "::"))
              .starts_with(R"("IPv6","*","*","0x00000abc","AES-CBC [RFC3602]")"));
}

TEST_CASE("Keys are appended to files of their owner alone", "[daemon]") {
    const ScratchFolder folder;
    const auto ike_path = folder.write("ikev2_decryption_table", "# before\n");
    REQUIRE(::chmod(ike_path.c_str(), 0644) == 0);
    {
        auto writer = KeyWriter::open(folder.file(""));
        REQUIRE(writer);
        CHECK(writer->write(ike_keys(EncrId::aes_gcm_16, 128, IntegId::none)) == 0);
        CHECK(writer->write(ike_keys(EncrId::aes_gcm_16, 256, IntegId::none)) == 0);
        CHECK(writer->write(child_keys(EncrId::aes_gcm_16, IntegId::none, "192.0.2.1", "192.0.2.2")) == 0);
    }
    CHECK(content(ike_path) == "# before\n" +
                                   wireshark_line(ike_keys(EncrId::aes_gcm_16, 128, IntegId::none)) + "\n" +
                                   wireshark_line(ike_keys(EncrId::aes_gcm_16, 256, IntegId::none)) + "\n");
    CHECK(content(folder.file("esp_sa")) ==
          wireshark_line(child_keys(EncrId::aes_gcm_16, IntegId::none, "192.0.2.1", "192.0.2.2")) + "\n");
    CHECK(mode(ike_path) == 0600);
    CHECK(mode(folder.file("esp_sa")) == 0600);
}

TEST_CASE("Keys go to no place that someone else prepared", "[daemon]") {
    const ScratchFolder folder;
    const auto target = folder.write("target", "");
    REQUIRE(::symlink(target.c_str(), folder.file("esp_sa").c_str()) == 0);
    const auto link = KeyWriter::open(folder.file(""));
    REQUIRE_FALSE(link);
    CHECK(link.error().find("/esp_sa: Too many levels of symbolic links: name a folder that is there") !=
          std::string::npos);
    CHECK_FALSE(KeyWriter::open(folder.file("none")));
    REQUIRE(::unlink(folder.file("esp_sa").c_str()) == 0);
    REQUIRE(::mkfifo(folder.file("esp_sa").c_str(), 0600) == 0);
    CHECK_FALSE(KeyWriter::open(folder.file("")));
}

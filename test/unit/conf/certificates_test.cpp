// Certificates, authorities and raw public keys: what is read, and what is told of them.
#include "conf/certificates.h"
#include "conf/validity.h"
#include "test/unit/conf/folder.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::conf;
using namespace sheaf::conf::test;

namespace {

constexpr std::string_view kWithCertificates = R"({
  "certificates": { "alice": { "file": "alice.pem", "key_file": "alice.key" } },
  "authorities": { "example": { "file": "ca.pem", "crls": ["ca.crl"] } },
  "connections": {
    "home": {
      "role": "client",
      "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "2001:db8:13::2" }
    }
  }
}
)";

constexpr std::string_view kWithPublicKeys = R"({
  "public_keys": {
    "ours": { "id": "alice.example.org", "key_file": "raw.key" },
    "gw": { "id": "gw.example.org", "file": "raw.pub" }
  },
  "connections": {
    "home": {
      "role": "client",
      "local": { "id": "alice.example.org", "auth": ["public-key"] },
      "remote": { "id": "gw.example.org", "address": "2001:db8:13::2", "auth": ["public-key"] }
    }
  }
}
)";

struct Site : Folder {
    Site() {
        for (const auto* name :
             {"ca.pem", "ca.crl", "gw.pem", "gw.key", "alice.pem", "alice.key", "raw.key", "raw.pub"})
            copy(name);
    }
    [[nodiscard]] Settings good(std::string_view text, const Environment& environment = {}) const {
        const auto loaded = load_text(text, environment);
        INFO((loaded ? "" : to_string(loaded.error())));
        REQUIRE(loaded);
        return *loaded;
    }
    // Message and hint of the one mistake.
    [[nodiscard]] std::string mistake(std::string_view text, const Environment& environment = {}) const {
        const auto loaded = load_text(text, environment);
        REQUIRE_FALSE(loaded);
        INFO(to_string(loaded.error()));
        REQUIRE(loaded.error().size() == 1);
        return loaded.error().front().message + "\n" + loaded.error().front().hint;
    }
};

std::string home_of(std::string_view from, std::string_view to) {
    return changed(kWithCertificates, from, to);
}

} // namespace

TEST_CASE("Certificates, keys, authorities and lists are read", "[conf]") {
    const Site site;
    const auto credentials = site.good(kWithCertificates).engine.credentials;
    REQUIRE(credentials.own_keys.size() == 1);
    CHECK(credentials.own_keys.front().chain.size() == 1);
    CHECK(credentials.own_keys.front().key->public_key() ==
          credentials.own_keys.front().chain.front().public_key());
    CHECK(credentials.authorities.size() == 1);
    CHECK(credentials.revocations.size() == 1);
    CHECK(credentials.intermediates.empty());
    CHECK(credentials.peer_certificates.empty());
}

TEST_CASE("A certificate of ours may be followed by its intermediates", "[conf]") {
    const Site site;
    site.write("alice.pem", pem("alice.pem") + pem("ca.pem"));
    CHECK(site.good(kWithCertificates).engine.credentials.own_keys.front().chain.size() == 2);
}

TEST_CASE("A certificate without a key is a peer's", "[conf]") {
    const Site site;
    const auto credentials =
        site.good(home_of(R"("certificates": {)", R"("certificates": { "gw": { "file": "gw.pem" },)"))
            .engine.credentials;
    CHECK(credentials.own_keys.size() == 1);
    CHECK(credentials.peer_certificates.size() == 1);
}

TEST_CASE("Intermediates of peers stand with their authority", "[conf]") {
    const Site site;
    const auto credentials =
        site.good(home_of(R"("crls")", R"("intermediates": "gw.pem", "crls")")).engine.credentials;
    CHECK(credentials.intermediates.size() == 1);
    CHECK(credentials.authorities.size() == 1);
}

TEST_CASE("A private key may be a credential", "[conf]") {
    const Site site;
    const std::string text = home_of(R"("key_file": "alice.key")", R"("key_credential": "alice.key")");
    CHECK(site.good(text, {site.path(""), {}}).engine.credentials.own_keys.size() == 1);
    CHECK(site.mistake(text).starts_with("certificates.alice: the credential \"alice.key\" is not at hand"));
}

TEST_CASE("Terms of authentication are read", "[conf]") {
    const Site site;
    const auto settings = site.good(home_of(
        R"("address": "2001:db8:13::2")",
        R"("address": "2001:db8:13::2", "auth": ["certificate"], "authorities": ["example"], "require_crl": true,
           "allow_sha1": true)"));
    const auto& terms = settings.engine.connections.front().auth;
    CHECK(terms.ours.empty());
    CHECK(terms.theirs == std::vector{auth::Method::certificate});
    CHECK(terms.authorities == std::vector{settings.engine.credentials.authorities.front().subject()});
    CHECK(terms.require_revocation_list);
    CHECK(terms.allow_sha1);
}

TEST_CASE("Raw public keys are ours or a peer's", "[conf]") {
    const Site site;
    const auto credentials = site.good(kWithPublicKeys).engine.credentials;
    REQUIRE(credentials.own_keys.size() == 1);
    CHECK(credentials.own_keys.front().chain.empty());
    CHECK(credentials.own_keys.front().identity == auth::Identity::parse("alice.example.org"));
    REQUIRE(credentials.raw_keys.size() == 1);
    CHECK(credentials.raw_keys.front().peer == auth::IdentityPattern::parse("gw.example.org"));
    const auto any =
        site.good(changed(kWithPublicKeys, R"("id": "alice.example.org", "key)", R"("id": "*", "key)"));
    CHECK_FALSE(any.engine.credentials.own_keys.front().identity);
}

TEST_CASE("Files of keys and certificates say what is wrong with them", "[conf]") {
    const Site site;
    SECTION("a key that others may read") {
        site.copy("alice.key", 0640);
        CHECK(site.mistake(kWithCertificates) == "certificates.alice: " + site.path("alice.key") +
                                                     " is open to others than its owner\nchmod 600 " +
                                                     site.path("alice.key"));
    }
    SECTION("another's key") {
        CHECK(site.mistake(home_of("alice.key", "gw.key"))
                  .starts_with("certificates.alice: the private key is not that of \""));
    }
    SECTION("no key") {
        site.write("alice.key", "horse");
        CHECK(site.mistake(kWithCertificates).starts_with("certificates.alice: \"alice.key\": "));
    }
    SECTION("no certificate") {
        site.write("alice.pem", "horse");
        CHECK(site.mistake(kWithCertificates)
                  .starts_with("certificates.alice: " + site.path("alice.pem") + ": "));
    }
    SECTION("a missing file, at its place") {
        const auto loaded = site.load_text(home_of("ca.pem", "none.pem"));
        REQUIRE_FALSE(loaded);
        CHECK(to_string(loaded.error().front()) ==
              site.path("sheafd.json") + ":3:41: authorities.example: cannot read " + site.path("none.pem") +
                  ": No such file or directory\n"
                  "    3 |   \"authorities\": { \"example\": { \"file\": \"none.pem\", \"crls\": "
                  "[\"ca.crl\"] } },\n"
                  "      |                                         ^~~~~~~~~~\n"
                  "   create the file, or correct the path\n");
    }
    SECTION("two authorities in one file") {
        site.write("ca.pem", pem("ca.pem") + pem("ca.pem"));
        CHECK(site.mistake(kWithCertificates) ==
              "authorities.example: \"ca.pem\" holds 2 certificates\n"
              "give each authority an entry of its own, and put what stands below it into \"intermediates\"");
    }
    SECTION("no authority") {
        const auto said = site.mistake(home_of("ca.pem", "gw.pem"));
        CHECK(said.find(
                  "is no authority: its basic constraints deny it\nname the certificate of who issued it") !=
              said.npos);
    }
    SECTION("no revocation list") {
        CHECK(site.mistake(home_of("ca.crl", "gw.pem"))
                  .starts_with("authorities.example.crls: " + site.path("gw.pem") + ": "));
    }
    SECTION("no public key") {
        CHECK(site.mistake(changed(kWithPublicKeys, "raw.pub", "ca.crl"))
                  .starts_with("public_keys.gw: " + site.path("ca.crl") + ": "));
    }
    SECTION("a key of ours for a pattern") {
        CHECK(site.mistake(changed(kWithPublicKeys, R"("id": "alice.example.org", "key)",
                                   R"("id": "*.example.org", "key)")) ==
              "public_keys.ours: \"*.example.org\" is a pattern\na key of ours is for one identity, or \"*\" "
              "for all of ours");
    }
    SECTION("both a file and a key") {
        CHECK(site.mistake(changed(kWithPublicKeys, R"("file": "raw.pub")",
                                   R"("file": "raw.pub", "key_file": "raw.key")")) ==
              "public_keys.gw has both \"file\" and \"key_file\"\nremove one");
    }
}

TEST_CASE("Every connection can prove who we are and who the peer is", "[conf]") {
    const Site site;
    SECTION("a certificate for another name") {
        const auto said = site.mistake(home_of(R"("id": "alice.example.org")", R"("id": "bob.example.org")"));
        CHECK(
            said.starts_with("connections.home: nothing proves that we are \"bob.example.org\"\nthat of \""));
        CHECK(said.ends_with("is for other names: correct local.id, or have one issued with this name in "
                             "subjectAltName; or share a secret with \"gw.example.org\""));
    }
    SECTION("a certificate whose key is forgotten") {
        const auto said = site.mistake(home_of(R"(, "key_file": "alice.key")", ""));
        CHECK(said.find("has no \"key_file\"; or share a secret") != said.npos);
    }
    SECTION("names in the certificate that are no host names") {
        CHECK(site.load_text(home_of(R"("id": "alice.example.org")", R"("id": "alice@example.org")")));
        CHECK(site.load_text(home_of(R"("id": "alice.example.org")", R"("id": "192.0.2.7")")));
        CHECK_FALSE(site.load_text(home_of(R"("id": "alice.example.org")", R"("id": "192.0.2.8")")));
    }
    SECTION("a method without its credential") {
        CHECK(
            site.mistake(
                home_of(R"("id": "alice.example.org")", R"("id": "alice.example.org", "auth": ["psk"])")) ==
            "connections.home: no secret is for \"gw.example.org\"\nadd one to \"secrets\" at the top level");
        CHECK(site.mistake(home_of(R"("id": "alice.example.org")",
                                   R"("id": "alice.example.org", "auth": ["public-key"])")) ==
              "connections.home: there is no public key for \"alice.example.org\"\n"
              "add one with \"key_file\" to \"public_keys\" at the top level");
        CHECK(site.mistake(home_of(R"("address")", R"("auth": ["public-key"], "address")")) ==
              "connections.home: there is no public key of \"gw.example.org\"\n"
              "add one with \"file\" to \"public_keys\" at the top level");
        CHECK(site.mistake(changed(changed(kClient, R"("address")", R"("auth": ["certificate"], "address")"),
                                   R"("gw": {)", R"("gw": {)")) ==
              "connections.home: no authority could vouch for the peer\n"
              "add the issuer of its certificate to \"authorities\" at the top level");
    }
    SECTION("an authority that is not there") {
        CHECK(site.mistake(home_of(R"("address")", R"("authorities": ["exmple"], "address")")) ==
              "connections.home.remote.authorities: there is no authority \"exmple\"\ndid you mean "
              "\"example\"?");
    }
    SECTION("what could not be read is not missing as well") {
        site.write("alice.pem", "horse");
        site.write("ca.pem", "horse");
        const auto loaded = site.load_text(kWithCertificates);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().size() == 2);
    }
}

TEST_CASE("Notes are of our certificates and of the authorities", "[conf]") {
    const Site site;
    using namespace std::chrono;
    const auto notes = [&](sys_days day) { return site.good(kWithCertificates, {{}, WallTime(day)}).notes; };
    CHECK(notes(2030y / 1 / 1).empty());
    const auto late = notes(2127y / 1 / 1);
    REQUIRE(late.size() == 2);
    CHECK(late.front().starts_with("our certificate \""));
    CHECK(late.front().ends_with(" has expired on 2126-10-28: peers will refuse it; renew it"));
    CHECK(late.back().starts_with("the authority \""));
}

TEST_CASE("What ends soon or has ended is noted", "[conf]") {
    using namespace std::chrono;
    const Validity validity{sys_days(2026y / 11 / 21), sys_days(2028y / 2 / 29)};
    const auto note = [&](sys_days day) {
        return validity_note("our certificate \"gw\"", validity, WallTime(day));
    };
    CHECK(note(2026y / 11 / 20) ==
          "our certificate \"gw\" is not valid before 2026-11-21: is the clock right?");
    CHECK_FALSE(note(2026y / 11 / 21));
    CHECK_FALSE(note(2028y / 1 / 30));
    CHECK(note(2028y / 1 / 31) == "our certificate \"gw\" expires on 2028-02-29: renew it");
    CHECK(note(2028y / 2 / 29) == "our certificate \"gw\" expires on 2028-02-29: renew it");
    CHECK(note(2028y / 3 / 1) ==
          "our certificate \"gw\" has expired on 2028-02-29: peers will refuse it; renew it");
}

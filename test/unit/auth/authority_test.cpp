#include "lib/auth/authenticator.h"
#include "test/unit/auth/session.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::auth;
using namespace sheaf::test;

namespace {

Credentials shared(std::string_view peer, std::string_view secret) {
    Credentials out;
    const Bytes octets(secret.begin(), secret.end());
    out.shared_keys.push_back(
        {*IdentityPattern::parse(peer), std::make_shared<const Secret>(Secret::copy_of(octets))});
    return out;
}

const Identity kAlice = *Identity::parse("alice.example.org");
const Identity kGateway = *Identity::parse("gw.example.org");

} // namespace

TEST_CASE("a shared key proves its owner's identity to the peer that holds it too, in both directions") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority gateway(shared("*.example.org", "open sesame"));
    TwoEnds ends(alice, gateway);
    const bool alice_initiates = GENERATE(true, false);
    const auto verdict = ends.try_to_prove(alice_initiates, kAlice, kGateway);
    REQUIRE(std::holds_alternative<Verified>(verdict));
    CHECK(std::get<Verified>(verdict).identity() == kAlice);
}

TEST_CASE("another shared key proves nothing") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority gateway(shared("*.example.org", "open Sesame"));
    const auto refusal = refusal_of(TwoEnds(alice, gateway).try_to_prove(true, kAlice, kGateway));
    CHECK(refusal.rule == Rule::authentication_failed);
    CHECK(refusal.why == "the shared key of alice.example.org is not ours; compare the secret at both ends");
}

TEST_CASE("a proof over another exchange proves nothing") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority gateway(shared("*.example.org", "open sesame"));
    TwoEnds ends(alice, gateway);
    ends.transcript_seen = "another exchange";
    CHECK(refusal_of(ends.try_to_prove(true, kAlice, kGateway)).rule == Rule::authentication_failed);
}

TEST_CASE("a proof for one identity does not hold for another") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority gateway(shared("*.example.org", "open sesame"));
    TwoEnds ends(alice, gateway);
    ends.tamper = [](std::vector<wire::Payload>& payloads) {
        std::get<wire::Identification>(payloads[0]).data = Identity::parse("bob.example.org")->data;
    };
    CHECK(refusal_of(ends.try_to_prove(true, kAlice, kGateway)).rule == Rule::authentication_failed);
}

TEST_CASE("who has no shared key is refused at either end") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority nobody{Credentials{}};
    CHECK(refusal_of(TwoEnds(alice, nobody).try_to_prove(true, kAlice, kGateway)).rule ==
          Rule::unknown_identity);
    const auto refusal = refusal_of(TwoEnds(nobody, alice).try_to_prove(true, kAlice, kGateway));
    CHECK(refusal.rule == Rule::no_credential);
    CHECK(refusal.why == "there is no credential for our identity alice.example.org, nor a shared key with "
                         "gw.example.org; configure one of them");
    CHECK(refusal_of(TwoEnds(alice, alice).try_to_prove(true, kAlice, std::nullopt)).rule ==
          Rule::no_credential);
}

TEST_CASE("terms that ask for another method refuse a shared key") {
    const Authority alice(shared("gw.example.org", "open sesame"));
    const Authority gateway(shared("*.example.org", "open sesame"));
    TwoEnds ends(alice, gateway);
    SECTION("of the peer") {
        ends.verifier_terms.theirs = {Method::certificate};
        CHECK(refusal_of(ends.try_to_prove(true, kAlice, kGateway)).rule == Rule::unsupported_auth_method);
    }
    SECTION("of us") {
        ends.prover_terms.ours = {Method::certificate};
        CHECK(refusal_of(ends.try_to_prove(true, kAlice, kGateway)).rule == Rule::no_credential);
    }
    SECTION("and take it where they name it") {
        ends.prover_terms.ours = {Method::shared_key};
        ends.verifier_terms.theirs = {Method::shared_key};
        CHECK(std::holds_alternative<Verified>(ends.try_to_prove(true, kAlice, kGateway)));
    }
}

TEST_CASE("an AUTH payload is there once: none asks an initiator's peer for EAP") {
    const Authority both(shared("*", "open sesame"));
    TwoEnds ends(both, both);
    const bool initiates = GENERATE(true, false);
    SECTION("none") {
        ends.tamper = [](std::vector<wire::Payload>& payloads) { payloads.pop_back(); };
        CHECK(refusal_of(ends.try_to_prove(initiates, kAlice, kGateway)).rule ==
              (initiates ? Rule::unsupported_auth_method : Rule::missing_payload));
    }
    SECTION("two") {
        ends.tamper = [](std::vector<wire::Payload>& payloads) { payloads.push_back(payloads.back()); };
        CHECK(refusal_of(ends.try_to_prove(initiates, kAlice, kGateway)).rule == Rule::duplicate_payload);
    }
}

TEST_CASE("an authority knows the peers that it could check by a shared key") {
    const Authority authority(shared("*.example.org", "open sesame"));
    CHECK(authority.knows({}, kAlice));
    CHECK_FALSE(authority.knows({}, *Identity::parse("alice.example.net")));
    CHECK_FALSE(authority.knows({.theirs = {Method::certificate}}, kAlice));
}

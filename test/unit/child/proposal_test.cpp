#include "lib/child/proposal.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::child;
using namespace sheaf::crypto;

namespace {

const Encryption kGcm{EncrId::aes_gcm_16, 256};
const Encryption kCbc{EncrId::aes_cbc, 256};
const IkeProposal kAead{{kGcm}, {}, {PrfId::hmac_sha2_256}, {KeId::x25519, KeId::ecp256}};
const IkeProposal kClassic{
    {kCbc}, {IntegId::hmac_sha2_256_128}, {PrfId::hmac_sha2_256}, {KeId::x25519, KeId::ecp256}};

} // namespace

TEST_CASE("our order of preference decides") {
    const std::vector<IkeProposal> ours{kClassic, kAead};
    const std::vector<IkeProposal> theirs{kAead, kClassic};
    const auto chosen = choose_ike(ours, offer_ike(theirs, {}), 31, {});
    REQUIRE(chosen);
    CHECK(chosen->suite.encr == EncrId::aes_cbc);
    CHECK(chosen->answer.number == 2); // the peer's number of that proposal
    CHECK(chosen->answer.transforms.size() == 4);
}

TEST_CASE("the group of the peer's KE payload is taken where both sides have it") {
    const std::vector<IkeProposal> ours{kAead};
    CHECK(choose_ike(ours, offer_ike(ours, {}), 19, {})->suite.ke == KeId::ecp256);
    CHECK(choose_ike(ours, offer_ike(ours, {}), 14, {})->suite.ke == KeId::x25519);
}

TEST_CASE("a key length that was not offered is not chosen") {
    IkeProposal short_key = kAead;
    short_key.encryption = {{EncrId::aes_gcm_16, 128}};
    const auto chosen = choose_ike(std::vector{kAead}, offer_ike(std::vector{short_key}, {}), 31, {});
    REQUIRE_FALSE(chosen);
    CHECK(chosen.error() == Rule::no_proposal_chosen);
}

TEST_CASE("a transform with an attribute that we do not know is not acceptable") {
    auto offer = offer_ike(std::vector{kAead}, {});
    offer.proposals[0].transforms[0].unknown_attribute = true;
    CHECK_FALSE(choose_ike(std::vector{kAead}, offer, 31, {}));
}

TEST_CASE("a proposal with a transform type that we do not know is not acceptable, the next one may be") {
    auto offer = offer_ike(std::vector{kAead, kAead}, {});
    offer.proposals[0].transforms.push_back({static_cast<wire::TransformType>(6), 35, std::nullopt, false});
    const auto chosen = choose_ike(std::vector{kAead}, offer, 31, {});
    REQUIRE(chosen);
    CHECK(chosen->answer.number == 2);
}

TEST_CASE("an AEAD goes with INTEG NONE, and with no other integrity transform") {
    auto offer = offer_ike(std::vector{kAead}, {});
    offer.proposals[0].transforms.push_back({wire::TransformType::integ, 0, std::nullopt, false});
    CHECK(choose_ike(std::vector{kAead}, offer, 31, {}));
    offer.proposals[0].transforms.back().id = 12;
    CHECK_FALSE(choose_ike(std::vector{kAead}, offer, 31, {}));
}

TEST_CASE("ESP: the answer names our SPI and the choice keeps the peer's") {
    const std::vector<EspProposal> ours = default_esp_proposals();
    CHECK(choose_esp(ours, offer_esp(ours, 255, false), 0x0a0b0c0d, false).error() == Rule::bad_proposal);
    const auto chosen = choose_esp(ours, offer_esp(ours, 0x01020304, false), 0x0a0b0c0d, false);
    REQUIRE(chosen);
    CHECK(chosen->peer_spi == 0x01020304);
    CHECK(chosen->answer.spi == Bytes{0x0a, 0x0b, 0x0c, 0x0d});
    CHECK(chosen->suite.esn);
}

TEST_CASE("ESP without a transform for sequence numbers is not acceptable") {
    const std::vector<EspProposal> ours = default_esp_proposals();
    auto offer = offer_esp(ours, 511, false);
    for (auto& proposal : offer.proposals) {
        std::erase_if(proposal.transforms,
                      [](const wire::Transform& t) { return t.type == wire::TransformType::sn; });
    }
    CHECK_FALSE(choose_esp(ours, offer, 512, false));
}

TEST_CASE("an answer that was not offered, or is more than one choice, is refused") {
    auto answer = offer_ike(std::vector{kAead}, {});
    CHECK_FALSE(accept_ike(std::vector{kAead}, answer)); // two groups
    answer.proposals[0].transforms.pop_back();
    CHECK(accept_ike(std::vector{kAead}, answer));
    CHECK(accept_ike(std::vector{kClassic, kAead}, answer).error() ==
          Rule::chosen_not_offered); // not number 1
    answer.proposals[0].number = 2;
    CHECK(accept_ike(std::vector{kClassic, kAead}, answer));
    answer.proposals[0].number = 3;
    CHECK_FALSE(accept_ike(std::vector{kClassic, kAead}, answer));
    answer.proposals[0].number = 1;
    CHECK(accept_ike(std::vector{kClassic}, answer).error() == Rule::chosen_not_offered);
    answer.proposals.push_back(answer.proposals[0]);
    CHECK_FALSE(accept_ike(std::vector{kAead}, answer));
}

TEST_CASE("what is offered by default is strong") {
    for (const auto& proposal : default_ike_proposals()) {
        for (const auto prf : proposal.prf)
            CHECK(prf != PrfId::hmac_sha1);
        for (const auto integrity : proposal.integrity)
            CHECK(integrity != IntegId::hmac_sha1_96);
        CHECK(proposal.key_exchange.front() == KeId::x25519);
    }
}

#include "lib/group/terms.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf;
using namespace sheaf::group;
using std::chrono::seconds;

TEST_CASE("group terms that would lose packets are told") {
    const auto field = [](auto change) {
        Terms terms;
        change(terms);
        const auto found = fault(terms);
        return found ? std::string(found->field) : "";
    };
    CHECK(field([](Terms&) {}) == "");
    CHECK(field([](Terms& t) { t.suite.encr = {crypto::EncrId::aes_gcm_16, 256}; }) == "suite");
    CHECK(field([](Terms& t) { t.suite.prf = crypto::PrfId::hmac_sha1; }) == "suite");
    CHECK(field([](Terms& t) {
              t.suite.prf = crypto::PrfId::hmac_sha1;
              t.acceptance.sha1 = true;
          }) == "");
    CHECK(field([](Terms& t) { t.delivery = seconds(0); }) == "delivery");
    CHECK(field([](Terms& t) { t.rollover1 = seconds(32); }) == "rollover1");
    CHECK(field([](Terms& t) { t.rollover2 = seconds(96); }) == "rollover2");
    CHECK(field([](Terms& t) { t.rollover2 = seconds(97); }) == "");
    CHECK(field([](Terms& t) { t.delivery = seconds(5), t.rollover2 = seconds(89); }) == "rollover2");
    CHECK(field([](Terms& t) { t.lifetime = seconds(4096); }) == "lifetime");
    CHECK(field([](Terms& t) { t.lifetime = seconds(479); }) == "lifetime");
}

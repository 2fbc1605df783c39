#include "lib/wire/numbers.h"

#include <catch2/catch.hpp>

using namespace sheaf::wire;

TEST_CASE("numbers are named as in the registry") {
    CHECK(name(ExchangeType::ike_sa_init) == "IKE_SA_INIT");
    CHECK(name(ExchangeType::create_child_sa) == "CREATE_CHILD_SA");
    CHECK(name(PayloadType::ts_i) == "TSi");
    CHECK(name(PayloadType::skf) == "SKF");
    CHECK(name(NotifyType::no_proposal_chosen) == "NO_PROPOSAL_CHOSEN");
    CHECK(name(NotifyType::fragmentation_supported) == "IKEV2_FRAGMENTATION_SUPPORTED");
    CHECK(name(NotifyType::nat_detection_source_ip) == "NAT_DETECTION_SOURCE_IP");
    CHECK(name(NotifyType::link_id) == "LINK_ID");
    CHECK(name(IdType::rfc822_addr) == "ID_RFC822_ADDR");
    CHECK(name(AuthMethod::shared_key) == "Shared Key Message Integrity Code");
}

TEST_CASE("numbers without a name say so") {
    CHECK(name(ExchangeType{0}) == "unknown");
    CHECK(name(PayloadType{200}) == "unknown");
    CHECK(name(NotifyType{40960}) == "unknown");
    CHECK(name(IdType{0}) == "unknown");
    CHECK(name(AuthMethod{255}) == "unknown");
}

TEST_CASE("error notifies are those below 16384") {
    CHECK(is_error(NotifyType::unsupported_critical_payload));
    CHECK(is_error(NotifyType{16383}));
    CHECK_FALSE(is_error(NotifyType::initial_contact));
    CHECK_FALSE(is_error(NotifyType{65535}));
}

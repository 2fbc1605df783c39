// SAD and SPD entries: what is encoded reads back as the same value.
#include "test/kernel/samples.h"
#include "test/unit/netlink/mock_os.h"
#include "xfrm/expansion.h"
#include "xfrm/marks.h"
#include "xfrm/probe.h"

#include <catch2/catch.hpp>
#include <linux/xfrm.h>

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using kernel_test::prefix;

template <typename Parse>
void survive_truncation(const netlink::Message& message, Parse parse) {
    const Bytes whole(message.view().begin(), message.view().end());
    for (std::uint32_t length = NLMSG_HDRLEN; length < whole.size(); ++length) {
        Bytes cut(whole.begin(), whole.begin() + length);
        reinterpret_cast<nlmsghdr*>(&cut.at(0))->nlmsg_len = length;
        static_cast<void>(parse(test::header_of(cut)));
    }
}

} // namespace

TEST_CASE("SAD entries of every form read back as encoded", "[xfrm]") {
    std::vector<Client> forms;
    for (const auto& suite : Probe::all_suites())
        forms.push_back({.suite = suite});
    crypto::EspSuite esn = kernel_test::kGcm;
    esn.esn = true;
    forms.push_back({.suite = esn, .replay_window = 128});
    forms.push_back({.replay_window = 0});
    forms.push_back({.replay_window = 32});
    forms.push_back({.mode = child::Mode::transport});
    forms.push_back({.udp_encapsulation = true, .ipv4_outside = true});
    forms.push_back({.role = child::LinkRole::client, .udp_encapsulation = true});
    for (const Client& form : forms) {
        for (const bool with_direction : {true, false}) {
            const auto pair = states_of(form.sas(), with_direction);
            REQUIRE(pair);
            CHECK(parse_state(install_state(pair->in).header()) == pair->in);
            CHECK(parse_state(install_state(pair->out).header()) == pair->out);
            CHECK_FALSE(pair->in == pair->out);
        }
    }
}

TEST_CASE("reading a cut off SAD or SPD entry stays inside", "[xfrm]") {
    const Client client;
    survive_truncation(install_state(states_of(client.sas(), true)->in), parse_state);
    survive_truncation(install_policy(policies_of(client.policies())->front()), parse_policy);
    CHECK_FALSE(parse_state(dump_states().header()));
    CHECK_FALSE(parse_policy(dump_policies().header()));
    CHECK_FALSE(parse_expiry(dump_states().header()));
    CHECK_FALSE(parse_removal(dump_states().header()));
}

TEST_CASE("an SA of a gateway and of a client", "[xfrm]") {
    const Client gateway{.n = 3, .udp_encapsulation = true};
    const auto pair = states_of(gateway.sas(), true);
    REQUIRE(pair);
    CHECK(pair->in.id == StateId{ip("2001:db8:13::2"), 0x10003});
    CHECK(pair->in.source == ip("2001:db8:7::3"));
    CHECK(pair->out.id == StateId{ip("2001:db8:7::3"), 0x20003});
    CHECK(pair->in.replay_window == 64);
    CHECK(pair->out.replay_window == 0);
    CHECK(pair->in.direction == SaDirection::in);
    CHECK(pair->out.direction == SaDirection::out);
    for (const State* state : {&pair->in, &pair->out}) {
        CHECK(state->link == gateway.number());
        CHECK(state->reqid == gateway.number());
        CHECK(state->aead->name == "rfc4106(gcm(aes))");
        CHECK(state->aead->tag_bits == 128);
        CHECK(state->output_mark_mask == 0);
        CHECK(state->encapsulation == State::Encapsulation{4500, 4500});
    }
    const auto of_client = states_of(Client{.n = 3, .role = child::LinkRole::client}.sas(), false);
    CHECK(of_client->out.output_mark == kMark);
    CHECK(of_client->out.output_mark_mask == kMarkMask);
    CHECK(of_client->in.output_mark_mask == 0);
    CHECK(of_client->out.id == pair->in.id);
    CHECK(of_client->out.aead->key.view().size() == 36);
    CHECK(equal(of_client->out.aead->key.view(), pair->in.aead->key.view()));
    CHECK(pair->in.to_string() == "SA 2001:db8:7::3 -> 2001:db8:13::2 SPI 0x00010003 (link 0x53000003)");
}

TEST_CASE("an HMAC keeps half of its hash, and both keys are where they belong", "[xfrm]") {
    const crypto::EspSuite suite{crypto::EncrId::aes_cbc, 256, crypto::IntegId::hmac_sha2_256_128,
                                 std::nullopt, false};
    const auto pair = states_of(Client{.suite = suite}.sas(), false);
    REQUIRE(pair);
    CHECK_FALSE(pair->in.aead);
    CHECK(pair->in.cipher->name == "cbc(aes)");
    CHECK(pair->in.cipher->key.size() == 32);
    CHECK(pair->in.integrity->name == "hmac(sha256)");
    CHECK(pair->in.integrity->tag_bits == 128);
    CHECK(pair->in.integrity->key.size() == 32);
}

TEST_CASE("an SA that cannot be is refused with its reason", "[xfrm]") {
    auto step = Client{}.sas();
    step.in.encryption = Secret(16);
    CHECK(states_of(step, false).error().find("the keys do not have") != std::string::npos);
    step = Client{}.sas();
    step.replay_window = kMaxReplayWindow + 1;
    CHECK(states_of(step, false).error().find("4096") != std::string::npos);
    step = Client{}.sas();
    step.suite.esn = true;
    step.replay_window = 0;
    CHECK(states_of(step, false).error().find("need a replay window") != std::string::npos);
    step = Client{}.sas();
    step.suite.key_bits = 200;
    CHECK_FALSE(states_of(step, false));
    step = Client{}.sas();
    step.id.local.address = ip("192.0.2.1");
    CHECK(states_of(step, false).error().find("two families") != std::string::npos);
}

TEST_CASE("a policy reads back as encoded", "[xfrm]") {
    auto set = Client{.n = 9}.policies();
    set.local_selectors[0].ip_protocol = 17;
    set.local_selectors[0].start_port = set.local_selectors[0].end_port = 53;
    for (const auto mode : {child::Mode::tunnel, child::Mode::transport}) {
        set.mode = mode;
        const auto policies = policies_of(set);
        REQUIRE(policies);
        for (const Policy& policy : *policies) {
            const auto read = parse_policy(install_policy(policy).header());
            REQUIRE(read);
            CHECK(*read == policy);
        }
    }
}

} // namespace sheaf::xfrm

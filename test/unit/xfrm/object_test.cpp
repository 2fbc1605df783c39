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
    std::vector<child::InstallSas> steps;
    for (const Client& form : forms)
        steps.push_back(form.sas());
    auto odd = Client{}.sas();
    odd.on_interface = false;
    odd.reqid = child::kLastLink;
    odd.limits = {.hard_time = std::chrono::seconds(7200),
                  .soft_bytes = 1000,
                  .hard_bytes = 2000,
                  .soft_packets = 3,
                  .hard_packets = 4};
    odd.outer = {.ecn = false, .dscp_out = false, .dscp_in = true, .path_mtu = false};
    steps.push_back(std::move(odd));
    for (const child::InstallSas& step : steps) {
        for (const bool with_direction : {true, false}) {
            const auto pair = states_of(step, with_direction);
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

TEST_CASE("an SA off the interface, with limits and an outer header of its own", "[xfrm]") {
    auto step = Client{.n = 3}.sas();
    step.on_interface = false;
    step.limits = {.hard_time = std::chrono::seconds(7200), .soft_bytes = 1000, .hard_packets = 4};
    step.outer = {.ecn = false, .dscp_out = false, .dscp_in = true, .path_mtu = false};
    auto pair = states_of(step, true);
    REQUIRE(pair);
    for (const State* state : {&pair->in, &pair->out}) {
        CHECK(state->link == 0);
        CHECK(state->reqid == step.id.link);
        CHECK(state->limits == step.limits);
        xfrm_usersa_info info{};
        const auto message = install_state(*state);
        REQUIRE(netlink::read_fixed(message.header(), &info, sizeof info));
        CHECK(info.lft.soft_byte_limit == 1000);
        CHECK(info.lft.hard_byte_limit == XFRM_INF); // none
        CHECK(info.lft.hard_packet_limit == 4);
        CHECK(info.lft.soft_packet_limit == XFRM_INF);
        CHECK(info.lft.hard_add_expires_seconds == 7200);
        // Kernels that are told the direction refuse what belongs to the other one.
        const bool inbound = state == &pair->in;
        CHECK(info.flags == (inbound ? XFRM_STATE_AF_UNSPEC | XFRM_STATE_NOECN | XFRM_STATE_DECAP_DSCP
                                     : XFRM_STATE_AF_UNSPEC | XFRM_STATE_NOECN | XFRM_STATE_NOPMTUDISC));
        const auto attributes = netlink::Attributes::of(message.header(), sizeof info);
        CHECK(attributes.u32(XFRMA_SA_EXTRA_FLAGS) == (inbound ? 0U : XFRM_SA_XFLAG_DONT_ENCAP_DSCP));
    }
    step.reqid = child::kLastLink;
    step.mode = child::Mode::transport; // has no outer header
    pair = states_of(step, true);
    CHECK(pair->in.reqid == child::kLastLink);
    CHECK(pair->in.outer == child::OuterHeader{});
    CHECK(pair->out.outer == child::OuterHeader{});
}

TEST_CASE("one direction of a pair needs its keys alone", "[xfrm]") {
    auto step = Client{}.sas();
    step.directions = child::Directions::in;
    step.out = {};
    CHECK(states_of(step, false)->in.aead);
    CHECK_FALSE(states_of(step, false)->out.aead);
    step.directions = child::Directions::out;
    CHECK_FALSE(states_of(step, false));
    step.out = kernel_test::keys(step.suite, 2);
    step.in = {};
    CHECK(states_of(step, false)->out.aead);
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

#include "daemon/kernel_fit.h"
#include "test/unit/daemon/configs.h"
#include "xfrm/recording_kernel.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

namespace {

xfrm::Abilities everything() { return xfrm::RecordingKernel().probe().value(); }

} // namespace

TEST_CASE("A kernel that can do all changes nothing", "[daemon]") {
    auto config = gateway_settings().engine;
    const auto before = config.connections;
    const auto changes = fit(config, everything());
    REQUIRE(changes);
    CHECK(changes->empty());
    CHECK(config.connections == before);
}

TEST_CASE("What the kernel lacks altogether is an error with the kernel's sentences", "[daemon]") {
    auto abilities = everything();
    abilities.esp_ipv4 = false;
    abilities.lacks = {"ESP over IPv4: Protocol not supported: load esp4"};
    auto gateway = gateway_settings().engine;
    auto client = client_settings({*IpAddress::parse("192.0.2.1"), 500}).engine;
    CHECK(fit(gateway, abilities)); // IPv6 is left
    abilities.esp_ipv6 = false;
    CHECK(fit(gateway, abilities).error() ==
          "this kernel lacks ESP; ESP over IPv4: Protocol not supported: load esp4");

    abilities = everything();
    abilities.shared_link = false;
    CHECK(fit(client, abilities));
    CHECK(fit(gateway, abilities).error() ==
          "this kernel lacks xfrm interfaces in collect-metadata mode, which a gateway needs");
    abilities.virtual_links = false;
    CHECK(fit(client, abilities).error() == "this kernel lacks xfrm interfaces, which a client needs");
}

TEST_CASE("ESP algorithms that the kernel lacks are not offered", "[daemon]") {
    auto abilities = everything();
    std::erase_if(abilities.suites, [](const crypto::EspSuite& suite) {
        return suite.encr == crypto::EncrId::chacha20_poly1305 ||
               suite.integ == crypto::IntegId::hmac_sha2_512_256;
    });
    auto config = gateway_settings().engine;
    auto& connection = config.connections.front();
    connection.child.esp = {
        {{{crypto::EncrId::chacha20_poly1305, 0}}, {}, {}},
        {{{crypto::EncrId::aes_gcm_16, 256}, {crypto::EncrId::chacha20_poly1305, 0}}, {}, {}},
        {{{crypto::EncrId::aes_cbc, 256}},
         {crypto::IntegId::hmac_sha2_512_256, crypto::IntegId::hmac_sha2_256_128},
         {}},
    };
    const auto changes = fit(config, abilities);
    REQUIRE(changes);
    CHECK(*changes ==
          std::vector<std::string>{"connections.clients: ESP algorithms that this kernel does not carry "
                                   "are not offered"});
    CHECK(connection.child.esp ==
          std::vector<child::EspProposal>{
              {{{crypto::EncrId::aes_gcm_16, 256}}, {}, {}},
              {{{crypto::EncrId::aes_cbc, 256}}, {crypto::IntegId::hmac_sha2_256_128}, {}}});
}

TEST_CASE("A peer's children are fitted, each by itself, and need an interface only where they say so",
          "[daemon]") {
    auto abilities = everything();
    abilities.virtual_links = abilities.shared_link = false;
    std::erase_if(abilities.suites, [](const crypto::EspSuite& suite) {
        return suite.encr == crypto::EncrId::chacha20_poly1305;
    });
    ike::Config config;
    auto& peer = config.connections.emplace_back();
    peer.name = "b";
    peer.role = ike::Role::peer;
    const child::EspProposal gcm{{{crypto::EncrId::aes_gcm_16, 256}}, {}, {}};
    const child::EspProposal chacha{{{crypto::EncrId::chacha20_poly1305, 0}}, {}, {}};
    for (const auto* name : {"one", "two"}) {
        auto& child = peer.children.emplace_back();
        child.name = name;
        child.terms.esp = {gcm};
    }
    CHECK(fit(config, abilities).value().empty());
    peer.children[1].terms.esp = {chacha, gcm};
    CHECK(fit(config, abilities) ==
          std::vector<std::string>{
              "connections.b.children.two: ESP algorithms that this kernel does not carry are not "
              "offered"});
    CHECK(peer.children[1].terms.esp == std::vector{gcm});
    peer.children[0].terms.esp = {chacha};
    CHECK(fit(config, abilities).error() ==
          "connections.b.children.one: this kernel carries none of the ESP algorithms of \"esp\"");
    peer.interface = "to-b";
    CHECK(fit(config, abilities).error() ==
          "this kernel lacks xfrm interfaces, which a peer with \"interface\" needs");
    config.group_memberships.push_back({"sites", "sheaf-sites", {}, {}, {}});
    CHECK(fit(config, abilities).error() ==
          "this kernel lacks xfrm interfaces, which an endpoint of a group needs");
}

TEST_CASE("A connection that is left without ESP algorithms is an error", "[daemon]") {
    auto abilities = everything();
    abilities.suites.clear();
    auto config = gateway_settings().engine;
    CHECK(fit(config, abilities).error() ==
          "connections.clients: this kernel carries none of the ESP algorithms of \"esp\"");
}

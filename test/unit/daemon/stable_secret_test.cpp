#include "daemon/stable_secret.h"
#include "test/support/hex.h"
#include "test/unit/daemon/scratch_folder.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using sheaf::test::to_hex;

namespace {

constexpr const char* kMachineId = "0123456789abcdef0123456789abcdef";

ike::Config client_with(std::vector<ike::InterfaceIdChoice> ids) {
    ike::Connection connection;
    connection.name = "home";
    connection.role = ike::Role::client;
    connection.request.interface_ids = std::move(ids);
    ike::Config config;
    config.connections.push_back(std::move(connection));
    return config;
}

} // namespace

TEST_CASE("The stable secret follows from the machine ID and is not it", "[daemon]") {
    const ScratchFolder folder;
    const auto secret = stable_secret(folder.write("id", std::string(kMachineId) + "\n"));
    REQUIRE(secret);
    // openssl dgst -sha256 -mac HMAC -macopt key:$(cat machine-id), of the purpose's words
    CHECK(to_hex(secret->view()) == "8e6a9bd8c09f5cae90440ce72cdc59ddbdf4144b52e7b841a8e63e937a654329");
    const auto same = stable_secret(folder.write("same", kMachineId)); // as some tools write it
    REQUIRE(same);
    CHECK(equal(same->view(), secret->view()));
    const auto other = stable_secret(folder.write("other", "0123456789abcdef0123456789abcdee\n"));
    REQUIRE(other);
    CHECK_FALSE(equal(other->view(), secret->view()));
}

TEST_CASE("What is no machine ID is told with the remedy", "[daemon]") {
    const ScratchFolder folder;
    const auto error = [&](const std::string& path) {
        const auto secret = stable_secret(path);
        REQUIRE_FALSE(secret);
        return secret.error();
    };
    CHECK(error(folder.file("none")) ==
          folder.file("none") +
              ": No such file or directory; the stable addresses of clients (RFC 7217) are made "
              "with it: run systemd-machine-id-setup, or set \"interface_ids\" of the "
              "connection to \"random\"");
    for (const std::string& text :
         {std::string(), std::string("uninitialized\n"), std::string(32, '0') + "\n",
          std::string(31, 'a') + "\n", std::string(33, 'a'), std::string(kMachineId) + "\n\n",
          std::string(kMachineId) + "a\n", std::string("0123456789ABCDEF0123456789ABCDEF\n")}) {
        CAPTURE(text);
        const auto told = error(folder.write("id", text));
        CHECK(told.find(": no machine ID; ") != std::string::npos);
        CHECK((text.size() < 31 || told.find(text.substr(0, 31)) == std::string::npos));
    }
}

TEST_CASE("A secret is needed for stable identifiers of a client alone", "[daemon]") {
    CHECK(needs_stable_secret(client_with({ike::StableId{}})) == "home");
    CHECK(needs_stable_secret(client_with({ike::RandomId{}, ike::StableId{}})) == "home");
    CHECK(needs_stable_secret(client_with({ike::RandomId{}, wire::InterfaceId{1}})).empty());
    auto config = client_with({ike::StableId{}});
    config.connections.front().request.prefix = false;
    CHECK(needs_stable_secret(config).empty());
    config = client_with({ike::StableId{}});
    config.connections.front().role = ike::Role::gateway;
    CHECK(needs_stable_secret(config).empty());
}

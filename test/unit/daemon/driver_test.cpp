#include "daemon/clock.h"
#include "daemon/driver.h"
#include "daemon/route_lookup.h"
#include "lib/crypto/system_random.h"
#include "test/unit/daemon/configs.h"
#include "xfrm/recording_kernel.h"

#include <catch2/catch.hpp>

#include <string_view>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

namespace {

// Says how often its pools were changed.
class Pools final : public AddressSource {
  public:
    unsigned changes = 0;

    void ask(address::Demand, Instant) override {}
    [[nodiscard]] Supplied take(Instant) override { return {}; }
    [[nodiscard]] std::expected<void, std::string> update(std::span<const address::PoolSpec>,
                                                          Instant) override {
        ++changes;
        return {};
    }
    [[nodiscard]] std::vector<address::PoolUsage> usage() const override { return {}; }
};

} // namespace

TEST_CASE("A reload that comes while all is ending changes no pools", "[daemon]") {
    Loop loop;
    Log log{LogLevel::error, LogPrefix::journal, [](std::string_view) {}};
    const IpAddress loopback = *IpAddress::parse("127.0.0.1");
    UdpPorts ports = UdpPorts::open({{loopback}, 0, 0, std::nullopt, false}).value();
    xfrm::RecordingKernel kernel;
    Pools pools;
    crypto::SystemRandom random;
    RouteLookup source{{loopback}, std::nullopt, Secret(32)};
    const auto config = gateway_settings().engine;
    Driver driver(loop, log, ports, kernel, pools, ike::Engine(config, random, source, now()));
    REQUIRE(driver.reload(config));
    CHECK(pools.changes == 1);
    REQUIRE(driver.command(ike::Shutdown{}));
    const auto done = driver.reload(config);
    REQUIRE_FALSE(done);
    CHECK(done.error() == "sheafd is ending; start it again first");
    CHECK(pools.changes == 1);
}

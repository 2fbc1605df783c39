// Each step of a kernel refused in turn, while an endpoint joins a group, rolls over, leaves and comes back.

#include "test/unit/ike/agreement.h"
#include "test/unit/ike/group_net.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

TEST_CASE("whichever step is refused at an endpoint of a group, all talk to each other in the end") {
    constexpr std::size_t kMoreThanThereAre = 60;
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        INFO("step " << nth);
        Mesh mesh(2);
        Host& third = mesh.add();
        third.kernel.fail_after = nth;
        mesh.run(2s);
        const auto tell = [&](ike::Command command) {
            const bool accepted = third.engine.command(mesh.net.now, std::move(command)).has_value();
            third.pump(mesh.net.now);
            mesh.run(20s);
            return accepted;
        };
        REQUIRE(mesh.rekey());
        mesh.run(200s);
        mesh.restart_hub();
        mesh.run(100s);
        CHECK(mesh.rekey());
        mesh.run(70s);
        tell(ike::Reauthenticate{"hub"});
        mesh.run(130s);
        tell(ike::Down{"hub"});
        tell(ike::Up{"hub"});
        mesh.run(300s);
        const bool refused = !third.kernel.fail_after;
        CHECK(mesh.silent() == "");
        for (Host* site : mesh.sites) {
            CHECK(spis_of(*site) == std::set{mesh.status().standing.spi});
            CHECK(site->engine.status().groups.at(0).sas.size() == 1);
        }
        CHECK(mesh.status().standing.members == 3);
        CHECK(mesh.status().standing.behind == 0);
        for (Host* site : mesh.sites) {
            REQUIRE(site->engine.command(mesh.net.now, ike::Shutdown{}));
            site->pump(mesh.net.now);
        }
        mesh.run(60s);
        for (const Host* site : mesh.sites)
            CHECK(remains(*site) == "");
        if (!refused) break;
    }
    CHECK(nth > 5);
    CHECK(nth < kMoreThanThereAre);
}

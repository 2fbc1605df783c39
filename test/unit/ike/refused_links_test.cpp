// Each step of a kernel refused in turn, while a client's link comes up, changes and goes on.

#include "test/unit/ike/agreement.h"
#include "test/unit/ike/client_net.h"

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMoreThanThereAre = 100;

ike::Config sharing() {
    auto config = rich_gateway();
    config.connections[0].uniqueness = ike::Uniqueness::share;
    return config;
}

// A gateway whose clients' addresses change while they are there.
struct Served : Net {
    Host& refuses;
    Host& twin; // of the same identity
    bool late;
    Served(bool at_gateway, bool late_answers, std::size_t nth, bool two = false)
        : Net(sharing()), refuses(at_gateway ? gateway : client),
          twin(net.add("198.51.100.77", two ? client_config(kGateway) : ike::Config{})), late(late_answers) {
        refuses.kernel.fail_after = nth;
    }
    void run(Duration duration) { sheaf::test::run(net, {&gateway, &client, &twin}, late, duration); }
    // Whether it is accepted: what it would be about may not be there any more.
    bool tell(Host& host, ike::Command command, Duration duration) {
        const bool accepted = host.engine.command(net.now, std::move(command)).has_value();
        host.pump(net.now);
        run(duration);
        return accepted;
    }
    [[nodiscard]] bool refused() const { return !refuses.kernel.fail_after; }
    // What the link is to be once all is settled: three blocks, of which none goes.
    void check_link() {
        REQUIRE(client.kernel.links.size() == 1);
        REQUIRE(gateway.kernel.links.size() == 1);
        CHECK(link().addresses.size() == 4);
        CHECK(std::ranges::none_of(link().addresses, &child::InterfaceAddress::deprecated));
        CHECK(link().delegated.size() == 2);
        CHECK(at_gateway().routes.size() == 4);
        CHECK(gateway.blocks_used() == 3);
    }
    void check_gone() {
        CHECK(remains(client) == "");
        CHECK(remains(gateway) == "");
        CHECK(gateway.blocks_used() == 0);
    }
};

} // namespace

TEST_CASE("whichever step is refused while a client's link changes, both ends have it alike in the end") {
    const bool at_gateway = GENERATE(true, false);
    const bool late = GENERATE(false, true);
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        INFO((at_gateway ? "gateway" : "client") << (late ? ", late" : "") << ", step " << nth);
        Served n(at_gateway, late, nth);
        n.run(3s);
        auto further = sharing();
        further.connections[0].pools.push_back({{"b2"}});
        n.gateway.reload(n.net.now, further);
        n.run(70s);
        n.gateway.reload(n.net.now, sharing());
        n.run(100s);
        n.tell(n.client, ike::Rekey{"home", ike::Rekey::What::children}, 10s);
        n.tell(n.client, ike::Rekey{"home", ike::Rekey::What::ike}, 5s);
        n.tell(n.client, ike::Reauthenticate{"home"}, 30s);
        n.run(3min);
        const bool refused = n.refused();
        CHECK(deluded(n.client) == "");
        CHECK(deluded(n.gateway) == "");
        CHECK(disagreement(n.client, n.gateway, 1) == "");
        n.check_link();
        n.tell(n.client, ike::Shutdown{}, 1min);
        n.check_gone();
        if (!refused) break;
    }
    CHECK(nth > 10);
    CHECK(nth < kMoreThanThereAre);
}

TEST_CASE("whichever step is refused while two hosts share a link, it is there for both in the end") {
    const bool at_gateway = GENERATE(true, false);
    const bool late = GENERATE(false, true);
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        INFO((at_gateway ? "gateway" : "client") << (late ? ", late" : "") << ", step " << nth);
        Served n(at_gateway, late, nth, true);
        n.run(5s);
        n.tell(n.client, ike::Reauthenticate{"home"}, 30s);
        n.tell(n.twin, ike::Rekey{"home", ike::Rekey::What::children}, 10s);
        n.tell(n.gateway, ike::Rekey{"clients", ike::Rekey::What::children}, 10s);
        n.tell(n.twin, ike::Reauthenticate{"home"}, 30s);
        n.run(3min);
        CHECK(deluded(n.client) == "");
        CHECK(deluded(n.twin) == "");
        CHECK(deluded(n.gateway) == "");
        CHECK(n.gateway.kernel.sas.size() == 2);
        CHECK(n.twin.kernel.sas.size() == 1);
        n.tell(n.twin, ike::Down{"home"}, 10s);
        n.run(3min);
        const bool refused = n.refused();
        CHECK(n.twin.kernel.empty());
        CHECK(deluded(n.client) == "");
        CHECK(deluded(n.gateway) == "");
        CHECK(disagreement(n.client, n.gateway, 1) == "");
        n.check_link();
        n.tell(n.client, ike::Shutdown{}, 1min);
        n.check_gone();
        CHECK(n.twin.engine.idle());
        if (!refused) break;
    }
    CHECK(nth > 5);
    CHECK(nth < kMoreThanThereAre);
}

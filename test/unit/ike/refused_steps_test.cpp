// Each step of a kernel refused in turn, while Child SAs between two sites come and go.

#include "lib/child/selector.h"
#include "test/unit/ike/agreement.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::test;
using namespace std::chrono_literals;

namespace {

enum class Form { plain, interface };

ike::Config site(bool left, Form form) {
    auto config = peer_config(left, left ? "192.0.2.2" : "192.0.2.1");
    ike::Connection& c = config.connections[0];
    c.child.esp = child::default_esp_proposals();
    if (form == Form::interface) c.interface = "site0";
    ike::ChildConfig more = c.children[0];
    more.name = "more";
    const auto network = [](bool of_left) {
        return std::vector{child::selector(*Prefix::parse(of_left ? "10.3.0.0/16" : "10.4.0.0/16"))};
    };
    more.local = network(left);
    more.remote = network(!left);
    c.children.push_back(more);
    return config;
}

struct Sites {
    WireNet net;
    Host& left;
    Host& right;
    Host& refuses;
    bool late;
    Sites(Form form, bool at_left, bool late_answers, std::size_t nth)
        : left(net.add("192.0.2.1", site(true, form))), right(net.add("192.0.2.2", site(false, form))),
          refuses(at_left ? left : right), late(late_answers) {
        refuses.kernel.fail_after = nth;
    }
    void run(Duration duration) { sheaf::test::run(net, {&left, &right}, late, duration); }
    // Whether it is accepted: what it would be about may not be there any more.
    bool tell(Host& host, ike::Command command) {
        const bool accepted = host.engine.command(net.now, std::move(command)).has_value();
        host.pump(net.now);
        run(10s);
        return accepted;
    }
    [[nodiscard]] bool refused() const { return !refuses.kernel.fail_after; }
};

} // namespace

TEST_CASE("whichever step is refused while sites rekey, both have the same Child SAs in the end") {
    constexpr std::size_t kMoreThanThereAre = 100;
    using What = ike::Rekey::What;
    const Form form = GENERATE(Form::plain, Form::interface);
    const bool at_left = GENERATE(true, false);
    const bool late = GENERATE(false, true);
    std::size_t nth = 0;
    for (; nth < kMoreThanThereAre; ++nth) {
        INFO((form == Form::plain ? "plain, " : "interface, ")
             << (at_left ? "left" : "right") << (late ? ", late" : "") << ", step " << nth);
        Sites sites(form, at_left, late, nth);
        sites.run(1s);
        for (Host* host : {&sites.left, &sites.right}) {
            sites.tell(*host, ike::Rekey{"site", What::children});
            sites.tell(*host, ike::Rekey{"site", What::ike});
        }
        sites.tell(sites.left, ike::DownChild{"site", "more"});
        sites.tell(sites.left, ike::Up{"site"});
        sites.tell(sites.left, ike::Reauthenticate{"site"});
        sites.run(3min);
        const bool refused = sites.refused();
        CHECK(deluded(sites.left, 2) == "");
        CHECK(deluded(sites.right) == "");
        CHECK(disagreement(sites.left, sites.right, 2) == "");
        CHECK(sites.left.established() == 1);
        sites.tell(sites.right, ike::Shutdown{});
        sites.tell(sites.left, ike::Shutdown{});
        sites.run(1min);
        CHECK(remains(sites.left) == "");
        CHECK(remains(sites.right) == "");
        if (!refused) break;
    }
    CHECK(nth > 10);
    CHECK(nth < kMoreThanThereAre);
}

#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/recording_kernel.h"

namespace sheaf::xfrm {
namespace {

using kernel_test::Client;
using kernel_test::ip;
using test::carried_out;

} // namespace

TEST_CASE("a recording kernel holds what it was told and can refuse", "[xfrm]") {
    RecordingKernel kernel;
    CHECK(kernel.probe()->supports(kernel_test::kGcm));
    REQUIRE(carried_out(kernel, Client{.n = 1}.up()));
    CHECK(kernel.installed().links.size() == 1);
    CHECK(kernel.installed().sas == std::vector{Client{.n = 1}.pair()});
    CHECK(kernel.installed().policies == std::vector{Client{.n = 1}.policies()});
    kernel.refuse_when([](const child::KernelIntent&) { return std::optional<std::string>("no"); });
    CHECK_FALSE(carried_out(kernel, Client{.n = 2}.up()));
    CHECK(kernel.installed().links.size() == 1);
    kernel.refuse_when({});
    REQUIRE(carried_out(kernel, Client{.n = 1}.down()));
    CHECK(kernel.installed() == RecordingKernel::Installed{});
    CHECK(kernel.intents() == 3);
    kernel.tell(child::SaGone{});
    CHECK(kernel.take_events().size() == 1);
    REQUIRE(carried_out(kernel, Client{.n = 1}.up()));
    CHECK_FALSE(kernel.take_usage());
    const auto pair = Client{.n = 1}.pair();
    kernel.carry({.destination = pair.peer.address, .spi = pair.spi_out, .bytes = 1000, .packets = 10});
    kernel.ask_usage({});
    const auto usage = kernel.take_usage();
    REQUIRE(usage);
    REQUIRE(usage->size() == 2);
    CHECK(usage->at(0).spi == pair.spi_in);
    CHECK(usage->at(0).bytes == 0);
    CHECK(usage->at(1).bytes == 1000);
    CHECK_FALSE(kernel.take_usage());
    CHECK(kernel.reconcile()->states == 2);
    CHECK(kernel.installed().sas.empty());
}

TEST_CASE("a recording kernel follows single directions, moves, updates and sets that are held twice",
          "[xfrm]") {
    RecordingKernel kernel;
    const auto carry_out = [&](child::KernelStep step) {
        std::vector<child::KernelStep> steps;
        steps.push_back(std::move(step));
        REQUIRE(carried_out(kernel, std::move(steps)));
    };
    const auto pair = Client{.n = 1}.pair();
    const auto policies = Client{.n = 1}.policies();
    auto sas = Client{.n = 1}.sas();
    sas.directions = child::Directions::in;
    carry_out(std::move(sas));
    CHECK(kernel.installed().in == std::vector{pair});
    CHECK(kernel.installed().out.empty());
    carry_out(Client{.n = 1}.sas());
    CHECK(kernel.installed().sas == std::vector{pair});
    carry_out(child::RemoveSas{pair, child::Directions::in});
    CHECK(kernel.installed().sas == std::vector{pair});
    carry_out(child::InstallPolicies{policies});
    carry_out(child::InstallPolicies{policies});
    carry_out(child::RemovePolicies{policies});
    CHECK(kernel.installed().policies.size() == 1);
    const Endpoint elsewhere{ip("2001:db8:8::8"), 4500};
    carry_out(child::MoveSas{.id = pair, .policies = policies, .local = pair.local, .peer = elsewhere});
    CHECK(kernel.installed().out.at(0).peer == elsewhere);
    CHECK(kernel.installed().policies.at(0).peer == elsewhere.address);
    auto link = Client{.n = 1}.link();
    carry_out(child::OpenLink{link});
    auto other = link;
    other.routes.pop_back();
    carry_out(child::UpdateLink{link, other});
    CHECK(kernel.installed().links.at(link.number) == other);
}

} // namespace sheaf::xfrm

#pragma once

#include "lib/child/kernel.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sheaf::test {

// A kernel for engine tests: it keeps what intents install and insists on their contract: nothing is
// installed twice, no key serves two SAs, an intent succeeds as a whole or leaves nothing.
class FakeKernel {
  public:
    // Carries the intent out and answers how it went.
    child::IntentDone apply(child::KernelIntent intent);

    // The step (by kind, as in std::variant::index()) that fails next, once.
    std::optional<std::size_t> fail_step;

    // The SAD entries of one Child SA.
    struct Pair {
        child::SaPairId id;
        child::LinkNumber reqid = 0;
        child::Mode mode{};
        crypto::EspSuite suite;
        bool on_interface = true;
        bool udp_encapsulation = false;
        child::SaLimits limits;
        bool inbound = false;
        bool outbound = false;
        child::EspKeys in;
        child::EspKeys out;
    };

    std::map<child::LinkNumber, child::Link> links;
    std::map<wire::ChildSpi, Pair> sas; // by inbound SPI
    std::vector<child::PolicySet> policies;
    std::set<Bytes> keys_seen;
    std::vector<std::string> breaches; // of the contract; a test ends with none

    [[nodiscard]] bool empty() const { return links.empty() && sas.empty() && policies.empty(); }
    // Child SAs that are there in both directions.
    [[nodiscard]] std::size_t pairs() const;

  private:
    std::optional<std::string> carry_out(child::KernelStep& step);
    void install(child::InstallSas& step);
    void remove(const child::RemoveSas& step);
    void move(const child::MoveSas& step);
    void undo(const child::KernelStep& step);
};

} // namespace sheaf::test

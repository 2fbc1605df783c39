#pragma once

#include "lib/child/kernel.h"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::test {

// A kernel for engine tests: it keeps what intents install and insists on their contract: nothing is
// installed twice, an intent succeeds as a whole or leaves nothing.
class FakeKernel {
  public:
    // Carries the intent out and answers how it went.
    child::IntentDone apply(child::KernelIntent intent);

    // The step (by kind, as in std::variant::index()) that fails next, once.
    std::optional<std::size_t> fail_step;

    std::map<child::LinkNumber, child::Link> links;
    std::map<wire::ChildSpi, child::InstallSas> sas; // by inbound SPI
    std::vector<child::PolicySet> policies;
    std::vector<std::string> breaches; // of the contract; a test ends with none

    [[nodiscard]] bool empty() const { return links.empty() && sas.empty() && policies.empty(); }

  private:
    std::optional<std::string> carry_out(child::KernelStep& step);
    void undo(const child::KernelStep& step);
};

} // namespace sheaf::test

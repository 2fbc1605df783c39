#include "test/support/fake_kernel.h"

#include <algorithm>

namespace sheaf::test {

using namespace child;

IntentDone FakeKernel::apply(KernelIntent intent) {
    for (std::size_t i = 0; i < intent.steps.size(); ++i) {
        const auto error = carry_out(intent.steps[i]);
        if (!error) continue;
        while (i-- > 0)
            undo(intent.steps[i]);
        return {intent.id, error};
    }
    return {intent.id, std::nullopt};
}

std::optional<std::string> FakeKernel::carry_out(KernelStep& step) {
    if (fail_step == step.index()) {
        fail_step.reset();
        return "step refused by the test";
    }
    if (auto* open = std::get_if<OpenLink>(&step)) {
        if (!links.emplace(open->link.number, open->link).second) breaches.emplace_back("link opened twice");
    } else if (const auto* close = std::get_if<CloseLink>(&step)) {
        links.erase(close->link.number);
    } else if (auto* install = std::get_if<InstallSas>(&step)) {
        const auto spi = install->id.spi_in;
        InstallSas copy{install->id,
                        install->mode,
                        install->udp_encapsulation,
                        install->role,
                        install->suite,
                        {install->in.encryption.copy(), install->in.integrity.copy()},
                        {install->out.encryption.copy(), install->out.integrity.copy()},
                        install->replay_window};
        if (!sas.emplace(spi, std::move(copy)).second) breaches.emplace_back("SAs installed twice");
    } else if (const auto* remove = std::get_if<RemoveSas>(&step)) {
        sas.erase(remove->id.spi_in);
    } else if (const auto* policy = std::get_if<InstallPolicies>(&step)) {
        if (std::ranges::find(policies, policy->policies) != policies.end())
            breaches.emplace_back("policies installed twice");
        policies.push_back(policy->policies);
    } else if (const auto* gone = std::get_if<RemovePolicies>(&step)) {
        std::erase(policies, gone->policies);
    }
    return std::nullopt;
}

void FakeKernel::undo(const KernelStep& step) {
    if (const auto* open = std::get_if<OpenLink>(&step)) links.erase(open->link.number);
    if (const auto* install = std::get_if<InstallSas>(&step)) sas.erase(install->id.spi_in);
    if (const auto* policy = std::get_if<InstallPolicies>(&step)) std::erase(policies, policy->policies);
}

} // namespace sheaf::test

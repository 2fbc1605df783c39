#include "xfrm/recording_kernel.h"

#include "xfrm/probe.h"

#include <algorithm>
#include <utility>

namespace sheaf::xfrm {
namespace {

struct Recorder {
    RecordingKernel::Installed& to;

    void operator()(const child::OpenLink& step) const { to.links[step.link.number] = step.link; }
    void operator()(const child::CloseLink& step) const { to.links.erase(step.link.number); }
    void operator()(const child::InstallSas& step) const { to.sas.push_back(step.id); }
    void operator()(const child::RemoveSas& step) const { std::erase(to.sas, step.id); }
    void operator()(const child::InstallPolicies& step) const { to.policies.push_back(step.policies); }
    void operator()(const child::RemovePolicies& step) const { std::erase(to.policies, step.policies); }
};

} // namespace

void RecordingKernel::refuse_when(
    std::function<std::optional<std::string>(const child::KernelIntent&)> refuse) {
    refuse_ = std::move(refuse);
}

void RecordingKernel::tell(child::KernelEvent event) { events_.push_back(std::move(event)); }

std::expected<Abilities, std::string> RecordingKernel::probe() {
    return Abilities{.esp_ipv4 = true,
                     .esp_ipv6 = true,
                     .udp_encapsulation_ipv4 = true,
                     .udp_encapsulation_ipv6 = true,
                     .virtual_links = true,
                     .shared_link = true,
                     .sa_direction = true,
                     .suites = Probe::all_suites(),
                     .lacks = {}};
}

std::expected<Removed, std::string> RecordingKernel::reconcile() {
    const Installed was = std::exchange(installed_, {});
    Removed out;
    out.states = 2 * was.sas.size();
    out.policies = was.policies.size();
    out.links = was.links.size();
    return out;
}

void RecordingKernel::apply(child::KernelIntent&& intent, Instant) {
    ++intents_;
    auto error = refuse_ ? refuse_(intent) : std::nullopt;
    if (!error) {
        for (const child::KernelStep& step : intent.steps)
            std::visit(Recorder{installed_}, step);
    }
    events_.push_back(child::IntentDone{intent.id, std::move(error)});
}

void RecordingKernel::flush(Instant) {}
void RecordingKernel::on_readable(Instant) {}
void RecordingKernel::on_timeout(Instant) {}

std::vector<child::KernelEvent> RecordingKernel::take_events() { return std::exchange(events_, {}); }

} // namespace sheaf::xfrm

#include "xfrm/recording_kernel.h"

#include "xfrm/expansion.h"
#include "xfrm/probe.h"

#include <algorithm>
#include <utility>

namespace sheaf::xfrm {
namespace {

struct Recorder {
    RecordingKernel::Installed& to;

    void operator()(const child::OpenLink& step) const { to.links[step.link.number] = step.link; }
    void operator()(const child::CloseLink& step) const { to.links.erase(step.link.number); }
    void operator()(const child::UpdateLink& step) const { to.links[step.after.number] = step.after; }
    void operator()(const child::InstallSas& step) const {
        if (installs_in(step.directions)) add(to.in, step.id);
        if (installs_out(step.directions)) add(to.out, step.id);
        add(to.sas, step.id);
    }
    void operator()(const child::RemoveSas& step) const {
        if (installs_in(step.directions)) std::erase(to.in, step.id);
        if (installs_out(step.directions)) std::erase(to.out, step.id);
        if (!contains(to.in, step.id) && !contains(to.out, step.id)) std::erase(to.sas, step.id);
    }
    // Each set is held by whom it was installed for, as often as that was.
    void operator()(const child::InstallPolicies& step) const { to.policies.push_back(step.policies); }
    void operator()(const child::RemovePolicies& step) const {
        const auto found = std::ranges::find(to.policies, step.policies);
        if (found != to.policies.end()) to.policies.erase(found);
    }
    void operator()(const child::MoveSas& step) const {
        child::SaPairId pair = step.id;
        pair.local = step.local;
        pair.peer = step.peer;
        for (auto* list : {&to.sas, &to.in, &to.out})
            std::ranges::replace(*list, step.id, pair);
        const auto found = std::ranges::find(to.policies, step.policies);
        if (found == to.policies.end()) return;
        found->local = step.local.address;
        found->peer = step.peer.address;
    }

  private:
    static bool contains(const std::vector<child::SaPairId>& list, const child::SaPairId& id) {
        return std::ranges::find(list, id) != list.end();
    }
    static void add(std::vector<child::SaPairId>& list, const child::SaPairId& id) {
        if (!contains(list, id)) list.push_back(id);
    }
};

} // namespace

void RecordingKernel::refuse_when(
    std::function<std::optional<std::string>(const child::KernelIntent&)> refuse) {
    refuse_ = std::move(refuse);
}

void RecordingKernel::carry(const SaUsage& figures) {
    carried_[{figures.destination, figures.spi}] = figures;
}

void RecordingKernel::ask_usage(Instant) { usage_asked_ = true; }

std::optional<std::vector<SaUsage>> RecordingKernel::take_usage() {
    if (!std::exchange(usage_asked_, false)) return std::nullopt;
    std::vector<SaUsage> out;
    const auto add = [&](const IpAddress& destination, std::uint32_t spi) {
        const auto found = carried_.find({destination, spi});
        out.push_back(found != carried_.end() ? found->second
                                              : SaUsage{.destination = destination, .spi = spi});
    };
    for (const child::SaPairId& pair : installed_.in)
        add(pair.local.address, pair.spi_in);
    for (const child::SaPairId& pair : installed_.out)
        add(pair.peer.address, pair.spi_out);
    return out;
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
    out.states = was.in.size() + was.out.size();
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

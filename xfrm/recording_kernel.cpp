#include "xfrm/recording_kernel.h"

#include "xfrm/expansion.h"
#include "xfrm/probe.h"

#include <algorithm>
#include <set>
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

    void operator()(const child::OpenGroup& step) const {
        to.groups[step.link.number] = {.link = step.link, .sas = {}};
    }
    void operator()(const child::UpdateGroup& step) const {
        const auto found = to.groups.find(step.link.number);
        if (found != to.groups.end()) found->second.link = step.link;
    }
    void operator()(const child::CloseGroup& step) const { to.groups.erase(step.number); }
    void operator()(const child::InstallGroupSa& step) const {
        const auto found = to.groups.find(step.group);
        if (found != to.groups.end()) found->second.sas.push_back({step.spi, step.expires});
    }
    void operator()(const child::SendWithGroupSa& step) const {
        const auto found = to.groups.find(step.group);
        if (found != to.groups.end()) found->second.sending = step.spi;
    }
    void operator()(const child::RefreshGroupSa& step) const {
        const auto found = to.groups.find(step.group);
        if (found == to.groups.end()) return;
        for (auto& sa : found->second.sas) {
            if (sa.spi == step.spi) sa.expires = step.expires;
        }
    }
    void operator()(const child::RemoveGroupSa& step) const {
        const auto found = to.groups.find(step.group);
        if (found == to.groups.end()) return;
        std::erase_if(found->second.sas, [&](const auto& sa) { return sa.spi == step.spi; });
        if (found->second.sending == step.spi) found->second.sending = 0;
    }

    void operator()(const child::OpenMobility& step) const { to.homes[step.link.number] = step.link; }
    void operator()(const child::UpdateMobility& step) const { to.homes[step.link.number] = step.link; }
    void operator()(const child::CloseMobility& step) const { to.homes.erase(step.number); }

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
    const auto same = [&](const SaUsage& other) {
        return other.destination == figures.destination && other.spi == figures.spi &&
               other.source == figures.source;
    };
    std::erase_if(carried_, same);
    carried_.push_back(figures);
}

void RecordingKernel::route(child::LinkNumber group, std::vector<FollowedRoute> routes) {
    routes_[group] = std::move(routes);
}

std::vector<GroupRoute> RecordingKernel::group_routes(child::LinkNumber group) const {
    std::vector<GroupRoute> out;
    const auto open = installed_.groups.find(group);
    if (open == installed_.groups.end()) return out;
    const auto followed = routes_.find(group);
    for (const auto& [prefix, entry] : table_of(
             open->second.link, followed == routes_.end() ? std::vector<FollowedRoute>{} : followed->second))
        out.push_back(entry);
    return out;
}

// What was said without a source is meant for any.
SaUsage RecordingKernel::carried(const IpAddress& source, const IpAddress& destination, std::uint32_t spi,
                                 child::LinkNumber number) const {
    SaUsage out{.destination = destination, .spi = spi};
    for (const SaUsage& said : carried_) {
        if (said.destination != destination || said.spi != spi) continue;
        if (said.source == source || (said.source.is_any() && out.packets == 0)) out = said;
    }
    out.source = source;
    out.number = number;
    return out;
}

void RecordingKernel::add_usage(child::LinkNumber number, std::vector<SaUsage>& to) const {
    const Installed::Group& group = installed_.groups.at(number);
    std::set<IpAddress> endpoints;
    for (const GroupRoute& entry : group_routes(number))
        endpoints.insert(entry.endpoint);
    for (const IpAddress& endpoint : endpoints) {
        const auto local = local_of(group.link, endpoint.family());
        if (!local) continue;
        for (const auto& sa : group.sas) {
            to.push_back(carried(endpoint, *local, sa.spi, number));
            if (sa.spi == group.sending) to.push_back(carried(*local, endpoint, sa.spi, number));
        }
    }
}

void RecordingKernel::ask_usage(Instant) { usage_asked_ = true; }

std::optional<std::vector<SaUsage>> RecordingKernel::take_usage() {
    if (!std::exchange(usage_asked_, false)) return std::nullopt;
    std::vector<SaUsage> out;
    for (const child::SaPairId& pair : installed_.in)
        out.push_back(carried(pair.peer.address, pair.local.address, pair.spi_in, pair.link));
    for (const child::SaPairId& pair : installed_.out)
        out.push_back(carried(pair.local.address, pair.peer.address, pair.spi_out, pair.link));
    for (const auto& [number, group] : installed_.groups)
        add_usage(number, out);
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
    out.links = was.links.size() + was.groups.size() + was.homes.size();
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

#include "test/support/fake_kernel.h"

#include <algorithm>

namespace sheaf::test {

using namespace child;

IntentDone FakeKernel::apply(KernelIntent intent) {
    const auto homes_before = homes;
    const auto groups_before = groups;
    for (std::size_t i = 0; i < intent.steps.size(); ++i) {
        const auto error = carry_out(intent.steps[i]);
        if (!error) continue;
        while (i-- > 0)
            undo(intent.steps[i]);
        homes = homes_before;
        groups = groups_before;
        return {intent.id, error};
    }
    return {intent.id, std::nullopt};
}

namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

} // namespace

bool FakeKernel::fails(const KernelStep& step) {
    if (fail_step == step.index()) {
        fail_step.reset();
        return true;
    }
    const bool may_fail =
        std::holds_alternative<OpenLink>(step) || std::holds_alternative<UpdateLink>(step) ||
        std::holds_alternative<InstallSas>(step) || std::holds_alternative<InstallPolicies>(step) ||
        std::holds_alternative<MoveSas>(step) || std::holds_alternative<OpenMobility>(step) ||
        std::holds_alternative<UpdateMobility>(step) || std::holds_alternative<OpenGroup>(step) ||
        std::holds_alternative<UpdateGroup>(step) || std::holds_alternative<InstallGroupSa>(step) ||
        std::holds_alternative<SendWithGroupSa>(step) || std::holds_alternative<RefreshGroupSa>(step);
    if (!may_fail || !fail_after || (*fail_after)-- != 0) return false;
    fail_after.reset();
    return true;
}

std::optional<std::string> FakeKernel::carry_out(KernelStep& step) {
    if (fails(step)) return "step refused by the test";
    // What was asked for before the kernel has refused what it needs is refused as well.
    const auto* of_group = std::get_if<InstallGroupSa>(&step);
    if (of_group && !groups.contains(of_group->group)) return "the group is not open";
    const auto* update = std::get_if<UpdateLink>(&step);
    if (update && !links.contains(update->before.number)) return "the link is not open";
    const auto* moves = std::get_if<MoveSas>(&step);
    if (moves && !sas.contains(moves->id.spi_in)) return "there are no such SAs";
    std::visit(Overloaded{
                   [&](OpenLink& s) {
                       if (!links.emplace(s.link.number, s.link).second)
                           breaches.emplace_back("link opened twice");
                   },
                   [&](CloseLink& s) {
                       const auto found = links.find(s.link.number);
                       if (found != links.end() && found->second != s.link)
                           breaches.emplace_back("a link closed that is not there as said");
                       links.erase(s.link.number);
                   },
                   [&](UpdateLink& s) {
                       const auto found = links.find(s.before.number);
                       if (found->second != s.before)
                           breaches.emplace_back("a link updated that is not there as said");
                       else
                           found->second = s.after;
                   },
                   [&](InstallSas& s) { install(s); },
                   [&](RemoveSas& s) { remove(s); },
                   [&](InstallPolicies& s) { policies.push_back(s.policies); },
                   [&](RemovePolicies& s) {
                       const auto found = std::ranges::find(policies, s.policies);
                       if (found == policies.end())
                           breaches.emplace_back("policies removed that are not there");
                       else
                           policies.erase(found);
                   },
                   [&](MoveSas& s) { move(s); },
                   [&](auto& s) { carry_out(s); },
               },
               step);
    return std::nullopt;
}

void FakeKernel::install(InstallSas& s) {
    const bool in = s.directions != Directions::out, out = s.directions != Directions::in;
    auto [found, fresh] = sas.try_emplace(s.id.spi_in);
    Pair& pair = found->second;
    if ((in && pair.inbound) || (out && pair.outbound)) breaches.emplace_back("SAs installed twice");
    if (fresh) {
        pair.id = s.id;
        pair.mode = s.mode;
        pair.suite = s.suite;
        pair.reqid = s.reqid;
        pair.on_interface = s.on_interface;
        pair.udp_encapsulation = s.udp_encapsulation;
        pair.limits = s.limits;
    } else if (pair.id != s.id) {
        breaches.emplace_back("the two halves of a pair differ");
    }
    pair.inbound = pair.inbound || in;
    pair.outbound = pair.outbound || out;
    if (in) pair.in = {s.in.encryption.copy(), s.in.integrity.copy()};
    if (out) pair.out = {s.out.encryption.copy(), s.out.integrity.copy()};
    if (in && s.in.encryption.empty()) breaches.emplace_back("an inbound SA without key");
    if (out && s.out.encryption.empty()) breaches.emplace_back("an outbound SA without key");
    for (const auto* keys : {in ? &s.in : nullptr, out ? &s.out : nullptr}) {
        if (!keys) continue;
        const Bytes key(keys->encryption.view().begin(), keys->encryption.view().end());
        if (!keys_seen.insert(key).second) breaches.emplace_back("a key is used twice");
    }
}

FakeKernel::Group* FakeKernel::group(child::LinkNumber number) {
    const auto found = groups.find(number);
    if (found == groups.end()) breaches.emplace_back("a group that is not open");
    return found == groups.end() ? nullptr : &found->second;
}

FakeKernel::GroupSa* FakeKernel::group_sa(child::LinkNumber number, wire::ChildSpi spi) {
    Group* there = group(number);
    if (!there) return nullptr;
    const auto found = there->sas.find(spi);
    if (found == there->sas.end()) breaches.emplace_back("a group's SA that is not there");
    return found == there->sas.end() ? nullptr : &found->second;
}

void FakeKernel::carry_out(OpenGroup& s) {
    if (!groups.emplace(s.link.number, Group{s.link, {}}).second)
        breaches.emplace_back("a group opened twice");
}

void FakeKernel::carry_out(UpdateGroup& s) {
    if (Group* there = group(s.link.number)) there->link = s.link;
}

void FakeKernel::carry_out(CloseGroup& s) { groups.erase(s.number); }

void FakeKernel::carry_out(InstallGroupSa& s) {
    Group* there = group(s.group);
    if (!there) return;
    const auto octets = [](const Secret& key) { return Bytes(key.view().begin(), key.view().end()); };
    const bool fresh =
        there->sas.try_emplace(s.spi, GroupSa{s.suite, octets(s.encryption), octets(s.integrity), s.expires})
            .second;
    if (!fresh || sas.contains(s.spi)) breaches.emplace_back("a group's SA on an SPI that is in use");
    if (s.encryption.empty() || s.integrity.empty()) breaches.emplace_back("a group's SA without keys");
}

void FakeKernel::carry_out(SendWithGroupSa& s) {
    if (group_sa(s.group, s.spi)) groups[s.group].sending = s.spi;
}

void FakeKernel::carry_out(RefreshGroupSa& s) {
    if (GroupSa* sa = group_sa(s.group, s.spi)) sa->expires = s.expires;
}

void FakeKernel::carry_out(OpenMobility& s) {
    if (!homes.emplace(s.link.number, s.link).second) breaches.emplace_back("a home address opened twice");
}

void FakeKernel::carry_out(UpdateMobility& s) {
    const auto found = homes.find(s.link.number);
    if (found == homes.end())
        breaches.emplace_back("a home address updated that is not open");
    else
        found->second = s.link;
}

void FakeKernel::carry_out(CloseMobility& s) { homes.erase(s.number); }

void FakeKernel::carry_out(RemoveGroupSa& s) {
    if (!group_sa(s.group, s.spi)) return;
    groups[s.group].sas.erase(s.spi);
    if (groups[s.group].sending == s.spi) groups[s.group].sending = 0;
}

void FakeKernel::remove(const RemoveSas& s) {
    const auto found = sas.find(s.id.spi_in);
    if (found == sas.end()) return;
    if (found->second.id != s.id) breaches.emplace_back("an SA removed by other endpoints than it has");
    if (s.directions != Directions::out) found->second.inbound = false;
    if (s.directions != Directions::in) found->second.outbound = false;
    if (!found->second.inbound && !found->second.outbound) sas.erase(found);
}

void FakeKernel::move(const MoveSas& s) {
    const auto found = sas.find(s.id.spi_in);
    if (found == sas.end() || found->second.id != s.id) {
        breaches.emplace_back("an SA moved that is not there as said");
        return;
    }
    encapsulated_before_ = found->second.udp_encapsulation;
    found->second.id.local = s.local;
    found->second.id.peer = s.peer;
    found->second.udp_encapsulation = s.udp_encapsulation;
    const auto set = std::ranges::find(policies, s.policies);
    if (set == policies.end()) return;
    set->local = s.local.address;
    set->peer = s.peer.address;
}

void FakeKernel::move_back(const MoveSas& s) {
    const auto found = sas.find(s.id.spi_in);
    if (found == sas.end()) return;
    found->second.id = s.id;
    found->second.udp_encapsulation = encapsulated_before_;
    const auto set = std::ranges::find_if(policies, [&](const PolicySet& one) {
        PolicySet there = s.policies;
        there.local = s.local.address;
        there.peer = s.peer.address;
        return one == there;
    });
    if (set == policies.end()) return;
    set->local = s.policies.local;
    set->peer = s.policies.peer;
}

std::size_t FakeKernel::pairs() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        sas, [](const auto& entry) { return entry.second.inbound && entry.second.outbound; }));
}

void FakeKernel::undo(const KernelStep& step) {
    if (const auto* open = std::get_if<OpenLink>(&step)) links.erase(open->link.number);
    if (const auto* update = std::get_if<UpdateLink>(&step)) links[update->before.number] = update->before;
    if (const auto* install = std::get_if<InstallSas>(&step)) remove({install->id, install->directions});
    if (const auto* moved = std::get_if<MoveSas>(&step)) move_back(*moved);
    if (const auto* policy = std::get_if<InstallPolicies>(&step)) {
        const auto found = std::ranges::find(policies, policy->policies);
        if (found != policies.end()) policies.erase(found);
    }
}

} // namespace sheaf::test

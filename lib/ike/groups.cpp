// Multi-point SAs: what gateway and endpoint have in common.

#include "lib/ike/groups.h"

#include "lib/group/put.h"
#include "lib/ike/bindings.h"

#include <algorithm>
#include <iterator>

namespace sheaf::ike {

Engine::Core::~Core() = default;

std::expected<void, std::string> Engine::Core::recall_group(Instant now, const std::string& group,
                                                            View octets) {
    return groups_->recall(now, group, octets);
}
void Engine::Core::group_stored(Instant now, const std::string& group, std::uint64_t change) {
    groups_->stored(now, group, change);
}
void Engine::Core::settle(Instant now) {
    groups_->settle(now);
    bindings_->settle(now);
}

Engine::Core::Groups::Groups(Core& core, Instant now) : core_(&core), found_at_(now) {
    for (const GroupService& service : core.config_.group_services)
        serve(service, now, false);
    for (const GroupMembership& membership : core.config_.group_memberships)
        open(membership);
}

void Engine::Core::Groups::reload(Instant now) {
    const Config& config = core_->config_;
    std::vector<std::string> gone;
    for (const auto& [group, service] : services_) {
        if (!std::ranges::count(config.group_services, group, &GroupService::name)) gone.push_back(group);
    }
    for (const std::string& group : gone)
        stop_serving(group);
    for (const GroupService& service : config.group_services) {
        const auto there = services_.find(service.name);
        if (there != services_.end())
            there->second.update(service);
        else
            serve(service, now, true);
    }
    for (auto entry = memberships_.begin(); entry != memberships_.end();) {
        const bool stays = std::ranges::any_of(config.group_memberships, [&](const GroupMembership& m) {
            return m.name == entry->first && m.interface == entry->second.config().interface;
        });
        if (!stays) close(now, entry->second);
        entry = stays ? std::next(entry) : memberships_.erase(entry);
    }
    for (const GroupMembership& membership : config.group_memberships) {
        const auto there = memberships_.find(membership.name);
        if (there != memberships_.end())
            there->second.update(membership);
        else
            open(membership);
    }
}

// Members go on talking while we are away, and what is stored stays.
void Engine::Core::Groups::shut_down(Instant now) {
    for (auto& [group, joined] : memberships_)
        close(now, joined);
    memberships_.clear();
}

std::optional<Instant> Engine::Core::Groups::next_timeout() const {
    std::optional<Instant> next;
    const auto consider = [&next](const std::optional<Instant>& at) {
        if (at && (!next || *at < *next)) next = at;
    };
    if (!services_.empty() && !founded_) consider(found_at_);
    for (const auto& [group, service] : services_) {
        if (!core_->shutting_down_) consider(service.next_timeout());
    }
    for (const auto& [group, joined] : memberships_)
        consider(joined.next_timeout());
    for (const Closing& closing : closing_) {
        if (closing.intent == 0 && !core_->shutting_down_) consider(closing.again);
    }
    return next;
}

void Engine::Core::Groups::on_timeout(Instant now) {
    founded_ = true;
    for (auto& [group, service] : services_) {
        if (core_->shutting_down_) break;
        service.found(*core_->random_, now);
        service.on_timeout(now, *core_->random_);
    }
    for (auto& [group, joined] : memberships_) {
        joined.on_timeout(now);
        IkeSa* sa = joined.misses_successor(now) ? sa_of(joined) : nullptr;
        if (sa) core_->want(now, *sa, {Want::Kind::liveness});
    }
    if (!core_->shutting_down_) close_again(now); // what is left at the end, the next start removes
}

void Engine::Core::Groups::settle(Instant now) {
    for (const auto& [group, member] : std::exchange(abandoned_, {})) {
        const auto service = services_.find(group);
        if (service != services_.end()) service->second.not_sent(member, now);
    }
    for (auto& [group, service] : services_) {
        if (auto record = service.take_record(now, core_->host_->wall_time()))
            core_->out_.group_records.push_back(*std::move(record));
        tell_due(now, service);
        for (GroupChanged& event : service.take_events())
            core_->tell(std::move(event));
    }
    for (auto& [group, joined] : memberships_) {
        place(now, joined);
        give_to_kernel(now, joined);
        for (GroupChanged& event : joined.take_events())
            core_->tell(std::move(event));
    }
}

void Engine::Core::Groups::tell_status(Status& out) const {
    for (const auto& [group, service] : services_) {
        GroupStatus status = service.status();
        for (const auto& [member, spi] : service.members()) {
            const IkeSa* sa = core_->find(spi);
            const auto standing = service.standing_of(member);
            if (!sa || !standing) continue;
            status.members.push_back({sa->name(), standing->acknowledged,
                                      standing->refused == status.standing.generation, standing->asked});
        }
        std::ranges::sort(status.members, {},
                          [](const GroupMemberStatus& m) { return std::pair(m.sa.peer_id, m.sa.spi); });
        out.groups.push_back(std::move(status));
    }
    for (const auto& [group, joined] : memberships_) {
        GroupStatus status = joined.status();
        if (const Connection* connection = connection_of(joined)) status.connection = connection->name;
        status.connected = sa_of(joined) != nullptr;
        out.groups.push_back(std::move(status));
    }
}

bool Engine::Core::Groups::is_joined_by(const Connection& connection) const {
    return memberships_.contains(connection.group);
}

bool Engine::Core::Groups::is_served_by(const Connection& connection) const {
    return services_.contains(connection.group);
}

bool Engine::Core::Groups::announced(Payloads payloads) {
    return std::ranges::any_of(payloads, [](const wire::Payload& payload) {
        const auto* vendor = std::get_if<wire::VendorId>(&payload);
        return vendor && group::is_vendor_id(*vendor);
    });
}

void Engine::Core::Groups::on_up(Instant now, IkeSa& sa) {
    ServedGroup* service = sa.began ? nullptr : service_of(*sa.connection);
    if (service) join(now, sa, *service);
}

void Engine::Core::Groups::on_down(Instant now, IkeSa& sa, DownReason reason) {
    if (reason == DownReason::shutdown) return;
    if (sa.began) {
        // Taken down by the operator, or not to be trusted with our credentials any more. What a reload has
        // changed comes back.
        const bool configured =
            std::ranges::find(core_->connections_, sa.connection) != core_->connections_.end();
        JoinedGroup* joined = membership_of(*sa.connection);
        if (reason == DownReason::command && configured && joined && sa.multipoint)
            joined->gateway_deleted(now);
        return;
    }
    ServedGroup* service = sa.member != 0 ? service_of(*sa.connection) : nullptr;
    if (!service) return;
    if (IkeSa* other = other_of_member(sa)) {
        if (service->told_on(sa.member) != sa.our_spi()) return;
        service->tell_on(sa.member, other->our_spi());
        return core_->want(now, *other, {Want::Kind::tell_group});
    }
    const bool lost = reason != DownReason::command && reason != DownReason::deleted_by_peer &&
                      reason != DownReason::expired;
    if (other_login(sa)) return leave(sa, *service, group::Leave::lost, "it has authenticated anew");
    leave(sa, *service, lost ? group::Leave::lost : group::Leave::left,
          reason == DownReason::deleted_by_peer ? "it has deleted its IKE SA"
                                                : "its IKE SA has ended: " + std::string(ike::name(reason)));
}

} // namespace sheaf::ike

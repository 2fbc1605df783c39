// Multi-point SAs at their gateway (draft-yamaya-ipsecme-mpsa-00 3.3.1): who is a member, and is told what.

#include "lib/group/put.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

std::expected<void, std::string> Engine::Core::Groups::recall(Instant now, const std::string& group,
                                                              View octets) {
    const auto service = services_.find(group);
    if (service == services_.end())
        return std::unexpected("something is stored of group \"" + group +
                               "\", which no connection of ours serves");
    return service->second.recall(octets, now, core_->host_->wall_time());
}

void Engine::Core::Groups::stored(Instant now, const std::string& group, std::uint64_t change) {
    const auto service = services_.find(group);
    if (service != services_.end()) service->second.stored(change, now);
}

std::expected<void, std::string> Engine::Core::Groups::rekey(const std::string& group) {
    const auto service = services_.find(group);
    if (service == services_.end())
        return std::unexpected(
            "no group \"" + group +
            "\" that this side serves is configured; `sheafctl groups` shows those that are");
    service->second.rekey();
    return {};
}

ServedGroup* Engine::Core::Groups::service_of(const Connection& connection) {
    const auto service = services_.find(connection.group);
    return service == services_.end() ? nullptr : &service->second;
}

void Engine::Core::Groups::serve(const GroupService& config, Instant now, bool at_once) {
    auto& service = services_.try_emplace(config.name, config, last_change_).first->second;
    if (!at_once) return;
    service.found(*core_->random_, now);
    join_all(now, config.name);
}

// Those whose IKE SAs are there already.
void Engine::Core::Groups::join_all(Instant now, const std::string& group) {
    for (const auto& [spi, sa] : core_->sas_) {
        const bool joins = sa->connection->group == group && !sa->began && sa->in<Established>() &&
                           sa->standing == Standing::current;
        if (joins) on_up(now, *sa);
    }
}

void Engine::Core::Groups::stop_serving(const std::string& group) {
    const auto service = services_.find(group);
    for (const auto& [spi, sa] : core_->sas_) {
        if (sa->member == 0 || sa->connection->group != group) continue;
        leave(*sa, service->second, group::Leave::left, "the group is not served any more");
        sa->member = 0;
    }
    last_change_ = std::max(last_change_, service->second.last_change());
    core_->out_.group_records.push_back({group, 0, {}});
    services_.erase(service);
}

void Engine::Core::Groups::join(Instant now, IkeSa& sa, ServedGroup& service) {
    const auto fail = [&](std::string why) {
        core_->tell(GroupChanged{sa.connection->group, GroupChanged::What::member_failed, 0, 0, sa.name(),
                                 std::move(why)});
    };
    if (!sa.multipoint)
        return fail("it has not announced multi-point SAs, so it is not told any; set its connection up for "
                    "the group");
    if (sa.path.nat())
        return fail(
            "a NAT is between it and us, so the other members could not reach it; it is not told the SA");
    service.found(*core_->random_, now);
    for (const IkeSa* relative : core_->family_of(sa)) {
        if (relative->member != 0) sa.member = relative->member;
    }
    if (sa.member != 0) return;
    sa.member = ++last_member_;
    service.join(sa.member, sa.name().peer_id, sa.our_spi(), now);
    core_->tell(GroupChanged{sa.connection->group, GroupChanged::What::joined, 0, 0, sa.name(), {}});
    // Before anything else is asked of it.
    tell_due(now, service);
}

void Engine::Core::Groups::leave(const IkeSa& sa, ServedGroup& service, group::Leave how, std::string why) {
    if (!service.leave(sa.member, sa.name().peer_id, how)) return;
    core_->tell(
        GroupChanged{sa.connection->group, GroupChanged::What::left, 0, 0, sa.name(), std::move(why)});
}

// The same login's: a clone.
IkeSa* Engine::Core::Groups::other_of_member(const IkeSa& sa) {
    for (IkeSa* other : core_->family_of(sa)) {
        if (other != &sa && other->member != 0 && other->member == sa.member) return other;
    }
    return nullptr;
}

// The same member's under another key.
IkeSa* Engine::Core::Groups::other_login(const IkeSa& sa) {
    for (const wire::Spi spi : core_->others_of_peer(sa)) {
        IkeSa* other = core_->find(spi);
        const bool there = other->in<Established>() && other->standing == Standing::current &&
                           other->connection->group == sa.connection->group;
        if (there && other->member != 0 && other->member != sa.member) return other;
    }
    return nullptr;
}

void Engine::Core::Groups::tell_due(Instant now, ServedGroup& service) {
    for (const wire::Spi spi : service.take_due()) {
        if (IkeSa* sa = core_->find(spi)) core_->want(now, *sa, {Want::Kind::tell_group});
    }
}

// The window has room.
void Engine::Core::Groups::tell(Instant now, IkeSa& sa) {
    ServedGroup* service = sa.member != 0 ? service_of(*sa.connection) : nullptr;
    if (!service || service->told_on(sa.member) != sa.our_spi()) return;
    auto push = service->next_push(sa.member, now);
    if (!push) return;
    TellingGroup telling{sa.member, push->generation, 0};
    for (const std::uint8_t octet : push->notify.spi)
        telling.spi = telling.spi << 8 | octet;
    Reply request;
    request.emplace_back(std::move(push->notify));
    core_->send_request(now, sa, wire::ExchangeType::informational, telling, std::move(request));
}

void Engine::Core::Groups::on_answer(Instant now, IkeSa& sa, const TellingGroup& telling, Payloads payloads) {
    ServedGroup* service = service_of(*sa.connection);
    const wire::Notify* error = find_error(payloads);
    if (service && !error) return service->acknowledged(telling.member, now);
    if (!error) return;
    const auto known = wire::name(error->type);
    const std::string what =
        "it answered " +
        (known == "unknown" ? "error " + std::to_string(static_cast<unsigned>(error->type))
                            : std::string(known)) +
        " to MPSA_PUT";
    if (service) service->refused(telling.member, error->type, now);
    core_->tell(GroupChanged{sa.connection->group, GroupChanged::What::member_failed, telling.spi,
                             telling.generation, sa.name(), what});
    // RFC 7296 2.21.3: for both sides the IKE SA is no more.
    if (error->type == wire::NotifyType::invalid_syntax) core_->drop(now, sa, DownReason::failed, what);
}

void Engine::Core::Groups::on_abandoned(const IkeSa& sa, const TellingGroup& telling) {
    abandoned_.emplace_back(sa.connection->group, telling.member);
}

void Engine::Core::Groups::on_rekeyed(const IkeSa& old, const IkeSa& heir) {
    ServedGroup* service = heir.member != 0 ? service_of(*heir.connection) : nullptr;
    if (service && service->told_on(heir.member) == old.our_spi())
        service->tell_on(heir.member, heir.our_spi());
}

// The others cannot reach who is behind a NAT; it keeps what it has, as who is lost does.
void Engine::Core::Groups::on_moved(Instant now, IkeSa& sa) {
    if (sa.began || !sa.in<Established>() || sa.standing != Standing::current) return;
    ServedGroup* service = service_of(*sa.connection);
    if (!service) return;
    const bool is_member = sa.member != 0;
    if (is_member != sa.path.nat()) return;
    if (!is_member) return join(now, sa, *service);
    if (IkeSa* other = other_of_member(sa)) {
        if (service->told_on(sa.member) == sa.our_spi()) {
            service->tell_on(sa.member, other->our_spi());
            core_->want(now, *other, {Want::Kind::tell_group});
        }
    } else {
        leave(sa, *service, group::Leave::lost, "a NAT has come between it and us");
    }
    sa.member = 0;
}

} // namespace sheaf::ike

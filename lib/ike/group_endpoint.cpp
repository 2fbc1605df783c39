// Multi-point SAs at an endpoint (draft-yamaya-ipsecme-mpsa-00 3.3.2): what a gateway tells us.

#include "lib/group/put.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

JoinedGroup* Engine::Core::Groups::membership_of(const Connection& connection) {
    const auto joined = memberships_.find(connection.group);
    return joined == memberships_.end() ? nullptr : &joined->second;
}

const Connection* Engine::Core::Groups::connection_of(const JoinedGroup& joined) const {
    for (const ConnectionPtr& connection : core_->connections_) {
        if (connection->group == joined.config().name) return connection.get();
    }
    return nullptr;
}

// The IKE SA on which the gateway tells us.
IkeSa* Engine::Core::Groups::sa_of(const JoinedGroup& joined) const {
    const Connection* connection = connection_of(joined);
    const auto initiation =
        connection ? core_->initiations_.find(connection->name) : core_->initiations_.end();
    if (initiation == core_->initiations_.end()) return nullptr;
    for (const wire::Spi spi : {initiation->second.sa, initiation->second.before}) {
        IkeSa* sa = core_->find(spi);
        if (sa && sa->in<Established>() && sa->began && sa->multipoint) return sa;
    }
    return nullptr;
}

void Engine::Core::Groups::open(const GroupMembership& config) {
    memberships_.try_emplace(config.name, config, core_->fresh_number());
}

// With all of its SAs.
void Engine::Core::Groups::close(Instant now, JoinedGroup& joined) {
    const std::string& group = joined.config().name;
    for (const GroupSaStatus& sa : joined.status().sas)
        core_->tell(
            GroupChanged{group, GroupChanged::What::removed, sa.spi, 0, {}, "the group is closed here"});
    answer(now, group, 0, true);
    closing_.push_back({group, joined.number()});
    close_again(now);
}

void Engine::Core::Groups::close_again(Instant now) {
    for (Closing& closing : closing_) {
        if (closing.intent != 0 || now < closing.again) continue;
        std::vector<child::KernelStep> steps;
        steps.emplace_back(child::CloseGroup{closing.number});
        closing.intent = core_->submit(std::move(steps));
    }
}

// Its number is another's as soon as nothing in the kernel has it.
void Engine::Core::Groups::on_closed(const child::IntentDone& done, Instant now) {
    const auto closing = std::ranges::find(closing_, done.id, &Closing::intent);
    if (closing == closing_.end()) return;
    if (!done.error) {
        core_->numbers_.erase(closing->number);
        closing_.erase(closing);
        return;
    }
    const bool is_news = closing->again == Instant{};
    closing->intent = 0;
    closing->again = now + JoinedGroup::kKernelRetry;
    if (is_news)
        core_->tell(GroupChanged{closing->group, GroupChanged::What::kernel_refused, 0, 0, {}, *done.error});
}

// Before there is an IKE SA it is where one would begin: a site that stands among "sites" itself is known as ourselves
// then, and what is behind it is not led away from here into the group.
void Engine::Core::Groups::place(Instant now, JoinedGroup& joined) {
    if (const IkeSa* sa = sa_of(joined)) return joined.place(sa->path.local.address);
    const Connection* connection = connection_of(joined);
    if (!connection || !connection->remote || !joined.looks_for_place(now)) return;
    const auto local = connection->local_address ? connection->local_address
                                                 : core_->host_->source_for(connection->remote->address);
    if (local) joined.place(*local);
}

void Engine::Core::Groups::give_to_kernel(Instant now, JoinedGroup& joined) {
    auto steps = joined.next_steps(now);
    if (steps.empty()) return;
    for (const child::KernelStep& step : steps) {
        if (const auto* install = std::get_if<child::InstallGroupSa>(&step)) record_keys(*install);
    }
    joined.submitted(core_->submit(std::move(steps)));
}

// Everybody sends under it, from wherever they are.
void Engine::Core::Groups::record_keys(const child::InstallGroupSa& sa) {
    if (!core_->write_keys_) return;
    for (const auto family : {Family::ipv4, Family::ipv6}) {
        const IpAddress any = IpAddress::any(family);
        core_->out_.keys.emplace_back(
            ChildKeys{any, any, sa.spi, sa.suite, sa.encryption.copy(), sa.integrity.copy()});
    }
}

Engine::Core::Groups::Told Engine::Core::Groups::on_informational(const Input& in, IkeSa& sa,
                                                                  Payloads payloads,
                                                                  std::vector<wire::ChildSpi>& deleted,
                                                                  Reply& reply) {
    Told told;
    // Only who began the IKE SA is told, on one where both sides have said that they know about it.
    JoinedGroup* joined = sa.began && sa.multipoint ? membership_of(*sa.connection) : nullptr;
    const bool ends = sa.in<Deleting>() && sa.standing == Standing::current;
    if (!joined || ends) return told;
    // What we gave a Child SA's name to is the Child SA's.
    std::erase_if(deleted, [&](wire::ChildSpi spi) {
        const bool groups = joined->holds(spi) && !core_->find_child_by_peer(sa, spi);
        if (groups) joined->deleted(spi, in.now);
        return groups;
    });
    const wire::Notify* notify = find_notify(payloads, group::kMpsaPut);
    if (!notify) return told;
    const auto breach = put(in, *joined, *notify, told);
    if (!breach) return told;
    ++core_->counters_.refused.at(static_cast<std::size_t>(group::rule(*breach)));
    wire::ChildSpi spi = 0;
    for (const std::uint8_t octet : notify->spi)
        spi = spi << 8 | octet;
    core_->tell(GroupChanged{joined->config().name,
                             GroupChanged::What::refused,
                             spi,
                             0,
                             {},
                             std::string(group::sentence(*breach))});
    reply.emplace_back(ike::notify(group::answer(*breach)));
    if (group::answer(*breach) == wire::NotifyType::invalid_syntax) told.fatal = *breach;
    return told;
}

std::optional<group::Breach> Engine::Core::Groups::put(const Input& in, JoinedGroup& joined,
                                                       const wire::Notify& notify, Told& told) {
    auto read = group::read_put(notify, joined.config().acceptance);
    if (!read) return read.error();
    const wire::ChildSpi spi = read->sa.spi;
    const auto [owner, child] = core_->find_child(spi);
    const bool others = std::ranges::any_of(
        memberships_, [&](const auto& entry) { return &entry.second != &joined && entry.second.holds(spi); });
    const auto taken = joined.put(*std::move(read), in.now, core_->backend_, child || others);
    if (taken) {
        if (*taken == JoinedGroup::Put::waits) told.waits_for = spi;
        return std::nullopt;
    }
    // The gateway asks again, and by then the SPI is free.
    if (taken.error() == group::Breach::spi_in_use && child) core_->rekey_child(in.now, *owner, *child);
    return taken.error();
}

void Engine::Core::Groups::answer_later(const Input& in, const IkeSa& sa, wire::ChildSpi spi, Reply reply) {
    waiting_.push_back({sa.connection->group, spi, sa.our_spi(), in.header.message_id, in.datagram.local,
                        in.datagram.peer, std::move(reply)});
}

void Engine::Core::Groups::answer(Instant now, const std::string& group, wire::ChildSpi spi, bool refused) {
    std::vector<Waiting> due;
    std::erase_if(waiting_, [&](Waiting& waiting) {
        const bool is_due = waiting.group == group && (spi == 0 || waiting.sa == spi);
        if (is_due) due.push_back(std::move(waiting));
        return is_due;
    });
    for (Waiting& waiting : due) {
        IkeSa* sa = core_->find(waiting.ike);
        if (!sa) continue;
        if (refused) waiting.reply.emplace_back(notify(group::answer(group::Breach::no_resources)));
        sa->answer_from = waiting.from;
        sa->answer_to = waiting.to;
        core_->send_response(now, *sa, wire::ExchangeType::informational, waiting.message_id, waiting.reply);
    }
}

// Another IKE SA to the gateway, as when we have authenticated anew, says that it has not sent us away.
void Engine::Core::Groups::on_ike_deleted(Instant now, const IkeSa& sa) {
    JoinedGroup* joined = sa.began && sa.multipoint ? membership_of(*sa.connection) : nullptr;
    if (!joined) return;
    const bool another = std::ranges::any_of(core_->others_of_peer(sa), [&](wire::Spi spi) {
        const IkeSa* other = core_->find(spi);
        return other->in<Established>() && other->standing == Standing::current && other->began &&
               other->multipoint && other->connection == sa.connection;
    });
    if (!another) joined->gateway_deleted(now);
}

void Engine::Core::Groups::on_intent_done(Instant now, const child::IntentDone& done) {
    on_closed(done, now);
    for (auto& [group, joined] : memberships_) {
        if (const auto installed = joined.done(done, now))
            answer(now, group, installed->spi, installed->refused);
    }
}

void Engine::Core::Groups::on_repaired(const child::GroupRepaired& repaired) {
    for (auto& [group, joined] : memberships_) {
        if (joined.number() == repaired.group) joined.note_kernel(repaired.error);
    }
}

bool Engine::Core::Groups::holds(wire::ChildSpi spi) const {
    return std::ranges::any_of(memberships_, [spi](const auto& entry) { return entry.second.holds(spi); });
}

} // namespace sheaf::ike

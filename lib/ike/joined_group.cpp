#include "lib/ike/joined_group.h"

#include "lib/ike/lookups.h"

#include <algorithm>
#include <iterator>

namespace sheaf::ike {
namespace {

// So long before its end an SA should have a successor, with time left to notice that the gateway is another one.
constexpr Duration kMissed = std::chrono::minutes(2);

std::string_view sentence(group::Removal why) {
    switch (why) {
    case group::Removal::rolled_over: return "rolled over to the next";
    case group::Removal::expired: return "its lifetime has ended";
    case group::Removal::deleted: return "the gateway has deleted it, or we have left";
    case group::Removal::refused: return "refused by the kernel";
    }
    return "";
}

// Of a step that holds no keys.
child::KernelStep copy_of(const child::KernelStep& step) {
    if (const auto* send = std::get_if<child::SendWithGroupSa>(&step)) return *send;
    if (const auto* refresh = std::get_if<child::RefreshGroupSa>(&step)) return *refresh;
    return std::get<child::RemoveGroupSa>(step);
}

} // namespace

JoinedGroup::JoinedGroup(GroupMembership config, child::LinkNumber number) {
    link_.number = number;
    update(std::move(config));
}

void JoinedGroup::update(GroupMembership config) {
    const bool told = !config.addresses.empty();
    // What IKE uses is known until another IKE SA says otherwise.
    if (told || !config_.addresses.empty()) link_.local = config.addresses;
    config_ = std::move(config);
    link_.interface = config_.interface;
    link_.sites = config_.sites;
}

void JoinedGroup::place(const IpAddress& local) {
    if (config_.addresses.empty()) link_.local = {local};
}

bool JoinedGroup::looks_for_place(Instant now) {
    if (!link_.local.empty() || now < place_again_) return false;
    place_again_ = now + kKernelRetry;
    return true;
}

std::expected<JoinedGroup::Put, group::Breach> JoinedGroup::put(group::Put put, Instant now,
                                                                crypto::Backend& backend, bool spi_in_use) {
    const wire::ChildSpi spi = put.sa.spi;
    const auto taken = sas_.put(std::move(put), now, backend, spi_in_use);
    collect(now);
    if (!taken) return std::unexpected(taken.error());
    const bool waits =
        (under_way_ && under_way_->installs == spi) ||
        std::ranges::any_of(queue_, [spi](const Queued& q) { return q.installs && q.spi == spi; });
    return waits ? Put::waits : Put::installed;
}

bool JoinedGroup::holds(wire::ChildSpi spi) const {
    return std::ranges::any_of(sas_.held(), [spi](const group::HeldSa& sa) { return sa.spi == spi; });
}

void JoinedGroup::deleted(wire::ChildSpi spi, Instant now) {
    sas_.deleted(spi, now);
    collect(now);
}

void JoinedGroup::gateway_deleted(Instant now) {
    sas_.gateway_deleted();
    collect(now);
}

std::optional<Instant> JoinedGroup::successor_missed_at() const {
    const auto held = sas_.held();
    if (held.empty() || held.back().spi == missed_) return std::nullopt;
    return held.back().expires - kMissed;
}

bool JoinedGroup::misses_successor(Instant now) {
    const auto at = successor_missed_at();
    if (!at || now < *at) return false;
    missed_ = sas_.held().back().spi;
    return true;
}

GroupChanged JoinedGroup::changed(GroupChanged::What what, wire::ChildSpi spi, std::string why) const {
    return {config_.name, what, spi, 0, {}, std::move(why)};
}

JoinedGroup::Queued JoinedGroup::queued(group::Step& step, Instant now) const {
    const child::LinkNumber number = link_.number;
    if (auto* install = std::get_if<group::InstallSa>(&step)) {
        const group::Suite& suite = install->suite;
        return {install->spi,
                true,
                child::InstallGroupSa{number,
                                      install->spi,
                                      {suite.encr.id, suite.encr.key_bits, suite.integ, {}},
                                      std::move(install->keys.encr),
                                      std::move(install->keys.integ),
                                      now + install->life},
                {}};
    }
    if (const auto* send = std::get_if<group::SendWith>(&step))
        return {send->spi, false, child::SendWithGroupSa{number, send->spi},
                changed(GroupChanged::What::sending, send->spi)};
    if (const auto* refresh = std::get_if<group::RefreshSa>(&step))
        return {refresh->spi, false, child::RefreshGroupSa{number, refresh->spi, now + refresh->life}, {}};
    const auto& removal = std::get<group::RemoveSa>(step);
    return {removal.spi, false, child::RemoveGroupSa{number, removal.spi},
            changed(GroupChanged::What::removed, removal.spi, std::string(sentence(removal.why)))};
}

// What the kernel refused it does not have.
void JoinedGroup::collect(Instant now) {
    for (group::Step& step : sas_.take_steps()) {
        const auto* removal = std::get_if<group::RemoveSa>(&step);
        if (removal && removal->why == group::Removal::refused) continue;
        queue_.push_back(queued(step, now));
    }
}

bool JoinedGroup::link_is_due(Instant now) const { return told_ != link_ && now >= link_again_; }

std::vector<child::KernelStep> JoinedGroup::next_steps(Instant now) {
    std::vector<child::KernelStep> steps;
    if (under_way_) return steps;
    if (link_is_due(now)) {
        under_way_ = UnderWay{.link = true, .before = told_, .steps = {}};
        if (told_)
            steps.emplace_back(child::UpdateGroup{link_});
        else
            steps.emplace_back(child::OpenGroup{link_});
        told_ = link_;
        return steps;
    }
    for (auto at = next_queued(now); at != queue_.end(); at = next_queued(now)) {
        if (at->installs && !steps.empty()) break;
        Queued next = std::move(*at);
        queue_.erase(at);
        if (next.event) events_.push_back(*std::exchange(next.event, std::nullopt));
        if (!under_way_) under_way_ = UnderWay{};
        if (next.installs) {
            under_way_->installs = next.spi;
            steps.push_back(std::move(next.step));
            return steps;
        }
        steps.push_back(copy_of(next.step));
        under_way_->steps.push_back(std::move(next));
    }
    return steps;
}

// While what comes first is put off, a new SA goes before it: the gateway waits for an answer.
std::deque<JoinedGroup::Queued>::iterator JoinedGroup::next_queued(Instant now) {
    if (!put_off_ || now >= steps_again_) return queue_.begin();
    const auto install = std::ranges::find(queue_, true, &Queued::installs);
    if (install == queue_.end()) return install;
    const bool before = std::any_of(queue_.begin(), install,
                                    [&](const Queued& queued) { return queued.spi == install->spi; });
    return before ? queue_.end() : install;
}

// That all is well is told when nothing of ours is left to be asked again.
void JoinedGroup::note_answer(UnderWay ended, const std::optional<std::string>& error, Instant now) {
    if (error && ended.link) {
        told_ = std::move(ended.before);
        link_again_ = now + kKernelRetry;
    } else if (error) {
        std::ranges::move(queue_, std::back_inserter(ended.steps));
        queue_ = std::move(ended.steps);
        steps_again_ = now + kKernelRetry;
    }
    if (!ended.link) put_off_ = error.has_value();
    if (error || (!put_off_ && told_ == link_)) note_kernel(error);
}

std::optional<JoinedGroup::Installed> JoinedGroup::done(const child::IntentDone& answer, Instant now) {
    if (!under_way_ || under_way_->id != answer.id) return std::nullopt;
    UnderWay ended = std::move(*under_way_);
    under_way_.reset();
    const wire::ChildSpi spi = ended.installs;
    if (spi == 0) {
        note_answer(std::move(ended), answer.error, now);
        return std::nullopt;
    }
    if (!answer.error) {
        events_.push_back(changed(GroupChanged::What::installed, spi));
        return Installed{spi, false};
    }
    std::erase_if(queue_, [spi](const Queued& q) { return q.spi == spi; });
    sas_.not_installed(spi, now);
    collect(now);
    events_.push_back(
        changed(GroupChanged::What::refused, spi,
                std::string(group::sentence(group::Breach::no_resources)) + ": " + *answer.error));
    return Installed{spi, true};
}

void JoinedGroup::note_kernel(const std::optional<std::string>& error) {
    if (error == trouble_) return;
    trouble_ = error;
    const auto what = error ? GroupChanged::What::kernel_refused : GroupChanged::What::repaired;
    events_.push_back(changed(what, 0, error.value_or("")));
}

std::optional<Instant> JoinedGroup::next_timeout() const {
    auto next = sas_.next_timeout();
    if (const auto at = successor_missed_at(); at && (!next || *at < *next)) next = at;
    if (under_way_) return next;
    if (told_ != link_ && (!next || link_again_ < *next)) next = link_again_;
    if (put_off_ && !queue_.empty() && (!next || steps_again_ < *next)) next = steps_again_;
    return next;
}

void JoinedGroup::on_timeout(Instant now) {
    sas_.on_timeout(now);
    collect(now);
}

GroupStatus JoinedGroup::status() const {
    GroupStatus out;
    out.name = config_.name;
    out.interface = config_.interface;
    out.number = link_.number;
    for (const group::HeldSa& sa : sas_.held())
        out.sas.push_back({sa.spi, describe(sa.suite), sa.received, sa.expires, sa.sending});
    return out;
}

} // namespace sheaf::ike

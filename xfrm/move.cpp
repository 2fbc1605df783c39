#include "xfrm/move.h"

#include "xfrm/expansion.h"
#include "xfrm/migration.h"
#include "xfrm/state.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <utility>

namespace sheaf::xfrm {
namespace {

// One SAD entry on its way.
struct Mover {
    StateId id; // as it was
    child::LinkNumber link = 0;
    std::string name; // for texts
    State was;        // empty of algorithms until the kernel has told it
    State wanted;
    Progress progress; // as told last, but for a limited entry: before it was limited
    IpAddress source;  // from now on
    IpAddress destination;
    std::optional<State::Encapsulation> encapsulation;
    bool outbound = false;
    bool found = false;
    bool cloned = false;     // by the kernel
    std::uint64_t gap = 0;   // outbound: what it may send from `progress` on
    std::uint64_t start = 0; // outbound: what the new entry has sent, as it were

    void told(const nlmsghdr& message);
    void told_again(const nlmsghdr& message);
    void told_limited(const nlmsghdr& message);
    void told_cloned(const nlmsghdr& message);

    [[nodiscard]] bool changed() const { return found && !cloned && !(was == wanted); }
    [[nodiscard]] bool in_place() const { return was.id == wanted.id; }
    [[nodiscard]] bool ports_only() const {
        return in_place() && was.source == wanted.source && was.encapsulation && wanted.encapsulation;
    }
    [[nodiscard]] bool anew() const { return changed() && !ports_only(); }
    [[nodiscard]] bool can_be_cloned() const {
        return anew() && !outbound && in_place() && was.mode == child::Mode::tunnel &&
               was.source != wanted.source && (wanted.encapsulation || !was.encapsulation);
    }
    [[nodiscard]] std::optional<std::string> unmovable() const;
    [[nodiscard]] Progress begun(std::uint64_t sent) const;

    using Told = void (Mover::*)(const nlmsghdr&);
    [[nodiscard]] Operation question(Told how, const std::shared_ptr<std::vector<Mover>>& owner);
    [[nodiscard]] Operation limit();
    void clone(std::vector<Operation>& out) const;
    [[nodiscard]] Operation update() const;
    [[nodiscard]] Operation removal_of_old() const;
    [[nodiscard]] Operation installation() const;
};
using Movers = std::vector<Mover>;
using SharedMovers = std::shared_ptr<Movers>;

void Mover::told(const nlmsghdr& message) {
    auto first = parse_state(message);
    auto second = parse_state(message); // a state with keys is not copied by itself
    auto how_far = parse_progress(message);
    if (!first || !second || !how_far || first->id != id) return;
    was = std::move(*first);
    wanted = std::move(*second);
    progress = std::move(*how_far);
    wanted.id.destination = destination;
    wanted.source = source;
    wanted.encapsulation = encapsulation;
    found = true;
}

void Mover::told_again(const nlmsghdr& message) {
    const auto how_far = parse_progress(message);
    if (!how_far) return;
    gap = kSequenceGap + kRoundTrips * (how_far->sent - progress.sent);
    progress = *how_far;
}

void Mover::told_limited(const nlmsghdr& message) {
    auto how_far = parse_progress(message);
    if (!how_far) return;
    start = std::max(progress.sent + gap, how_far->sent);
    progress = std::move(*how_far);
}

void Mover::told_cloned(const nlmsghdr& message) {
    const auto state = parse_state(message);
    auto how_far = parse_progress(message);
    if (!state || !how_far) return;
    cloned = *state == wanted;
    progress = std::move(*how_far);
}

std::optional<std::string> Mover::unmovable() const {
    const auto zero = [](const std::optional<Algorithm>& algorithm) {
        return algorithm && std::ranges::all_of(algorithm->key.view(), [](auto octet) { return octet == 0; });
    };
    if (zero(was.aead) || zero(was.cipher))
        return name +
               ": move: the kernel does not tell keys (lockdown=confidentiality); the connection has to come "
               "up anew";
    const std::uint64_t last =
        was.esn ? std::numeric_limits<std::uint64_t>::max() : std::numeric_limits<std::uint32_t>::max();
    if (outbound && last - progress.sent < gap + 2 * kUndoGap)
        return name + ": move: the sequence numbers are nearly used up; the SA has to be rekeyed";
    return std::nullopt;
}

Progress Mover::begun(std::uint64_t sent) const {
    Progress out = progress;
    if (outbound) out.sent = sent;
    return out;
}

// REQUIRES: `owner` has the mover.
Operation Mover::question(Told how, const SharedMovers& owner) {
    Operation out{.room = Room::xfrm, .message = query_state(id), .object = name, .verb = "look up"};
    out.on_object = [this, how, owner](const nlmsghdr& message) { (this->*how)(message); };
    return out;
}

Operation Mover::limit() {
    const child::SaLimits limits = std::exchange(was.limits, confined(was.limits, progress.packets + gap));
    Operation out{
        .room = Room::xfrm, .message = update_state(was), .object = name, .verb = "limit before it moves"};
    was.limits = limits;
    start = progress.sent + gap; // where it has reached the limit before the next look
    out.undo = [back = update_state(was)]() mutable { return std::move(back); };
    return out;
}

// A carrier that is there already is of a migration that was not answered. Where the kernel cannot do it, or
// took another entry, told_cloned() sees.
void Mover::clone(std::vector<Operation>& out) const {
    Migration there{.link = was.link,
                    .reqid = was.reqid,
                    .destination = id.destination,
                    .source = was.source,
                    .new_source = wanted.source,
                    .encapsulation = wanted.encapsulation};
    Migration back = there;
    std::swap(back.source, back.new_source);
    back.encapsulation = was.encapsulation;
    const Policy before = there.carrier(false), after = there.carrier(true);
    Operation carrier{.room = Room::xfrm,
                      .message = update_policy(before),
                      .object = before.to_string(),
                      .verb = "install"};
    carrier.undo = [before] { return remove_policy(before); };
    out.push_back(std::move(carrier));
    Operation migration{.room = Room::xfrm, .message = there.message(), .object = name, .verb = "clone"};
    migration.tolerated = {EINVAL, ENODATA, ENOENT, ENOPROTOOPT, EOPNOTSUPP, ESRCH};
    migration.undo = [back] { return back.message(); };
    out.push_back(std::move(migration));
    Operation end = removal(Room::xfrm, remove_policy(before), before.to_string());
    end.undo = [after] { return update_policy(after); };
    out.push_back(std::move(end));
}

Operation Mover::update() const {
    Operation out{
        .room = Room::xfrm, .message = update_state(wanted), .object = name, .verb = "move to another port"};
    out.undo = [back = update_state(was)]() mutable { return std::move(back); };
    return out;
}

Operation Mover::removal_of_old() const {
    Operation out{.room = Room::xfrm, .message = remove_state(id), .object = name, .verb = "remove"};
    // One that has reached the limit has gone by itself.
    if (outbound) out.tolerated = {ESRCH};
    out.undo = [back = install_state(was, begun(start + kUndoGap))]() mutable { return std::move(back); };
    return out;
}

Operation Mover::installation() const {
    Operation out{.room = Room::xfrm,
                  .message = install_state(wanted, begun(start)),
                  .object = wanted.to_string(),
                  .verb = "move here"};
    out.undo = [fresh = wanted.id] { return remove_state(fresh); };
    return out;
}

bool has(const std::vector<StateId>& list, const StateId& id) {
    return std::ranges::find(list, id) != list.end();
}

// What is on its way to an address that we come back to finds the entry that was left there gone.
Stage::Prepared second_look(const SharedMovers& movers, Leftovers& leftovers) {
    std::vector<Operation> out;
    for (Mover& mover : *movers) {
        if (!mover.anew()) continue;
        if (mover.outbound) {
            out.push_back(mover.question(&Mover::told_again, movers));
        } else if (has(leftovers.of(mover.link, mover.id.spi), mover.wanted.id)) {
            leftovers.strike(mover.wanted.id);
            out.push_back(removal(Room::xfrm, remove_state(mover.wanted.id), mover.wanted.to_string()));
        }
    }
    return out;
}

Stage::Prepared limits_and_clones(const SharedMovers& movers) {
    std::vector<Operation> out;
    for (Mover& mover : *movers) {
        if (mover.can_be_cloned()) {
            mover.clone(out);
            out.push_back(mover.question(&Mover::told_cloned, movers));
        } else if (mover.anew() && mover.outbound) {
            if (const auto why = mover.unmovable()) return std::unexpected(*why);
            out.push_back(mover.limit());
            out.push_back(mover.question(&Mover::told_limited, movers));
            out.back().tolerated = {ESRCH};
        }
    }
    return out;
}

Stage::Prepared changes_of(const Movers& movers) {
    std::vector<Operation> out;
    for (const Mover& mover : movers) {
        if (!mover.changed()) continue;
        if (mover.ports_only()) {
            out.push_back(mover.update());
            continue;
        }
        if (const auto why = mover.unmovable()) return std::unexpected(*why);
        if (mover.in_place()) out.push_back(mover.removal_of_old());
        out.push_back(mover.installation());
    }
    return out;
}

Stage::Prepared removals_of(const Movers& movers, Leftovers& leftovers) {
    std::vector<Operation> out;
    for (const Mover& mover : movers) {
        if (!mover.changed() || mover.in_place()) continue;
        if (mover.outbound) {
            out.push_back(mover.removal_of_old());
        } else {
            leftovers.add(mover.link, mover.id);
        }
    }
    return out;
}

Mover inbound(const child::MoveSas& step) {
    Mover out;
    out.id = inbound_id(step.id);
    out.source = step.peer.address;
    out.destination = step.local.address;
    if (step.udp_encapsulation) out.encapsulation = State::Encapsulation{step.peer.port, step.local.port};
    out.was.source = step.id.peer.address;
    return out;
}

Mover outbound(const child::MoveSas& step) {
    Mover out;
    out.id = outbound_id(step.id);
    out.source = step.local.address;
    out.destination = step.peer.address;
    if (step.udp_encapsulation) out.encapsulation = State::Encapsulation{step.local.port, step.peer.port};
    out.was.source = step.id.local.address;
    out.outbound = true;
    return out;
}

} // namespace

std::expected<MovedPolicies, std::string> moved_policies(const child::MoveSas& step) {
    auto before = policies_of(step.policies);
    if (!before) return std::unexpected(before.error());
    child::PolicySet moved = step.policies;
    moved.local = step.local.address;
    moved.peer = step.peer.address;
    auto after = policies_of(moved);
    if (!after) return std::unexpected(after.error());
    return MovedPolicies{std::move(*before), std::move(*after)};
}

std::expected<void, std::string> plan_move(const child::MoveSas& step, MovedInbound inbound_entry,
                                           const std::function<std::expected<void, std::string>()>& follow,
                                           Leftovers& leftovers, Plan& plan) {
    auto movers = std::make_shared<Movers>();
    if (inbound_entry == MovedInbound::follows) movers->push_back(inbound(step));
    movers->push_back(outbound(step));
    for (Mover& mover : *movers) {
        mover.was.id = mover.id;
        mover.link = mover.was.link = step.id.link;
        mover.name = mover.was.to_string();
        if (step.local.address.family() != step.peer.address.family())
            return std::unexpected(mover.name + ": move: the outer addresses are of two families");
        Operation query = mover.question(&Mover::told, movers);
        // While a rekeying is under way its outbound entry may not be there yet.
        if (mover.outbound) query.tolerated = {ESRCH};
        plan.add(std::move(query));
    }
    plan.add_later([movers, &leftovers] { return second_look(movers, leftovers); });
    plan.add_later([movers] { return limits_and_clones(movers); });
    plan.add_later([movers] { return changes_of(*movers); });
    if (auto followed = follow(); !followed) return followed;
    plan.add_later([movers, &leftovers] { return removals_of(*movers, leftovers); });
    plan.on_failure([movers, &leftovers] {
        for (const Mover& mover : *movers)
            leftovers.strike(mover.id);
    });
    return {};
}

} // namespace sheaf::xfrm

#include "xfrm/move.h"

#include "xfrm/expansion.h"
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
    StateId id;       // as it was
    std::string name; // for texts
    State was;        // empty of algorithms until the kernel has told it
    State wanted;
    Progress progress;
    IpAddress source; // from now on
    IpAddress destination;
    std::optional<State::Encapsulation> encapsulation;
    bool outbound = false;
    bool found = false;

    void told(const nlmsghdr& message);
    [[nodiscard]] bool changed() const { return found && !(was == wanted); }
    [[nodiscard]] bool in_place() const { return was.id == wanted.id; }
    [[nodiscard]] bool ports_only() const {
        return in_place() && was.source == wanted.source && was.encapsulation && wanted.encapsulation;
    }
    [[nodiscard]] std::optional<std::string> unmovable() const;
    // Progress with the n-th gap behind what the kernel has told.
    [[nodiscard]] Progress advanced(unsigned n) const;

    [[nodiscard]] Operation update() const;
    [[nodiscard]] Operation removal_of_old() const;
    [[nodiscard]] Operation installation() const;
};
using Movers = std::vector<Mover>;

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
    if (outbound && last - progress.sent < 4 * kSequenceGap)
        return name + ": move: the sequence numbers are nearly used up; the SA has to be rekeyed";
    return std::nullopt;
}

Progress Mover::advanced(unsigned n) const {
    Progress out = progress;
    if (outbound) out.sent += n * kSequenceGap;
    return out;
}

Operation Mover::update() const {
    Operation out{
        .room = Room::xfrm, .message = update_state(wanted), .object = name, .verb = "move to another port"};
    out.undo = [back = update_state(was)]() mutable { return std::move(back); };
    return out;
}

Operation Mover::removal_of_old() const {
    Operation out{.room = Room::xfrm, .message = remove_state(id), .object = name, .verb = "remove"};
    out.undo = [back = install_state(was, advanced(2))]() mutable { return std::move(back); };
    return out;
}

Operation Mover::installation() const {
    Operation out{.room = Room::xfrm,
                  .message = install_state(wanted, advanced(1)),
                  .object = wanted.to_string(),
                  .verb = "move here"};
    out.undo = [fresh = wanted.id] { return remove_state(fresh); };
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

Stage::Prepared removals_of(const Movers& movers) {
    std::vector<Operation> out;
    for (const Mover& mover : movers) {
        if (mover.changed() && !mover.in_place()) out.push_back(mover.removal_of_old());
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

std::expected<void, std::string> plan_move(const child::MoveSas& step, PolicyBook& policies,
                                           PolicyBook::Changes& changes, Plan& plan) {
    const auto before = policies_of(step.policies);
    if (!before) return std::unexpected(before.error());
    child::PolicySet moved = step.policies;
    moved.local = step.local.address;
    moved.peer = step.peer.address;
    const auto after = policies_of(moved);
    if (!after) return std::unexpected(after.error());

    auto movers = std::make_shared<Movers>();
    movers->push_back(inbound(step));
    movers->push_back(outbound(step));
    for (Mover& mover : *movers) {
        mover.was.id = mover.id;
        mover.was.link = step.id.link;
        mover.name = mover.was.to_string();
        if (step.local.address.family() != step.peer.address.family())
            return std::unexpected(mover.name + ": move: the outer addresses are of two families");
        Operation query{
            .room = Room::xfrm, .message = query_state(mover.id), .object = mover.name, .verb = "look up"};
        // While a rekeying is under way its outbound entry may not be there yet.
        if (mover.outbound) query.tolerated = {ESRCH};
        query.on_object = [&mover, movers](const nlmsghdr& message) { mover.told(message); };
        plan.add(std::move(query));
    }
    plan.add_later([movers] { return changes_of(*movers); });
    if (auto followed = policies.move(*before, *after, changes, plan); !followed) return followed;
    plan.add_later([movers] { return removals_of(*movers); });
    return {};
}

} // namespace sheaf::xfrm

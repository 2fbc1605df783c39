#include "xfrm/planner.h"

#include "xfrm/expansion.h"
#include "xfrm/move.h"

#include <type_traits>
#include <utility>

namespace sheaf::xfrm {
namespace {

// One step at a time; an error is a sentence.
class Planner {
  public:
    Planner(Plan& plan, Books& books, bool with_sa_direction, Instant now)
        : plan_(plan), links_(books.links), policies_(books.policies), leftovers_(books.leftovers),
          groups_(books.groups), homes_(books.homes), changes_(policies_.begin(plan)),
          with_sa_direction_(with_sa_direction), now_(now) {}

    std::expected<void, std::string> operator()(const child::OpenLink& step) {
        return links_.open(step.link, plan_);
    }

    std::expected<void, std::string> operator()(const child::CloseLink& step) {
        links_.close(step.link, plan_);
        return {};
    }

    std::expected<void, std::string> operator()(const child::InstallSas& step) {
        auto pair = states_of(step, with_sa_direction_);
        if (!pair) return std::unexpected(pair.error());
        homes_.adapt(step, *pair, plan_);
        if (installs_in(step.directions)) plan_.add(state_operation(pair->in));
        if (installs_out(step.directions)) plan_.add(state_operation(pair->out));
        return {};
    }

    std::expected<void, std::string> operator()(const child::RemoveSas& step) {
        // Outbound first: nothing more is sent that the peer can no longer answer.
        for (const bool out : {true, false}) {
            if (!(out ? installs_out(step.directions) : installs_in(step.directions))) continue;
            State state;
            state.id = out ? outbound_id(step.id) : homes_.inbound_id(step.id);
            state.source = out ? step.id.local.address : step.id.peer.address;
            state.reqid = step.id.link;
            plan_.add_removal(removal(Room::xfrm, remove_state(state.id), state.to_string()));
            if (!out) remove_leftovers(state);
        }
        homes_.remove(step, plan_);
        return {};
    }

    std::expected<void, std::string> operator()(const child::InstallPolicies& step) {
        const auto policies = policies_of(step.policies);
        if (!policies) return std::unexpected(policies.error());
        policies_.install(*policies, *changes_, plan_);
        return {};
    }

    std::expected<void, std::string> operator()(const child::RemovePolicies& step) {
        const auto policies = policies_of(step.policies);
        if (!policies) return std::unexpected(policies.error());
        policies_.remove(*policies, *changes_, plan_);
        return {};
    }

    std::expected<void, std::string> operator()(const child::UpdateLink& step) {
        return links_.update(step.before, step.after, plan_);
    }

    std::expected<void, std::string> operator()(const child::MoveSas& step) {
        if (const child::MobilityLink* home = homes_.find(step.id.link)) return move(step, *home);
        const auto policies = moved_policies(step);
        if (!policies) return std::unexpected(policies.error());
        const auto follow = [&] {
            return policies_.move(policies->before, policies->after, *changes_, plan_);
        };
        return plan_move(step, MovedInbound::follows, follow, leftovers_, plan_);
    }

    std::expected<void, std::string> operator()(const child::OpenGroup& step) {
        if (auto opened = links_.open(link_of(step.link), plan_); !opened) return opened;
        return groups_.open(step.link, plan_);
    }

    std::expected<void, std::string> operator()(const child::UpdateGroup& step) {
        const auto before = groups_.update(step.link, plan_);
        if (!before) return std::unexpected(before.error());
        return links_.update(link_of(*before), link_of(step.link), plan_);
    }

    // The interface goes last, with end().
    std::expected<void, std::string> operator()(const child::CloseGroup& step) {
        if (const auto was = groups_.close(step.number, plan_)) closing_.push_back(link_of(*was));
        return {};
    }

    std::expected<void, std::string> operator()(const child::InstallGroupSa& step) {
        return groups_.install(step, plan_);
    }
    std::expected<void, std::string> operator()(const child::SendWithGroupSa& step) {
        return groups_.send_with(step, plan_);
    }
    std::expected<void, std::string> operator()(const child::RefreshGroupSa& step) {
        return groups_.refresh(step, plan_);
    }
    std::expected<void, std::string> operator()(const child::RemoveGroupSa& step) {
        groups_.remove(step, plan_);
        return {};
    }

    std::expected<void, std::string> operator()(const child::OpenMobility& step) {
        return homes_.open(step.link, plan_);
    }
    std::expected<void, std::string> operator()(const child::UpdateMobility& step) {
        return homes_.update(step.link, plan_);
    }
    std::expected<void, std::string> operator()(const child::CloseMobility& step) {
        homes_.close(step.number, plan_);
        return {};
    }

    // What several steps want of a group, or of a home address, is carried out together.
    std::expected<void, std::string> end(const std::set<child::LinkNumber>& groups,
                                         const std::set<child::LinkNumber>& links) {
        for (const child::LinkNumber link : links) {
            if (auto planned = homes_.plan(link, home_means()); !planned) return planned;
        }
        for (const child::LinkNumber group : groups) {
            auto planned = groups_.plan(group, {policies_, *changes_, plan_, now_, with_sa_direction_});
            if (!planned) return planned;
        }
        for (const child::Link& link : closing_)
            links_.close(link, plan_);
        return {};
    }

  private:
    [[nodiscard]] MobilityBook::Means home_means() { return {links_, policies_, *changes_, plan_}; }

    // The picture leads to the entry at its new place before the old one goes. A home agent's inbound entry has
    // nothing to change: it takes any care-of address, and which may come is the gate's affair.
    std::expected<void, std::string> move(const child::MoveSas& step, const child::MobilityLink& home) {
        const auto inbound =
            home.role == child::MobilityRole::home_agent ? MovedInbound::stays : MovedInbound::follows;
        const auto follow = [&] { return homes_.plan(step.id.link, home_means()); };
        return plan_move(step, inbound, follow, leftovers_, plan_);
    }

    // What a move has left of the entry elsewhere.
    void remove_leftovers(State& entry) {
        for (const StateId& id : leftovers_.of(entry.reqid, entry.id.spi)) {
            entry.id = id;
            Operation operation = removal(Room::xfrm, remove_state(id), entry.to_string());
            operation.on_success = [id, &leftovers = leftovers_] { leftovers.strike(id); };
            plan_.add_removal(std::move(operation));
        }
    }

    Plan& plan_;
    Links& links_;
    PolicyBook& policies_;
    Leftovers& leftovers_;
    GroupBook& groups_;
    MobilityBook& homes_;
    std::shared_ptr<PolicyBook::Changes> changes_;
    bool with_sa_direction_;
    Instant now_;
    std::vector<child::Link> closing_; // groups'
};

child::LinkNumber link_of(const child::OpenLink& step) { return step.link.number; }
child::LinkNumber link_of(const child::CloseLink& step) { return step.link.number; }
child::LinkNumber link_of(const child::InstallSas& step) { return step.id.link; }
child::LinkNumber link_of(const child::RemoveSas& step) { return step.id.link; }
child::LinkNumber link_of(const child::InstallPolicies& step) { return step.policies.link; }
child::LinkNumber link_of(const child::RemovePolicies& step) { return step.policies.link; }
child::LinkNumber link_of(const child::UpdateLink& step) { return step.after.number; }
child::LinkNumber link_of(const child::MoveSas& step) { return step.id.link; }
child::LinkNumber link_of(const child::OpenGroup& step) { return step.link.number; }
child::LinkNumber link_of(const child::UpdateGroup& step) { return step.link.number; }
child::LinkNumber link_of(const child::CloseGroup& step) { return step.number; }
child::LinkNumber link_of(const child::InstallGroupSa& step) { return step.group; }
child::LinkNumber link_of(const child::SendWithGroupSa& step) { return step.group; }
child::LinkNumber link_of(const child::RefreshGroupSa& step) { return step.group; }
child::LinkNumber link_of(const child::RemoveGroupSa& step) { return step.group; }
child::LinkNumber link_of(const child::OpenMobility& step) { return step.link.number; }
child::LinkNumber link_of(const child::UpdateMobility& step) { return step.link.number; }
child::LinkNumber link_of(const child::CloseMobility& step) { return step.number; }

template <typename Step>
constexpr bool kOfGroup = std::is_same_v<Step, child::OpenGroup> ||
                          std::is_same_v<Step, child::UpdateGroup> ||
                          std::is_same_v<Step, child::CloseGroup> || requires(const Step& step) {
    step.group;
};

void add_ways(const child::Link& link, std::set<child::LinkNumber>& to) {
    for (const child::LinkWay& way : link.ways)
        to.insert(way.number);
}

} // namespace

void Books::forget_all() {
    links.forget_all();
    policies.forget_all();
    leftovers.forget_all();
    groups.forget_all();
    homes.forget_all();
}

std::expected<Plan, std::string> plan_of(const child::KernelIntent& intent, Books& books,
                                         bool with_sa_direction, Instant now) {
    Plan plan;
    Planner planner(plan, books, with_sa_direction, now);
    for (const child::KernelStep& step : intent.steps) {
        if (const auto planned = std::visit(planner, step); !planned) {
            plan.roll_back();
            return std::unexpected(planned.error());
        }
    }
    if (const auto planned = planner.end(groups_of(intent), links_of(intent)); !planned) {
        plan.roll_back();
        return std::unexpected(planned.error());
    }
    return plan;
}

std::expected<Plan, std::string> plan_of(child::LinkNumber group, Books& books, bool with_sa_direction,
                                         Instant now) {
    Plan plan;
    if (const auto planned = Planner(plan, books, with_sa_direction, now).end({group}, {}); !planned) {
        plan.roll_back();
        return std::unexpected(planned.error());
    }
    return plan;
}

std::set<child::LinkNumber> groups_of(const child::KernelIntent& intent) {
    std::set<child::LinkNumber> out;
    for (const child::KernelStep& step : intent.steps) {
        std::visit(
            [&](const auto& s) {
                if constexpr (kOfGroup<std::decay_t<decltype(s)>>) out.insert(link_of(s));
            },
            step);
    }
    return out;
}

std::set<child::LinkNumber> links_of(const child::KernelIntent& intent) {
    std::set<child::LinkNumber> out;
    for (const child::KernelStep& step : intent.steps) {
        std::visit(
            [&](const auto& s) {
                out.insert(link_of(s));
                if constexpr (requires { s.link.ways; }) add_ways(s.link, out);
                if constexpr (requires { s.after; }) {
                    add_ways(s.before, out);
                    add_ways(s.after, out);
                }
                if constexpr (requires { s.policies; }) {
                    if (!s.policies.on_interface) out.insert(0);
                }
            },
            step);
    }
    return out;
}

} // namespace sheaf::xfrm

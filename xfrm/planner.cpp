#include "xfrm/planner.h"

#include "xfrm/expansion.h"
#include "xfrm/move.h"

#include <cerrno>
#include <utility>

namespace sheaf::xfrm {
namespace {

// One step at a time; an error is a sentence.
class Planner {
  public:
    Planner(Plan& plan, Books& books, bool with_sa_direction)
        : plan_(plan), links_(books.links), policies_(books.policies), leftovers_(books.leftovers),
          changes_(policies_.begin(plan)), with_sa_direction_(with_sa_direction) {}

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
        if (installs_in(step.directions)) add(pair->in);
        if (installs_out(step.directions)) add(pair->out);
        return {};
    }

    std::expected<void, std::string> operator()(const child::RemoveSas& step) {
        // Outbound first: nothing more is sent that the peer can no longer answer.
        for (const bool out : {true, false}) {
            if (!(out ? installs_out(step.directions) : installs_in(step.directions))) continue;
            State state;
            state.id = out ? outbound_id(step.id) : inbound_id(step.id);
            state.source = out ? step.id.local.address : step.id.peer.address;
            state.reqid = step.id.link;
            plan_.add_removal(removal(Room::xfrm, remove_state(state.id), state.to_string()));
            if (!out) remove_leftovers(state);
        }
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
        return plan_move(step, policies_, *changes_, leftovers_, plan_);
    }

  private:
    void add(const State& state) {
        Operation operation{.room = Room::xfrm,
                            .message = install_state(state),
                            .object = state.to_string(),
                            .verb = "install"};
        operation.undo = [id = state.id] { return remove_state(id); };
        operation.hint = [](const netlink::Error& error) -> std::string {
            // What kernels answer for a cipher or for ESP itself that is not there.
            if (error.code == ENOSYS || error.code == EPROTONOSUPPORT)
                return "; the kernel lacks ESP or the cipher: sheafd names what at its start";
            return {};
        };
        plan_.add(std::move(operation));
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
    std::shared_ptr<PolicyBook::Changes> changes_;
    bool with_sa_direction_;
};

child::LinkNumber link_of(const child::OpenLink& step) { return step.link.number; }
child::LinkNumber link_of(const child::CloseLink& step) { return step.link.number; }
child::LinkNumber link_of(const child::InstallSas& step) { return step.id.link; }
child::LinkNumber link_of(const child::RemoveSas& step) { return step.id.link; }
child::LinkNumber link_of(const child::InstallPolicies& step) { return step.policies.link; }
child::LinkNumber link_of(const child::RemovePolicies& step) { return step.policies.link; }
child::LinkNumber link_of(const child::UpdateLink& step) { return step.after.number; }
child::LinkNumber link_of(const child::MoveSas& step) { return step.id.link; }

void add_ways(const child::Link& link, std::set<child::LinkNumber>& to) {
    for (const child::LinkWay& way : link.ways)
        to.insert(way.number);
}

} // namespace

void Books::forget_all() {
    links.forget_all();
    policies.forget_all();
    leftovers.forget_all();
}

std::expected<Plan, std::string> plan_of(const child::KernelIntent& intent, Books& books,
                                         bool with_sa_direction) {
    Plan plan;
    Planner planner(plan, books, with_sa_direction);
    for (const child::KernelStep& step : intent.steps) {
        if (const auto planned = std::visit(planner, step); !planned) {
            plan.roll_back();
            return std::unexpected(planned.error());
        }
    }
    return plan;
}

std::set<child::LinkNumber> links_of(const child::KernelIntent& intent) {
    std::set<child::LinkNumber> out;
    for (const child::KernelStep& step : intent.steps) {
        std::visit(
            [&](const auto& s) {
                out.insert(link_of(s));
                if constexpr (requires { s.link; }) add_ways(s.link, out);
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

#include "xfrm/policy_book.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace sheaf::xfrm {

class PolicyBook::Changes {
  public:
    // The entry as it was before the first change.
    void touch(const Key& key, const Entry& entry) {
        if (before_.emplace(key, entry.holders).second) order_.push_back(key);
    }

    std::map<Key, std::vector<Holder>> before_;
    std::vector<Key> order_; // of the first changes
    // Holders whose removal was reached, or (the flag) not yet.
    std::vector<std::pair<std::uint64_t, std::shared_ptr<bool>>> removals_;
    bool restored_ = false;
};

PolicyBook::Key PolicyBook::key_of(const Policy& policy) {
    return {policy.link, policy.direction, policy.selector, policy.mark};
}

PolicyBook::Template PolicyBook::template_of(const Policy& policy) {
    return {.reqid = policy.reqid,
            .mode = policy.mode,
            .source = policy.source,
            .destination = policy.destination,
            .spi = policy.spi,
            .refuse = policy.refuse,
            .optimization = policy.optimization,
            .optimization_reqid = policy.optimization_reqid,
            .esp = policy.esp};
}

Policy PolicyBook::policy_of(const Key& key, const Entry& entry, const Template& wanted) {
    return {.direction = key.direction,
            .selector = key.selector,
            .priority = entry.priority,
            .link = key.link,
            .reqid = wanted.reqid,
            .mode = wanted.mode,
            .refuse = wanted.refuse,
            .source = wanted.source,
            .destination = wanted.destination,
            .spi = wanted.spi,
            .mark = key.mark,
            .optimization = wanted.optimization,
            .optimization_reqid = wanted.optimization_reqid,
            .esp = wanted.esp};
}

std::shared_ptr<PolicyBook::Changes> PolicyBook::begin(Plan& plan) {
    auto changes = std::make_shared<Changes>();
    plan.on_undo([this, changes] { return restore_kernel(*changes); });
    plan.on_failure([this, changes] { restore_holders(*changes); });
    return changes;
}

Operation PolicyBook::operation(const Key& key) {
    const Entry& entry = entries_.at(key);
    if (entry.holders.empty()) {
        const Policy gone = policy_of(key, entry, entry.in_kernel.value_or(Template{}));
        Operation out = removal(Room::xfrm, remove_policy(gone), gone.to_string());
        out.on_success = [this, key] { carried_out(key, std::nullopt); };
        return out;
    }
    const Template& wanted = entry.holders.back().wanted;
    const Policy policy = policy_of(key, entry, wanted);
    const bool first = entry.holders.size() == 1 && !entry.may_be_there();
    Operation out{.room = Room::xfrm,
                  .message = first ? install_policy(policy) : update_policy(policy),
                  .object = policy.to_string(),
                  .verb = first ? "install" : "update"};
    out.on_success = [this, key, wanted] { carried_out(key, wanted); };
    return out;
}

void PolicyBook::carried_out(const Key& key, const std::optional<Template>& now) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return; // all was forgotten meanwhile
    found->second.in_kernel = now;
    found->second.in_doubt = false;
    drop_if_empty(key);
}

void PolicyBook::drop_if_empty(const Key& key) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.holders.empty() && !found->second.may_be_there())
        entries_.erase(found);
}

void PolicyBook::add(const Key& key, Stage& stage) {
    Operation message = operation(key);
    const auto set_doubt = [this, key](bool doubt) {
        if (const auto found = entries_.find(key); found != entries_.end()) found->second.in_doubt = doubt;
    };
    stage.on_begin.emplace_back([set_doubt] { set_doubt(true); });
    message.on_refused = [set_doubt] { set_doubt(false); };
    stage.operations.push_back(std::move(message));
}

bool PolicyBook::holds(const Policy& policy) const {
    const auto found = entries_.find(key_of(policy));
    if (found == entries_.end()) return false;
    const Template wanted = template_of(policy);
    return std::ranges::any_of(found->second.holders, [&](const Holder& h) { return h.wanted == wanted; });
}

void PolicyBook::install(const std::vector<Policy>& set, Changes& changes, Plan& plan) {
    for (const Policy& policy : set) {
        const Key key = key_of(policy);
        Entry& entry = entries_[key];
        entry.priority = policy.priority;
        changes.touch(key, entry);
        const Template wanted = template_of(policy);
        const bool as_it_is =
            !entry.holders.empty() && entry.holders.back().wanted == wanted && !entry.in_doubt;
        entry.holders.push_back({++last_holder_, wanted});
        // Even without a message: what is removed later in the plan waits for all that is installed.
        Stage& stage = plan.current();
        stage.installs = true;
        if (!as_it_is) add(key, stage);
    }
}

void PolicyBook::remove(const std::vector<Policy>& set, Changes& changes, Plan& plan) {
    for (const Policy& policy : set) {
        const Key key = key_of(policy);
        const auto found = entries_.find(key);
        if (found == entries_.end()) continue;
        Entry& entry = found->second;
        changes.touch(key, entry);
        const auto holder = std::ranges::find(entry.holders, template_of(policy), &Holder::wanted);
        Stage& stage = plan.removals();
        if (holder != entry.holders.end()) {
            auto reached = std::make_shared<bool>(false);
            changes.removals_.emplace_back(holder->number, reached);
            stage.on_begin.emplace_back([reached] { *reached = true; });
            const Template was = entry.holders.back().wanted;
            entry.holders.erase(holder);
            if (!entry.holders.empty() && entry.holders.back().wanted == was) continue;
        } else if (!entry.holders.empty() || !entry.may_be_there()) {
            continue;
        } // else: an earlier removal failed
        add(key, stage);
    }
}

std::expected<void, std::string> PolicyBook::move(const std::vector<Policy>& from,
                                                  const std::vector<Policy>& to, Changes& changes,
                                                  Plan& plan) {
    for (std::size_t i = 0; i < from.size() && i < to.size(); ++i) {
        const Key key = key_of(from[i]);
        const auto found = entries_.find(key);
        const auto not_held = [&] {
            return std::unexpected(from[i].to_string() +
                                   ": move: the policy is not installed with these addresses");
        };
        if (found == entries_.end()) return not_held();
        Entry& entry = found->second;
        changes.touch(key, entry);
        const auto holder = std::ranges::find(entry.holders, template_of(from[i]), &Holder::wanted);
        if (holder == entry.holders.end()) return not_held();
        holder->wanted = template_of(to[i]);
        const bool latest = holder == std::prev(entry.holders.end());
        Stage& stage = plan.current();
        stage.installs = true;
        if (latest && from[i] != to[i]) add(key, stage);
    }
    return {};
}

void PolicyBook::restore_holders(Changes& changes) {
    if (std::exchange(changes.restored_, true)) return;
    for (const Key& key : changes.order_) {
        auto& holders = entries_[key].holders;
        holders = changes.before_.at(key);
        std::erase_if(holders, [&](const Holder& holder) {
            return std::ranges::any_of(changes.removals_, [&](const auto& removed) {
                return removed.first == holder.number && *removed.second;
            });
        });
        drop_if_empty(key);
    }
}

std::vector<Operation> PolicyBook::restore_kernel(Changes& changes) {
    restore_holders(changes);
    std::vector<Operation> out;
    for (const Key& key : changes.order_ | std::views::reverse) {
        const auto found = entries_.find(key);
        if (found == entries_.end()) continue;
        const Entry& entry = found->second;
        const auto wanted = entry.holders.empty() ? std::nullopt : std::optional(entry.holders.back().wanted);
        if (entry.in_doubt || entry.in_kernel != wanted) out.push_back(operation(key));
    }
    return out;
}

} // namespace sheaf::xfrm

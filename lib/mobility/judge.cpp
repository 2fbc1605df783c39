#include "lib/mobility/home_agent.h"

#include <algorithm>
#include <set>

namespace sheaf::mobility {
namespace {

// One Binding Update on its way to a verdict. Every step works on a copy; a refusal leaves it unused.
class Case {
  public:
    Case(const HomeAgentPolicy& policy, const Authority& authority, const Arrival& arrival,
         const BindingUpdate& update, const Known* before, Instant now)
        : policy_(policy), authority_(authority), arrival_(arrival), update_(update), before_(before),
          now_(now), asked_(update.options) {
        if (before_) after_ = before_->registration;
        after_.home = arrival_.home;
        results_.resize(asked_.bindings.size(), Status::accepted);
    }

    Verdict run();

  private:
    [[nodiscard]] std::optional<Rule> discard() const;
    [[nodiscard]] Status decide();
    [[nodiscard]] Status check_message() const;
    [[nodiscard]] Status check_bindings() const;
    [[nodiscard]] const HomePrefix* home_prefix() const;
    [[nodiscard]] Duration lifetime() const;

    [[nodiscard]] Status deregister();
    [[nodiscard]] Status deregister_some();
    [[nodiscard]] Status register_plain();
    [[nodiscard]] Status register_bindings();
    [[nodiscard]] std::expected<Binding, Status> resolve(const BindingId& asked) const;
    [[nodiscard]] Status set_networks();
    [[nodiscard]] Status summary_of_results() const;

    [[nodiscard]] bool is_bound() const { return before_ && !before_->registration.bindings.empty(); }
    [[nodiscard]] bool is_deregistration() const;
    [[nodiscard]] bool wants_home() const {
        return std::ranges::any_of(asked_.bindings, &BindingId::at_home);
    }
    [[nodiscard]] std::optional<KeyEndpointChange> move_keys(bool able);
    void answer(Status status, Verdict& verdict) const;

    const HomeAgentPolicy& policy_;
    const Authority& authority_;
    const Arrival& arrival_;
    const BindingUpdate& update_;
    const Known* before_;
    Instant now_;
    const Options& asked_;
    Registration after_;
    std::vector<Status> results_; // of each binding identifier option
    std::vector<FlowIdentification> flow_answers_;
};

// RFC 3963 6.2: a care-of address that is the home address asks for an end, too.
bool Case::is_deregistration() const {
    if (update_.lifetime == 0) return true;
    return asked_.bindings.empty() && asked_.alternate_care_of.value_or(arrival_.care_of) == arrival_.home;
}

// RFC 6275 9.5.1, 10.3.1: what is not even answered.
std::optional<Rule> Case::discard() const {
    if (!arrival_.is_protected) return Rule::unprotected_mobility;
    if (!is_unicast_routable(arrival_.home)) return Rule::bad_home_address;
    if (!is_unicast_routable(arrival_.care_of)) return Rule::bad_care_of_address;
    const auto owns = [this](const Prefix& prefix) { return prefix.contains(arrival_.home); };
    if (!std::ranges::any_of(authority_.homes, owns)) return Rule::foreign_home_address;
    if (asked_.nonce_indices) return Rule::misplaced_mobility_option;
    const bool answerable = update_.has(kMobileRouter) || is_bound();
    if (!update_.has(kHomeRegistration) && !answerable) return Rule::no_home_registration;
    if (is_deregistration()) return std::nullopt;
    if (arrival_.care_of == arrival_.home && !wants_home()) return Rule::missing_home_address_option;
    if (asked_.bindings.empty() && asked_.alternate_care_of &&
        !is_unicast_routable(*asked_.alternate_care_of))
        return Rule::bad_care_of_address;
    return std::nullopt;
}

const HomePrefix* Case::home_prefix() const {
    const auto serves = [this](const HomePrefix& home) {
        return home.prefix.contains(arrival_.home) && (!home.valid_until || *home.valid_until > now_);
    };
    const auto found = std::ranges::find_if(policy_.home_prefixes, serves);
    return found == policy_.home_prefixes.end() ? nullptr : &*found;
}

// RFC 6275 10.3.1: never more than what was asked for, nor than the prefix lives.
Duration Case::lifetime() const {
    Duration out = std::min(from_lifetime(update_.lifetime), policy_.max_lifetime);
    if (const HomePrefix* home = home_prefix(); home && home->valid_until)
        out = std::min(out, *home->valid_until - now_);
    return from_lifetime(to_lifetime(out));
}

// What is wrong with the message as a whole.
Status Case::check_message() const {
    if (!policy_.enabled) return Status::home_registration_unsupported;
    if (before_ && before_->sequence && !is_newer(update_.sequence, *before_->sequence))
        return Status::sequence_out_of_window;
    if (!update_.has(kHomeRegistration))
        return update_.has(kMobileRouter) ? Status::mobile_router_prohibited
                                          : Status::registration_type_change;
    if (!home_prefix()) return Status::not_home_subnet;
    if (is_deregistration()) return Status::accepted;
    if (update_.has(kMobileRouter) && !policy_.mobile_routers) return Status::mobile_router_prohibited;
    const bool other_type = is_bound() && before_->registration.mobile_router != update_.has(kMobileRouter);
    if (other_type && before_->by_node) return Status::registration_type_change;
    // Of less than a unit nothing can be told to the mobile node.
    if (lifetime() < Duration(kLifetimeUnit)) return Status::insufficient_resources;
    return Status::accepted;
}

// What is wrong with the binding identifiers as a whole.
Status Case::check_bindings() const {
    if (!policy_.multiple_care_of) return Status::multiple_prohibited;
    std::set<std::uint16_t> seen;
    std::size_t homes = 0;
    for (const BindingId& binding : asked_.bindings) {
        if (binding.malformed || binding.bid == 0 || !seen.insert(binding.bid).second)
            return Status::malformed_binding;
        if (binding.at_home) ++homes;
    }
    if (homes > 1) return Status::malformed_binding; // RFC 5648 5.6.3: one home binding at a time
    if (asked_.bindings.size() > 1 && !policy_.bulk) return Status::bulk_prohibited;
    return Status::accepted;
}

Status Case::decide() {
    if (const Status status = check_message(); status != Status::accepted) return status;
    if (!asked_.bindings.empty())
        if (const Status status = check_bindings(); status != Status::accepted) return status;
    if (is_deregistration()) return deregister();
    const Status status = asked_.bindings.empty() ? register_plain() : register_bindings();
    if (!is_accepted(status)) return status;
    if (const Status networks = set_networks(); networks != Status::accepted) return networks;
    flow_answers_ = apply_flows(asked_, policy_.flows, after_);
    const HomePrefix* home = home_prefix();
    const Instant end = now_ + lifetime();
    const bool ends_soon = (home->preferred_until && *home->preferred_until <= end) ||
                           (home->valid_until && *home->valid_until <= end);
    // RFC 6275 10.3.1. A status that says more about several bindings is not hidden by it.
    return status == Status::accepted && ends_soon ? Status::prefix_discovery_needed : status;
}

// RFC 6275 10.3.2, RFC 5648 6.2
Status Case::deregister() {
    if (!before_) return Status::not_home_agent;
    if (!asked_.bindings.empty()) return deregister_some();
    after_.bindings.clear();
    after_.flows.clear();
    after_.prefixes.clear();
    return Status::accepted;
}

Status Case::deregister_some() {
    for (std::size_t i = 0; i < results_.size(); ++i) {
        const std::uint16_t bid = asked_.bindings[i].bid;
        const bool known =
            std::erase_if(after_.bindings, [bid](const Binding& b) { return b.bid == bid; }) != 0;
        if (!known) results_[i] = Status::not_home_agent;
    }
    const Status status = summary_of_results();
    if (!is_accepted(status)) return status;
    if (after_.bindings.empty()) {
        after_.flows.clear();
        after_.prefixes.clear();
    } else {
        flow_answers_ = apply_flows(asked_, policy_.flows, after_);
    }
    return status;
}

// RFC 5648 6.2: a binding without an identifier takes the place of all.
Status Case::register_plain() {
    // RFC 6275 11.7.1: ESP does not protect the packet's source.
    if (!asked_.alternate_care_of || *asked_.alternate_care_of == policy_.address)
        return Status::invalid_care_of;
    after_.bindings = {{0, *asked_.alternate_care_of, 0, false, now_ + lifetime()}};
    return Status::accepted;
}

std::expected<Binding, Status> Case::resolve(const BindingId& asked) const {
    Binding out{asked.bid, {}, asked.priority, asked.at_home, now_ + lifetime()};
    if (asked.at_home) {
        // RFC 5648 5.6.3: its care-of address is the home address.
        if (!policy_.home_and_foreign) return std::unexpected(Status::home_and_foreign_prohibited);
        if (asked.care_of.value_or(arrival_.home) != arrival_.home)
            return std::unexpected(Status::malformed_binding);
        out.care_of = arrival_.home;
        return out;
    }
    if (asked.care_of) {
        // IPv4 needs the UDP encapsulation of RFC 5555, which is not here.
        if (!asked.care_of->is_v6()) return std::unexpected(Status::invalid_care_of);
        if (!is_unicast_routable(*asked.care_of)) return std::unexpected(Status::malformed_binding);
        if (*asked.care_of == arrival_.home || *asked.care_of == policy_.address)
            return std::unexpected(Status::invalid_care_of);
        out.care_of = *asked.care_of;
        return out;
    }
    const Binding* known = before_ ? find(before_->registration.bindings, asked.bid) : nullptr;
    if (!known || known->at_home) return std::unexpected(Status::unknown_care_of);
    out.care_of = known->care_of;
    return out;
}

Status Case::register_bindings() {
    if (update_.has(kOverwrite))
        after_.bindings.clear();
    else if (find(after_.bindings, 0))
        return Status::plain_binding_exists;
    // RFC 5648 5.6.3, 5.6.5: a message without the H flag says that the home link was left, and one with it
    // names the one home binding that there is.
    std::erase_if(after_.bindings, [](const Binding& binding) { return binding.at_home; });
    const std::size_t most = std::min(policy_.max_bindings, kMaxBindings);
    for (std::size_t i = 0; i < results_.size(); ++i) {
        const auto binding = resolve(asked_.bindings[i]);
        if (!binding) {
            results_[i] = binding.error();
        } else if (!find(after_.bindings, binding->bid) && after_.bindings.size() >= most) {
            results_[i] = Status::insufficient_resources;
        } else {
            put(after_.bindings, *binding);
            if (binding->at_home && !policy_.neighbour_discovery_at_home)
                results_[i] = Status::home_without_neighbour_discovery;
        }
    }
    return summary_of_results();
}

// RFC 5648 6.2: what is true of all is said once; otherwise each option says it.
Status Case::summary_of_results() const {
    const Status first = results_.front();
    if (std::ranges::all_of(results_, [first](Status other) { return other == first; })) return first;
    return std::ranges::any_of(results_, is_accepted) ? Status::not_complete : Status::unspecified;
}

// RFC 3963 6.2
Status Case::set_networks() {
    after_.mobile_router = update_.has(kMobileRouter);
    after_.prefixes.clear();
    if (!after_.mobile_router) return Status::accepted;
    if (asked_.invalid_prefix) return Status::invalid_prefix;
    if (asked_.prefixes.empty()) {
        if (authority_.networks.empty()) return Status::no_prefix;
        after_.prefixes = authority_.networks;
        return Status::accepted;
    }
    for (const Prefix& prefix : asked_.prefixes) {
        const auto covers = [&](const Prefix& owned) { return owned.contains(prefix); };
        if (!std::ranges::any_of(authority_.networks, covers)) return Status::foreign_prefix;
        if (std::ranges::find(after_.prefixes, prefix) == after_.prefixes.end())
            after_.prefixes.push_back(prefix);
    }
    return Status::accepted;
}

std::optional<KeyEndpointChange> Case::move_keys(bool able) {
    const auto old = authority_.keys_at ? authority_.keys_at : after_.key_endpoint;
    const IpAddress home = after_.home;
    const IpAddress next = key_endpoint_after(after_, arrival_.care_of, asked_.bindings);
    if (able) {
        after_.key_endpoint = next;
        if (old == next && is_bound()) return std::nullopt;
        return KeyEndpointChange{home, true, next};
    }
    if (!is_bound()) {
        after_.key_endpoint = next;
        return KeyEndpointChange{home, false, home};
    }
    // While its address is registered, the IKE SA works as it is; and at home if it never was.
    if (old && has_care_of(after_, *old)) return std::nullopt;
    if (old && after_.bindings.empty() && !has_care_of(before_->registration, *old)) return std::nullopt;
    after_.key_endpoint = next;
    if (!old) return std::nullopt;
    return KeyEndpointChange{home, false, *old};
}

void Case::answer(Status status, Verdict& verdict) const {
    BindingAck& ack = verdict.ack;
    ack.status = status;
    ack.sequence = status == Status::sequence_out_of_window ? *before_->sequence : update_.sequence;
    const bool mixed = status == Status::not_complete || status == Status::unspecified;
    for (std::size_t i = 0; i < results_.size(); ++i) {
        BindingId copy = asked_.bindings[i];
        copy.care_of.reset();
        copy.malformed = false;
        copy.status = mixed ? results_[i] : Status::accepted;
        ack.options.bindings.push_back(copy);
    }
    if (!is_accepted(status)) return;
    ack.options.flows = flow_answers_;
    if (update_.has(kMobileRouter)) ack.flags |= kAckMobileRouter;
    if (is_deregistration()) return;
    const Duration granted = lifetime();
    ack.lifetime = to_lifetime(granted);
    if (policy_.refresh_advice && *policy_.refresh_advice < granted)
        ack.options.refresh_advice = to_lifetime(*policy_.refresh_advice);
}

Verdict Case::run() {
    Verdict verdict;
    if (before_) verdict.after = before_->registration;
    verdict.discarded = discard();
    if (verdict.discarded) return verdict;
    const Status status = decide();
    if (is_accepted(status)) {
        verdict.is_registration = !is_deregistration();
        const bool able = update_.has(kKeyMobility) && authority_.dynamic_keys && policy_.key_mobility;
        if (able) verdict.ack.flags |= kAckKeyMobility;
        // A mobile node that is told so moves its end, whatever there was to remove.
        if (is_bound() || verdict.is_registration || able) verdict.key_endpoint = move_keys(able);
        verdict.after = after_;
    }
    answer(status, verdict);
    return verdict;
}

} // namespace

Verdict judge(const HomeAgentPolicy& policy, const Authority& authority, const Arrival& arrival,
              const BindingUpdate& update, const Known* before, Instant now) {
    return Case(policy, authority, arrival, update, before, now).run();
}

} // namespace sheaf::mobility

#pragma once

#include "xfrm/plan.h"
#include "xfrm/policy.h"

#include <compare>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// Which policy sets hold which SPD entries. The kernel has an entry once, by direction, selector, if_id and mark;
// sets that want the same one (an old and a new Child SA, a trap) share it, with the template of the latest.
//
// The books are changed when an intent is planned. When it fails they are what they were before it, but for
// removals that had begun, and the kernel is made to agree with them.
class PolicyBook {
  public:
    // What one intent changes, so that it can be taken back as a whole.
    class Changes;
    // The plan takes back the changes when it fails. It must not outlive the book.
    [[nodiscard]] std::shared_ptr<Changes> begin(Plan& plan);

    // A set is the policies that policies_of() makes of a child::PolicySet.
    void install(const std::vector<Policy>& set, Changes& changes, Plan& plan);
    // What the set does not hold is passed over. Of sets that are equal the earliest is meant.
    void remove(const std::vector<Policy>& set, Changes& changes, Plan& plan);
    // The set gets other templates and keeps its place among the holders. `to` differs from `from` in nothing
    // else. An error when the set does not hold `from`.
    [[nodiscard]] std::expected<void, std::string>
    move(const std::vector<Policy>& from, const std::vector<Policy>& to, Changes& changes, Plan& plan);

    [[nodiscard]] bool holds(const Policy& policy) const; // for some set
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    void forget_all() { entries_.clear(); } // after all of ours was removed

  private:
    // By what the kernel finds a policy.
    struct Key {
        std::uint32_t link = 0;
        PolicyDirection direction{};
        Selector selector;
        std::uint32_t mark = 0;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    // What holders may want differently.
    struct Template {
        std::uint32_t reqid = 0;
        child::Mode mode{};
        IpAddress source;
        IpAddress destination;
        std::uint32_t spi = 0;
        bool refuse = false;
        RouteOptimization optimization = RouteOptimization::none;
        std::uint32_t optimization_reqid = 0;
        bool esp = true;
        friend bool operator==(const Template&, const Template&) = default;
    };
    struct Holder {
        std::uint64_t number = 0;
        Template wanted;
    };
    struct Entry {
        std::vector<Holder> holders; // the latest comes last
        std::uint32_t priority = 0;  // follows from the selector
        std::optional<Template> in_kernel;
        bool in_doubt = false; // a message about it was not answered

        [[nodiscard]] bool may_be_there() const { return in_kernel.has_value() || in_doubt; }
    };

    [[nodiscard]] static Key key_of(const Policy& policy);
    [[nodiscard]] static Template template_of(const Policy& policy);
    [[nodiscard]] static Policy policy_of(const Key& key, const Entry& entry, const Template& wanted);

    // The message that makes the kernel hold what the latest holder wants, or nothing when there is none.
    [[nodiscard]] Operation operation(const Key& key);
    void add(const Key& key, Stage& stage);
    void carried_out(const Key& key, const std::optional<Template>& now);
    void restore_holders(Changes& changes);
    [[nodiscard]] std::vector<Operation> restore_kernel(Changes& changes);
    void drop_if_empty(const Key& key);

    std::map<Key, Entry> entries_;
    std::uint64_t last_holder_ = 0;
};

} // namespace sheaf::xfrm

#pragma once

#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/mobility/registration.h"

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

namespace sheaf::mobility {

struct MobileNodeSettings {
    IpAddress home;
    Duration lifetime = std::chrono::minutes(7);              // asked for
    Duration first_timeout = std::chrono::milliseconds(1500); // RFC 6275 13: InitialBindackTimeoutFirstReg
    bool multiple_care_of = true;
    bool bulk = true;
    bool home_and_foreign = false; // bindings while at home
    bool key_mobility = true;      // the IKE SA can follow the care-of address
    bool mobile_router = false;
    std::vector<Prefix> networks; // named to the home agent; none: it knows them (RFC 3963 5.2)
};

// An address that is on one of our links now.
struct CareOf {
    std::uint16_t bid = 0;     // our name for it: 1 to 65535
    std::uint8_t priority = 1; // 1 to 127, lower is preferred
    IpAddress address;         // IPv6
    friend bool operator==(const CareOf&, const CareOf&) = default;
};

// A binding, or with 0 the registration as a whole, is refused.
struct BindingRefused {
    std::uint16_t bid = 0;
    Status status{};
    bool is_final = false; // not tried again by itself
};
struct FlowRefused {
    std::uint16_t fid = 0;
    FlowStatus status{};
};
// The home agent has not what we asked for, so we do without.
struct AbilityMissing {
    enum class Ability : std::uint8_t { multiple_care_of, bulk, home_and_foreign, flows, mobile_router };
    Ability ability{};
};
struct HomeLinkUsable {
    bool neighbour_discovery = true; // RFC 5648 5.6.4: whether we answer for our home address there
};
struct PrefixDiscoveryNeeded {}; // RFC 6275 11.7.3: the home prefix changes soon
using Notice =
    std::variant<BindingRefused, FlowRefused, AbilityMissing, HomeLinkUsable, PrefixDiscoveryNeeded>;

// What a call led to.
struct Actions {
    std::optional<Packet> send;
    std::optional<Rule> discarded; // of a message that was received
    std::vector<Change> changes;   // of what is registered and can be used
    std::vector<Notice> notices;
};

// The mobile node's binding update list for its home agent (RFC 6275 11.1, RFC 5648 5): makes what is
// registered there follow what is wanted here.
//
// How it works: there is a wish (the addresses that are there, the flows) and what the home agent is known to
//     hold. The next Binding Update is what leads from the one to the other; one at a time is under way, and
//     is sent again until it is acknowledged or the wish is another. When the home agent may hold something
//     else than is known (at the start, or as a message that it may have got was superseded), the next
//     message has the O flag and says all: of the flows that have no room in it the names, and what the home
//     agent has not of them it answers, so that it is sent then.
// Time: an argument. It has to be called at next_timeout().
// Changes: as in the home agent's cache, but only of what both sides have: a binding counts when it is
//     acknowledged, and no longer when its address is gone.
// Limits: RFC 6275 11.8: the timeout doubles up to 32 seconds; three messages in a second.
class BindingList {
  public:
    // REQUIRES: the home address is IPv6. The sequence number may be any.
    BindingList(MobileNodeSettings settings, std::uint16_t sequence);

    [[nodiscard]] Actions set_care_of(Instant now, const CareOf& care_of); // adds, or replaces that name's
    [[nodiscard]] Actions withdraw(Instant now, std::uint16_t bid);

    // We are on the home link, and leave it. `bid` names the home link among the bindings, if there are to be
    // others beside it; else all are removed, also those that an earlier life may have left, and HomeLinkUsable tells
    // that the home agent knows.
    [[nodiscard]] Actions arrive_home(Instant now, std::uint16_t bid, std::uint8_t priority);
    [[nodiscard]] Actions leave_home(Instant now);

    [[nodiscard]] Actions set_flow(Instant now, const FlowBinding& flow);
    [[nodiscard]] Actions remove_flow(Instant now, std::uint16_t fid);

    // RFC 5648 9.1: the care-of address that IKE is to use; Binding Updates come from it. 0: the preferred one.
    [[nodiscard]] Actions use_for_keys(Instant now, std::uint16_t bid);

    // Where our end of a new IKE SA is: Binding Updates come from there, as long as it is one of our addresses.
    void set_key_endpoint(const IpAddress& address) { held_.key_endpoint = address; }

    // Removes all bindings, and then no others are made; start() takes that back, and makes an end to what a
    // final refusal stopped.
    [[nodiscard]] Actions stop(Instant now);
    [[nodiscard]] Actions start(Instant now);

    // There is a way to the home agent again, which may have forgotten what it held, and think otherwise of what
    // it refused: all is registered anew, at once.
    [[nodiscard]] Actions begin_again(Instant now);

    // Messages of the home agent. REQUIRES: they came by the SAs of our IKE SA with it; a Binding Error cannot,
    // so that it only makes us refresh what is registered.
    [[nodiscard]] Actions receive(Instant now, const BindingAck& ack);
    [[nodiscard]] Actions receive(Instant now, const RefreshRequest& request);
    [[nodiscard]] Actions receive(Instant now, const BindingError& error);

    [[nodiscard]] std::optional<Instant> next_timeout() const;
    [[nodiscard]] Actions on_timeout(Instant now);

    // What is registered and can be used now.
    [[nodiscard]] Registration usable() const;
    // What the home agent holds as far as is known, including what is to be removed.
    [[nodiscard]] const Registration& held() const { return held_; }
    [[nodiscard]] bool is_settled() const {
        return !pending_ && !plan();
    } // nothing is under way or to be done
    [[nodiscard]] std::optional<Status> refused() const { return refused_; } // for good

  private:
    // REQUIRES: it is one that we have sent, which always have a selector.
    [[nodiscard]] static FlowBinding binding_of(const FlowIdentification& sent) {
        return {sent.fid, sent.priority, *sent.selector, sent.bids};
    }

    struct Pending {
        BindingUpdate update;
        IpAddress source;
        std::uint16_t first = 0, last = 0; // sequence numbers that it was sent with
        Instant first_sent;
        Instant next_at;
        Duration timeout{};
        bool sent = false;
    };
    struct Plan {
        BindingUpdate update; // without a sequence number
        IpAddress source;
        friend bool operator==(const Plan&, const Plan&) = default;
    };
    struct Refusal {
        CareOf care_of;
        std::optional<Instant> until;
    };

    // binding_plan.cpp
    [[nodiscard]] std::optional<Plan> plan() const;
    [[nodiscard]] std::vector<CareOf> wanted() const;
    [[nodiscard]] std::optional<Plan> plan_end() const;
    [[nodiscard]] std::optional<Plan> plan_plain(const CareOf& care_of) const;
    [[nodiscard]] std::optional<Plan> plan_bindings(const std::vector<CareOf>& want) const;
    [[nodiscard]] std::optional<Plan> plan_one(const std::vector<CareOf>& want) const;
    [[nodiscard]] Plan make_plan(std::vector<BindingId> bindings, const std::vector<CareOf>& want,
                                 bool overwrite) const;
    [[nodiscard]] Plan make_removal(std::vector<BindingId> bindings, const std::vector<CareOf>& want) const;
    void add_flows(Plan& plan) const;
    [[nodiscard]] bool can_keep(std::uint16_t fid) const;
    [[nodiscard]] bool flows_wait(const std::vector<CareOf>& want) const;
    [[nodiscard]] std::optional<FlowBinding> flow_to_send(const FlowBinding& wish,
                                                          const std::vector<std::uint16_t>& there) const;
    [[nodiscard]] std::vector<std::uint16_t> there_after(const Plan& plan) const;
    [[nodiscard]] IpAddress source(const std::vector<CareOf>& want) const;
    [[nodiscard]] BindingId option(const CareOf& care_of, bool with_address) const;
    [[nodiscard]] bool is_as_held(const CareOf& care_of) const;
    [[nodiscard]] bool is_home(const CareOf& care_of) const { return care_of.address == settings_.home; }

    // RFC 5648 5.6: at home without bindings beside it.
    [[nodiscard]] bool is_home_alone() const {
        return home_link_ && !(settings_.home_and_foreign && settings_.multiple_care_of && settings_.bulk);
    }

    [[nodiscard]] bool is_answer(const BindingAck& ack) const;

    // binding_ack.cpp
    void accept(Instant now, const BindingAck& ack, Actions& to);
    void refuse(Instant now, const BindingAck& ack, Actions& to);
    void take_bindings(Instant now, const BindingAck& ack, Actions& to);
    void take_binding(Instant now, const BindingId& asked, Status status, Duration granted, Actions& to);
    void take_removals();
    void take_flows(const BindingAck& ack, Actions& to);
    void take_flow(const FlowIdentification& sent, FlowStatus status, Actions& to);
    void take_keys(const BindingAck& ack, Actions& to);
    void miss(AbilityMissing::Ability ability, Actions& to);
    void find_nothing(Actions& to);
    void refuse_binding(Instant now, const BindingId& asked, Status status, Actions& to);
    void refuse_all(Status status, Actions& to);
    void wait(Instant now, Status status, Actions& to);
    void number(const BindingAck& ack, Instant now);

    // Every call: a change of the wish or of what is known, and what follows from it.
    template <class Change>
    [[nodiscard]] Actions step(Instant now, Change change);
    void drive(Instant now, Actions& to);
    void follow_plan(Instant now);
    void give_up();
    void forget_refusals();
    void doubt();
    [[nodiscard]] bool is_under_way(const Plan& plan) const;
    void expire(Instant now);
    [[nodiscard]] Instant send_at() const; // REQUIRES: something is under way

    MobileNodeSettings settings_; // what the home agent does not have is cleared
    std::uint16_t sequence_;
    std::vector<CareOf> care_of_; // by identifier
    std::optional<CareOf> home_link_;
    std::vector<FlowBinding> flows_; // by priority
    std::uint16_t keys_bid_ = 0;
    bool stopped_ = false;
    bool flows_known_ = true; // the home agent has flow bindings

    Registration held_;
    bool unknown_ = true; // the home agent may hold something else than `held_`
    // Of `held_`, which it may hold in another form.
    std::set<std::uint16_t> flows_in_doubt_;
    bool ever_sent_ = false;
    bool refresh_due_ = false;
    std::map<std::uint16_t, Instant> refresh_at_;        // by binding
    std::map<std::uint16_t, Refusal> refusals_;          // by binding
    std::map<std::uint16_t, FlowBinding> flow_refusals_; // as they were sent
    std::optional<Status> refused_;
    std::optional<Instant> retry_at_; // nothing is sent before

    std::optional<Pending> pending_;
    std::array<Instant, 3> sent_at_; // RFC 6275 12: MAX_UPDATE_RATE; oldest first
    std::size_t sent_count_ = 0;
};

} // namespace sheaf::mobility

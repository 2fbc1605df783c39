#pragma once

#include "lib/group/breach.h"
#include "lib/ike/core.h"
#include "lib/ike/joined_group.h"
#include "lib/ike/served_group.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::ike {

// The part of the engine's inside that is for multi-point SAs (draft-yamaya-ipsecme-mpsa-00): the groups that we
// serve, those that we are in, and what joins either to IKE SAs. Its member functions stand in:
//   groups.cpp         both: configuration, timers, status
//   group_gateway.cpp  who is a member, and is told what
//   group_endpoint.cpp what a gateway tells us
class Engine::Core::Groups {
  public:
    Groups(Core& core, Instant now);

    // groups.cpp
    void reload(Instant now);
    void shut_down(Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    // What has come of the latest input is stored, told and given to the kernel.
    void settle(Instant now);
    void tell_status(Status& out) const;
    // The Vendor ID: whether we send it in the request for an IKE SA, and in the answer. The group of a peer is
    // known later.
    [[nodiscard]] bool is_joined_by(const Connection& connection) const;
    [[nodiscard]] bool is_served_by(const Connection& connection) const;
    [[nodiscard]] static bool announced(Payloads payloads);
    // An IKE SA is up, or is not any more.
    void on_up(Instant now, IkeSa& sa);
    void on_down(Instant now, IkeSa& sa, DownReason reason);

    // group_gateway.cpp
    [[nodiscard]] std::expected<void, std::string> recall(Instant now, const std::string& group, View octets);
    void stored(Instant now, const std::string& group, std::uint64_t change);
    [[nodiscard]] std::expected<void, std::string> rekey(const std::string& group);
    void tell(Instant now, IkeSa& sa);
    void on_answer(Instant now, IkeSa& sa, const TellingGroup& telling, Payloads payloads);
    // No answer will come any more.
    void on_abandoned(const IkeSa& sa, const TellingGroup& telling);
    void on_rekeyed(const IkeSa& old, const IkeSa& heir);
    // The peer is elsewhere, and there may be a NAT before it that was not, or none any more.
    void on_moved(Instant now, IkeSa& sa);

    // group_endpoint.cpp
    // What an INFORMATIONAL request has brought.
    struct Told {
        wire::ChildSpi waits_for = 0;       // the answer is to wait until the kernel has this one
        std::optional<group::Breach> fatal; // the IKE SA ends with the answer
    };
    // Takes out of `deleted` what is a group's.
    Told on_informational(const Input& in, IkeSa& sa, Payloads payloads, std::vector<wire::ChildSpi>& deleted,
                          Reply& reply);
    void answer_later(const Input& in, const IkeSa& sa, wire::ChildSpi spi, Reply reply);
    void on_ike_deleted(Instant now, const IkeSa& sa); // by the gateway
    void on_intent_done(Instant now, const child::IntentDone& done);
    void on_repaired(const child::GroupRepaired& repaired);
    [[nodiscard]] bool holds(wire::ChildSpi spi) const;

  private:
    // The answer to an MPSA_PUT that waits for the kernel.
    struct Waiting {
        std::string group;
        wire::ChildSpi sa = 0;
        wire::Spi ike = 0; // ours
        std::uint32_t message_id = 0;
        Endpoint from; // of the answer
        Endpoint to;
        Reply reply;
    };

    // A group that we have left, until the kernel has closed it.
    struct Closing {
        std::string group;
        child::LinkNumber number = 0;
        child::IntentId intent = 0; // 0: refused
        Instant again{};            // if it was
    };

    // gateway
    [[nodiscard]] ServedGroup* service_of(const Connection& connection);
    void serve(const GroupService& config, Instant now, bool at_once);
    void join(Instant now, IkeSa& sa, ServedGroup& service);
    void join_all(Instant now, const std::string& group);
    void leave(const IkeSa& sa, ServedGroup& service, group::Leave how, std::string why);
    void stop_serving(const std::string& group);
    void tell_due(Instant now, ServedGroup& service);
    [[nodiscard]] IkeSa* other_login(const IkeSa& sa);
    [[nodiscard]] IkeSa* other_of_member(const IkeSa& sa);

    // endpoint
    [[nodiscard]] JoinedGroup* membership_of(const Connection& connection);
    [[nodiscard]] IkeSa* sa_of(const JoinedGroup& joined) const;
    [[nodiscard]] const Connection* connection_of(const JoinedGroup& joined) const;
    void open(const GroupMembership& config);
    void close(Instant now, JoinedGroup& joined);
    void close_again(Instant now);
    void on_closed(const child::IntentDone& done, Instant now);
    void place(Instant now, JoinedGroup& joined);
    void give_to_kernel(Instant now, JoinedGroup& joined);
    void record_keys(const child::InstallGroupSa& sa);
    [[nodiscard]] std::optional<group::Breach> put(const Input& in, JoinedGroup& joined,
                                                   const wire::Notify& notify, Told& told);
    // What waits for this one, or, with 0, for any.
    void answer(Instant now, const std::string& group, wire::ChildSpi spi, bool refused);

    Core* core_;
    std::map<std::string, ServedGroup> services_;
    std::map<std::string, JoinedGroup> memberships_;
    Instant found_at_; // what was not recalled
    bool founded_ = false;
    std::uint64_t last_change_ = 0; // of groups that we do not serve any more
    group::MemberKey last_member_ = 0;
    std::vector<std::pair<std::string, group::MemberKey>> abandoned_; // pushes, by group
    std::vector<Waiting> waiting_;
    std::vector<Closing> closing_;
};

} // namespace sheaf::ike

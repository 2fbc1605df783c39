#pragma once

#include "lib/ike/core.h"
#include "lib/ike/home_link.h"
#include "lib/ike/home_registry.h"
#include "lib/ike/mobile_node.h"
#include "lib/ike/mobile_use.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::ike {

// The part of the engine's inside that is for Mobile IPv6 under IPsec (RFC 4877, RFC 5648): the home addresses that we
// serve, those that we have, and what joins either to IKE SAs. Its member functions stand in:
//   bindings.cpp        both: configuration, timers, messages, operator, status
//   binding_ike.cpp     who speaks for which home address; which Child SAs there are to be
//   binding_kernel.cpp  what the kernel is to hold of a home address
//   binding_keys.cpp    the IKE SA follows the care-of address, or is left and made anew
class Engine::Core::Bindings {
  public:
    Bindings(Core& core, Instant now);

    // bindings.cpp
    void reload(Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    void network_changed(Instant now);
    // What has come of the latest input is sent, told and given to the kernel.
    void settle(Instant now);
    void receive(Instant now, const MobilityHeader& header);
    // Error: a sentence for the operator.
    [[nodiscard]] std::expected<void, std::string> set(Instant now, const SetBinding& command);
    [[nodiscard]] std::expected<void, std::string> remove(Instant now, const RemoveBinding& command);
    void on_migrated(Instant now, const child::EndpointsMigrated& moved);
    void tell_status(Status& out) const;
    // Something of this IKE SA, or of its Child SAs, is another than it was.
    void touch(const IkeSa& sa);
    // A connection is not wanted any more, or is again; also if it has no IKE SA.
    void touch(const std::string& connection);
    // Whether an IKE SA that speaks for a home address may stay with a changed configuration.
    [[nodiscard]] bool fits(const IkeSa& sa) const;
    // Home agent: whether the identity may have what its IKE SA speaks for with this configuration, too.
    [[nodiscard]] bool may_keep(const IkeSa& sa, const Connection& next) const;
    // The home address was a lease that is given back: nothing is spoken for any more.
    void disclaim(IkeSa& sa);

    // binding_ike.cpp, mobile node
    [[nodiscard]] std::optional<IpAddress> source(const Connection& connection) const;
    void ask_first(Authenticating& state, const Connection& connection, Reply& request) const;
    [[nodiscard]] std::expected<void, Rule> take_home(IkeSa& sa, Payloads payloads,
                                                      const child::Narrowed& narrowed);
    // What a request for this Child SA is to ask for; none if it is there, or of no use now.
    [[nodiscard]] const ChildTerms* ask_new(const IkeSa& sa, CreatingChild& request) const;
    // binding_ike.cpp, home agent
    // What the identity may have is known from the configuration (nothing is wanted), or is asked of the pools.
    [[nodiscard]] std::expected<AddressPlan, Rule> admit(IkeSa& sa, const auth::Verified& peer,
                                                         Payloads payloads);
    [[nodiscard]] std::expected<void, Rule> give_home(IkeSa& sa, Payloads payloads,
                                                      const address::Assigned* granted, Reply& reply);
    [[nodiscard]] std::expected<ChildMatch, Rule> match(const IkeSa& sa, const Offer& offer) const;
    // both
    [[nodiscard]] ChildSa child_of(IkeSa& sa, const MobileUse& use, const ChildTerms& terms);
    // Before a Child SA is installed: the kernel has to know what it is for. If it does not yet, the step for that goes
    // into the same intent, which opened() tells, so that there is either both or neither.
    [[nodiscard]] bool open(const IkeSa& sa, std::vector<child::KernelStep>& steps);
    void opened(const IkeSa& sa, child::IntentId id);
    void on_intent_done(Instant now, const child::IntentDone& done);

    // binding_keys.cpp
    // Nothing is said or heard on it any more; its Child SAs stay until others have taken their place.
    void leave(Instant now, IkeSa& sa);

  private:
    using Key = std::pair<std::string, IpAddress>; // connection, home address
    struct Home {
        explicit Home(HomeLink l) : link(std::move(l)) {}
        HomeLink link;
        std::set<wire::Spi> users; // IKE SAs, ours; some may be gone
    };
    // A Child SA that is wanted: not asked for again before then.
    struct Asked {
        Instant again{};
        Duration pause{}; // after the latest request
    };
    struct Node {
        explicit Node(MobileNode n) : node(std::move(n)) {}
        MobileNode node;
        std::shared_ptr<const HomeClaim> up; // by which it was last told that there is signalling
        std::map<MobileUse, Asked> asked;
        std::optional<Instant> again;
    };

    // bindings.cpp
    void configure(Instant now);
    [[nodiscard]] std::optional<IpAddress> home_address(const Connection& connection, const Node& node) const;
    void place(Instant now, const Connection& connection, Node& node);
    void follow_places(Instant now, const Connection& connection, const MobileNode& node);
    void carry_out(Instant now, BindingEffects effects, const Connection& connection);
    void send(const mobility::Packet& packet, const Connection& connection);
    void send(const PrefixPacket& packet, const Connection& connection);
    [[nodiscard]] MobilityHeader header_for(const IpAddress& home, const IpAddress& care_of,
                                            const Connection& connection) const;
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const MobilityHeader& header,
                                                    const mobility::PrefixMessage& message, Home& home);
    [[nodiscard]] std::map<Key, Home>::iterator find_home(const MobilityHeader& header);
    [[nodiscard]] std::vector<IkeSa*> users_of(Home& home);
    [[nodiscard]] ConnectionPtr connection_named(const std::string& name) const;
    [[nodiscard]] HomeRegistry* registry_for(const IpAddress& home);
    [[nodiscard]] static const IpAddress& agent_of(const Connection& connection);
    [[nodiscard]] const std::string& interface_of(const Connection& connection) const;

    // binding_ike.cpp
    Home& home_of(const std::string& connection, const HomeClaim& claim);
    void claim(IkeSa& sa, HomeClaim claim);
    [[nodiscard]] bool is_spoken_for(const IpAddress& home);
    [[nodiscard]] bool is_taken(const IpAddress& address, const auth::Identity& by);
    [[nodiscard]] std::optional<IpAddress> wanted_home(const HomeEntry& entry, Payloads payloads) const;
    void settle_node(Instant now, const Connection& connection, Node& node);
    void ask_children(Instant now, Node& node, IkeSa& sa);
    [[nodiscard]] IkeSa* current_of(const Connection& connection);

    // binding_kernel.cpp
    [[nodiscard]] mobility::Registration registered(const Home& home) const;
    [[nodiscard]] std::optional<IpAddress> care_of(const mobility::Registration& registration,
                                                   const MobileUse& use) const;
    [[nodiscard]] child::MobilityLink picture_of(Home& home, const Connection& connection);
    void move_pairs(Home& home, std::vector<child::KernelStep>& steps, std::vector<Pending::Move>& moved);
    void settle_kernel(Instant now, Home& home, const Connection& connection);
    void settle_home(Instant now, const Key& key);
    // Tells the neighbours what is due of those in `announcing_`.
    void announce(Instant now);
    void close(Home& home);
    std::map<Key, Home>::iterator forget(std::map<Key, Home>::iterator home); // the next one

    // binding_keys.cpp
    [[nodiscard]] std::optional<IpAddress> keys_at(Home& home);
    void move_keys(Instant now, const mobility::KeyEndpointChange& change, const Connection& connection);
    void move_ike(Instant now, IkeSa& sa, const IpAddress& address);
    void move_bindings(Instant now, const IkeSa& sa, const IpAddress& from, const IpAddress& to);
    void end_left(Instant now, Home& home);

    Core* core_;
    std::map<std::string, HomeRegistry> registries_; // by connection
    std::map<std::string, Node> nodes_;              // likewise
    std::map<Key, Home> homes_;
    std::set<Key> touched_;
    std::map<child::IntentId, Key> told_; // the kernel, unanswered
    std::set<Key> retried_;               // the kernel has refused their pictures
    std::set<Key> announcing_;            // neighbours are being told of them
};

} // namespace sheaf::ike

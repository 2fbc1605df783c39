#pragma once

#include "test/simulation/granted.h"
#include "test/support/mobile_net.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// A mobile node with two or three access networks and its home agent, in a network that loses, doubles and delays
// their datagrams and their Mobility Headers. Access networks come and go, get other addresses and each other's, fall
// silent; one or more of them are the home link for a while; bindings expire, the home agent's operator adds and removes some; either end restarts or makes new keys.
namespace sheaf::test {

class MobileWorld {
  public:
    // What a run was about.
    struct Tally {
        std::uint64_t bindings = 0; // that were registered
        std::uint64_t moved = 0;    // to another care-of address
        std::uint64_t ended = 0;
        std::uint64_t expired = 0; // of those
        std::uint64_t decided = 0; // by the operator
        std::uint64_t restarts = 0;
        std::uint64_t logins = 0;
        std::uint64_t returns = 0; // home
        std::uint64_t ike_moves = 0;
        std::uint64_t rekeyed = 0; // Child SAs
        std::uint64_t peaces = 0;
        Tally& operator+=(const Tally& other);
    };

    explicit MobileWorld(std::uint64_t seed);

    // The whole of it: is disturbed and left in peace, twice, and goes down. Empty, or what was wrong.
    [[nodiscard]] std::string run();
    [[nodiscard]] const Tally& tally() const { return tally_; }

  private:
    struct Access {
        std::string name;
        std::uint16_t bid = 0;
        std::optional<IpAddress> address; // none: it is not there
        unsigned addresses = 0;           // it has had
    };
    struct Late {
        Instant at;
        std::variant<ike::Datagram, MobileNet::Carried> what;
    };

    bool on_wire(ike::Datagram& datagram);
    bool on_header(const MobileNet::Carried& carried);
    // Whether it arrives now; it may arrive later, or once more.
    bool passes(const Late& late, unsigned latest_ms);
    void deliver_late();
    void run_for(Duration duration);
    void run_to_next(Instant end);
    void count(Host& host);

    void disturb();
    void come_or_go(Access& access);
    void give_new_address(Access& access);
    void come_home(Access& access);
    void hand_over_address(Access& from);
    void cut_or_mend(const Access& access);
    void decide();
    void renew_keys();
    void restart(bool agent);
    void show_links();
    [[nodiscard]] std::vector<Access*> present();

    void make_peace();
    void end();

    // What must hold at every moment. Empty, or what does not.
    [[nodiscard]] std::string check() const;
    [[nodiscard]] std::string check_agent(const child::MobilityLink& picture) const;
    [[nodiscard]] std::string check_node(const child::MobilityLink& picture) const;
    // What must hold in peace besides.
    [[nodiscard]] std::string check_at_peace() const;
    [[nodiscard]] std::string check_bindings(const ike::HomeStatus& agent, const ike::HomeStatus& node) const;
    [[nodiscard]] std::string check_flows(const ike::HomeStatus& agent, const ike::HomeStatus& node) const;
    [[nodiscard]] std::string check_reach(const ike::HomeStatus& agent) const;
    [[nodiscard]] std::string check_keys(const ike::Status& agent, const ike::Status& node) const;
    [[nodiscard]] std::string check_pairs(const ike::Status& agent) const;
    // The access network that is the home link, by the home address that the mobile node has now; none: it is away.
    [[nodiscard]] const Access* home_access() const;
    [[nodiscard]] std::optional<IpAddress> home_address() const;
    [[nodiscard]] std::string check_at_home(const ike::HomeStatus& agent, const ike::HomeStatus& node) const;
    [[nodiscard]] const Access* access_with(const IpAddress& address) const;
    [[nodiscard]] const ike::MobilePlan& plan() const { return *node_config_.connections[0].mobile; }
    [[nodiscard]] const ike::HomeService& service() const {
        return *agent_config_.connections[0].home_service;
    }
    [[nodiscard]] bool is_plain() const { return !service().multiple_care_of || !plan().multiple_care_of; }

    SeededRandom chance_;
    ike::Config node_config_;
    ike::Config agent_config_;
    MobileNet net_;
    std::vector<Access> access_;
    Granted granted_;
    unsigned lost_percent_ = 0;
    unsigned late_percent_ = 0;
    std::vector<Late> late_;
    std::string wrong_;
    Tally tally_;
};

} // namespace sheaf::test

#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sheaf::test {

// A kernel for engine tests: it keeps what intents install and insists on their contract: nothing is
// installed twice, no key serves two SAs, an intent succeeds as a whole or leaves nothing.
class FakeKernel {
  public:
    // Carries the intent out and answers how it went.
    child::IntentDone apply(child::KernelIntent intent);

    // The step (by kind, as in std::variant::index()) that fails next, once.
    std::optional<std::size_t> fail_step;
    // Or after so many others the next step that a kernel may refuse, whatever it is: what only takes away is not
    // refused. Counts down.
    std::optional<std::size_t> fail_after;

    // The SAD entries of one Child SA.
    struct Pair {
        child::SaPairId id;
        child::LinkNumber reqid = 0;
        child::Mode mode{};
        crypto::EspSuite suite;
        bool on_interface = true;
        bool udp_encapsulation = false;
        child::SaLimits limits;
        bool inbound = false;
        bool outbound = false;
        child::EspKeys in;
        child::EspKeys out;
    };

    struct GroupSa {
        crypto::EspSuite suite;
        Bytes encryption;
        Bytes integrity;
        Instant expires;
    };
    struct Group {
        child::GroupLink link;
        std::map<wire::ChildSpi, GroupSa> sas;
        wire::ChildSpi sending = 0; // 0: nothing is sent
    };

    std::map<child::LinkNumber, Group> groups;
    std::map<child::LinkNumber, child::MobilityLink> homes; // of Mobile IPv6
    std::map<child::LinkNumber, child::Link> links;
    std::map<wire::ChildSpi, Pair> sas; // by inbound SPI
    std::vector<child::PolicySet> policies;
    std::set<Bytes> keys_seen;
    std::vector<std::string> breaches; // of the contract; a test ends with none

    [[nodiscard]] bool empty() const {
        return links.empty() && sas.empty() && policies.empty() && groups.empty() && homes.empty();
    }
    // Child SAs that are there in both directions.
    [[nodiscard]] std::size_t pairs() const;

  private:
    [[nodiscard]] bool fails(const child::KernelStep& step);
    std::optional<std::string> carry_out(child::KernelStep& step);
    void install(child::InstallSas& step);
    void remove(const child::RemoveSas& step);
    void move(const child::MoveSas& step);
    void move_back(const child::MoveSas& step);
    // Groups must be open, and their SAs there.
    Group* group(child::LinkNumber number);
    GroupSa* group_sa(child::LinkNumber number, wire::ChildSpi spi);
    void carry_out(child::OpenGroup& step);
    void carry_out(child::UpdateGroup& step);
    void carry_out(child::CloseGroup& step);
    void carry_out(child::InstallGroupSa& step);
    void carry_out(child::SendWithGroupSa& step);
    void carry_out(child::RefreshGroupSa& step);
    void carry_out(child::RemoveGroupSa& step);
    void carry_out(child::OpenMobility& step);
    void carry_out(child::UpdateMobility& step);
    void carry_out(child::CloseMobility& step);
    void undo(const child::KernelStep& step);

    bool encapsulated_before_ = false; // what was moved last
};

} // namespace sheaf::test

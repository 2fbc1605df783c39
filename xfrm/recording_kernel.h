#pragma once

#include "xfrm/group_objects.h"
#include "xfrm/kernel_edge.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::xfrm {

// A kernel in memory: takes every intent, remembers what would be installed, and answers with success. For
// the daemon's tests and for trying a configuration without touching the machine.
class RecordingKernel final : public KernelEdge {
  public:
    // What is installed at this moment.
    struct Installed {
        std::map<child::LinkNumber, child::Link> links;
        std::vector<child::SaPairId> sas; // of which at least one entry is there
        std::vector<child::SaPairId> in;  // the entries
        std::vector<child::SaPairId> out;
        std::vector<child::PolicySet> policies;
        struct Group {
            child::GroupLink link;
            struct Sa {
                wire::ChildSpi spi = 0;
                Instant expires;
                friend bool operator==(const Sa&, const Sa&) = default;
            };
            std::vector<Sa> sas;        // in the order of their installation
            wire::ChildSpi sending = 0; // 0: none
            friend bool operator==(const Group&, const Group&) = default;
        };
        std::map<child::LinkNumber, Group> groups;
        std::map<child::LinkNumber, child::MobilityLink> homes; // of Mobile IPv6
        friend bool operator==(const Installed&, const Installed&) = default;
    };

    [[nodiscard]] const Installed& installed() const { return installed_; }
    [[nodiscard]] std::size_t intents() const { return intents_; }

    // The next intent for which `refuse` answers a text fails with it and changes nothing.
    void refuse_when(std::function<std::optional<std::string>(const child::KernelIntent&)> refuse);
    // What the entry is said to have carried from now on; 0 for those of which nothing was said. Of entries
    // that differ in nothing else, as a group's inbound ones, the source tells which.
    void carry(const SaUsage& figures);
    // As if these, and no others, were the kernel's routes into a group's interface.
    void route(child::LinkNumber group, std::vector<FollowedRoute> routes);
    // As if the kernel had told it by itself.
    void tell(child::KernelEvent event);

    [[nodiscard]] std::expected<Abilities, std::string> probe() override; // everything is there
    [[nodiscard]] std::expected<Removed, std::string> reconcile() override;
    void apply(child::KernelIntent&& intent, Instant now) override;
    void flush(Instant now) override;
    [[nodiscard]] std::span<const int> fds() const override { return {}; }
    void on_readable(Instant now) override;
    [[nodiscard]] std::optional<Instant> next_timeout() const override { return std::nullopt; }
    void on_timeout(Instant now) override;
    [[nodiscard]] std::vector<child::KernelEvent> take_events() override;
    void ask_usage(Instant now) override;
    [[nodiscard]] std::optional<std::vector<SaUsage>> take_usage() override;
    [[nodiscard]] std::vector<GroupRoute> group_routes(child::LinkNumber group) const override;

  private:
    [[nodiscard]] SaUsage carried(const IpAddress& source, const IpAddress& destination, std::uint32_t spi,
                                  child::LinkNumber number) const;
    void add_usage(child::LinkNumber number, std::vector<SaUsage>& to) const; // a group's

    Installed installed_;
    std::vector<child::KernelEvent> events_;
    std::function<std::optional<std::string>(const child::KernelIntent&)> refuse_;
    std::size_t intents_ = 0;
    std::vector<SaUsage> carried_;
    std::map<child::LinkNumber, std::vector<FollowedRoute>> routes_;
    bool usage_asked_ = false;
};

} // namespace sheaf::xfrm

#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "xfrm/kernel_edge.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What a group consists of in the kernel. Pure functions.
namespace sheaf::xfrm {

// More routes of the kernel's than this are not followed: three policies for each.
inline constexpr std::size_t kMaxGroupRoutes = 1 << 16;
// Packets under way overtake each other, no more than those of a Child SA.
inline constexpr std::uint32_t kGroupReplayWindow = 64;

// A group SA and its keys.
struct GroupSa {
    wire::ChildSpi spi = 0;
    crypto::EspSuite suite;
    struct Keys {
        Secret encryption;
        Secret integrity;
    };
    std::shared_ptr<const Keys> keys;
    Instant expires;
    // By what senders count: the earliest end that was told, so that they never fall back.
    Instant counted_to;
};
[[nodiscard]] const GroupSa* find_sa(const std::vector<GroupSa>& sas, wire::ChildSpi spi); // null: none

// A route of the kernel's into a group's interface.
struct FollowedRoute {
    Prefix prefix;
    IpAddress gateway; // the endpoint
    std::uint32_t metric = 0;
    friend auto operator<=>(const FollowedRoute&, const FollowedRoute&) = default;
};

// By prefix, where packets go: sites first, then the route of the lowest metric. Only endpoints that can be
// reached from one of the link's addresses, and that are not ourselves.
using GroupTable = std::map<Prefix, GroupRoute>;
[[nodiscard]] GroupTable table_of(const child::GroupLink& link, const std::vector<FollowedRoute>& routes);
// Our own outer address of that family.
[[nodiscard]] std::optional<IpAddress> local_of(const child::GroupLink& link, Family family);

// The link's interface, with routes to the sites' networks.
[[nodiscard]] child::Link link_of(const child::GroupLink& link);

// In and through us only with a source that is behind the endpoint which sent it; out only by the SA that is
// sent with (0: none yet, then any that comes).
[[nodiscard]] std::vector<Policy> policies_of(const child::GroupLink& link, const GroupTable& table,
                                              wire::ChildSpi sending);

// Why an SA cannot be installed; empty when it can.
[[nodiscard]] std::string unfit(const child::InstallGroupSa& step);

// An SAD entry of a group's: for packets from an endpoint, or for those that go there.
struct GroupEntry {
    IpAddress local;
    IpAddress endpoint;
    wire::ChildSpi spi = 0;
    bool out = false;
    friend auto operator<=>(const GroupEntry&, const GroupEntry&) = default;
};
// Alike for entries of which the kernel can have one: it finds what goes out by destination and SPI, wherever it comes
// from.
[[nodiscard]] GroupEntry place_of(GroupEntry entry);
// Whether our end of it is as it is to be.
[[nodiscard]] bool is_placed(const child::GroupLink& link, const GroupEntry& entry);
struct InstalledEntry {
    Instant made;
    std::chrono::seconds life{0};
    std::uint32_t begun = 0; // outbound: the number that it has counted from
};
using GroupEntries = std::map<GroupEntry, InstalledEntry>;

// Endpoints beyond the table that keep their entries, of one group: routes that come and go must not fill the SAD.
// Beyond that the first ones by their addresses lose theirs.
inline constexpr std::size_t kMaxDeparted = 1024;

// What the kernel lacks of a group, and has too much.
struct GroupDifference {
    std::vector<GroupEntry> added;   // outbound last
    std::vector<GroupEntry> removed; // outbound first, without those of `moved`
    // By what is added: what the kernel has in that place, ours from another address.
    std::map<GroupEntry, GroupEntry> moved;
};
[[nodiscard]] GroupDifference difference_of(const child::GroupLink& link, const std::vector<GroupSa>& sas,
                                            wire::ChildSpi sending, const GroupTable& table,
                                            const GroupEntries& entries);

// `mark`: of packets from the endpoint. Its limits are for one that is made `now`.
[[nodiscard]] State state_of(child::LinkNumber group, const GroupSa& sa, const GroupEntry& entry,
                             std::uint32_t mark, bool with_direction);
// The time from `made` to the end, in whole seconds; at least one.
[[nodiscard]] std::chrono::seconds life_of(Instant made, Instant expires);
// Where an outbound entry that is made now begins to count.
[[nodiscard]] std::uint32_t first_sequence(const GroupSa& sa, Instant now);
// And where one in the place of another, so that no number comes twice, even if that was made just now.
[[nodiscard]] std::uint32_t next_sequence(const GroupSa& sa, std::uint32_t begun, Instant now);

} // namespace sheaf::xfrm

#pragma once

#include "lib/base/time.h"
#include "lib/child/link.h"
#include "netlink/netlink_socket.h"
#include "xfrm/group_objects.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace sheaf::xfrm {

// Follows the kernel's routes, of all tables, into the interfaces of groups: which gateways they have.
//
// What the kernel tells of its routes only says that something is to be listed again, by that interface. So
// it does not matter what such an event says of the others of several ways, of metrics, or of next hops that
// routes share by a number (which FRR uses), nor that some changes are told of the interface or of an
// address alone, nor that events get lost.
//
// While no group is watched the kernel is not asked to tell anything.
class RouteFollower {
  public:
    // After a listing, so that a routing daemon which installs thousands of routes does not cause as many.
    static constexpr Duration kPause = std::chrono::milliseconds(20);
    static constexpr Duration kRetry = std::chrono::seconds(1); // after one that failed

    using Interfaces = std::map<child::LinkNumber, int>; // and their indexes
    using Found = std::function<void(child::LinkNumber, std::vector<FollowedRoute>)>;

    // `os` must outlive the object.
    [[nodiscard]] static std::expected<std::unique_ptr<RouteFollower>, netlink::Error> open(netlink::Os& os);

    [[nodiscard]] int fd() const { return events_->fd(); } // to be watched for reading
    void on_readable(Instant now) { events_->on_readable(now); }

    void watch(const Interfaces& groups); // these and no others
    // When list() should be called.
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    // Asks, by a socket for requests, for what may have changed; `found` is told of one group after the other.
    // Both must outlive the answers.
    void list(netlink::Socket& requests, Instant now, Found found);

  private:
    struct Watched {
        int interface_index = 0;
        bool changed = true;
        bool listing = false;
        Instant not_before{};
    };
    struct Listing; // one under way

    explicit RouteFollower(std::unique_ptr<netlink::Socket> events);
    void on_event(const nlmsghdr& message);
    void changed(const std::function<bool(int interface_index)>& concerned);
    void join(bool wanted);
    void list_one(child::LinkNumber group, netlink::Socket& requests, Instant now, const Found& found);
    void list_next_hops(const std::shared_ptr<Listing>& listing);
    void end(const Listing& listing);

    std::unique_ptr<netlink::Socket> events_;
    std::map<child::LinkNumber, Watched> watched_;
    bool joined_ = false;
};

} // namespace sheaf::xfrm

#pragma once

#include "lib/base/ip.h"
#include "netlink/link.h"
#include "netlink/netlink_socket.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace sheaf::netlink {

// Tells that the host's links, addresses or routes have changed, by rtnetlink's multicast groups; not what has
// changed. What is told of an object without news in it (the lifetime of an address, counters) is passed over,
// and so is what is ours: objects of our protocol number, and what is on interfaces of ours.
class HostWatch {
  public:
    enum class Change : std::uint8_t {
        none,
        routes, // no more than that; on a router there may be many in a second
        links,  // links or addresses, too; or events were lost
    };
    using IsOurs = std::function<bool(const LinkObject&)>;

    // `os` must outlive the object.
    [[nodiscard]] static std::expected<std::unique_ptr<HostWatch>, Error>
    open(Os& os, std::uint8_t own_protocol, IsOurs is_ours);

    [[nodiscard]] int fd() const { return socket_->fd(); } // to be watched for reading
    void on_readable(Instant now) { socket_->on_readable(now); }
    [[nodiscard]] Change take_change() { return std::exchange(change_, Change::none); } // since the last call

  private:
    HostWatch(std::unique_ptr<Socket> socket, std::uint8_t own_protocol, IsOurs is_ours);

    void on_event(const nlmsghdr& message);
    void on_link(const nlmsghdr& message);
    void on_link_gone(const nlmsghdr& message);
    void on_address(const nlmsghdr& message, bool gone);
    void on_route(const nlmsghdr& message);
    void tell(Change change);

    std::unique_ptr<Socket> socket_;
    std::uint8_t own_protocol_;
    IsOurs is_ours_;
    Change change_ = Change::none;
    // As told last, so far as anything was.
    std::map<int, LinkObject> links_;
    std::set<int> own_;
    std::map<std::pair<int, IpAddress>, std::uint32_t> addresses_; // and their flags
};

} // namespace sheaf::netlink

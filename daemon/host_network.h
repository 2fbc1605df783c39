#pragma once

#include "daemon/uplinks.h"
#include "lib/base/time.h"
#include "lib/ike/config.h"
#include "netlink/host_watch.h"
#include "netlink/os.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace sheaf::daemon {

// What a configuration asks for: each uplink once, in the order of the connections, and all the addresses of
// the gateways of connections with uplinks. A mobile node's interfaces and home agent are such, too.
[[nodiscard]] Uplinks::Plan uplink_plan(const ike::Config& config);

// The host's links, addresses and routes: that they have changed, and which uplinks reach the gateways.
//
// Use: watch fd(); call on_readable(), and from next_timeout() on changed(). What changes together is told
// together: links and addresses after kGather, more than a change of routes not more often than kRoutesPace,
// for a router may learn thousands of them in a second.
class HostNetwork {
  public:
    static constexpr Duration kGather = std::chrono::milliseconds(3);
    static constexpr Duration kRoutesPace = std::chrono::milliseconds(100);

    // `os` must outlive the object; `mark` is that of the IKE sockets. The error is a sentence.
    [[nodiscard]] static std::expected<std::unique_ptr<HostNetwork>, std::string> open(netlink::Os& os,
                                                                                       std::uint32_t mark);

    // The uplinks and gateways of a configuration, installed when this returns.
    void configure(const ike::Config& config) { configure(uplink_plan(config)); }
    void configure(Uplinks::Plan plan);

    [[nodiscard]] int fd() const { return watch_->fd(); }
    void on_readable(Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const { return due_; }
    // Whether the host has changed, which is told once; then the uplinks are those of now.
    [[nodiscard]] bool changed(Instant now);

    [[nodiscard]] Uplinks& uplinks() { return uplinks_; }

  private:
    HostNetwork(std::unique_ptr<netlink::HostWatch> watch, std::unique_ptr<netlink::Caller> caller,
                std::uint32_t mark);

    std::unique_ptr<netlink::HostWatch> watch_;
    Uplinks uplinks_;
    std::optional<Instant> due_;
    std::optional<Instant> told_; // last
};

} // namespace sheaf::daemon

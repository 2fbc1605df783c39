#include "daemon/host_network.h"

#include "xfrm/marks.h"

#include <algorithm>
#include <utility>

namespace sheaf::daemon {
namespace {

// Those of an earlier life do not count as the host's, either.
bool is_ours(const netlink::LinkObject& link) {
    return link.kind == xfrm::kLinkKind && (link.alias == xfrm::kLinkAlias || link.collect_metadata ||
                                            (link.if_id && xfrm::is_ours(*link.if_id)));
}

template <typename T>
void add_once(std::vector<T>& to, const T& one) {
    if (std::ranges::find(to, one) == to.end()) to.push_back(one);
}

} // namespace

HostNetwork::HostNetwork(std::unique_ptr<netlink::HostWatch> watch, std::unique_ptr<netlink::Caller> caller,
                         std::uint32_t mark)
    : watch_(std::move(watch)), uplinks_(std::move(caller), mark) {}

std::expected<std::unique_ptr<HostNetwork>, std::string> HostNetwork::open(netlink::Os& os,
                                                                           std::uint32_t mark) {
    const auto failed = [](const netlink::Error& error) {
        return std::unexpected("netlink socket for changes of links, addresses and routes: " +
                               error.to_string());
    };
    auto watch = netlink::HostWatch::open(os, xfrm::kProtocol, is_ours);
    if (!watch) return failed(watch.error());
    auto caller = netlink::Caller::open(os);
    if (!caller) return failed(caller.error());
    return std::unique_ptr<HostNetwork>(new HostNetwork(std::move(*watch), std::move(*caller), mark));
}

void HostNetwork::configure(Uplinks::Plan plan) {
    uplinks_.configure(std::move(plan));
    uplinks_.refresh();
}

void HostNetwork::on_readable(Instant now) {
    watch_->on_readable(now);
    const auto change = watch_->take_change();
    if (change == netlink::HostWatch::Change::none) return;
    Instant due = now + kGather;
    if (change == netlink::HostWatch::Change::routes && told_) due = std::max(due, *told_ + kRoutesPace);
    due_ = due_ ? std::min(*due_, due) : due;
}

bool HostNetwork::changed(Instant now) {
    if (!due_ || *due_ > now) return false;
    due_.reset();
    told_ = now;
    uplinks_.refresh();
    return true;
}

Uplinks::Plan uplink_plan(const ike::Config& config) {
    Uplinks::Plan out;
    for (const ike::Connection& connection : config.connections) {
        if (connection.mobile) {
            for (const ike::AccessLink& link : connection.mobile->access)
                add_once(out.interfaces, link.interface);
            if (connection.remote) add_once(out.gateways, connection.remote->address);
            if (connection.mobile->home) add_once(out.homes, *connection.mobile->home);
        }
        if (connection.role != ike::Role::client || connection.paths.uplinks.empty()) continue;
        for (const ike::Uplink& uplink : connection.paths.uplinks)
            add_once(out.interfaces, uplink.interface);
        if (connection.remote) add_once(out.gateways, connection.remote->address);
        for (const IpAddress& address : connection.addresses)
            add_once(out.gateways, address);
    }
    return out;
}

} // namespace sheaf::daemon

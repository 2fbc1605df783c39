#include "test/kernel/crowd.h"

#include "netlink/netlink_socket.h"
#include "xfrm/expansion.h"
#include "xfrm/marks.h"

#include <linux/netlink.h>

#include <array>
#include <cstdio>
#include <poll.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

Client sample(unsigned n, child::LinkRole role) { return {.n = n, .role = role}; }

// IPv6 alone, so that it is three policies.
child::PolicySet policies(const Client& client) {
    auto out = client.policies();
    out.local_selectors.resize(1);
    out.remote_selectors.resize(1);
    return out;
}

child::Link link(const Client& client) {
    auto out = client.link();
    if (client.role == child::LinkRole::gateway) out.routes.resize(1);
    return out;
}

void wait_for(const netlink::Socket& socket) {
    pollfd watched{socket.fd(), POLLIN, 0};
    static_cast<void>(::poll(&watched, 1, 10));
}

// Sends without looking at the order between the two kinds of sockets.
class Bulk {
  public:
    explicit Bulk(const World& world) : os_(netlink::system_os()) {
        world.enter();
        route_ = std::move(*netlink::Socket::open(*os_, NETLINK_ROUTE, {}));
        xfrm_ = std::move(*netlink::Socket::open(*os_, NETLINK_XFRM, {}));
    }
    void send(xfrm::Room room, netlink::Message message) {
        socket(room).request(std::move(message), [this](const auto& result) {
            if (!result && error_.empty()) error_ = result.error().to_string();
        });
    }
    [[nodiscard]] std::string settle() {
        for (netlink::Socket* each : {route_.get(), xfrm_.get()}) {
            while (!each->idle()) {
                each->flush(now());
                each->on_readable(now());
                if (!each->idle() && !each->wants_flush()) wait_for(*each);
            }
        }
        return error_;
    }

  private:
    netlink::Socket& socket(xfrm::Room room) { return room == xfrm::Room::route ? *route_ : *xfrm_; }
    std::unique_ptr<netlink::Os> os_;
    std::unique_ptr<netlink::Socket> route_, xfrm_;
    std::string error_;
};

std::string key_text(const Secret& key) {
    std::string out = "0x";
    std::array<char, 3> octet{};
    for (const std::uint8_t value : key.view()) {
        std::snprintf(octet.data(), octet.size(), "%02x", value);
        out += octet.data();
    }
    return out;
}

std::string state_command(const xfrm::State& state) {
    const std::string reqid = std::to_string(state.reqid);
    return "xfrm state add src " + state.source.to_string() + " dst " + state.id.destination.to_string() +
           " proto esp spi " + std::to_string(state.id.spi) + " reqid " + reqid + " mode tunnel if_id " +
           reqid + " replay-window " + std::to_string(state.replay_window) + " flag af-unspec aead " +
           state.aead->name + " " + key_text(state.aead->key) + " " + std::to_string(state.aead->tag_bits) +
           "\n";
}

std::string policy_command(const xfrm::Policy& policy) {
    const std::string reqid = std::to_string(policy.reqid);
    return "xfrm policy add src " + policy.selector.source.to_string() + " dst " +
           policy.selector.destination.to_string() + " dir " + to_string(policy.direction) + " priority " +
           std::to_string(policy.priority) + " if_id " + reqid + " tmpl src " + policy.source.to_string() +
           " dst " + policy.destination.to_string() + " proto esp reqid " + reqid + " mode tunnel\n";
}

} // namespace

std::vector<child::KernelStep> opening(unsigned n, child::LinkRole role) {
    const Client client = sample(n, role);
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenLink{link(client)});
    out.emplace_back(client.sas());
    out.emplace_back(child::InstallPolicies{policies(client)});
    return out;
}

std::string install(xfrm::Kernel& kernel, Range clients) {
    unsigned done = 0;
    std::string errors;
    for (unsigned n = clients.first; n <= clients.last; ++n) {
        child::KernelIntent intent;
        intent.id = n;
        intent.steps = opening(n, child::LinkRole::gateway);
        kernel.apply(std::move(intent), now());
    }
    const Instant end = now() + std::chrono::minutes(10);
    while (done < clients.size()) {
        kernel.flush(now());
        for (const child::KernelEvent& event : kernel.take_events()) {
            const auto* told = std::get_if<child::IntentDone>(&event);
            if (told == nullptr) continue;
            ++done;
            if (told->error && errors.empty()) errors = *told->error;
        }
        if (now() > end) return "no end";
        if (done == clients.size() || kernel.next_timeout() == Instant::min()) continue;
        std::vector<pollfd> watched;
        for (const int fd : kernel.fds())
            watched.push_back({fd, POLLIN, 0});
        static_cast<void>(::poll(watched.data(), watched.size(), 1));
        kernel.on_readable(now());
    }
    return errors;
}

std::string batch_of(Range clients) {
    std::string out;
    for (unsigned n = clients.first; n <= clients.last; ++n) {
        const Client client = sample(n, child::LinkRole::gateway);
        out += "route add " + client.prefix6().to_string() +
               " dev sheaf0 proto 83 table 5300 encap xfrm if_id " + std::to_string(client.number()) + "\n";
        const auto states = xfrm::states_of(client.sas(), false);
        out += state_command(states->in) + state_command(states->out);
        const auto wanted = xfrm::policies_of(policies(client));
        for (const xfrm::Policy& policy : *wanted)
            out += policy_command(policy);
    }
    return out;
}

std::string install_with_devices(const World& world, Range clients) {
    Bulk bulk(world);
    for (unsigned n = clients.first; n <= clients.last; ++n) {
        const Client client = sample(n, child::LinkRole::gateway);
        const int index = static_cast<int>(1000 + n);
        bulk.send(xfrm::Room::route, netlink::create_link({.index = index,
                                                           .name = "c" + std::to_string(n) + "x",
                                                           .kind = xfrm::kLinkKind,
                                                           .alias = {},
                                                           .if_id = client.number()}));
        bulk.send(xfrm::Room::route, netlink::raise_link(index));
        bulk.send(xfrm::Room::route, netlink::add_route({.destination = client.prefix6(),
                                                         .table = xfrm::kRouteTable,
                                                         .protocol = xfrm::kProtocol,
                                                         .interface_index = index,
                                                         .link = std::nullopt,
                                                         .preferred_source = std::nullopt}));
        const auto states = xfrm::states_of(client.sas(), false);
        for (const xfrm::State* state : {&states->in, &states->out})
            bulk.send(xfrm::Room::xfrm, install_state(*state));
        const auto wanted = xfrm::policies_of(policies(client));
        for (const xfrm::Policy& policy : *wanted)
            bulk.send(xfrm::Room::xfrm, install_policy(policy));
    }
    return bulk.settle();
}

} // namespace sheaf::kernel_test

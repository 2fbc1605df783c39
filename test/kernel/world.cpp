#include "test/kernel/world.h"

#include "xfrm/marks.h"

#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string_view>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace sheaf::kernel_test {
namespace {

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::exit(2);
}

class CountingOs final : public netlink::Os {
  public:
    int socket(int domain, int type, int protocol) override { return real_->socket(domain, type, protocol); }
    int bind(int fd, const sockaddr* address, socklen_t size) override {
        return real_->bind(fd, address, size);
    }
    int getsockname(int fd, sockaddr* address, socklen_t* size) override {
        return real_->getsockname(fd, address, size);
    }
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override {
        return real_->setsockopt(fd, level, name, value, size);
    }
    ssize_t sendmsg(int fd, const msghdr* message, int flags) override {
        ++sends;
        return real_->sendmsg(fd, message, flags);
    }
    ssize_t recvmsg(int fd, msghdr* message, int flags) override {
        return real_->recvmsg(fd, message, flags);
    }
    int poll(pollfd* fds, unsigned count, int milliseconds) override {
        return real_->poll(fds, count, milliseconds);
    }
    void close(int fd) override { real_->close(fd); }

    std::size_t sends = 0;

  private:
    std::unique_ptr<netlink::Os> real_ = netlink::system_os();
};

bool is_default(const netlink::Rule& rule) {
    constexpr std::array<std::uint32_t, 3> kDefaults{0, 32766, 32767};
    return std::ranges::find(kDefaults, rule.priority) != kDefaults.end();
}

void poll_all(std::span<const int> fds, int milliseconds) {
    std::vector<pollfd> watched;
    for (const int fd : fds)
        watched.push_back({fd, POLLIN, 0});
    static_cast<void>(::poll(watched.data(), watched.size(), milliseconds));
}

} // namespace

Instant now() {
    timespec at{};
    clock_gettime(CLOCK_BOOTTIME, &at);
    return Instant(std::chrono::seconds(at.tv_sec) + std::chrono::microseconds(at.tv_nsec / 1000));
}

World::World() : os_(std::make_unique<CountingOs>()) {
    if (unshare(CLONE_NEWNET) != 0) give_up("kernel-test: a network namespace (this needs root)");
    namespace_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace_ < 0) give_up("kernel-test: /proc/thread-self/ns/net");
    const auto open = [&](int protocol) {
        auto opened = netlink::Socket::open(*os_, protocol, {});
        if (!opened) {
            std::fprintf(stderr, "kernel-test: netlink %d: %s\n", protocol,
                         opened.error().to_string().c_str());
            std::exit(2);
        }
        return std::move(*opened);
    };
    route_ = open(NETLINK_ROUTE);
    xfrm_ = open(NETLINK_XFRM);
    shell("ip link set lo up");
}

World::~World() { ::close(namespace_); }

void World::enter() const {
    if (setns(namespace_, CLONE_NEWNET) != 0) give_up("kernel-test: setns");
}

std::unique_ptr<xfrm::Kernel> World::kernel() {
    enter();
    auto opened = xfrm::Kernel::open(*os_);
    if (!opened) {
        std::fprintf(stderr, "kernel-test: %s\n", opened.error().c_str());
        std::exit(2);
    }
    return std::move(*opened);
}

void World::settle(netlink::Socket& socket) {
    while (!socket.idle()) {
        socket.flush(now());
        socket.on_readable(now());
        if (!socket.idle()) poll_all(std::array{socket.fd()}, 100);
        socket.on_timeout(now());
    }
}

std::optional<netlink::Error> World::send(xfrm::Room room, netlink::Message message) {
    netlink::Socket& socket = room == xfrm::Room::route ? *route_ : *xfrm_;
    std::optional<netlink::Error> error;
    socket.request(std::move(message), [&](const auto& result) {
        if (!result) error = result.error();
    });
    settle(socket);
    return error;
}

Snapshot World::look() {
    Snapshot out;
    const auto list = [&](netlink::Socket& socket, netlink::Message request, auto parse, auto& to) {
        const std::size_t had = to.size();
        socket.dump(
            std::move(request),
            [&, had] { to.erase(to.begin() + static_cast<std::ptrdiff_t>(had), to.end()); },
            [&](const nlmsghdr& message) {
                if (auto object = parse(message)) to.push_back(std::move(*object));
            },
            [](const auto&) {});
        settle(socket);
    };
    list(*xfrm_, xfrm::dump_states(), xfrm::parse_state, out.states);
    list(*xfrm_, xfrm::dump_policies(), xfrm::parse_policy, out.policies);
    list(*route_, netlink::dump_links("xfrm"), netlink::parse_link, out.links);
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        list(*route_, netlink::dump_rules(family), netlink::parse_rule, out.rules);
        list(*route_, netlink::dump_addresses(family), netlink::parse_address, out.addresses);
        for (const std::uint32_t table : {xfrm::kRouteTable, xfrm::kDefaultRouteTable})
            list(*route_, netlink::dump_routes(family, table, 0), netlink::parse_route, out.routes);
        std::vector<netlink::Route> others;
        list(*route_, netlink::dump_routes(family, 0, xfrm::kProtocol), netlink::parse_route, others);
        std::ranges::copy_if(others, std::back_inserter(out.routes), [](const netlink::Route& route) {
            return route.protocol == xfrm::kProtocol && route.table != xfrm::kRouteTable &&
                   route.table != xfrm::kDefaultRouteTable;
        });
    }
    // Kernels that have not loaded the kind, or cannot select, list every interface.
    std::erase_if(out.links, [](const auto& link) { return link.kind != xfrm::kLinkKind; });
    std::erase_if(out.rules, is_default);
    std::erase_if(out.addresses, [](const auto& address) { return address.interface_index == 1; });
    return out;
}

std::size_t World::sends() const { return static_cast<const CountingOs&>(*os_).sends; }

std::string Snapshot::to_string() const {
    std::string out;
    for (const auto& state : states)
        out += state.to_string() + "; ";
    for (const auto& policy : policies)
        out += policy.to_string() + "; ";
    for (const auto& route : routes)
        out += "route " + route.destination.to_string() + "; ";
    for (const auto& rule : rules)
        out += rule.to_string() + "; ";
    for (const auto& link : links)
        out += "interface " + link.name + "; ";
    for (const auto& address : addresses)
        out += "address " + address.address.to_string() + "; ";
    return out.empty() ? "nothing" : out;
}

Outcome apply(xfrm::Kernel& kernel, std::vector<child::KernelStep> steps) {
    static child::IntentId last = 0;
    child::KernelIntent intent;
    intent.id = ++last;
    intent.steps = std::move(steps);
    const child::IntentId id = intent.id;
    kernel.apply(std::move(intent), now());
    kernel.flush(now());
    Outcome out;
    for (const Instant end = now() + std::chrono::seconds(20); !out.ended && now() < end;) {
        for (child::KernelEvent& event : kernel.take_events()) {
            if (auto* done = std::get_if<child::IntentDone>(&event); done != nullptr && done->id == id) {
                out.ended = true;
                out.error = std::move(done->error);
            } else {
                out.others.push_back(std::move(event));
            }
        }
        if (out.ended) break;
        poll_all(kernel.fds(), 20);
        kernel.on_readable(now());
        kernel.on_timeout(now());
    }
    return out;
}

std::vector<child::KernelEvent> events_within(xfrm::Kernel& kernel, Duration limit) {
    std::vector<child::KernelEvent> out;
    for (const Instant end = now() + limit; out.empty() && now() < end;) {
        poll_all(kernel.fds(), 20);
        kernel.on_readable(now());
        kernel.on_timeout(now());
        out = kernel.take_events();
    }
    return out;
}

int shell(const std::string& command) {
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    char text[256];
    while (pipe != nullptr && std::fgets(text, sizeof text, pipe) != nullptr)
        out += text;
    if (pipe != nullptr) ::pclose(pipe);
    return out;
}

} // namespace sheaf::kernel_test

#include "test/kernel/star.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace sheaf::kernel_test {

Star::Star(unsigned clients) : at_gateway(gateway.kernel()) {
    gateway.enter();
    shell("ip link add br0 type bridge; ip link set br0 up; ip -6 addr add 2001:db8:13::2/128 dev br0 nodad; "
          "ip -6 route add 2001:db8:7::/64 dev br0; "
          "ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip link set lan1 up; "
          "ip -6 addr add 2001:db8:9::53/128 dev lan0 nodad; ip addr add 10.9.0.53/32 dev lan0; "
          "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1");
    for (unsigned n = 1; n <= clients; ++n)
        wire_up(n);
}

void Star::wire_up(unsigned n) {
    points_.push_back(std::make_unique<Point>());
    Point& point = *points_.back();
    point.kernel = point.world.kernel();
    gateway.enter();
    const std::string side = "c" + std::to_string(n);
    shell("ip link add " + side + " type veth peer name up0 netns /proc/" + std::to_string(getpid()) +
          "/fd/" + std::to_string(point.world.descriptor()));
    shell("ip link set " + side + " master br0 up");
    point.world.enter();
    shell("ip link set up0 up; ip -6 addr add 2001:db8:7::" + std::to_string(n) +
          "/128 dev up0 nodad; ip -6 route add 2001:db8:13::2 dev up0");
}

std::string output(const World& world, const std::string& command) {
    world.enter();
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return out;
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), part.size(), pipe) != nullptr)
        out += part.data();
    ::pclose(pipe);
    return out;
}

unsigned long counter(const World& world, const std::string& name) {
    const std::string told =
        output(world, "awk '$1 == \"" + name + "\" {print $2}' /proc/thread-self/net/xfrm_stat");
    return std::strtoul(told.c_str(), nullptr, 10);
}

void await_addresses(const World& world) {
    // A wire without a link-local address is one of whose carrier the kernel has not told yet.
    const char* const unready = "ip -6 addr show tentative; for wire in $(ip -o link show type veth up | sed "
                                "'s/^[0-9]*: \\([^@:]*\\).*/\\1/'); "
                                "do ip -6 addr show dev $wire scope link | grep -q fe80 || echo $wire; done";
    for (int i = 0; i < 100 && !output(world, unready).empty(); ++i)
        shell("sleep 0.1");
}

bool ping(const World& world, const std::string& arguments) {
    world.enter();
    return shell("ping -c 2 -i 0.2 -W 1 " + arguments + " >/dev/null 2>&1") == 0;
}

} // namespace sheaf::kernel_test

#include "test/kernel/hosts.h"

#include <linux/udp.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {

Host::Host(unsigned which) : kernel(world.kernel()), number(which) {
    const std::string n = std::to_string(number);
    world.enter();
    shell("ip link add inside0 type dummy; ip link set inside0 up; ip addr add 10.8.0." + n +
          "/32 dev inside0");
}

void join(const Host& left, const Host& right) {
    left.run("ip link add up0 type veth peer name up0 netns /proc/" + std::to_string(getpid()) + "/fd/" +
             std::to_string(right.world.descriptor()));
    for (const Host* host : {&left, &right}) {
        const std::string n = std::to_string(host->number), other = std::to_string(3 - host->number);
        host->run("ip link set up0 up; ip addr add 10.1.0." + n + "/24 dev up0; ip addr add 10.1.0.1" + n +
                  "/24 dev up0; ip route add 10.8.0." + other + "/32 via 10.1.0." + other + " src 10.8.0." +
                  n);
    }
}

child::SaPairId Host::pair(const Form& form) const {
    const std::uint32_t base = 0x1000 * (form.generation + 1);
    return {.link = child::kFirstLink + 40,
            .local = outside(number),
            .peer = outside(other()),
            .spi_in = base + number,
            .spi_out = base + other()};
}

child::InstallSas Host::sas(const Form& form) const {
    const auto seed = [&](unsigned to) { return static_cast<std::uint8_t>(10 * form.generation + to); };
    return {.id = pair(form),
            .mode = form.mode,
            .on_interface = false,
            .udp_encapsulation = form.udp_encapsulation,
            .suite = kGcm,
            .in = keys(kGcm, seed(number)),
            .out = keys(kGcm, seed(other())),
            .limits = form.limits};
}

child::PolicySet Host::policies(const Form& form) const {
    const bool tunnel = form.mode == child::Mode::tunnel;
    const auto host = [&](unsigned which) {
        return selector(Prefix::host(tunnel ? inside(which) : outside(which).address).to_string());
    };
    return {.link = child::kFirstLink + 40,
            .mode = form.mode,
            .on_interface = false,
            .local = outside(number).address,
            .peer = outside(other()).address,
            .local_selectors = {host(number)},
            .remote_selectors = {host(other())}};
}

std::string Host::outcome(std::vector<child::KernelStep> steps) {
    const Outcome out = apply(*kernel, std::move(steps));
    return out.ended ? out.error.value_or("") : "no end";
}

std::string Host::outcome(child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    return outcome(std::move(steps));
}

int Host::run(const std::string& command) const {
    world.enter();
    return shell(command);
}

bool Host::reaches_inside() {
    // With a source, for else ping first looks for one by a UDP socket, whose packet the policies see, too.
    return run("ping -c 2 -i 0.2 -W 1 -I " + inside(number).to_string() + " " + inside(other()).to_string() +
               " >/dev/null") == 0;
}

bool Host::reaches_outside() {
    return run("ping -c 2 -i 0.2 -W 1 " + outside(other()).address.to_string() + " >/dev/null") == 0;
}

bool Host::counts(const std::string& name) const {
    return run("awk '$1 == \"" + name +
               "\" && $2 > 0 {found = 1} END {exit !found}' /proc/thread-self/net/xfrm_stat") == 0;
}

EspPort::EspPort(const Host& host, std::uint16_t port) {
    host.world.enter();
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int one = 1, esp = UDP_ENCAP_ESPINUDP;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(socket_, IPPROTO_UDP, UDP_ENCAP, &esp, sizeof esp) != 0 ||
        bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(socket_);
        socket_ = -1;
    }
}

EspPort::~EspPort() {
    if (socket_ >= 0) ::close(socket_);
}

} // namespace sheaf::kernel_test

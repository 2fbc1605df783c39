#include "test/kernel/group_sites.h"

#include "test/kernel/samples.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

constexpr crypto::EspSuite kCbc{crypto::EncrId::aes_cbc, 256, crypto::IntegId::hmac_sha2_256_128, {}, false};

std::string inside4(unsigned n) { return "10.2." + std::to_string(n) + ".1"; }
std::string inside6(unsigned n) { return "2001:db8:2:" + std::to_string(n) + "::1"; }

} // namespace

GroupSites::GroupSites(unsigned count) {
    wire.enter();
    shell("ip link add br0 type bridge; ip link set br0 up");
    for (unsigned n = 1; n <= count; ++n)
        wire_up(n);
}

void GroupSites::wire_up(unsigned n) {
    sites_.push_back(std::make_unique<Site>());
    Site& site = *sites_.back();
    site.kernel = site.world.kernel();
    wire.enter();
    const std::string text = std::to_string(n), port = "p" + text;
    shell("ip link add " + port + " type veth peer name up0 netns /proc/" + std::to_string(getpid()) +
          "/fd/" + std::to_string(site.world.descriptor()));
    shell("ip link set " + port + " master br0 up");
    run(n, "ip link set up0 up; ip addr add 10.1.0." + text + "/24 dev up0; ip -6 addr add 2001:db8:1::" +
               text + "/64 dev up0 nodad; ip link add lan0 type dummy; ip link set lan0 up; ip addr add " +
               inside4(n) + "/24 dev lan0; ip -6 addr add " + inside6(n) + "/64 dev lan0 nodad");
}

IpAddress GroupSites::outside(unsigned n, unsigned seen_from) {
    const bool v4 = n + seen_from == 3; // the first two
    return ip((v4 ? "10.1.0." : "2001:db8:1::") + std::to_string(n));
}

std::vector<Prefix> GroupSites::networks(unsigned n) {
    return {Prefix(ip(inside4(n)), 24), Prefix(ip(inside6(n)), 64)};
}

child::GroupLink GroupSites::link(unsigned n, bool with_sites) const {
    const std::string text = std::to_string(n);
    child::GroupLink out{
        .number = kGroup, .interface = "sheafg", .local = {ip("10.1.0." + text), ip("2001:db8:1::" + text)}};
    for (unsigned other = 1; with_sites && other <= count(); ++other) {
        if (other != n) out.sites.push_back({outside(other, n), networks(other)});
    }
    return out;
}

child::InstallGroupSa GroupSites::sa(wire::ChildSpi spi, Instant expires) {
    child::EspKeys pair = keys(kCbc, static_cast<std::uint8_t>(spi));
    return {.group = kGroup,
            .spi = spi,
            .suite = kCbc,
            .encryption = std::move(pair.encryption),
            .integrity = std::move(pair.integrity),
            .expires = expires};
}

std::string GroupSites::outcome(unsigned n, std::vector<child::KernelStep> steps) {
    site(n).world.enter(); // where the table of marks is made
    const Outcome out = apply(*site(n).kernel, std::move(steps));
    return out.ended ? out.error.value_or("") : "no end";
}

std::string GroupSites::outcome(unsigned n, child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    return outcome(n, std::move(steps));
}

bool GroupSites::up(wire::ChildSpi spi, Instant expires, bool with_sites) {
    bool good = true;
    for (unsigned n = 1; n <= count(); ++n) {
        std::vector<child::KernelStep> steps;
        steps.emplace_back(child::OpenGroup{link(n, with_sites)});
        steps.emplace_back(sa(spi, expires));
        steps.emplace_back(child::SendWithGroupSa{kGroup, spi});
        const std::string error = outcome(n, std::move(steps));
        if (!error.empty()) std::printf("# site %u: %s\n", n, error.c_str());
        good &= error.empty();
    }
    return good;
}

int GroupSites::run(unsigned n, const std::string& command) {
    site(n).world.enter();
    return shell(command);
}

bool GroupSites::reaches4(unsigned from, unsigned to, const std::string& options) {
    return run(from,
               "ping " + options + " -W 1 -I " + inside4(from) + " " + inside4(to) + " >/dev/null 2>&1") == 0;
}

bool GroupSites::reaches6(unsigned from, unsigned to) {
    return run(from,
               "ping -6 -c 2 -i 0.05 -W 1 -I " + inside6(from) + " " + inside6(to) + " >/dev/null 2>&1") == 0;
}

bool GroupSites::reaches(unsigned from, unsigned to) { return reaches4(from, to) && reaches6(from, to); }

bool GroupSites::all_reach() {
    bool all = true;
    for (unsigned from = 1; from <= count(); ++from) {
        for (unsigned to = 1; to <= count(); ++to) {
            if (from == to || reaches(from, to)) continue;
            std::printf("# %u does not reach %u\n", from, to);
            all = false;
        }
    }
    return all;
}

void GroupSites::restart(unsigned n) {
    site(n).world.enter();
    static_cast<void>(site(n).kernel->reconcile());
    site(n).kernel.reset();
    site(n).kernel = site(n).world.kernel();
}

void GroupSites::turn(Duration time) {
    const Instant end = now() + time;
    do {
        for (const auto& site : sites_) {
            site->world.enter();
            static_cast<void>(events_within(*site->kernel, std::chrono::milliseconds(1)));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } while (now() < end);
}

std::vector<xfrm::SaUsage> GroupSites::usage(unsigned n) {
    xfrm::Kernel& kernel = *site(n).kernel;
    kernel.ask_usage(now());
    for (const Instant end = now() + std::chrono::seconds(5); now() < end;) {
        static_cast<void>(events_within(kernel, std::chrono::milliseconds(10)));
        if (auto told = kernel.take_usage()) return *told;
    }
    return {};
}

namespace {

constexpr std::size_t kEthernet = 14, kMaxFrame = 2048;

struct Layout {
    std::size_t source, address_size, protocol;
};

// Of the header after Ethernet's; nothing for what is neither IPv4 nor IPv6.
std::optional<Layout> layout_of(const Bytes& frame) {
    if (frame.size() < kEthernet + 40) return std::nullopt;
    if (frame[12] == 0x08 && frame[13] == 0x00) return Layout{kEthernet + 12, 4, kEthernet + 9};
    if (frame[12] == 0x86 && frame[13] == 0xdd) return Layout{kEthernet + 8, 16, kEthernet + 6};
    return std::nullopt;
}

} // namespace

Tap::Tap(const GroupSites& sites, unsigned n) {
    sites.wire.enter();
    socket_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(("p" + std::to_string(n)).c_str()));
    static_cast<void>(bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

Tap::~Tap() { ::close(socket_); }

Bytes Tap::next(int milliseconds) const {
    pollfd watched{socket_, POLLIN, 0};
    if (::poll(&watched, 1, milliseconds) <= 0) return {};
    Bytes out(kMaxFrame);
    const ssize_t size = ::recv(socket_, out.data(), out.size(), 0);
    out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return out;
}

Bytes Tap::esp_from(const IpAddress& source) {
    for (const Instant end = now() + std::chrono::seconds(1); now() < end;) {
        Bytes frame = next(100);
        const auto layout = layout_of(frame);
        if (!layout || frame[layout->protocol] != IPPROTO_ESP || layout->address_size != source.size())
            continue;
        if (std::ranges::equal(View(frame).subspan(layout->source, layout->address_size), source.view()))
            return frame;
    }
    return {};
}

unsigned Tap::clear_packets() {
    unsigned out = 0;
    for (Bytes frame = next(0); !frame.empty(); frame = next(0)) {
        const auto layout = layout_of(frame);
        if (!layout) continue;
        constexpr std::uint8_t kEcho6 = 128, kEchoReply6 = 129;
        const std::uint8_t protocol = frame[layout->protocol];
        const std::uint8_t type = frame.at(kEthernet + 40);
        if (protocol == IPPROTO_ICMP ||
            (protocol == IPPROTO_ICMPV6 && (type == kEcho6 || type == kEchoReply6)))
            ++out;
    }
    return out;
}

void Tap::send(const Bytes& frame) const {
    static_cast<void>(::send(socket_, frame.data(), frame.size(), 0));
}

Bytes with_source(Bytes frame, const IpAddress& source) {
    const auto layout = layout_of(frame);
    if (!layout || layout->address_size != source.size()) return {};
    std::ranges::copy(source.view(), frame.begin() + static_cast<std::ptrdiff_t>(layout->source));
    if (source.is_v6()) return frame;
    frame[kEthernet + 10] = frame[kEthernet + 11] = 0; // the header's checksum
    std::uint32_t sum = 0;
    for (std::size_t at = kEthernet; at < kEthernet + 20; at += 2)
        sum += static_cast<std::uint32_t>(frame[at] << 8 | frame[at + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame[kEthernet + 10] = static_cast<std::uint8_t>(sum >> 8);
    frame[kEthernet + 11] = static_cast<std::uint8_t>(sum);
    return frame;
}

} // namespace sheaf::kernel_test

#include "test/kernel/mobile_net.h"

#include "daemon/socket_address.h"
#include "test/kernel/samples.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace sheaf::kernel_test {
namespace {

using child::MobilityRole;

mobility::FlowSelector from_port(std::uint16_t port) {
    mobility::FlowSelector out;
    out.source_port = {port, port};
    return out;
}

IpAddress home() { return ip("2001:db8:1::100"); }
IpAddress agent_address() { return ip("2001:db8:13::1"); }

bool readable(int socket, int patience_ms) {
    pollfd watched{socket, POLLIN, 0};
    return ::poll(&watched, 1, patience_ms) > 0;
}

} // namespace

std::string MobileNet::End::outcome(std::vector<child::KernelStep> steps) {
    world.enter(); // where the table of nftables is made
    const Outcome out = apply(*kernel, std::move(steps));
    return out.ended ? out.error.value_or("") : "no end";
}

std::string MobileNet::End::outcome(child::KernelStep step) {
    std::vector<child::KernelStep> steps;
    steps.push_back(std::move(step));
    return outcome(std::move(steps));
}

MobileNet::MobileNet() {
    agent.kernel = agent.world.kernel();
    mobile.kernel = mobile.world.kernel();
    agent.world.enter();
    shell("ip -6 addr add 2001:db8:13::1/128 dev lo; sysctl -qw net.ipv6.conf.all.forwarding=1; "
          "ip link add lan0 type veth peer name lan0 netns /proc/" +
          std::to_string(getpid()) + "/fd/" + std::to_string(correspondent.descriptor()) +
          "; ip link set lan0 up; ip -6 addr add 2001:db8:9::1/64 dev lan0 nodad");
    correspondent.enter();
    shell("ip link set lan0 up; ip -6 addr add 2001:db8:9::2/64 dev lan0 nodad; "
          "ip -6 route add default via 2001:db8:9::1 dev lan0");
    for (const unsigned bid : {1U, 2U})
        wire_up(bid);
    mobile.world.enter();
    shell(
        "ip link add lan0 type dummy; ip link set lan0 up; ip -6 addr add 2001:db8:2:1::1/64 dev lan0 nodad; "
        "sysctl -qw net.ipv6.conf.all.forwarding=1");
    for (const World* world : {&agent.world, &mobile.world, &correspondent})
        await_addresses(*world);
    for (End* end : {&agent, &mobile})
        end->bare = end->world.look();
}

// As a host makes it for its uplinks: what is sent from a care-of address leaves there.
void MobileNet::wire_up(unsigned bid) {
    const std::string wire = bid == 1 ? "w0" : "w1", net = bid == 1 ? "2001:db8:a::" : "2001:db8:b::";
    const std::string table = std::to_string(100 + bid);
    agent.world.enter();
    shell("ip link add " + wire + " type veth peer name " + wire + " netns /proc/" +
          std::to_string(getpid()) + "/fd/" + std::to_string(mobile.world.descriptor()) + "; ip link set " +
          wire + " up; ip -6 addr add " + net + "1/64 dev " + wire + " nodad");
    mobile.world.enter();
    shell("ip link set " + wire + " up; ip -6 addr add " + net + "5/64 dev " + wire +
          " nodad; ip -6 route add default via " + net + "1 dev " + wire + " table " + table +
          "; ip -6 rule add from " + net + "5 lookup " + table + " prio 1" + table +
          "; ip -6 route add default via " + net + "1 dev " + wire + " metric " + table);
}

IpAddress MobileNet::care_of(unsigned bid) { return ip(bid == 1 ? "2001:db8:a::5" : "2001:db8:b::5"); }

child::MobilityLink MobileNet::picture(MobilityRole role) {
    return {.number = kNumber,
            .role = role,
            .interface = role == MobilityRole::home_agent ? "sheaf0" : "home0",
            .home = home(),
            .home_agent = agent_address(),
            .signalling = kSignalling,
            .networks = {prefix("2001:db8:2:1::/64")},
            .care_of = {{1, care_of(1), false}, {2, care_of(2), false}},
            .default_bid = std::nullopt,
            .flows = {{from_port(5001), 0, {1, 2}}, {from_port(5002), 0, {2, 1}}}};
}

child::MobilityLink MobileNet::registered(child::MobilityLink link, std::vector<std::uint16_t> bids) {
    for (child::CareOf& care_of : link.care_of)
        care_of.registered = std::ranges::find(bids, care_of.bid) != bids.end();
    link.default_bid = bids.empty() ? std::nullopt : std::optional(bids.front());
    return link;
}

namespace {

child::InstallSas sas(MobilityRole role, const IpAddress& mobile_end, wire::ChildSpi to_agent,
                      wire::ChildSpi to_mobile) {
    const bool at_agent = role == MobilityRole::home_agent;
    const auto seed = [](wire::ChildSpi spi) { return static_cast<std::uint8_t>(spi >> 8 ^ spi); };
    child::InstallSas out{.id = {.link = MobileNet::kNumber,
                                 .local = {agent_address(), 500},
                                 .peer = {mobile_end, 500},
                                 .spi_in = to_agent,
                                 .spi_out = to_mobile},
                          .suite = kGcm,
                          .in = keys(kGcm, seed(to_agent)),
                          .out = keys(kGcm, seed(to_mobile))};
    if (at_agent) return out;
    std::swap(out.id.local, out.id.peer);
    std::swap(out.id.spi_in, out.id.spi_out);
    std::swap(out.in, out.out);
    return out;
}

} // namespace

child::InstallSas MobileNet::signalling(MobilityRole role) {
    child::InstallSas out = sas(role, home(), kSignallingIn, kSignallingOut);
    out.reqid = kSignalling;
    out.mode = child::Mode::transport;
    out.on_interface = false;
    return out;
}

child::InstallSas MobileNet::prefixes(MobilityRole role) {
    child::InstallSas out = sas(role, home(), kPrefixesIn, kPrefixesOut);
    out.reqid = kPrefixes;
    out.mode = child::Mode::transport;
    out.on_interface = false;
    return out;
}

child::InstallSas MobileNet::payload(MobilityRole role, unsigned bid) {
    return sas(role, care_of(bid), payload_in(bid), payload_out(bid));
}

std::vector<child::KernelStep> MobileNet::up(child::MobilityLink link) {
    std::vector<child::KernelStep> out;
    const auto role = link.role;
    out.emplace_back(child::OpenMobility{std::move(link)});
    out.emplace_back(signalling(role));
    for (const unsigned bid : {1U, 2U})
        out.emplace_back(payload(role, bid));
    return out;
}

std::vector<child::KernelStep> MobileNet::down(MobilityRole role) {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::RemoveSas{signalling(role).id});
    for (const unsigned bid : {1U, 2U})
        out.emplace_back(child::RemoveSas{payload(role, bid).id});
    out.emplace_back(child::CloseMobility{kNumber});
    return out;
}

bool MobileNet::update(std::vector<std::uint16_t> bids) {
    bool good = true;
    for (const auto role : {MobilityRole::home_agent, MobilityRole::mobile_node}) {
        End& end = role == MobilityRole::home_agent ? agent : mobile;
        const std::string error = end.outcome(child::UpdateMobility{registered(picture(role), bids)});
        if (!error.empty()) std::printf("# %s\n", error.c_str());
        good &= error.empty();
    }
    return good;
}

std::map<std::uint32_t, std::uint64_t> MobileNet::carried(End& end) {
    end.world.enter();
    end.kernel->ask_usage(now());
    std::map<std::uint32_t, std::uint64_t> out;
    for (const Instant limit = now() + std::chrono::seconds(5); now() < limit;) {
        end.kernel->flush(now());
        if (const auto usage = end.kernel->take_usage()) {
            for (const xfrm::SaUsage& sa : *usage)
                out[sa.spi] = sa.packets;
            return out;
        }
        end.kernel->on_readable(now());
        end.kernel->on_timeout(now());
    }
    return out;
}

UdpHost::UdpHost(const World& world, const IpAddress& address, std::uint16_t port) {
    world.enter();
    socket_ = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    daemon::SocketAddress own(Endpoint{address, port});
    if (::bind(socket_, own.pointer(), own.size) != 0) std::perror("# bind");
}

UdpHost::~UdpHost() { ::close(socket_); }

void UdpHost::send(const Endpoint& to) const {
    daemon::SocketAddress there(to);
    const std::array<std::uint8_t, 4> octets{1, 2, 3, 4};
    if (::sendto(socket_, octets.data(), octets.size(), 0, there.pointer(), there.size) < 0)
        std::perror("# sendto");
}

std::optional<Endpoint> UdpHost::receive(int patience_ms) const {
    if (!readable(socket_, patience_ms)) return std::nullopt;
    std::array<std::uint8_t, 64> octets{};
    daemon::SocketAddress from;
    if (::recvfrom(socket_, octets.data(), octets.size(), 0, from.pointer(), &from.size) < 0)
        return std::nullopt;
    return from.endpoint();
}

Wire::Wire(const World& world, const std::string& interface) {
    world.enter();
    socket_ = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        std::perror("# bind");
}

Wire::~Wire() { ::close(socket_); }

Bytes Wire::packet(const IpAddress& source, const IpAddress& destination) const {
    constexpr std::size_t kSource = 8, kDestination = 24, kSize = 16, kHeader = 40;
    while (readable(socket_, 1000)) {
        Bytes out(2048);
        const ssize_t size = ::recv(socket_, out.data(), out.size(), 0);
        if (size < static_cast<ssize_t>(kHeader)) continue;
        out.resize(static_cast<std::size_t>(size));
        const View octets(out);
        if (IpAddress::from_bytes(octets.subspan(kSource, kSize)) == source &&
            IpAddress::from_bytes(octets.subspan(kDestination, kSize)) == destination)
            return out;
    }
    return {};
}

std::optional<daemon::MobilityDatagram> next_message(daemon::MobilitySocket& socket, int patience_ms) {
    if (!readable(socket.fd(), patience_ms)) return std::nullopt;
    auto received = socket.receive();
    if (auto* datagram = std::get_if<daemon::MobilityDatagram>(&received)) return std::move(*datagram);
    return std::nullopt;
}

bool bring_up(Report& report, MobileNet& net, std::vector<std::uint16_t> bids) {
    bool up = true;
    std::string why;
    for (const auto role : {child::MobilityRole::home_agent, child::MobilityRole::mobile_node}) {
        auto& end = role == child::MobilityRole::home_agent ? net.agent : net.mobile;
        const std::string error =
            end.outcome(MobileNet::up(MobileNet::registered(MobileNet::picture(role), bids)));
        up &= error.empty();
        why += error;
    }
    return report.check(up, "a home address with two care-of addresses is installed at both ends", why);
}

bool exchange(const MobileNet& net, const UdpHost& mobile, std::uint16_t port, int patience_ms) {
    const UdpHost correspondent(net.correspondent, ip("2001:db8:9::2"), port);
    mobile.send({ip("2001:db8:9::2"), port});
    const auto from = correspondent.receive(patience_ms);
    if (!from) return false;
    correspondent.send(*from);
    return mobile.receive(patience_ms).has_value();
}

} // namespace sheaf::kernel_test

#pragma once

#include "daemon/mobility_socket.h"
#include "test/kernel/report.h"
#include "test/kernel/star.h"
#include "test/kernel/world.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::kernel_test {

// A home agent, a mobile node with two access networks, and a correspondent, each a namespace:
//
//   correspondent 2001:db8:9::2 -- lan0 -- home agent -- w0, w1 -- mobile node
//
// The home agent is 2001:db8:13::1, the home address 2001:db8:1::100, the care-of addresses 2001:db8:a::5 (binding 1,
// by w0) and 2001:db8:b::5 (binding 2, by w1). Behind the mobile node is 2001:db8:2:1::/64, in which it is ::1.
class MobileNet {
  public:
    MobileNet();

    struct End {
        World world;
        std::unique_ptr<xfrm::Kernel> kernel;
        Snapshot bare; // before Sheaf has done anything
        // What goes wrong; empty when nothing does.
        [[nodiscard]] std::string outcome(std::vector<child::KernelStep> steps);
        [[nodiscard]] std::string outcome(child::KernelStep step);
    };
    End agent;
    End mobile;
    World correspondent;

    static constexpr child::LinkNumber kNumber = child::kFirstLink + 70, kSignalling = child::kFirstLink + 71,
                                       kPrefixes = child::kFirstLink + 72;
    static constexpr wire::ChildSpi kSignallingIn = 0x2001,
                                    kSignallingOut = 0x2002; // as the home agent sees them
    static constexpr wire::ChildSpi kPrefixesIn = 0x2101, kPrefixesOut = 0x2102; // likewise
    [[nodiscard]] static wire::ChildSpi payload_in(unsigned bid) { return 0x3000 + bid; }
    [[nodiscard]] static wire::ChildSpi payload_out(unsigned bid) { return 0x4000 + bid; }
    [[nodiscard]] static IpAddress care_of(unsigned bid);

    // Nothing is registered; flows from and to the correspondent's port 5001 prefer the first binding, those of 5002
    // the second.
    [[nodiscard]] static child::MobilityLink picture(child::MobilityRole role);
    [[nodiscard]] static child::MobilityLink registered(child::MobilityLink link,
                                                        std::vector<std::uint16_t> bids);
    [[nodiscard]] static child::InstallSas signalling(child::MobilityRole role);
    [[nodiscard]] static child::InstallSas prefixes(child::MobilityRole role); // of prefix discovery
    [[nodiscard]] static child::InstallSas payload(child::MobilityRole role, unsigned bid);
    // The picture and all SAs.
    [[nodiscard]] static std::vector<child::KernelStep> up(child::MobilityLink link);
    [[nodiscard]] static std::vector<child::KernelStep> down(child::MobilityRole role);
    // At both ends; false, with a line, when one refuses it.
    [[nodiscard]] bool update(std::vector<std::uint16_t> bids);

    // How many packets each SA of an end has carried by now, by SPI.
    [[nodiscard]] static std::map<std::uint32_t, std::uint64_t> carried(End& end);

  private:
    void wire_up(unsigned bid);
};

// In milliseconds, for what is to come: longer than a kernel takes to ask for a neighbour three times.
constexpr int kPatience = 5000;

// A UDP socket in a namespace.
class UdpHost {
  public:
    UdpHost(const World& world, const IpAddress& address, std::uint16_t port);
    ~UdpHost();
    UdpHost(const UdpHost&) = delete;
    UdpHost& operator=(const UdpHost&) = delete;

    void send(const Endpoint& to) const;
    [[nodiscard]] std::optional<Endpoint> receive(int patience_ms = kPatience) const; // from where

  private:
    int socket_ = -1;
};

// Packets that go out of an interface, as they are on the wire.
class Wire {
  public:
    Wire(const World& world, const std::string& interface);
    ~Wire();
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    // The next IPv6 packet between these addresses, within a second; empty if there is none.
    [[nodiscard]] Bytes packet(const IpAddress& source, const IpAddress& destination) const;

  private:
    int socket_ = -1;
};

// Both ends with their SAs, these bindings registered.
bool bring_up(Report& report, MobileNet& net, std::vector<std::uint16_t> bids);

// A datagram from the mobile node to that port of the correspondent, and back.
[[nodiscard]] bool exchange(const MobileNet& net, const UdpHost& mobile, std::uint16_t port,
                            int patience_ms = kPatience);

// The next Mobility Header, within that time.
[[nodiscard]] std::optional<daemon::MobilityDatagram> next_message(daemon::MobilitySocket& socket,
                                                                   int patience_ms = kPatience);

} // namespace sheaf::kernel_test

#pragma once

#include "lib/group/endpoint_sas.h"
#include "test/kernel/star.h"
#include "test/kernel/world.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::kernel_test {

inline constexpr child::LinkNumber kGroup = child::kFirstLink + 60;
inline constexpr wire::ChildSpi kGroupSpi = 0xf0000001;
inline constexpr Duration kGroupLife = std::chrono::seconds(3000);

// A group's endpoints on one wire: the n-th, from 1, is 10.1.0.n and 2001:db8:1::n outside, and has
// 10.2.n.0/24 and 2001:db8:2:n::/64 behind it, in which it is .1 and ::1. The first two reach each other by
// IPv4, others by IPv6.
class GroupSites {
  public:
    explicit GroupSites(unsigned count);

    World wire; // with the port `pN` to each
    struct Site {
        World world;
        std::unique_ptr<xfrm::Kernel> kernel;
    };
    [[nodiscard]] Site& site(unsigned n) { return *sites_.at(n - 1); }
    [[nodiscard]] unsigned count() const { return static_cast<unsigned>(sites_.size()); }

    [[nodiscard]] static IpAddress outside(unsigned n, unsigned seen_from);
    [[nodiscard]] static std::vector<Prefix> networks(unsigned n);
    // Of the n-th; with the others as sites, or none.
    [[nodiscard]] child::GroupLink link(unsigned n, bool with_sites = true) const;
    [[nodiscard]] static child::InstallGroupSa sa(wire::ChildSpi spi, Instant expires);

    // What goes wrong at the n-th; empty when nothing does.
    [[nodiscard]] std::string outcome(unsigned n, std::vector<child::KernelStep> steps);
    [[nodiscard]] std::string outcome(unsigned n, child::KernelStep step);
    // Opened at all, with that SA.
    [[nodiscard]] bool up(wire::ChildSpi spi, Instant expires, bool with_sites = true);

    int run(unsigned n, const std::string& command);
    // Packets of either family inside, from one to the other and back.
    [[nodiscard]] bool reaches(unsigned from, unsigned to);
    [[nodiscard]] bool reaches4(unsigned from, unsigned to, const std::string& options = "-c 2 -i 0.05");
    [[nodiscard]] bool reaches6(unsigned from, unsigned to);
    [[nodiscard]] bool all_reach();

    // A restart: everything is removed, and there is another Kernel.
    void restart(unsigned n);

    void turn(Duration time); // lets all kernels' loops run
    [[nodiscard]] std::vector<xfrm::SaUsage> usage(unsigned n);

  private:
    void wire_up(unsigned n);
    std::vector<std::unique_ptr<Site>> sites_;
};

// What goes to the n-th site, frame by frame, and back at it.
class Tap {
  public:
    Tap(const GroupSites& sites, unsigned n);
    ~Tap();
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;

    // The next one of ESP from there, within a second; empty if there is none.
    [[nodiscard]] Bytes esp_from(const IpAddress& source);
    // How many packets in the clear came by since the last call of anything here: ICMP, but for the neighbours'.
    [[nodiscard]] unsigned clear_packets();
    void send(const Bytes& frame) const;

  private:
    [[nodiscard]] Bytes next(int milliseconds) const;
    int socket_;
};

// With another outer source.
[[nodiscard]] Bytes with_source(Bytes frame, const IpAddress& source);

} // namespace sheaf::kernel_test

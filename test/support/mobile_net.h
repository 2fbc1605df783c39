#pragma once

#include "lib/ike/mobility_header.h"
#include "test/support/wire_net.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A home agent and a mobile node with two access networks, joined in memory. Mobility Headers travel beside the
// datagrams, as the kernel would carry them: a Binding Update comes in if its SAs are there at both ends.
namespace sheaf::test {

inline constexpr const char* kAgent = "2001:db8:a::1";
inline constexpr const char* kHomeAddress = "2001:db8:a::100";
inline constexpr const char* kFirstPlace = "2001:db8:1::5";
inline constexpr const char* kSecondPlace = "2001:db8:2::5";

inline IpAddress v6(std::string_view text) { return *IpAddress::parse(text); }

[[nodiscard]] ike::Config agent_config();
[[nodiscard]] ike::Config node_config();
inline ike::Connection& only(ike::Config& config) { return config.connections[0]; }

struct MobileNet {
    // A Mobility Header with the SAs for signalling, by the receiver's SPI, under one of which it was sent.
    struct Carried {
        ike::MobilityHeader header;
        std::set<wire::ChildSpi> sas;
    };

    WireNet net;
    Host& agent;
    Host& node;
    std::vector<ike::MobilityHeader> sent; // all that were put onto the wire
    bool headers_arrive = true;
    std::set<IpAddress> cut; // what goes to or comes from them is lost
    // Seen by every message before it is delivered; false: it is lost. It may change it.
    std::function<bool(Carried&)> on_header;

    explicit MobileNet(ike::Config a = agent_config(), ike::Config n = node_config());

    void place(const std::string& link, std::string_view where);
    void leave(const std::string& link);
    void change(); // the node looks at its links again
    void run(Duration duration);
    // Brings Mobility Headers to the other end until there are no more.
    void carry();
    void deliver(const Carried& carried);

    [[nodiscard]] static const child::MobilityLink* picture(const Host& host) {
        return host.kernel.homes.empty() ? nullptr : &host.kernel.homes.begin()->second;
    }
    [[nodiscard]] static std::vector<child::MobilityFlow> flows(const Host& host) {
        const auto* there = picture(host);
        return there ? there->flows : std::vector<child::MobilityFlow>{};
    }
    [[nodiscard]] static std::set<std::uint16_t> usable(const Host& host);
    // Empty, or why a payload packet over this care-of address would not arrive, by what each end calls it or by
    // itself.
    [[nodiscard]] std::string unreachable(std::uint16_t bid) const;
    [[nodiscard]] std::string unreachable(const IpAddress& care_of) const;
    [[nodiscard]] static std::vector<ike::BindingChanged> told(const Host& host,
                                                               ike::BindingChanged::What what);

  private:
    [[nodiscard]] std::string unreachable(const std::function<bool(const child::CareOf&)>& meant) const;
    [[nodiscard]] std::string unreachable(const std::function<bool(const child::CareOf&)>& meant,
                                          const Host& from, const Host& to) const;
};

} // namespace sheaf::test

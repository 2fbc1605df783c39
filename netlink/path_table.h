#pragma once

#include "lib/base/ip.h"
#include "lib/mobility/flow_selector.h"
#include "netlink/error.h"
#include "netlink/nft_socket.h"
#include "netlink/os.h"

#include <compare>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::netlink {

// ESP over IPv6 by its outer addresses; a source that is unspecified stands for any.
struct EspFlow {
    IpAddress source;
    IpAddress destination;
    std::uint32_t spi = 0; // host byte order
    friend auto operator<=>(const EspFlow&, const EspFlow&) = default;
};

// Packets that carry the firewall mark `carried` or, if that is 0, that the selector matches, are marked.
struct PathRule {
    mobility::FlowSelector selector;
    std::uint32_t carried = 0; // as a whole
    std::uint32_t mark = 0;
    friend bool operator==(const PathRule&, const PathRule&) = default;
};

// What the table does for one home address.
struct HomeMarks {
    // ESP that is let through to its SAD entries (the gate's mark), and ESP that is dropped and counted otherwise.
    std::vector<EspFlow> admitted{};
    std::vector<EspFlow> guarded{}; // of any source
    // Packets to these prefixes (or from there; then the selectors are read the other way round) are marked by the
    // first rule that takes them. Mobility Headers never are.
    std::string chain; // of nftables; every home address has its own
    std::vector<Prefix> prefixes{};
    bool from_there = false;
    std::vector<PathRule> rules{};
    friend bool operator==(const HomeMarks&, const HomeMarks&) = default;
};

// A table of nftables for Mobile IPv6: a gate for ESP as it comes in, and marks for what is to be sent over a way of
// its own, of this host and through it; both after the hook `mangle`, where hosts give marks of their own.
//
// The gate is a mark that SAD entries want, and not a rule that drops: where the kernel decrypts ESP as it merges
// packets (GRO, esp6_offload), that is before any rule, but an entry that wants a mark is not found there.
class PathTable {
  public:
    static constexpr const char* kName = "sheaf-mobility"; // of the table, of family inet

    // Both marks are given under the mask; the rest of a packet's mark stays, what was under the mask is lost. `os`
    // must outlive the object.
    struct Marks {
        std::uint32_t gate = 0;
        std::uint32_t mask = 0;
    };
    [[nodiscard]] static std::expected<std::unique_ptr<PathTable>, Error> open(Os& os, Marks marks);

    // All of it at once, or nothing. REQUIRES: `before` is there; no prefix is another home address's as well.
    [[nodiscard]] std::expected<void, Error> change(const HomeMarks& before, const HomeMarks& after);

  private:
    PathTable(std::unique_ptr<NftSocket> socket, Marks marks) : socket_(std::move(socket)), marks_(marks) {}

    std::unique_ptr<NftSocket> socket_; // owns the table
    Marks marks_;
};

} // namespace sheaf::netlink

#pragma once

#include "lib/base/ip.h"
#include "netlink/error.h"
#include "netlink/os.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

namespace sheaf::netlink {

// Outer addresses of a packet.
struct AddressPair {
    IpAddress source;
    IpAddress destination; // of the same family
    friend auto operator<=>(const AddressPair&, const AddressPair&) = default;
};

struct PacketMark {
    AddressPair packet;
    std::uint32_t mark = 0;
    friend bool operator==(const PacketMark&, const PacketMark&) = default;
};

// A table of nftables that marks packets of ESP, whose SPI is `first_spi` or higher, by their outer addresses
// as they come in: after the hook `mangle`, where hosts give marks of their own and often set all of one,
// and before the SAD is looked up.
//
// It is written straight to netlink, since nftables' own libraries are under the GPL.
//
// Owner: the table belongs to the socket that made it. `nft flush ruleset`, by which hosts load their filters
// anew, passes it over, and the kernel removes it with this object, or with the process, however that ends
// (Linux 5.12).
//
// Blocking: a change is one transaction, which the kernel answers within the call.
class MarkTable {
  public:
    static constexpr const char* kName = "sheaf"; // of the table, of family inet

    // Makes the table, without marks. `os` must outlive the object.
    [[nodiscard]] static std::expected<std::unique_ptr<MarkTable>, Error> open(Os& os,
                                                                               std::uint32_t first_spi);
    MarkTable(const MarkTable&) = delete;
    MarkTable& operator=(const MarkTable&) = delete;
    ~MarkTable();

    // All or nothing. REQUIRES: what is added is not there, what is removed is.
    [[nodiscard]] std::expected<void, Error> change(const std::vector<PacketMark>& added,
                                                    const std::vector<PacketMark>& removed);

  private:
    MarkTable(Os& os, int fd) : os_(os), fd_(fd) {}
    [[nodiscard]] std::expected<void, Error> configure();
    [[nodiscard]] std::expected<void, Error> commit(const Bytes& batch, std::size_t messages);
    // How many answers there were, all of them good.
    [[nodiscard]] std::expected<std::size_t, Error> read_answers();

    Os& os_;
    int fd_;
};

} // namespace sheaf::netlink

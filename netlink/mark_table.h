#pragma once

#include "lib/base/ip.h"
#include "netlink/error.h"
#include "netlink/nft_socket.h"
#include "netlink/os.h"

#include <compare>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>
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
// It goes with this object, or with the process (NftSocket). Blocking.
class MarkTable {
  public:
    static constexpr const char* kName = "sheaf"; // of the table, of family inet

    // Makes the table, without marks. `os` must outlive the object.
    [[nodiscard]] static std::expected<std::unique_ptr<MarkTable>, Error> open(Os& os,
                                                                               std::uint32_t first_spi);
    // All or nothing. REQUIRES: what is added is not there, what is removed is.
    [[nodiscard]] std::expected<void, Error> change(const std::vector<PacketMark>& added,
                                                    const std::vector<PacketMark>& removed);

  private:
    explicit MarkTable(std::unique_ptr<NftSocket> socket) : socket_(std::move(socket)) {}

    std::unique_ptr<NftSocket> socket_; // owns the table
};

} // namespace sheaf::netlink

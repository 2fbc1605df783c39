#pragma once

#include "netlink/mark_table.h"
#include "netlink/nft_message.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace sheaf::netlink {

// Builds a transaction of nf_tables: what MarkTable sends.
class NftBatch {
  public:
    void add_table(); // and the chain in it
    // The map from a family's addresses to marks, and the rule that uses it.
    void add_family(Family family, std::uint32_t first_spi);
    void add_marks(Family family, const std::vector<PacketMark>& marks);
    void remove_marks(Family family, const std::vector<PacketMark>& marks);

    [[nodiscard]] NftTransaction finish() && { return std::move(messages_); }

  private:
    void put_marks(std::uint16_t type, std::uint16_t flags, Family family,
                   const std::vector<PacketMark>& marks);

    NftTransaction messages_;
};

} // namespace sheaf::netlink

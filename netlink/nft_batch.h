#pragma once

#include "lib/base/bytes.h"
#include "netlink/mark_table.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sheaf::netlink {

// Builds a transaction of nf_tables with libmnl: what MarkTable sends.
class NftBatch {
  public:
    NftBatch();

    void add_table(); // and the chain in it
    // The map from a family's addresses to marks, and the rule that uses it.
    void add_family(Family family, std::uint32_t first_spi);
    void add_marks(Family family, const std::vector<PacketMark>& marks);
    void remove_marks(Family family, const std::vector<PacketMark>& marks);

    [[nodiscard]] std::size_t messages() const { return messages_; } // that are answered
    [[nodiscard]] Bytes finish();

  private:
    class Writer;
    void append(Writer& message);
    void put_marks(std::uint16_t type, std::uint16_t flags, Family family,
                   const std::vector<PacketMark>& marks);

    Bytes bytes_;
    std::size_t messages_ = 0;
};

} // namespace sheaf::netlink

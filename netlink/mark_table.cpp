#include "netlink/mark_table.h"

#include "netlink/nft_batch.h"

#include <array>
#include <utility>

namespace sheaf::netlink {
namespace {
constexpr std::array<Family, 2> kFamilies{Family::ipv4, Family::ipv6};
} // namespace

std::expected<std::unique_ptr<MarkTable>, Error> MarkTable::open(Os& os, std::uint32_t first_spi) {
    auto socket = NftSocket::open(os);
    if (!socket) return std::unexpected(socket.error());
    NftBatch batch;
    batch.add_table();
    for (const Family family : kFamilies)
        batch.add_family(family, first_spi);
    if (auto done = (*socket)->commit(std::move(batch).finish()); !done) return std::unexpected(done.error());
    return std::unique_ptr<MarkTable>(new MarkTable(std::move(*socket)));
}

std::expected<void, Error> MarkTable::change(const std::vector<PacketMark>& added,
                                             const std::vector<PacketMark>& removed) {
    NftBatch batch;
    for (const Family family : kFamilies) {
        batch.remove_marks(family, removed);
        batch.add_marks(family, added);
    }
    return socket_->commit(std::move(batch).finish());
}

} // namespace sheaf::netlink

#include "netlink/path_table.h"

#include "netlink/path_batch.h"

#include <algorithm>
#include <iterator>

namespace sheaf::netlink {
namespace {

std::vector<EspFlow> without(std::vector<EspFlow> all, std::vector<EspFlow> others) {
    std::ranges::sort(all);
    std::ranges::sort(others);
    std::vector<EspFlow> out;
    std::ranges::set_difference(all, others, std::back_inserter(out));
    return out;
}

} // namespace

std::expected<std::unique_ptr<PathTable>, Error> PathTable::open(Os& os, Marks marks) {
    auto socket = NftSocket::open(os);
    if (!socket) return std::unexpected(socket.error());
    PathBatch batch(marks);
    batch.add_table();
    if (auto done = (*socket)->commit(std::move(batch).finish()); !done) return std::unexpected(done.error());
    return std::unique_ptr<PathTable>(new PathTable(std::move(*socket), marks));
}

std::expected<void, Error> PathTable::change(const HomeMarks& before, const HomeMarks& after) {
    PathBatch batch(marks_);
    batch.remove(without(before.admitted, after.admitted), without(before.guarded, after.guarded));
    batch.add(without(after.admitted, before.admitted), without(after.guarded, before.guarded));
    const bool had = !before.rules.empty(), has = !after.rules.empty();
    const bool same_packets = before.prefixes == after.prefixes && before.from_there == after.from_there;
    if (had && (!has || !same_packets)) batch.lead_no_more(before);
    if (has && !had) batch.open_chain(after);
    if (has && (!had || before.rules != after.rules || before.from_there != after.from_there))
        batch.put_rules(after);
    if (has && (!had || !same_packets)) batch.lead(after);
    if (had && !has) batch.close_chain(before);
    return socket_->commit(std::move(batch).finish());
}

} // namespace sheaf::netlink

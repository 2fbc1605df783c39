#include "lib/ike/virtual_link.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

// Adds what is not there yet.
template <typename T, typename Same>
void unite(std::vector<T>& to, const std::vector<T>& from, Same same) {
    for (const T& one : from) {
        if (std::ranges::none_of(to, [&](const T& other) { return same(one, other); })) to.push_back(one);
    }
}

} // namespace

std::vector<std::shared_ptr<const LinkShare>> VirtualLink::living() const {
    std::vector<std::shared_ptr<const LinkShare>> out;
    for (auto share = shares.rbegin(); share != shares.rend(); ++share) {
        if (auto alive = share->lock()) out.push_back(std::move(alive));
    }
    return out;
}

child::Link VirtualLink::wanted() const {
    const auto alive = living();
    child::Link out = alive.empty() ? link : alive.front()->part;
    out.weight = weight;
    out.mark = mark;
    out.ways = ways;
    for (const auto& older : alive) {
        if (older == alive.front()) continue;
        auto addresses = older->part.addresses;
        for (auto& address : addresses)
            address.deprecated = out.role == child::LinkRole::client;
        unite(out.addresses, addresses, [](const auto& a, const auto& b) { return a.address == b.address; });
        unite(out.routes, older->part.routes, std::equal_to{});
        unite(out.delegated, older->part.delegated, std::equal_to{});
        unite(out.lan, older->part.lan, std::equal_to{});
    }
    return out;
}

bool VirtualLink::is_named(View link_id) const {
    return std::ranges::any_of(living(), [&](const auto& share) {
        return !share->link_id.empty() && equal(share->link_id, link_id);
    });
}

} // namespace sheaf::ike

#include "daemon/usage.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace sheaf::daemon {
namespace {

auto key(const xfrm::SaUsage& entry) { return std::tie(entry.spi, entry.destination); }

} // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    packets_in += other.packets_in;
    packets_out += other.packets_out;
    return *this;
}

Usage::Usage(std::vector<xfrm::SaUsage> entries) : entries_(std::move(entries)) {
    std::ranges::sort(entries_, [](const auto& a, const auto& b) { return key(a) < key(b); });
}

const xfrm::SaUsage* Usage::find(const IpAddress& destination, std::uint32_t spi) const {
    const auto wanted = std::tie(spi, destination);
    const auto found = std::ranges::lower_bound(
        entries_, wanted, [](const auto& a, const auto& b) { return a < b; }, key);
    return found != entries_.end() && key(*found) == wanted ? &*found : nullptr;
}

std::optional<Traffic> Usage::of(const ike::IkeSaStatus& sa, const ike::ChildStatus& child) const {
    const auto* in = find(sa.local.address, child.spi_in);
    const auto* out = find(sa.peer.address, child.spi_out);
    if (in == nullptr && out == nullptr) return std::nullopt;
    Traffic traffic;
    if (in != nullptr) {
        traffic.bytes_in = in->bytes;
        traffic.packets_in = in->packets;
    }
    if (out != nullptr) {
        traffic.bytes_out = out->bytes;
        traffic.packets_out = out->packets;
    }
    return traffic;
}

std::vector<xfrm::SaUsage> Usage::of(child::LinkNumber group) const {
    std::vector<xfrm::SaUsage> out;
    std::ranges::copy_if(entries_, std::back_inserter(out),
                         [group](const xfrm::SaUsage& entry) { return entry.number == group; });
    return out;
}

} // namespace sheaf::daemon

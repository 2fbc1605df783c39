#include "lib/address/pools.h"

#include <algorithm>
#include <array>

namespace sheaf::address {

struct Lease::Pool {
    PoolSpec spec;
    std::unordered_set<std::uint64_t> used;

    // Blocks by index, of which the first and for IPv4 the last may be not given: the network
    // and broadcast addresses of a pool of single addresses, and the subnet-router anycast address
    // (RFC 4291 2.6.1).
    [[nodiscard]] bool single_addresses() const { return spec.delegate == spec.prefix.address().bits(); }
    [[nodiscard]] std::uint64_t first() const {
        return single_addresses() && spec.prefix.length() < spec.delegate ? 1 : 0;
    }
    [[nodiscard]] std::uint64_t end() const {
        const unsigned bits = std::min(spec.delegate - spec.prefix.length(), 62U);
        const std::uint64_t all = std::uint64_t{1} << bits;
        const bool broadcast = single_addresses() && !spec.prefix.address().is_v6() && bits >= 2;
        return broadcast ? all - 1 : all;
    }
    [[nodiscard]] std::uint64_t size() const { return end() - first(); }
    [[nodiscard]] Prefix block(std::uint64_t index) const;
};

namespace {

// FNV-1a; it must give the same value in every run.
std::uint64_t hash(View octets) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const std::uint8_t octet : octets)
        value = (value ^ octet) * 0x100000001b3;
    return value ^ value >> 29;
}

} // namespace

Prefix Lease::Pool::block(std::uint64_t index) const {
    std::array<std::uint8_t, 16> octets{};
    const View base = spec.prefix.address().view();
    std::ranges::copy(base, octets.begin());
    for (unsigned bit = spec.delegate; bit-- > spec.prefix.length() && index != 0; index >>= 1) {
        if (index & 1)
            octets.at(bit / 8) = static_cast<std::uint8_t>(octets.at(bit / 8) | (0x80U >> (bit % 8)));
    }
    return {*IpAddress::from_bytes(View(octets).first(base.size())), spec.delegate};
}

Lease& Lease::operator=(Lease&& other) noexcept {
    if (this != &other) {
        give_back();
        pool_ = std::move(other.pool_);
        index_ = other.index_;
        block_ = other.block_;
    }
    return *this;
}

Lease::~Lease() { give_back(); }

void Lease::give_back() {
    if (const auto pool = pool_.lock()) pool->used.erase(index_);
    pool_.reset();
}

Pools::Pools(std::span<const PoolSpec> specs) { update(specs); }

void Pools::update(std::span<const PoolSpec> specs) {
    std::vector<std::shared_ptr<Lease::Pool>> next;
    for (const PoolSpec& spec : specs) {
        const auto same = std::ranges::find_if(pools_, [&](const auto& pool) { return pool->spec == spec; });
        next.push_back(same != pools_.end() ? *same : std::make_shared<Lease::Pool>(Lease::Pool{spec, {}}));
    }
    pools_ = std::move(next);
}

const PoolSpec* Pools::find(std::string_view pool) const {
    const auto found = std::ranges::find_if(pools_, [&](const auto& p) { return p->spec.name == pool; });
    return found == pools_.end() ? nullptr : &(*found)->spec;
}

std::expected<Lease, Rule> Pools::lease(std::string_view pool, View holder) {
    const auto found = std::ranges::find_if(pools_, [&](const auto& p) { return p->spec.name == pool; });
    if (found == pools_.end()) return std::unexpected(Rule::address_failure);
    Lease::Pool& from = **found;
    if (from.used.size() >= from.size()) return std::unexpected(Rule::address_failure);
    std::uint64_t index = from.first() + hash(holder) % from.size();
    while (from.used.contains(index))
        index = index + 1 == from.end() ? from.first() : index + 1;
    from.used.insert(index);
    return Lease(*found, index, from.block(index));
}

std::vector<Pools::Usage> Pools::usage() const {
    std::vector<Usage> out;
    for (const auto& pool : pools_)
        out.push_back({pool->spec, pool->size(), pool->used.size()});
    return out;
}

} // namespace sheaf::address

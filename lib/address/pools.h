#pragma once

#include "lib/address/pool_spec.h"
#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sheaf::address {

class Pools;

// One block out of a pool, held for as long as this value lives.
//
// Ownership: move-only; giving it up returns the block. It may outlive the Pools.
class Lease {
  public:
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();

    [[nodiscard]] const Prefix& block() const { return block_; }
    // Whether the pool that it came from still exists.
    [[nodiscard]] bool held() const { return !pool_.expired(); }

  private:
    friend class Pools;
    struct Pool;
    Lease(std::weak_ptr<Pool> pool, std::uint64_t index, const Prefix& block)
        : pool_(std::move(pool)), index_(index), block_(block) {}
    void give_back();

    std::weak_ptr<Pool> pool_;
    std::uint64_t index_ = 0;
    Prefix block_;
};

// The pools of a gateway: who gets which block.
//
// The block that is tried first follows from the holder's octets (an identity), so that a client usually
// finds its block again, also after a restart of the gateway; no two leases ever hold the same block at once
// (RFC 5739 4.1).
class Pools {
  public:
    explicit Pools(std::span<const PoolSpec> specs);

    // A block of the named pool. Errors: address_failure (the pool is exhausted or unknown).
    [[nodiscard]] std::expected<Lease, Rule> lease(std::string_view pool, View holder);

    [[nodiscard]] const PoolSpec* find(std::string_view pool) const;

    struct Usage {
        PoolSpec spec;
        std::uint64_t size = 0;
        std::uint64_t used = 0;
    };
    [[nodiscard]] std::vector<Usage> usage() const;

    // Takes new pools. Those that stay equal keep their leases; the leases of the others stay valid values
    // whose blocks belong to no pool any more.
    void update(std::span<const PoolSpec> specs);

  private:
    std::vector<std::shared_ptr<Lease::Pool>> pools_;
};

} // namespace sheaf::address

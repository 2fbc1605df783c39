#include "lib/address/lease_book.h"

#include "lib/address/pool.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace sheaf::address {
namespace {

// What one Assign has had so far of what its link holds: the turn of the last one, for each pool.
using Claims = std::map<std::uint32_t, std::uint64_t>;

struct Spot {
    std::uint32_t pool = 0;
    std::uint64_t index = 0;
};

} // namespace

struct LeaseBook::Parts {
    std::vector<Pool> pools;
    std::map<std::string, std::uint32_t, std::less<>> by_name;
    Holders holders;
    std::uint64_t turns = 0;
    std::map<Prefix, Lease> strays; // used by a link, and in no pool any more
    std::vector<LeaseChange> changes;
    std::vector<PoolNotice> notices;
    std::optional<WallTime> latest; // when it was asked

    explicit Parts(std::span<const PoolSpec> specs) {
        for (const auto& spec : specs) {
            by_name.emplace(spec.name, static_cast<std::uint32_t>(pools.size()));
            pools.emplace_back(spec);
        }
    }

    [[nodiscard]] std::optional<std::uint32_t> find(const std::string& name) const {
        const auto found = by_name.find(name);
        return found == by_name.end() ? std::nullopt : std::optional(found->second);
    }
    [[nodiscard]] std::vector<std::uint32_t> pools_of(const Want& want) const;
    void observe(WallTime now);
    void begin(std::span<const std::uint32_t> touched, WallTime now);
    void end(std::span<const std::uint32_t> touched);

    // Entries, their holder's list and the record.
    void put(Spot spot, const Holder& holder, Entry entry, WallTime now);
    void erase(Spot spot);
    [[nodiscard]] Lease lease(Spot spot, const Entry& entry) const;
    void record(LeaseChange::Kind kind, Spot spot, const Entry& entry) {
        changes.push_back({kind, lease(spot, entry)});
    }
    // Takes over a lease of an earlier life or configuration; false if there is no room for it.
    [[nodiscard]] bool place(const Lease& lease, WallTime now);

    // The steps of a want, in this order.
    [[nodiscard]] std::optional<Grant> held(const Assign& demand, std::span<const std::uint32_t> from,
                                            Claims& claims) const;
    // The stray that overlaps this block.
    [[nodiscard]] const Lease* stray(const Prefix& block) const;
    [[nodiscard]] std::optional<std::uint64_t> free_block(const Pool& pool, const Holder& holder) const;
    [[nodiscard]] std::optional<Spot> own(const Holder& holder, std::span<const std::uint32_t> from) const;
    [[nodiscard]] std::optional<Spot> new_block(const Holder& holder,
                                                std::span<const std::uint32_t> from) const;
    [[nodiscard]] Grant give(const Assign& demand, Spot spot, Claims& claims, WallTime now);
    [[nodiscard]] std::optional<Grant> satisfy(const Assign& demand, std::span<const std::uint32_t> from,
                                               Claims& claims, WallTime now);
    void give_back(const Release& demand, Spot spot, WallTime now);
    void give_back_stray(const Release& demand, const Grant& grant);
    void send_away(std::span<const std::uint32_t> from);
    [[nodiscard]] std::string shortage(const Want& want) const;
};

std::vector<std::uint32_t> LeaseBook::Parts::pools_of(const Want& want) const {
    std::vector<std::uint32_t> out;
    for (const auto& name : want.pools)
        if (const auto pool = find(name)) out.push_back(*pool);
    return out;
}

// A clock that was wrong for a while must neither cost a holder its block nor keep one for ever.
void LeaseBook::Parts::observe(WallTime now) {
    const bool back = latest && now < *latest;
    latest = now;
    if (!back) return;
    for (std::uint32_t number = 0; number < pools.size(); ++number)
        for (const auto index : pools[number].turn_back(now))
            record(LeaseChange::Kind::put, {number, index}, *pools[number].find(index));
}

void LeaseBook::Parts::begin(std::span<const std::uint32_t> touched, WallTime now) {
    for (const auto number : touched) {
        Pool& pool = pools[number];
        pool.advance(now);
        pool.gauge.sample(now, pool.taken());
        if (pool.taken() < pool.range().size()) pool.gauge.has_room();
    }
}

void LeaseBook::Parts::end(std::span<const std::uint32_t> touched) {
    for (const auto number : touched) {
        Pool& pool = pools[number];
        const std::uint64_t taken = pool.taken();
        const std::uint64_t size = pool.range().size();
        if (taken < size) pool.gauge.has_room();
        if (pool.gauge.reaches(pool.spec().warn_at, taken, size))
            notices.push_back({pool.spec().name, taken, size, false});
    }
}

void LeaseBook::Parts::put(Spot spot, const Holder& holder, Entry entry, WallTime now) {
    entry.turn = ++turns;
    entry.holder = &*holders.try_emplace(holder).first;
    entry.holder->second.insert({spot.pool, entry.link, entry.turn, spot.index});
    pools[spot.pool].put(spot.index, entry, now);
}

void LeaseBook::Parts::erase(Spot spot) {
    const Entry entry = *pools[spot.pool].find(spot.index);
    auto& blocks = entry.holder->second;
    blocks.erase({spot.pool, entry.link, entry.turn, spot.index});
    pools[spot.pool].erase(spot.index);
    if (blocks.empty()) holders.erase(holders.find(entry.holder->first));
}

Lease LeaseBook::Parts::lease(Spot spot, const Entry& entry) const {
    const Pool& pool = pools[spot.pool];
    return {pool.spec().name, pool.range().block(spot.index), entry.holder->first, entry.link, entry.since,
            entry.until};
}

bool LeaseBook::Parts::place(const Lease& lease, WallTime now) {
    const auto number = find(lease.pool);
    if (!number) return false;
    const Pool& pool = pools[*number];
    const auto index = pool.range().index(lease.block);
    if (!index || pool.find(*index)) return false;
    // What is reserved for somebody else now stays with whoever uses it, until they let go of it.
    if (lease.link == 0 && pool.reserved_for_another(*index, lease.holder)) return false;
    put({*number, *index}, lease.holder, {nullptr, lease.link, 0, lease.since, lease.until}, now);
    return true;
}

// The blocks of the link itself, in the order in which it got them, so that it gets the same ones for the
// same wants.
std::optional<Grant> LeaseBook::Parts::held(const Assign& demand, std::span<const std::uint32_t> from,
                                            Claims& claims) const {
    const auto holder = holders.find(demand.holder);
    if (holder == holders.end()) return std::nullopt;
    const BlockKey* first = nullptr;
    for (const auto pool : from) {
        const auto claimed = claims.find(pool);
        const std::uint64_t turn = claimed == claims.end() ? 0 : claimed->second + 1;
        const auto block = holder->second.lower_bound({pool, demand.link, turn, 0});
        if (block == holder->second.end() || block->pool != pool || block->link != demand.link) continue;
        if (!first || block->turn < first->turn) first = &*block;
    }
    if (!first) return std::nullopt;
    claims[first->pool] = first->turn;
    const Pool& pool = pools[first->pool];
    return Grant{pool.spec().name, pool.range().block(first->index), true};
}

// Strays do not overlap one another, so that they can be looked up.
const Lease* LeaseBook::Parts::stray(const Prefix& block) const {
    const auto after = strays.lower_bound(block);
    if (after != strays.end() && after->first.overlaps(block)) return &after->second;
    if (after == strays.begin()) return nullptr;
    const auto before = std::prev(after);
    return before->first.overlaps(block) ? &before->second : nullptr;
}

std::optional<std::uint64_t> LeaseBook::Parts::free_block(const Pool& pool, const Holder& holder) const {
    const BlockRange& range = pool.range();
    if (range.size() == 0) return std::nullopt;
    std::uint64_t from = pool.first_choice(holder);
    for (std::size_t tries = 0; tries <= strays.size(); ++tries) { // each passes one
        const auto index = pool.free_block(from);
        if (!index) return std::nullopt;
        const Lease* in_the_way = stray(range.block(*index));
        if (!in_the_way) return index;
        const auto last = range.index({in_the_way->block.last(), pool.spec().delegate});
        from = std::max(*index, last.value_or(range.end())) + 1;
        if (from >= range.end()) from = range.first();
    }
    return std::nullopt;
}

// What is reserved for the holder, else what is kept for them.
std::optional<Spot> LeaseBook::Parts::own(const Holder& holder, std::span<const std::uint32_t> from) const {
    for (const auto pool : from)
        for (const auto index : pools[pool].reservations(holder))
            if (!stray(pools[pool].range().block(index))) return Spot{pool, index};
    const auto found = holders.find(holder);
    if (found == holders.end()) return std::nullopt;
    const BlockKey* first = nullptr;
    for (const auto pool : from) {
        const auto block = found->second.lower_bound({pool, 0, 0, 0});
        if (block == found->second.end() || block->pool != pool || block->link != 0) continue;
        if (!first || block->turn < first->turn) first = &*block;
    }
    return first ? std::optional(Spot{first->pool, first->index}) : std::nullopt;
}

std::optional<Spot> LeaseBook::Parts::new_block(const Holder& holder,
                                                std::span<const std::uint32_t> from) const {
    for (const auto pool : from) {
        if (const auto index = free_block(pools[pool], holder)) return Spot{pool, *index};
        if (const auto index = pools[pool].lapsed_block()) return Spot{pool, *index};
    }
    return std::nullopt;
}

Grant LeaseBook::Parts::give(const Assign& demand, Spot spot, Claims& claims, WallTime now) {
    Pool& pool = pools[spot.pool];
    Entry entry{nullptr, demand.link, 0, now, {}};
    bool renewed = false;
    if (const Entry* before = pool.find(spot.index)) {
        renewed = before->holder->first == demand.holder;
        if (renewed)
            entry.since = before->since;
        else
            record(LeaseChange::Kind::remove, spot, *before);
        erase(spot);
    }
    put(spot, demand.holder, entry, now);
    record(LeaseChange::Kind::put, spot, *pool.find(spot.index));
    claims[spot.pool] = turns;
    return {pool.spec().name, pool.range().block(spot.index), renewed};
}

std::optional<Grant> LeaseBook::Parts::satisfy(const Assign& demand, std::span<const std::uint32_t> from,
                                               Claims& claims, WallTime now) {
    if (demand.link == 0) return std::nullopt; // that would be nobody's
    if (auto grant = held(demand, from, claims)) return grant;
    auto spot = own(demand.holder, from);
    if (!spot) spot = new_block(demand.holder, from);
    if (!spot) return std::nullopt;
    return give(demand, *spot, claims, now);
}

void LeaseBook::Parts::give_back(const Release& demand, Spot spot, WallTime now) {
    const Pool& pool = pools[spot.pool];
    const Entry* found = pool.find(spot.index);
    if (!found || found->link == 0 || found->link != demand.link || found->holder->first != demand.holder)
        return;
    Entry entry = *found;
    entry.link = 0;
    entry.until = now + pool.spec().lease;
    if (pool.reserved_for_another(spot.index, demand.holder)) {
        record(LeaseChange::Kind::remove, spot, entry);
        return erase(spot);
    }
    erase(spot);
    put(spot, demand.holder, entry, now);
    record(LeaseChange::Kind::put, spot, *pool.find(spot.index));
}

void LeaseBook::Parts::give_back_stray(const Release& demand, const Grant& grant) {
    const auto found = strays.find(grant.block);
    if (found == strays.end()) return;
    Lease& lease = found->second;
    if (lease.pool != grant.pool || lease.link != demand.link || lease.holder != demand.holder) return;
    changes.push_back({LeaseChange::Kind::remove, std::move(lease)});
    strays.erase(found);
}

void LeaseBook::Parts::send_away(std::span<const std::uint32_t> from) {
    for (const auto number : from) {
        Pool& pool = pools[number];
        if (pool.gauge.sends_away())
            notices.push_back({pool.spec().name, pool.taken(), pool.range().size(), true});
    }
}

std::string LeaseBook::Parts::shortage(const Want& want) const {
    if (want.pools.empty()) return "no pool is configured";
    std::string out;
    for (const auto& name : want.pools) {
        if (!out.empty()) out += "; ";
        out += "pool " + name;
        const auto number = find(name);
        if (!number) {
            out += " is not configured";
            continue;
        }
        const Pool& pool = pools[*number];
        out += " (" + pool.spec().prefix.to_string() + ") is used up: " + std::to_string(pool.used()) +
               " of " + std::to_string(pool.range().size()) + " blocks in use";
        if (pool.taken() > pool.used())
            out += ", " + std::to_string(pool.taken() - pool.used()) +
                   " kept for holders who are away; give it a shorter prefix or a shorter lease";
        else
            out += "; give it a shorter prefix";
    }
    return out + (want.pools.size() == 1 ? ", or the connection a second pool" : "");
}

LeaseBook::LeaseBook(std::span<const PoolSpec> specs) : parts_(std::make_unique<Parts>(specs)) {}
LeaseBook::~LeaseBook() = default;
LeaseBook::LeaseBook(LeaseBook&&) noexcept = default;
LeaseBook& LeaseBook::operator=(LeaseBook&&) noexcept = default;

std::vector<Lease> LeaseBook::restore(std::vector<Lease> leases, WallTime now) {
    std::vector<Lease> left_out;
    parts_->observe(now);
    for (auto& lease : leases) {
        const LinkId link = std::exchange(lease.link, 0);
        const WallTime until = lease.until;
        if (const auto number = parts_->find(lease.pool)) {
            // A clock that was put back must not keep a block for ever.
            const WallTime latest = now + parts_->pools[*number].spec().lease;
            lease.until = link != 0 ? latest : std::min(until, latest);
        }
        if (!parts_->place(lease, now))
            left_out.push_back(std::move(lease));
        else if (link != 0 || lease.until != until)
            parts_->changes.push_back({LeaseChange::Kind::put, std::move(lease)});
    }
    for (std::uint32_t pool = 0; pool < parts_->pools.size(); ++pool)
        parts_->end({&pool, 1});
    return left_out;
}

Assigned LeaseBook::assign(const Assign& demand, WallTime now) {
    Assigned answer{demand.id, {}};
    Claims claims;
    parts_->observe(now);
    for (const auto& want : demand.wants) {
        const auto from = parts_->pools_of(want);
        parts_->begin(from, now);
        auto grant = parts_->satisfy(demand, from, claims, now);
        if (!grant) {
            parts_->send_away(from);
            if (!answer.error.empty()) answer.error += "; ";
            answer.error += parts_->shortage(want);
        }
        parts_->end(from);
        answer.grants.push_back(std::move(grant));
    }
    return answer;
}

void LeaseBook::release(const Release& demand, WallTime now) {
    parts_->observe(now);
    for (const auto& grant : demand.grants) {
        parts_->give_back_stray(demand, grant);
        const auto number = parts_->find(grant.pool);
        if (!number) continue;
        parts_->begin({&*number, 1}, now);
        if (const auto index = parts_->pools[*number].range().index(grant.block))
            parts_->give_back(demand, {*number, *index}, now);
        parts_->end({&*number, 1});
    }
}

void LeaseBook::update(std::span<const PoolSpec> specs, WallTime now) {
    parts_->observe(now);
    auto next = std::make_unique<Parts>(specs);
    next->latest = now;
    next->changes = std::move(parts_->changes);
    next->notices = std::move(parts_->notices);
    std::map<std::uint64_t, Lease> leases; // by turn, which they keep
    for (std::uint32_t number = 0; number < parts_->pools.size(); ++number) {
        Pool& pool = parts_->pools[number];
        for (const auto& [index, entry] : pool.entries())
            leases.emplace(entry.turn, parts_->lease({number, index}, entry));
        if (const auto same = next->find(pool.spec().name)) next->pools[*same].gauge = std::move(pool.gauge);
    }
    std::vector<Lease> homeless;
    for (auto& [turn, lease] : leases)
        if (!next->place(lease, now)) homeless.push_back(std::move(lease));
    for (auto& [block, lease] : parts_->strays) // whose pool may be there again
        if (!next->place(lease, now)) homeless.push_back(std::move(lease));
    for (auto& lease : homeless) {
        const Prefix block = lease.block;
        if (lease.link == 0)
            next->changes.push_back({LeaseChange::Kind::remove, std::move(lease)});
        else
            next->strays.emplace(block, std::move(lease));
    }
    parts_ = std::move(next);
    for (std::uint32_t pool = 0; pool < parts_->pools.size(); ++pool)
        parts_->end({&pool, 1});
}

std::vector<LeaseChange> LeaseBook::take_changes() { return std::exchange(parts_->changes, {}); }
std::vector<PoolNotice> LeaseBook::take_notices() { return std::exchange(parts_->notices, {}); }

std::vector<PoolUsage> LeaseBook::usage(WallTime now) const {
    std::vector<PoolUsage> out;
    for (const auto& pool : parts_->pools) {
        const std::uint64_t taken = pool.taken() - pool.lapsing(now);
        const std::uint64_t size = pool.range().size();
        out.push_back({pool.spec(), size, pool.used(), taken - pool.used(), pool.next_lapse(now),
                       pool.gauge.exhausted_at(now, taken, size)});
    }
    return out;
}

} // namespace sheaf::address

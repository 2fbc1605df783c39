// The lease book against a reference that is as plain as can be: a table of all blocks, searched from end to
// end each time.
#include "lib/address/lease_book.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace sheaf;
using namespace sheaf::address;

namespace {

struct Row {
    std::string holder; // empty: free
    LinkId link = 0;
    WallTime until{};
};

Holder holder(const std::string& name) { return {2, Bytes(name.begin(), name.end()), name}; }

// All blocks of a pool, by counting them up.
std::vector<Prefix> blocks(const PoolSpec& spec) {
    std::vector<Prefix> out;
    auto at = Prefix(spec.prefix.address(), spec.delegate);
    for (;;) {
        const bool v4 = spec.prefix.family() == Family::ipv4;
        const bool network =
            spec.delegate == spec.prefix.address().bits() &&
            (at.address() == spec.prefix.address() || (v4 && at.address() == spec.prefix.last()));
        if (!network) out.push_back(at);
        const auto next = at.last().next();
        if (!next || !spec.prefix.contains(*next)) return out;
        at = Prefix(*next, spec.delegate);
    }
}

class Model {
  public:
    explicit Model(std::vector<PoolSpec> specs) { update(std::move(specs)); }

    void update(std::vector<PoolSpec> specs) {
        auto before = std::move(rows_);
        for (const auto& [key, row] : strays_)
            before[key.first][key.second] = row;
        rows_.clear();
        strays_.clear();
        for (const auto& spec : specs)
            for (const auto& block : blocks(spec))
                rows_[spec.name][block] = {};
        specs_ = std::move(specs);
        for (const auto& [pool, rows] : before)
            for (const auto& [block, row] : rows) {
                const bool fits = rows_.contains(pool) && rows_[pool].contains(block);
                const auto* owner = fits ? reserved(spec_of(pool), block) : nullptr;
                if (fits && (!owner || row.link != 0 || row.holder == *owner))
                    rows_[pool][block] = row;
                else if (row.link != 0)
                    strays_[{pool, block}] = row;
            }
    }

    void restart(WallTime now) {
        strays_.clear();
        for (const auto& spec : specs_)
            for (auto& [block, row] : rows_[spec.name]) {
                if (row.holder.empty()) continue;
                const WallTime latest = now + spec.lease;
                row = {row.holder, 0, row.link != 0 ? latest : std::min(row.until, latest)};
                const auto* owner = reserved(spec, block);
                if (owner && row.holder != *owner) row = {};
            }
    }

    // Blocks of which a want may be given one; empty: none at all.
    [[nodiscard]] std::set<Prefix> may_have(const std::string& who, LinkId link, const Want& want,
                                            const std::set<Prefix>& given, WallTime now) const {
        std::set<Prefix> out;
        const auto collect = [&](const std::string& pool, auto&& wanted) {
            const auto& spec = spec_of(pool);
            for (const auto& [block, row] : rows_.at(pool))
                if (!given.contains(block) && !in_the_way(block) && wanted(row, reserved(spec, block)))
                    out.insert(block);
        };
        for (const auto& pool : want.pools)
            collect(pool, [&](const Row& row, auto*) { return row.holder == who && row.link == link; });
        if (!out.empty()) return out;
        for (const auto& pool : want.pools)
            collect(pool,
                    [&](const Row& row, auto* owner) { return owner && *owner == who && row.link == 0; });
        if (!out.empty()) return out;
        for (const auto& pool : want.pools)
            collect(pool, [&](const Row& row, auto*) { return row.holder == who && row.link == 0; });
        if (!out.empty()) return out;
        for (const auto& pool : want.pools) {
            collect(pool, [&](const Row& row, auto* owner) { return !owner && row.holder.empty(); });
            if (!out.empty()) return out;
            WallTime oldest = WallTime::max();
            for (const auto& [block, row] : rows_.at(pool))
                if (!row.holder.empty() && row.link == 0 && !reserved(spec_of(pool), block))
                    oldest = std::min(oldest, row.until);
            collect(pool, [&](const Row& row, auto* owner) {
                return !owner && !row.holder.empty() && row.link == 0 && row.until == oldest && oldest <= now;
            });
            if (!out.empty()) return out;
        }
        return out;
    }

    void give(const std::string& who, LinkId link, const Grant& grant) {
        rows_[grant.pool][grant.block] = {who, link, {}};
    }

    void release(const std::string& who, LinkId link, const Grant& grant, WallTime now) {
        const auto stray = strays_.find({grant.pool, grant.block});
        if (stray != strays_.end() && stray->second.holder == who && stray->second.link == link)
            strays_.erase(stray);
        const auto spec = std::ranges::find(specs_, grant.pool, &PoolSpec::name);
        if (spec == specs_.end() || !rows_[grant.pool].contains(grant.block)) return;
        Row& row = rows_[grant.pool][grant.block];
        if (row.holder != who || row.link != link) return;
        const auto* owner = reserved(*spec, grant.block);
        row = owner && *owner != who ? Row{} : Row{who, 0, now + spec->lease};
    }

    // What the record must be: every row that is somebody's.
    [[nodiscard]] bool agrees(const std::map<Prefix, Lease>& record) const {
        std::size_t count = strays_.size();
        for (const auto& [key, row] : strays_) {
            const auto found = record.find(key.second);
            if (found == record.end() || found->second.pool != key.first || found->second.link != row.link ||
                found->second.holder.text != row.holder)
                return false;
        }
        for (const auto& [pool, rows] : rows_)
            for (const auto& [block, row] : rows) {
                if (row.holder.empty()) continue;
                ++count;
                const auto found = record.find(block);
                if (found == record.end()) return false;
                const Lease& lease = found->second;
                if (lease.pool != pool || lease.holder.text != row.holder || lease.link != row.link)
                    return false;
                if (row.link == 0 && lease.until != row.until) return false;
            }
        return count == record.size();
    }

    [[nodiscard]] bool agrees(const PoolUsage& usage, WallTime now) const {
        std::uint64_t used = 0;
        std::uint64_t kept = 0;
        for (const auto& [block, row] : rows_.at(usage.spec.name)) {
            used += row.link != 0;
            kept +=
                row.link == 0 && (reserved(usage.spec, block) || (!row.holder.empty() && row.until > now));
        }
        return usage.used == used && usage.kept == kept && usage.size == rows_.at(usage.spec.name).size();
    }

  private:
    [[nodiscard]] bool in_the_way(const Prefix& block) const {
        return std::ranges::any_of(strays_,
                                   [&](const auto& stray) { return stray.first.second.overlaps(block); });
    }
    [[nodiscard]] const PoolSpec& spec_of(const std::string& pool) const {
        return *std::ranges::find(specs_, pool, &PoolSpec::name);
    }
    [[nodiscard]] static const std::string* reserved(const PoolSpec& spec, const Prefix& block) {
        const auto found = std::ranges::find(spec.reserved, block, &Reservation::block);
        return found == spec.reserved.end() ? nullptr : &found->holder.text;
    }

    std::vector<PoolSpec> specs_;
    std::map<std::string, std::map<Prefix, Row>> rows_;
    std::map<std::pair<std::string, Prefix>, Row> strays_; // used by a link, and in no pool any more
};

// Both side by side, and the record that a store would have.
class Trial {
  public:
    explicit Trial(unsigned seed) : random_(seed), specs_(some_specs()), model_(specs_), book_(specs_) {}

    // Empty, or what went wrong.
    std::string step() {
        now_ += std::chrono::seconds(pick(4) == 0 ? pick(3000) : 0);
        const auto dice = pick(1000);
        std::string wrong;
        if (dice < 550)
            wrong = assign();
        else if (dice < 990)
            release();
        else if (dice < 996)
            restart();
        else
            update();
        for (auto& change : book_.take_changes()) {
            if (change.kind == LeaseChange::Kind::remove)
                record_.erase(change.lease.block);
            else
                record_.insert_or_assign(change.lease.block, change.lease);
        }
        if (wrong.empty() && !model_.agrees(record_)) wrong = "the record is another";
        for (const auto& usage : book_.usage(now_))
            if (wrong.empty() && !model_.agrees(usage, now_)) wrong = "usage of " + usage.spec.name;
        return wrong;
    }

  private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::string someone() { return "client" + std::to_string(pick(14)); }
    Want some_want() {
        static const std::vector<Want> wants{{{"a"}}, {{"b"}}, {{"c"}}, {{"a", "b"}}, {{"b", "c", "a"}}};
        return wants[pick(static_cast<unsigned>(wants.size()))];
    }

    std::vector<PoolSpec> some_specs() {
        std::vector<PoolSpec> out{{"a", *Prefix::parse("2001:db8::/60"), pick(4) == 0 ? 62U : 64U},
                                  {"b", *Prefix::parse(pick(3) == 0 ? "10.0.0.0/28" : "10.0.0.0/29"), 32},
                                  {"c", *Prefix::parse("2001:db8:1::/61"), 64}};
        if (pick(3) == 0) std::swap(out[0].prefix, out[2].prefix); // each has the other's, as if renamed
        for (auto& spec : out) {
            spec.lease = std::chrono::seconds(pick(5) * 3600);
            const auto all = blocks(spec);
            for (unsigned n = pick(3); n > 0; --n) {
                const auto& block = all[pick(static_cast<unsigned>(all.size()))];
                if (std::ranges::find(spec.reserved, block, &Reservation::block) == spec.reserved.end())
                    spec.reserved.push_back({holder(someone()), block});
            }
        }
        return out;
    }

    std::string assign() {
        const auto who = someone();
        const LinkId link = 1 + pick(3);
        Assign demand{1, holder(who), link, "clients", {}};
        for (unsigned n = 1 + pick(3); n > 0; --n)
            demand.wants.push_back(some_want());
        const auto answer = book_.assign(demand, now_);
        if (answer.grants.size() != demand.wants.size()) return "not an answer for each want";
        std::set<Prefix> given;
        for (std::size_t i = 0; i < demand.wants.size(); ++i) {
            const auto may = model_.may_have(who, link, demand.wants[i], given, now_);
            const auto& grant = answer.grants[i];
            if (!grant && !may.empty()) return "nothing given";
            if (!grant) continue;
            if (!may.contains(grant->block)) return "given: " + grant->block.to_string();
            given.insert(grant->block);
            model_.give(who, link, *grant);
            out_[{who, link}].push_back(*grant);
        }
        return {};
    }

    void release() {
        if (out_.empty()) return;
        auto at = std::next(out_.begin(), pick(static_cast<unsigned>(out_.size())));
        const auto& [who, link] = at->first;
        book_.release({holder(who), link, at->second}, now_);
        for (const auto& grant : at->second)
            model_.release(who, link, grant, now_);
        out_.erase(at);
    }

    void restart() {
        std::vector<Lease> leases;
        for (const auto& [block, lease] : record_)
            leases.push_back(lease);
        std::ranges::shuffle(leases, random_);
        book_ = LeaseBook(specs_);
        for (const auto& lease : book_.restore(std::move(leases), now_))
            record_.erase(lease.block); // another's reservation
        model_.restart(now_);
        out_.clear();
    }

    void update() {
        specs_ = some_specs();
        book_.update(specs_, now_);
        model_.update(specs_);
    }

    std::mt19937 random_;
    WallTime now_{std::chrono::seconds(1'700'000'000)};
    std::vector<PoolSpec> specs_;
    Model model_;
    LeaseBook book_;
    std::map<Prefix, Lease> record_;
    std::map<std::pair<std::string, LinkId>, std::vector<Grant>> out_;
};

} // namespace

TEST_CASE("the lease book does what a plain table does, and gives no block to two") {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        Trial trial(seed);
        for (int step = 0; step < 2500; ++step) {
            const auto wrong = trial.step();
            INFO("seed " << seed << ", step " << step);
            REQUIRE(wrong == "");
        }
    }
}

#include "xfrm/path_marks.h"

#include "xfrm/marks.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace sheaf::xfrm {
namespace {

std::string advice(const netlink::Error& error) {
    switch (error.code) {
    case EPROTONOSUPPORT: return "; the kernel lacks it: modprobe -a nfnetlink nf_tables";
    case EOPNOTSUPP: return "; the kernel lacks it: tables with an owner came with Linux 5.12";
    case EPERM: return "; sheafd needs the capability CAP_NET_ADMIN";
    case EEXIST:
        return std::string(
                   "; another program has a table of that name, or another home address the same prefix: nft "
                   "list table inet ") +
               netlink::PathTable::kName;
    case ENOTEMPTY:
        return "; a home address or mobile network lies within that of another home address: let them be "
               "apart";
    default: return {};
    }
}

bool is_empty(const HomeMarks& marks) {
    return marks.admitted.empty() && marks.guarded.empty() && marks.rules.empty();
}

std::vector<EspFlow> common(std::vector<EspFlow> one, std::vector<EspFlow> other) {
    std::ranges::sort(one);
    std::ranges::sort(other);
    std::vector<EspFlow> out;
    std::ranges::set_intersection(one, other, std::back_inserter(out));
    return out;
}

bool only_takes_away(const HomeMarks& before, const HomeMarks& after) {
    const bool same_ways = before.rules == after.rules && before.prefixes == after.prefixes;
    return (after.rules.empty() || same_ways) &&
           common(before.admitted, after.admitted).size() == after.admitted.size() &&
           common(before.guarded, after.guarded).size() == after.guarded.size();
}

using Homes = std::map<child::LinkNumber, HomeMarks>;

class NftPathMarks final : public PathMarks {
  public:
    explicit NftPathMarks(netlink::Os& os) : os_(os) {}

    std::expected<void, std::string> change(child::LinkNumber home, const HomeMarks& wanted) override {
        const HomeMarks before = held(home);
        if (is_empty(before) && is_empty(wanted)) return {};
        if (before == wanted && table_ != nullptr) return {};
        const auto changed = put(home, wanted);
        if (!changed) take_away(home, remainder(before, wanted));
        if (held_.empty()) clear();
        if (!changed) return failed(changed.error());
        return {};
    }

    HomeMarks held(child::LinkNumber home) const override {
        const auto found = held_.find(home);
        return found == held_.end() ? HomeMarks{} : found->second;
    }

    void clear() override {
        table_.reset();
        held_.clear();
    }

    bool is_missing() const override { return table_ == nullptr && !held_.empty(); }

    void make_again() override {
        if (!is_missing()) return;
        if (const auto made = make(held_); !made) table_.reset();
    }

  private:
    static std::unexpected<std::string> failed(const netlink::Error& error) {
        return std::unexpected(std::string("the nftables table that chooses care-of addresses, and lets in "
                                           "what comes from them (inet ") +
                               netlink::PathTable::kName + "): " + error.to_string() + advice(error));
    }

    void hold(child::LinkNumber home, const HomeMarks& marks) {
        if (is_empty(marks)) {
            held_.erase(home);
        } else {
            held_.insert_or_assign(home, marks);
        }
    }

    std::expected<void, netlink::Error> put(child::LinkNumber home, const HomeMarks& wanted) {
        if (table_ != nullptr) {
            auto changed = table_->change(held(home), wanted);
            if (changed) hold(home, wanted);
            if (changed || !changed.error().unanswered) return changed;
        }
        auto all = held_;
        all.insert_or_assign(home, wanted);
        auto made = make(all);
        if (made) hold(home, wanted);
        return made;
    }

    // The table anew.
    std::expected<void, netlink::Error> make(const Homes& homes) {
        table_.reset(); // the name is free then
        auto opened = netlink::PathTable::open(os_, {.gate = kGateMark, .mask = kGroupMarkMask});
        if (!opened) return std::unexpected(opened.error());
        for (const auto& [home, marks] : homes) {
            if (auto changed = (*opened)->change({}, marks); !changed) return changed;
        }
        table_ = std::move(*opened);
        return {};
    }

    // By what cannot fail, if need be.
    void take_away(child::LinkNumber home, const HomeMarks& rest) {
        const bool is_so = table_ != nullptr && table_->change(held(home), rest);
        hold(home, rest);
        if (is_so) return;
        table_.reset();
        if (held_.empty()) return;
        if (const auto made = make(held_); !made) table_.reset(); // it is made with the next change
    }

    netlink::Os& os_;
    std::unique_ptr<netlink::PathTable> table_; // none: nothing is let in, whatever is held
    Homes held_;                                // that have something in it
};

} // namespace

HomeMarks remainder(const HomeMarks& before, const HomeMarks& after) {
    if (only_takes_away(before, after)) return after;
    HomeMarks out = before;
    out.admitted = common(before.admitted, after.admitted);
    return out;
}

std::unique_ptr<PathMarks> nft_path_marks(netlink::Os& os) { return std::make_unique<NftPathMarks>(os); }

} // namespace sheaf::xfrm

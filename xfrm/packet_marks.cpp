#include "xfrm/packet_marks.h"

#include "lib/group/shared_sa.h"

#include <cerrno>
#include <map>
#include <utility>

namespace sheaf::xfrm {
namespace {

std::string hint(const netlink::Error& error) {
    switch (error.code) {
    case EPROTONOSUPPORT: return "; the kernel lacks it: modprobe -a nfnetlink nf_tables";
    case EOPNOTSUPP: return "; the kernel lacks it: tables with an owner came with Linux 5.12";
    case EPERM: return "; sheafd needs the capability CAP_NET_ADMIN";
    case EEXIST: return "; another program has a table of that name: nft list table inet sheaf";
    default: return {};
    }
}

class NftMarks final : public PacketMarks {
  public:
    explicit NftMarks(netlink::Os& os) : os_(os) {}

    std::expected<void, std::string> change(const std::vector<PacketMark>& added,
                                            const std::vector<PacketMark>& removed) override {
        if (added.empty() && removed.empty()) return {};
        hold(added, removed);
        const auto changed = put(added, removed);
        if (!changed) hold(removed, added);
        if (held_.empty()) clear();
        if (changed) return {};
        make_again();
        return failed(changed.error());
    }

    void make_again() override {
        if (table_ != nullptr || held_.empty()) return;
        [[maybe_unused]] const auto made = make(); // if not, after the next plan
    }

    void clear() override {
        table_.reset();
        held_.clear();
    }

  private:
    static std::unexpected<std::string> failed(const netlink::Error& error) {
        return std::unexpected(std::string("the nftables table that tells a group's senders apart (inet ") +
                               netlink::MarkTable::kName + "): " + error.to_string() + hint(error));
    }

    void hold(const std::vector<PacketMark>& added, const std::vector<PacketMark>& removed) {
        for (const PacketMark& one : removed)
            held_.erase(one.packet);
        for (const PacketMark& one : added)
            held_[one.packet] = one.mark;
    }

    // Where the kernel's answer was lost, nobody knows what the table holds.
    std::expected<void, netlink::Error> put(const std::vector<PacketMark>& added,
                                            const std::vector<PacketMark>& removed) {
        if (table_ != nullptr) {
            auto changed = table_->change(added, removed);
            if (changed || !changed.error().unanswered) return changed;
        }
        return make();
    }

    // The table anew, with all that is held.
    std::expected<void, netlink::Error> make() {
        table_.reset(); // the name is free then
        if (held_.empty()) return {};
        auto opened = netlink::MarkTable::open(os_, group::kFirstGroupSpi);
        if (!opened) return std::unexpected(opened.error());
        std::vector<PacketMark> all;
        for (const auto& [packet, mark] : held_)
            all.push_back({packet, mark});
        if (auto changed = (*opened)->change(all, {}); !changed) return changed;
        table_ = std::move(*opened);
        return {};
    }

    netlink::Os& os_;
    std::unique_ptr<netlink::MarkTable> table_; // none: nothing is marked, whatever is held
    std::map<AddressPair, std::uint32_t> held_;
};

} // namespace

std::unique_ptr<PacketMarks> nft_marks(netlink::Os& os) { return std::make_unique<NftMarks>(os); }

} // namespace sheaf::xfrm

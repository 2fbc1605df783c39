#include "xfrm/packet_marks.h"

#include "lib/group/shared_sa.h"

#include <cerrno>
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
        if (table_ == nullptr) {
            auto opened = netlink::MarkTable::open(os_, group::kFirstGroupSpi);
            if (!opened) return failed(opened.error());
            table_ = std::move(*opened);
        }
        const auto changed = table_->change(added, removed);
        if (changed) count_ = count_ + added.size() - removed.size();
        if (count_ == 0) clear();
        if (!changed) return failed(changed.error());
        return {};
    }

    void clear() override {
        table_.reset();
        count_ = 0;
    }

  private:
    static std::unexpected<std::string> failed(const netlink::Error& error) {
        return std::unexpected(std::string("the nftables table that tells a group's senders apart (inet ") +
                               netlink::MarkTable::kName + "): " + error.to_string() + hint(error));
    }

    netlink::Os& os_;
    std::unique_ptr<netlink::MarkTable> table_;
    std::size_t count_ = 0;
};

} // namespace

std::unique_ptr<PacketMarks> nft_marks(netlink::Os& os) { return std::make_unique<NftMarks>(os); }

} // namespace sheaf::xfrm

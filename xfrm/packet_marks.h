#pragma once

#include "netlink/mark_table.h"
#include "netlink/os.h"

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::xfrm {

using netlink::AddressPair;
using netlink::PacketMark;

// What marks packets of ESP under group SAs by their outer addresses, before the SAD is looked up.
class PacketMarks {
  public:
    PacketMarks() = default;
    PacketMarks(const PacketMarks&) = delete;
    PacketMarks& operator=(const PacketMarks&) = delete;
    virtual ~PacketMarks() = default;

    // All or nothing; blocking, for a fraction of a millisecond. REQUIRES: what is added is not there, what is
    // removed is. An error is a sentence.
    [[nodiscard]] virtual std::expected<void, std::string> change(const std::vector<PacketMark>& added,
                                                                  const std::vector<PacketMark>& removed) = 0;
    virtual void clear() = 0;    // removes all
    virtual void make_again() {} // what was lost and could not be made anew
};

// By a netlink::MarkTable, made with the first mark and removed with the last one. Before that nothing of
// nftables is touched or needed.
//
// Network namespace: the thread's at the first mark. `os` must outlive the object.
[[nodiscard]] std::unique_ptr<PacketMarks> nft_marks(netlink::Os& os);

} // namespace sheaf::xfrm

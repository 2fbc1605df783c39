#pragma once

#include "lib/child/link.h"
#include "netlink/os.h"
#include "netlink/path_table.h"

#include <expected>
#include <memory>
#include <string>

namespace sheaf::xfrm {

using netlink::EspFlow;
using netlink::HomeMarks;
using netlink::PathRule;

// What is left of `before` when a change to `after` fails: all of it but what was to be let in no longer. One that only
// takes away is not prevented by a failure.
[[nodiscard]] HomeMarks remainder(const HomeMarks& before, const HomeMarks& after);

// What lets ESP in for a home agent, and marks packets for the ways of a home address.
class PathMarks {
  public:
    PathMarks() = default;
    PathMarks(const PathMarks&) = delete;
    PathMarks& operator=(const PathMarks&) = delete;
    virtual ~PathMarks() = default;

    // Of one home address; all at once. Blocking. With an error, which is a sentence, held() is what remains.
    [[nodiscard]] virtual std::expected<void, std::string> change(child::LinkNumber home,
                                                                  const HomeMarks& wanted) = 0;
    // Nothing beyond this is let in.
    [[nodiscard]] virtual HomeMarks held(child::LinkNumber home) const = 0;
    virtual void clear() = 0; // removes all

    // Whether nothing is let in, and nothing chosen, though something is held; and another try to end that. Blocking.
    [[nodiscard]] virtual bool is_missing() const { return false; }
    virtual void make_again() {}
};

// By a netlink::PathTable, made with the first home address that needs it and removed with the last one. Before that
// nothing of nftables is touched or needed.
//
// Where the kernel has not told whether a change was made, or does not take away what must go, the whole table is
// dropped and made anew. As long as that fails no ESP of a home agent's is let in; the next change of any home address
// tries again, and make_again().
//
// Network namespace: the thread's at the first change. `os` must outlive the object.
[[nodiscard]] std::unique_ptr<PathMarks> nft_path_marks(netlink::Os& os);

} // namespace sheaf::xfrm

#pragma once

#include "lib/child/kernel.h"
#include "xfrm/care_of_state.h"
#include "xfrm/path_marks.h"
#include "xfrm/policy.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

// What a home address of Mobile IPv6 consists of in the kernel. Pure functions.
namespace sheaf::xfrm {

// More flows of one home address than this are refused: packets walk them one after the other. Each is up to five
// rules, and all rules of a home address are one transaction (kernel-test mobility-table makes the largest).
inline constexpr std::size_t kMaxMobilityFlows = 256;

// What is wanted of one home address: the picture, and which inbound SAs there are.
struct Home {
    child::MobilityLink link;
    std::set<wire::ChildSpi> payload;   // mode tunnel
    std::set<wire::ChildSpi> transport; // signalling, prefix discovery
    friend bool operator==(const Home&, const Home&) = default;
};

// Why there can be no such link; empty when there can.
[[nodiscard]] std::string unfit(const child::MobilityLink& link);
[[nodiscard]] std::string
text_of(const child::MobilityLink& link); // "home address 2001:db8::5 (link 0x53000001)"

[[nodiscard]] const child::CareOf* find(const child::MobilityLink& link, std::uint16_t bid); // registered
[[nodiscard]] bool is_registered(const child::MobilityLink& link);                           // anywhere

// Its interface, with address and routes.
[[nodiscard]] child::Link link_of(const child::MobilityLink& link);
// What puts care-of addresses into signalling at the mobile node, and takes them at both ends.
[[nodiscard]] std::vector<CareOfState> care_of_states(const child::MobilityLink& link);
// Of signalling: off the interface. Of payload: with the link's number, so that what comes by the SAs of another
// mobile node meets other policies. Each once.
[[nodiscard]] std::vector<Policy> policies_of(const child::MobilityLink& link);
// Where ESP may come from, and which flows take which way; HomeMarks{} if there is nothing of either.
[[nodiscard]] HomeMarks marks_of(const Home& home);

// What packets an SA in transport mode is for, signalling or prefix discovery by its reqid. Outbound from our end.
[[nodiscard]] Selector transport_selector(const child::MobilityLink& link, std::uint32_t reqid,
                                          bool outbound);

} // namespace sheaf::xfrm

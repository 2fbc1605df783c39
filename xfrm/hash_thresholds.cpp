#include "xfrm/hash_thresholds.h"

#include <linux/xfrm.h>

#include <cstring>

namespace sheaf::xfrm {
namespace {

std::optional<xfrmu_spdhthresh> read(const netlink::Attributes& attributes, std::uint16_t type) {
    xfrmu_spdhthresh out{};
    const View value = attributes.bytes(type);
    if (value.size() < sizeof out) return std::nullopt;
    std::memcpy(&out, value.data(), sizeof out);
    return out;
}

} // namespace

netlink::Message set_thresholds(const HashThresholds& thresholds) {
    netlink::Builder out(XFRM_MSG_NEWSPDINFO, 0);
    out.fixed<std::uint32_t>(); // flags
    out.put_struct(XFRMA_SPD_IPV4_HTHRESH,
                   xfrmu_spdhthresh{.lbits = thresholds.local4, .rbits = thresholds.remote4});
    out.put_struct(XFRMA_SPD_IPV6_HTHRESH,
                   xfrmu_spdhthresh{.lbits = thresholds.local6, .rbits = thresholds.remote6});
    return out.finish();
}

netlink::Message query_thresholds() {
    netlink::Builder out(XFRM_MSG_GETSPDINFO, 0);
    out.fixed<std::uint32_t>();
    return out.finish();
}

std::optional<HashThresholds> parse_thresholds(const nlmsghdr& message) {
    std::uint32_t flags = 0;
    if (message.nlmsg_type != XFRM_MSG_NEWSPDINFO || !netlink::read_fixed(message, &flags, sizeof flags))
        return std::nullopt;
    const auto attributes = netlink::Attributes::of(message, sizeof flags);
    const auto four = read(attributes, XFRMA_SPD_IPV4_HTHRESH),
               six = read(attributes, XFRMA_SPD_IPV6_HTHRESH);
    if (!four || !six) return std::nullopt;
    return HashThresholds{
        .local4 = four->lbits, .remote4 = four->rbits, .local6 = six->lbits, .remote6 = six->rbits};
}

} // namespace sheaf::xfrm

#pragma once

#include "netlink/error.h"

#include <linux/netlink.h>

#include <expected>

namespace sheaf::netlink {

// What NLMSG_ERROR says, with the extended acknowledgement's text and offset; a code of 0 is success.
[[nodiscard]] std::expected<void, Error> acknowledgement(const nlmsghdr& message);

// What NLMSG_DONE says at the end of a dump.
[[nodiscard]] std::expected<void, Error> end_of_dump(const nlmsghdr& message);

} // namespace sheaf::netlink

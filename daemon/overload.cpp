#include "daemon/overload.h"

#include "lib/wire/header.h"

namespace sheaf::daemon {
namespace {

// RFC 7296 2.6: a cookie that is returned is the first payload.
bool asks_without_cookie(View message) {
    const auto header = wire::parse_header(message);
    return header && header->exchange == wire::ExchangeType::ike_sa_init && !header->response &&
           header->next != wire::PayloadType::notify;
}

} // namespace

bool Overload::observe(unsigned hundredths) {
    const bool before = active_;
    active_ = hundredths >= (active_ ? kEnds : kBegins);
    return active_ && !before;
}

bool Overload::drops(const ike::Datagram& datagram) {
    if (!active_ || !asks_without_cookie(datagram.bytes)) return false;
    ++dropped_;
    return true;
}

} // namespace sheaf::daemon

#include "netlink/error.h"

#include <cstring>

namespace sheaf::netlink {

std::string errno_name(int code) {
    const char* name = strerrorname_np(code);
    return name != nullptr ? name : "error " + std::to_string(code);
}

std::string Error::to_string() const {
    std::string out = errno_name(code) + ": ";
    if (!text.empty()) {
        out += text;
    } else {
        const char* description = strerrordesc_np(code);
        out += description != nullptr ? description : "an error that the C library does not know";
    }
    if (offset != 0) out += " (octet " + std::to_string(offset) + " of the request)";
    return out;
}

} // namespace sheaf::netlink

#pragma once

#include <cstdint>
#include <string>

namespace sheaf::netlink {

// Why a request failed.
struct Error {
    int code = 0;             // an errno value, positive
    std::string text{};       // the kernel's extended acknowledgement; empty where it gave none
    std::uint32_t offset = 0; // octets into our message at which the kernel stumbled; 0: not told
    bool unanswered = false;  // no answer came, so the request may have been carried out

    // "EINVAL: Unknown algorithm (octet 244 of the request)", or the C library's words for the code.
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const Error&, const Error&) = default;
};

[[nodiscard]] std::string errno_name(int code); // "EINVAL"

} // namespace sheaf::netlink

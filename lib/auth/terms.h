#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sheaf::auth {

enum class Method : std::uint8_t { shared_key, certificate, raw_public_key };

// What a connection says about authentication.
struct Terms {
    // How we prove ourselves; empty: by a certificate or raw key for our identity if there is one, else by a
    // shared key.
    std::vector<Method> ours;
    // What we accept of the peer; empty: whatever credential we have for its identity.
    std::vector<Method> theirs;
    // Certificates: the authority (by subject) that the peer's chain must end in; empty: any.
    std::vector<std::string> authorities;
    // Whether a chain of which some certificate has no revocation list is refused.
    bool require_revocation_list = false;
    // RFC 8247 3.2: whether RSA with SHA-1 (method 1 of RFC 7296 3.8) is accepted for want of better.
    bool allow_sha1 = false;
    friend bool operator==(const Terms&, const Terms&) = default;
};

} // namespace sheaf::auth

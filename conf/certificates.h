#pragma once

#include "conf/connections.h"
#include "conf/json.h"
#include "conf/settings.h"
#include "conf/source.h"
#include "lib/auth/credentials.h"

#include <string>
#include <vector>

namespace sheaf::conf {

// Bounds on files: what implementations make is a tenth of it.
inline constexpr std::size_t kMaxCertificateFile = 256 * 1024; // a chain as long as crypto::kMaxChain
inline constexpr std::size_t kMaxKeyFile = 32 * 1024;          // RSA with 8192 bits in PEM needs 7 KiB
inline constexpr std::size_t kMaxRevocationFile = 64 * 1024 * 1024;

// What "certificates", "authorities" and "public_keys" of the file come to. Files of private keys are guarded
// as secrets are.
struct Certificates {
    auth::Credentials credentials; // without shared keys
    Authorities authorities;
    bool complete = true; // false: something was reported, and may be what seems to be missing elsewhere
};

[[nodiscard]] Certificates read_certificates(const json::Value& root, const Environment& environment,
                                             Report& report);

// What an operator should know though the file is right: certificates of ours and authorities that have
// expired, will soon, or are not valid yet.
[[nodiscard]] std::vector<std::string> certificate_notes(const auth::Credentials& credentials, WallTime now);

// Whether a certificate vouches for an identity (RFC 4945 3.1: its subject or one of its alternative names).
[[nodiscard]] bool vouches(const crypto::Certificate& certificate, const auth::Identity& identity);

} // namespace sheaf::conf

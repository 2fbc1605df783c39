#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

namespace sheaf::conf {

// Whether each connection has what it takes to prove who we are, and to check who the peer is: secrets,
// certificates with their authorities, raw public keys. `complete`: all that the file says of certificates
// and keys could be read; otherwise what seems to be missing is not told.
void check_proofs(const json::Value& root, const ike::Config& config, bool complete, Report& report);

} // namespace sheaf::conf

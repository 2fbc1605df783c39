#pragma once

#include "lib/base/rule.h"
#include "lib/child/kernel.h"
#include "lib/child/selector.h"
#include "lib/ike/config.h"
#include "lib/ike/mobile_use.h"
#include "lib/wire/payload.h"

#include <optional>
#include <string>

namespace sheaf::ike {

// The Child SA of our configuration that a peer's offer means.
struct ChildMatch {
    std::string name;
    const ChildTerms* terms = nullptr;
    child::Mode mode{};
    child::Narrowed narrowed;
    bool on_link = false;           // of a gateway's or client's virtual link
    std::optional<MobileUse> use{}; // home agent
};

// Why there is none, and what the peer is answered.
struct ChildRefused {
    Rule rule{};
    wire::Notify answer;
    std::string detail;
};

} // namespace sheaf::ike

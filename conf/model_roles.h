#pragma once

#include "conf/spec.h"

// Which connections have a key: the roles that the tables of the configuration name.
namespace sheaf::conf::roles {

inline constexpr Roles kGateway{{"gateway"}};
inline constexpr Roles kClient{{"client"}};
inline constexpr Roles kPeer{{"peer"}};
inline constexpr Roles kGatewayOrClient{{"gateway", "client"}};
inline constexpr Roles kHomeAgent{{"home-agent"}};
inline constexpr Roles kMobileNode{{"mobile-node"}};
inline constexpr Roles kNotMobile{{"gateway", "client", "peer"}};
inline constexpr Roles kNotPeer{{"gateway", "client", "home-agent", "mobile-node"}};
inline constexpr Roles kAnswering{{"gateway", "peer", "home-agent"}};
inline constexpr Roles kBeginning{{"client", "peer", "mobile-node"}};
inline constexpr Roles kClientOrNode{{"client", "mobile-node"}};
inline constexpr Roles kReauthenticating{{"gateway", "client", "peer", "mobile-node"}};
inline constexpr Roles kWithPools{{"gateway", "home-agent"}};
inline constexpr Roles kWithNetworks{{"gateway", "client", "mobile-node"}};

} // namespace sheaf::conf::roles

#pragma once

#include "lib/ike/engine.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace sheaf::daemon {

// Asks the kernel's routes which of our addresses reaches a peer, as the IKE sockets would: with their mark,
// and no other address than they are bound to.
class RouteLookup final : public ike::SourceAddress {
  public:
    // `bound`: the listen addresses, "any" among them or not.
    RouteLookup(std::vector<IpAddress> bound, std::optional<std::uint32_t> mark);

    [[nodiscard]] std::optional<IpAddress> source_for(const IpAddress& peer) override;

  private:
    [[nodiscard]] std::optional<IpAddress> routed(const IpAddress& peer) const;

    std::vector<IpAddress> bound_;
    std::optional<std::uint32_t> mark_;
};

} // namespace sheaf::daemon

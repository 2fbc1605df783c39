#pragma once

#include "daemon/uplinks.h"
#include "lib/base/secret.h"
#include "lib/ike/engine.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace sheaf::daemon {

// The host as the engine sees it. Which of our addresses reaches a peer is asked of the kernel's routes, as
// the IKE sockets would be sent: with their mark, and from no other address than they are bound to.
class RouteLookup final : public ike::Surroundings {
  public:
    // `bound`: the listen addresses, "any" among them or not. `stable`: daemon/stable_secret.h; empty where
    // nothing needs it.
    RouteLookup(std::vector<IpAddress> bound, std::optional<std::uint32_t> mark, Secret stable);

    // Where source_over() asks; must outlive the object. Without it no uplink reaches anything.
    void over(Uplinks& uplinks) { uplinks_ = &uplinks; }

    [[nodiscard]] View stable_secret() override { return stable_.view(); }
    [[nodiscard]] std::optional<IpAddress> source_for(const IpAddress& peer) override;
    [[nodiscard]] std::expected<IpAddress, std::string> source_over(const std::string& uplink,
                                                                    const IpAddress& peer) override;
    [[nodiscard]] bool is_on_link(const std::string& uplink, const IpAddress& address) override;
    [[nodiscard]] WallTime wall_time() override;

  private:
    [[nodiscard]] bool listens(const IpAddress& address) const;
    [[nodiscard]] std::optional<IpAddress> routed(const IpAddress& peer) const;

    std::vector<IpAddress> bound_;
    std::optional<std::uint32_t> mark_;
    Secret stable_;
    Uplinks* uplinks_ = nullptr;
};

} // namespace sheaf::daemon

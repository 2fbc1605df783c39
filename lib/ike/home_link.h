#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/child/mobility_link.h"
#include "lib/ike/announcer.h"
#include "lib/ike/mobile_use.h"

#include <optional>
#include <string>
#include <vector>

namespace sheaf::ike {

// A home address in the kernel, at either end: its numbers, and the picture that the kernel was told last.
//
// It is open while a Child SA of the home address is there, and at a mobile node as long as the connection is to be
// up, so that nothing goes out in clear meanwhile.
class HomeLink {
  public:
    struct Numbers {
        child::LinkNumber payload = 0;
        child::LinkNumber signalling = 0;
        child::LinkNumber home_test = 0;
        child::LinkNumber prefix_discovery = 0;
    };
    HomeLink(std::string connection, HomeClaim claim, Numbers numbers)
        : connection_(std::move(connection)), claim_(std::move(claim)), numbers_(numbers) {}

    [[nodiscard]] const std::string& connection() const { return connection_; }
    [[nodiscard]] const HomeClaim& claim() const { return claim_; }
    void set_networks(const std::vector<Prefix>& networks) { claim_.networks = networks; }
    [[nodiscard]] const Numbers& numbers() const { return numbers_; }
    [[nodiscard]] child::LinkNumber reqid_for(const MobileUse& use) const;
    [[nodiscard]] bool is_open() const { return open_; }
    // The kernel drops what is not protected.
    [[nodiscard]] bool is_guarded() const { return open_ && guarded_; }
    // Likewise of ICMPv6 with the other end, for which it has policies (MobilityLink::prefix_discovery).
    [[nodiscard]] bool guards_prefixes() const { return open_ && guards_prefixes_; }

    // Whether it can be told so; otherwise it has to be closed, and opened anew.
    [[nodiscard]] bool fits(const IpAddress& agent, const std::string& interface) const {
        return claim_.agent == agent && (!open_ || interface_ == interface);
    }

    // Whether the kernel is to be told this picture now.
    [[nodiscard]] bool wants(const child::MobilityLink& picture, Instant now) const;
    // The step that tells it.
    [[nodiscard]] child::KernelStep tell(const child::MobilityLink& picture);
    void submitted(child::IntentId id);
    // The answer to an intent that told it. A picture that the kernel has refused is told again after a while; one that
    // was to open it, with the next Child SA.
    void done(const child::IntentDone& answer, Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const { return again_; }
    void on_timeout(Instant now);
    // What the neighbours on the home link are to be told of what the kernel has confirmed.
    [[nodiscard]] Announcer& announcer() { return announcer_; }
    [[nodiscard]] const Announcer& announcer() const { return announcer_; }
    // REQUIRES is_open().
    [[nodiscard]] child::KernelStep close();

  private:
    std::string connection_;
    HomeClaim claim_;
    Numbers numbers_;
    bool open_ = false;
    std::optional<child::IntentId> opened_by_;
    std::string interface_; // that it was opened on
    bool guarded_ = false;
    bool guards_prefixes_ = false;
    std::optional<child::MobilityLink> told_;
    child::IntentId intent_ = 0; // the latest that told it
    std::optional<Instant> again_;
    Announcer announcer_;
};

} // namespace sheaf::ike

#pragma once

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/netlink_socket.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "xfrm/kernel.h"
#include "xfrm/plan.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::kernel_test {

// All that the kernel holds of the kinds that Sheaf deals with, ours or not.
struct Snapshot {
    std::vector<xfrm::State> states;
    std::vector<xfrm::Policy> policies;
    std::vector<netlink::Route> routes;     // of our tables
    std::vector<netlink::Rule> rules;       // but for the three that every family has
    std::vector<netlink::LinkObject> links; // of kind xfrm
    std::vector<netlink::Address> addresses;

    [[nodiscard]] std::size_t objects() const {
        return states.size() + policies.size() + routes.size() + rules.size() + links.size();
    }
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// A network namespace of our own with an Os that counts, a Kernel inside, and sockets of our own to look
// with. The thread is in the namespace last entered.
class World {
  public:
    World(); // makes the namespace and enters it; ends the program when that fails
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    void enter() const;

    [[nodiscard]] std::unique_ptr<xfrm::Kernel> kernel();
    [[nodiscard]] Snapshot look();
    // Sends one message by a socket that is not the Kernel's, as another program would.
    [[nodiscard]] std::optional<netlink::Error> send(xfrm::Room room, netlink::Message message);

    [[nodiscard]] std::size_t sends() const; // sendmsg calls so far, all sockets

    [[nodiscard]] int descriptor() const { return namespace_; }

  private:
    void settle(netlink::Socket& socket);

    int namespace_ = -1;
    std::unique_ptr<netlink::Os> os_;
    std::unique_ptr<netlink::Socket> route_;
    std::unique_ptr<netlink::Socket> xfrm_;
};

[[nodiscard]] Instant now(); // CLOCK_BOOTTIME

// Applies one intent and waits for its end. Other events are kept in `others`.
struct Outcome {
    std::optional<std::string> error;
    bool ended = false;
    std::vector<child::KernelEvent> others{};
};
[[nodiscard]] Outcome apply(xfrm::Kernel& kernel, std::vector<child::KernelStep> steps);

// Runs the kernel's loop until something is told, or for that long.
[[nodiscard]] std::vector<child::KernelEvent> events_within(xfrm::Kernel& kernel, Duration limit);

// Runs a shell command in the current namespace; its exit code.
int shell(const std::string& command);

// What a shell's command prints, errors included, in the namespace that is entered.
[[nodiscard]] std::string output_of(const std::string& command);

} // namespace sheaf::kernel_test

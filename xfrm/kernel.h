#pragma once

#include "netlink/os.h"
#include "xfrm/kernel_edge.h"
#include "xfrm/packet_marks.h"
#include "xfrm/path_marks.h"

#include <chrono>
#include <cstddef>
#include <memory>

namespace sheaf::xfrm {

// The running kernel, by netlink.
//
// An intent is expanded into one message per kernel object; the messages of an intent, and of intents that
// have no link in common, travel together in few datagrams. Only where a later message needs the answer to an
// earlier one (an interface's index), or must not be carried out unless the earlier succeeded (a removal
// after an installation), the intent waits for acknowledgements.
//
// All or nothing: each installed object has its undo. When a message fails, or is not answered in time, what
// the intent has installed is removed in reverse order before IntentDone tells the first failure.
//
// Marks of ours, by which reconcile() knows what it may remove: reqid, and if_id where there is one, between
// child::kFirstLink and child::kLastLink, routes and rules of protocol kProtocol in our tables and
// priorities, interfaces of kind xfrm with the alias kAlias, addresses of protocol kProtocol. The nftables tables
// need none: they go with the process.
class Kernel final : public KernelEdge {
  public:
    struct Settings {
        Duration answer_deadline =
            std::chrono::seconds(10); // per message; the kernel answers within its send
        std::size_t window = 256;     // messages that may be unanswered at once, per socket
        std::size_t parallel_intents = 64;
    };

    // `os` must outlive the object. The error names what lacks and the remedy.
    [[nodiscard]] static std::expected<std::unique_ptr<Kernel>, std::string> open(netlink::Os& os);
    [[nodiscard]] static std::expected<std::unique_ptr<Kernel>, std::string> open(netlink::Os& os,
                                                                                  const Settings& settings);
    // With other means than nftables to tell a group's senders apart, and for Mobile IPv6.
    struct MarkMeans {
        std::unique_ptr<PacketMarks> groups;
        std::unique_ptr<PathMarks> homes;
    };
    [[nodiscard]] static std::expected<std::unique_ptr<Kernel>, std::string>
    open(netlink::Os& os, const Settings& settings, MarkMeans marks);
    ~Kernel() override;

    [[nodiscard]] std::expected<Abilities, std::string> probe() override;
    [[nodiscard]] std::expected<Removed, std::string> reconcile() override;
    void apply(child::KernelIntent&& intent, Instant now) override;
    void flush(Instant now) override;
    [[nodiscard]] std::span<const int> fds() const override;
    void on_readable(Instant now) override;
    [[nodiscard]] std::optional<Instant> next_timeout() const override;
    void on_timeout(Instant now) override;
    [[nodiscard]] std::vector<child::KernelEvent> take_events() override;
    void ask_usage(Instant now) override;
    [[nodiscard]] std::optional<std::vector<SaUsage>> take_usage() override;
    [[nodiscard]] std::vector<GroupRoute> group_routes(child::LinkNumber group) const override;

  private:
    struct Parts;
    explicit Kernel(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace sheaf::xfrm

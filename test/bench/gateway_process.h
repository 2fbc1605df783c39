#pragma once

#include "lib/base/ip.h"
#include "test/unit/daemon/scratch_folder.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace sheaf::bench {

// What the clients of the gateway below and it itself prove who they are with.
inline constexpr std::string_view kSharedSecret = "not for use outside of this measurement";

// All of sheafd but the kernel, in a process of its own on ports of 127.0.0.1: the loop, the sockets, the
// engine, the log (into a file nobody reads) and the control socket. It ends with this object or our process.
class GatewayProcess {
  public:
    // REQUIRES: no thread was begun yet.
    GatewayProcess();
    ~GatewayProcess();
    GatewayProcess(const GatewayProcess&) = delete;
    GatewayProcess& operator=(const GatewayProcess&) = delete;

    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

    struct Counters {
        std::uint64_t datagrams_in = 0;
        std::uint64_t datagrams_out = 0;
        std::uint64_t retransmits = 0;
        std::uint64_t half_open = 0; // at this moment
        std::uint64_t established = 0;
        std::map<std::string, std::uint64_t> refused; // by rule
        std::uint64_t lost = 0;                       // datagrams for which its sockets had no room
        std::chrono::nanoseconds worked{};            // processor time
        std::chrono::nanoseconds answered_in{};       // how long `sheafctl status` would have waited
    };
    // As the control socket and the system tell. Without an answer in ten seconds the measurement ends.
    [[nodiscard]] Counters counters() const;

  private:
    daemon::test::ScratchFolder folder_;
    std::string control_;
    Endpoint endpoint_;
    pid_t pid_ = -1;
};

} // namespace sheaf::bench

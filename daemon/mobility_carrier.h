#pragma once

#include "daemon/mobility_socket.h"
#include "lib/child/kernel.h"
#include "lib/ike/config.h"
#include "lib/ike/mobility_header.h"

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace sheaf::daemon {

// Whether a configuration has a home agent or a mobile node.
[[nodiscard]] bool needs_mobility(const ike::Config& config);
// What of prefix discovery comes in by it: questions to home agents, answers to mobile nodes.
[[nodiscard]] std::set<mobility::PrefixMessageType> prefix_messages(const ike::Config& config);

// Which of our addresses are home agents', and what of prefix discovery comes in.
struct MobilityScope {
    std::set<IpAddress> agents;
    std::set<mobility::PrefixMessageType> prefixes;
};
[[nodiscard]] MobilityScope mobility_scope(const ike::Config& config);

// "message of Mobile IPv6 from ... not sent: ...", with the remedy where the errno tells one.
[[nodiscard]] std::string unsent(const ike::MobilityHeader& header, int error);

// Brings the engine's messages of Mobile IPv6 to the raw sockets, and what comes in to the engine.
//
// A message waits until the kernel has carried out what was asked of it before: else it might leave without its care-of
// address, or without its SAs, and be dropped.
class MobilityCarrier {
  public:
    explicit MobilityCarrier(MobilitySocket socket) : socket_(std::move(socket)) {}

    // What comes in from now on. REQUIRES: there is a socket for prefix discovery, if anything of it does. Error: a
    // sentence; then it is what came in before.
    [[nodiscard]] std::expected<void, std::string> configure(MobilityScope scope);
    [[nodiscard]] const MobilityScope& scope() const { return scope_; }
    [[nodiscard]] int fd() const { return socket_.fd(); }
    // For prefix discovery: of ICMPv6.
    void carry_prefixes(MobilitySocket socket) { prefixes_.emplace(std::move(socket)); }
    [[nodiscard]] std::optional<int> prefixes_fd() const {
        return prefixes_ ? std::optional(prefixes_->fd()) : std::nullopt;
    }

    // `mark`: the latest intent that the kernel was given.
    void send_after(child::IntentId mark, ike::MobilityHeader header);
    // Sends what waits for no intent any more; `answered` says it of a mark. What is said of the latest that could not
    // be sent; empty if all were.
    template <typename Answered>
    [[nodiscard]] std::string flush(Answered answered) {
        std::string failure;
        while (!waiting_.empty() && answered(waiting_.front().first)) {
            const ike::MobilityHeader& header = waiting_.front().second;
            if (const int error = send(header); error != 0) failure = unsent(header, error);
            waiting_.pop_front();
        }
        return failure;
    }

    // Of the socket of that protocol. Nothing waits; or something that cannot be read; or a message.
    [[nodiscard]] std::variant<MobilitySocket::Empty, MobilitySocket::Skipped, ike::MobilityHeader>
    receive(std::uint8_t protocol);

  private:
    [[nodiscard]] int send(const ike::MobilityHeader& header) const;

    MobilitySocket socket_;
    std::optional<MobilitySocket> prefixes_;
    MobilityScope scope_;
    std::deque<std::pair<child::IntentId, ike::MobilityHeader>> waiting_;
};

// The one as the other has it.
[[nodiscard]] MobilityDatagram to_datagram(const ike::MobilityHeader& header);
// `to_agent`: it came to a home agent's address. It is protected, for the kernel drops what is not, where it has policies.
[[nodiscard]] ike::MobilityHeader to_header(MobilityDatagram datagram, bool to_agent,
                                            std::uint8_t protocol = mobility::kMobilityProtocol);

} // namespace sheaf::daemon

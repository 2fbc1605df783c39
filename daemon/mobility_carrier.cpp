#include "daemon/mobility_carrier.h"

#include "lib/child/mobility_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sheaf::daemon {
namespace {

// More than one turn brings; a kernel that never answers does not make us keep more.
constexpr std::size_t kMostWaiting = 4096;

std::string remedy_for(const IpAddress& from, const IpAddress& to, int error) {
    switch (error) {
    case EADDRNOTAVAIL:
    case EINVAL:
        return fmt::format("; the host needs the address {0}: ip -6 addr show to {0}", from.to_string());
    case ENETUNREACH:
    case EHOSTUNREACH:
        return fmt::format("; the host needs a route there: ip -6 route get {}", to.to_string());
    case EPERM:
    case EACCES:
        return "; a packet filter or another IPsec policy refuses it: nft list ruleset; ip xfrm policy";
    case EAGAIN:
    case ESRCH: return "; there is no SA for it now, and it is sent again";
    default: return {};
    }
}

} // namespace

std::string unsent(const ike::MobilityHeader& header, int error) {
    const IpAddress& from = header.to_agent ? header.home : header.agent;
    const IpAddress& to = header.to_agent ? header.agent : header.home;
    const std::string care_of =
        header.care_of == header.home ? "at home" : "care-of address " + header.care_of.to_string();
    return fmt::format("message of Mobile IPv6 from {} to {} (home address {}, {}) not sent: {}{}",
                       from.to_string(), to.to_string(), header.home.to_string(), care_of,
                       std::strerror(error), remedy_for(from, to, error));
}

bool needs_mobility(const ike::Config& config) {
    return std::ranges::any_of(config.connections, [](const ike::Connection& connection) {
        return connection.home_service || connection.mobile;
    });
}

std::set<mobility::PrefixMessageType> prefix_messages(const ike::Config& config) {
    std::set<mobility::PrefixMessageType> out;
    for (const auto& connection : config.connections) {
        if (connection.home_service && connection.home_service->prefix_discovery)
            out.insert(mobility::PrefixMessageType::solicitation);
        if (connection.mobile && connection.mobile->prefix_discovery)
            out.insert(mobility::PrefixMessageType::advertisement);
    }
    return out;
}

MobilityScope mobility_scope(const ike::Config& config) {
    MobilityScope out{{}, prefix_messages(config)};
    for (const auto& connection : config.connections)
        if (connection.home_service) out.agents.insert(connection.home_service->address);
    return out;
}

std::expected<void, std::string> MobilityCarrier::configure(MobilityScope scope) {
    if (prefixes_)
        if (auto done = prefixes_->let_in(scope.prefixes); !done) return done;
    scope_ = std::move(scope);
    return {};
}

void MobilityCarrier::send_after(child::IntentId mark, ike::MobilityHeader header) {
    if (waiting_.size() == kMostWaiting) waiting_.pop_front();
    waiting_.emplace_back(mark, std::move(header));
}

int MobilityCarrier::send(const ike::MobilityHeader& header) const {
    if (header.protocol == mobility::kMobilityProtocol) return socket_.send(to_datagram(header));
    return prefixes_ ? prefixes_->send(to_datagram(header)) : 0;
}

std::variant<MobilitySocket::Empty, MobilitySocket::Skipped, ike::MobilityHeader>
MobilityCarrier::receive(std::uint8_t protocol) {
    const bool headers = protocol == mobility::kMobilityProtocol;
    if (!headers && !prefixes_) return MobilitySocket::Empty{};
    auto received = (headers ? socket_ : *prefixes_).receive();
    if (std::holds_alternative<MobilitySocket::Empty>(received)) return MobilitySocket::Empty{};
    auto* datagram = std::get_if<MobilityDatagram>(&received);
    if (!datagram) return MobilitySocket::Skipped{};
    const bool to_agent = scope_.agents.contains(datagram->addresses.destination);
    return to_header(std::move(*datagram), to_agent, protocol);
}

MobilityDatagram to_datagram(const ike::MobilityHeader& header) {
    MobilityDatagram out;
    out.header = header.octets;
    if (header.to_agent) {
        out.addresses = {header.home, header.agent, std::nullopt};
        if (header.bid != 0) out.mark = child::path_mark(header.bid);
    } else {
        out.addresses = {header.agent, header.home, std::nullopt};
        if (header.care_of != header.home) out.addresses.care_of = header.care_of;
    }
    return out;
}

ike::MobilityHeader to_header(MobilityDatagram datagram, bool to_agent, std::uint8_t protocol) {
    const auto& addresses = datagram.addresses;
    ike::MobilityHeader out;
    out.home = to_agent ? addresses.source : addresses.destination;
    out.agent = to_agent ? addresses.destination : addresses.source;
    out.care_of = addresses.care_of.value_or(out.home);
    out.to_agent = to_agent;
    out.is_protected = true;
    out.protocol = protocol;
    out.octets = std::move(datagram.header);
    return out;
}

} // namespace sheaf::daemon

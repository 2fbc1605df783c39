// Requests, responses and retransmission (RFC 7296 2.1 to 2.3).

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

// RFC 7383 2.5.1: as much as passes any IPv6 path, and for IPv4 what its hosts must take, unfragmented.
constexpr std::size_t kIp6Message = 1280 - 40 - 8 - 4;
constexpr std::size_t kIp4Message = 576 - 20 - 8 - 4;

} // namespace

std::size_t Engine::Core::largest_message(const IkeSa& sa) {
    return sa.path.peer.address.is_v6() ? kIp6Message : kIp4Message;
}

wire::Header Engine::Core::header_for(const IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                                      bool response) const {
    wire::Header header;
    header.initiator_spi = sa.spi_i;
    header.responder_spi = sa.spi_r;
    header.exchange = exchange;
    header.from_initiator = sa.initiator;
    header.response = response;
    header.message_id = message_id;
    return header;
}

void Engine::Core::transmit(const Endpoint& local, const Endpoint& peer, Bytes bytes) {
    ++counters_.datagrams_out;
    out_.datagrams.push_back({local, peer, std::move(bytes)});
}

void Engine::Core::send_plain(const Endpoint& local, const Endpoint& peer, const wire::Header& header,
                              std::span<const wire::Payload> payloads) {
    trace_message(true, header, local, peer, payloads);
    transmit(local, peer, wire::encode_message(header, payloads));
}

// REQUIRES: nothing is outstanding.
void Engine::Core::send_request(Instant now, IkeSa& sa, wire::ExchangeType exchange,
                                std::span<const wire::Payload> payloads) {
    const std::uint32_t id = sa.next_request++;
    const wire::Header header = header_for(sa, exchange, id, false);
    const RetransmitPolicy& policy = sa.connection->retransmit;
    Outstanding request{
        id, exchange, {}, now + policy.first, policy.first, policy.tries > 0 ? policy.tries - 1 : 0};
    if (sa.in<Connecting>()) {
        request.datagrams.push_back(wire::encode_message(header, payloads));
    } else {
        request.datagrams = seal_message(backend_, *sa.protection, *random_, header, payloads,
                                         sa.fragmentation, largest_message(sa));
    }
    trace_message(true, header, sa.path.local, sa.path.peer, payloads);
    sa.outstanding = std::move(request);
    send_outstanding(sa);
    arm(sa);
}

void Engine::Core::send_outstanding(IkeSa& sa) {
    for (const Bytes& datagram : sa.outstanding->datagrams)
        transmit(sa.path.local, sa.path.peer, datagram);
}

void Engine::Core::retransmit(Instant now, IkeSa& sa) {
    Outstanding& request = *sa.outstanding;
    if (request.left == 0) {
        ++counters_.refused.at(static_cast<std::size_t>(Rule::peer_silent));
        if (sa.in<Deleting>()) return erase(sa);
        return drop(now, sa, DownReason::peer_silent,
                    std::string(wire::name(request.exchange)) + " was sent " +
                        std::to_string(sa.connection->retransmit.tries) + " times without an answer");
    }
    --request.left;
    request.wait *= 2;
    request.due = now + request.wait;
    ++counters_.retransmits;
    send_outstanding(sa);
    arm(sa);
}

void Engine::Core::send_response(IkeSa& sa, wire::ExchangeType exchange, std::uint32_t message_id,
                                 std::span<const wire::Payload> payloads) {
    const wire::Header header = header_for(sa, exchange, message_id, true);
    sa.last_response = seal_message(backend_, *sa.protection, *random_, header, payloads, sa.fragmentation,
                                    largest_message(sa));
    trace_message(true, header, sa.answer_from, sa.answer_to, payloads);
    for (const Bytes& datagram : sa.last_response)
        transmit(sa.answer_from, sa.answer_to, datagram);
}

} // namespace sheaf::ike

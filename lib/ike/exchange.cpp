// Requests, responses, windows and retransmission (RFC 7296 2.1 to 2.3).

#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

using wire::ExchangeType;

namespace {

// RFC 7383 2.5.1: as much as passes any IPv6 path, and most IPv4 ones; where that gets no answer, what every
// IPv4 host must take in one piece.
constexpr std::size_t kLargeIp6 = 1280 - 40 - 8 - 4;
constexpr std::size_t kLargeIp4 = 1280 - 20 - 8 - 4;
constexpr std::size_t kSmallIp4 = 576 - 20 - 8 - 4;
// RFC 7383 2.5.2: after so many transmissions without an answer, smaller fragments are tried.
constexpr unsigned kTriesBeforeSmaller = 2;

// A path that may be silent for so long is asked twice within that time, and then over other ones, too: in the
// first quarter of it nothing was amiss.
constexpr int kProbesPerSilence = 4;

// The longest pause between two transmissions, in first ones; only where there is no end to them.
constexpr int kLongestWait = 64;

// RFC 7296 2.25: how long to wait before asking again for what the peer has put off. Where it is counted how often, each
// pause is twice the one before.
constexpr Duration kPutOff = std::chrono::seconds(10);

} // namespace

std::size_t Engine::Core::largest_message(const IkeSa& sa) {
    if (sa.path.peer.address.is_v6()) return kLargeIp6;
    return sa.small_fragments ? kSmallIp4 : kLargeIp4;
}

wire::Header Engine::Core::header_for(const IkeSa& sa, ExchangeType exchange, std::uint32_t message_id,
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
                              Payloads payloads) {
    trace_message(true, header, local, peer, payloads);
    transmit(local, peer, wire::encode_message(header, payloads));
}

// REQUIRES: the peer's window has room.
void Engine::Core::send_request(Instant now, IkeSa& sa, ExchangeType exchange, Purpose purpose,
                                Reply payloads, const AddressPair& over) {
    const std::uint32_t id = sa.next_request++;
    const wire::Header header = header_for(sa, exchange, id, false);
    const RetransmitPolicy& policy = sa.connection->retransmit;
    Outstanding request;
    request.message_id = id;
    request.exchange = exchange;
    request.purpose = std::move(purpose);
    request.sent = now;
    request.wait = first_wait(sa, request.purpose);
    request.due = now + request.wait;
    request.left = policy.tries > 0 ? policy.tries - 1 : 0;
    if (sa.in<Connecting>()) {
        request.datagrams.push_back(wire::encode_message(header, payloads));
    } else {
        request.datagrams = seal_message(backend_, *sa.protection, *random_, header, payloads,
                                         sa.fragmentation, largest_message(sa));
    }
    trace_message(true, header, sa.path.local, sa.path.peer, payloads);
    const bool may_shrink = sa.fragmentation && request.datagrams.size() > 1 &&
                            !sa.path.peer.address.is_v6() && !sa.small_fragments;
    if (may_shrink)
        request.payloads = std::move(payloads);
    else
        wipe_keys(payloads);
    if (over) {
        request.everywhere = request.over = true;
        request.wait = policy.first;
        request.due = now + request.wait;
        for (const Bytes& datagram : request.datagrams)
            transmit({over->first, config_.nat_port}, {over->second, sa.path.peer.port}, datagram);
        sa.outstanding.push_back(std::move(request));
        return arm(sa);
    }
    sa.outstanding.push_back(std::move(request));
    send_outstanding(now, sa, sa.outstanding.back());
    arm(sa);
}

void Engine::Core::send_outstanding(Instant now, IkeSa& sa, const Outstanding& request) {
    sa.last_sent = now;
    for (const Bytes& datagram : request.datagrams)
        transmit(sa.path.local, sa.path.peer, datagram);
}

// How long a request waits for its answer before it is sent again. What asks whether a path lives is not left
// without an answer for longer than the path may be silent, nor for less than answers take there.
Duration Engine::Core::first_wait(const IkeSa& sa, const Purpose& purpose) {
    const Duration first = sa.connection->retransmit.first;
    const Duration probe = sa.connection->paths.probe;
    const bool probes =
        has_uplinks(sa) && probe > Duration::zero() && std::holds_alternative<Liveness>(purpose);
    return probes ? std::min(first, std::max(probe / kProbesPerSilence, 2 * round_trip(sa))) : first;
}

// Silence after which a peer is asked whether it lives; zero: never.
Duration Engine::Core::liveness_of(const IkeSa& sa) {
    const Duration liveness = sa.connection->liveness;
    const Duration probe = sa.connection->paths.probe;
    if (!has_uplinks(sa) || probe <= Duration::zero()) return liveness;
    const Duration often = probe / kProbesPerSilence;
    return liveness > Duration::zero() ? std::min(liveness, often) : often;
}

void Engine::Core::retransmit(Instant now, IkeSa& sa, Outstanding& request) {
    if (request.left == 0) {
        ++counters_.refused.at(static_cast<std::size_t>(Rule::peer_silent));
        if (sa.in<Deleting>()) return erase(sa);
        const auto* connecting = sa.in<Connecting>();
        if (connecting && !connecting->refused.empty())
            return drop(now, sa, DownReason::failed, connecting->refused);
        return drop(now, sa, DownReason::peer_silent,
                    std::string(wire::name(request.exchange)) + " was sent " +
                        std::to_string(sa.connection->retransmit.tries) + " times without an answer");
    }
    // While there is no way to the peer, it is not its silence that we hear.
    if (!sa.mobility.no_path) --request.left;
    if (request.repeats == 0 && !request.over && std::holds_alternative<Liveness>(request.purpose))
        note_probe(sa, true);
    // RFC 4555 3.5: what gets no answer here, twice, may get one elsewhere. Where it comes from decides.
    const bool may_move =
        sa.mobility.on && sa.began && sa.in<Established>() && sa.standing == Standing::current;
    if (may_move && request.repeats >= (request.over ? 2 : 1)) {
        for (const auto& [local, peer] : other_paths(sa)) {
            request.everywhere = true;
            for (const Bytes& datagram : request.datagrams)
                transmit({local, config_.nat_port}, {peer, sa.path.peer.port}, datagram);
        }
    }
    // What is in a hurry to know is so only as long as it takes to ask elsewhere.
    const RetransmitPolicy& policy = sa.connection->retransmit;
    const bool hurried = request.wait < policy.first;
    request.wait = !hurried              ? std::min(request.wait * 2, policy.first * kLongestWait)
                   : request.repeats > 0 ? policy.first
                                         : request.wait;
    ++request.repeats;
    request.due = now + request.wait;
    ++counters_.retransmits;
    const unsigned sent = sa.connection->retransmit.tries - request.left;
    if (!request.payloads.empty() && sent > kTriesBeforeSmaller) {
        sa.small_fragments = true;
        request.datagrams = seal_message(backend_, *sa.protection, *random_,
                                         header_for(sa, request.exchange, request.message_id, false),
                                         request.payloads, true, largest_message(sa));
        request.payloads.clear();
    }
    send_outstanding(now, sa, request);
    arm(sa);
}

void Engine::Core::send_response(Instant now, IkeSa& sa, ExchangeType exchange, std::uint32_t message_id,
                                 Payloads payloads) {
    const wire::Header header = header_for(sa, exchange, message_id, true);
    std::vector<Bytes>& answer = sa.answers[message_id];
    answer = seal_message(backend_, *sa.protection, *random_, header, payloads, sa.fragmentation,
                          largest_message(sa));
    trace_message(true, header, sa.answer_from, sa.answer_to, payloads);
    sa.last_sent = now;
    for (const Bytes& datagram : answer)
        transmit(sa.answer_from, sa.answer_to, datagram);
    // RFC 7296 2.3: answers are kept as far back as the peer may still ask for them.
    while (true) {
        const auto next = sa.answers.find(sa.next_expected);
        if (next == sa.answers.end() || next->second.empty()) break;
        ++sa.next_expected;
    }
    std::erase_if(sa.answers,
                  [&](const auto& kept) { return kept.first + sa.own_window < sa.next_expected; });
}

template <typename T>
const T* Engine::Core::under_way(const IkeSa& sa) {
    for (const Outstanding& request : sa.outstanding) {
        if (const T* found = std::get_if<T>(&request.purpose)) return found;
    }
    return nullptr;
}
template const CreatingChild* Engine::Core::under_way(const IkeSa&);
template const DeletingChild* Engine::Core::under_way(const IkeSa&);
template const RekeyingIke* Engine::Core::under_way(const IkeSa&);
template const Moving* Engine::Core::under_way(const IkeSa&);
template const CloningIke* Engine::Core::under_way(const IkeSa&);
template const TellingGroup* Engine::Core::under_way(const IkeSa&);

void Engine::Core::want(Instant now, IkeSa& sa, Want wanted) {
    if (std::ranges::find(sa.wanted, wanted) == sa.wanted.end()) sa.wanted.push_back(std::move(wanted));
    serve(now, sa);
}

void Engine::Core::want_later(Instant now, IkeSa& sa, Want wanted) {
    const auto same = [&](const auto& entry) { return entry.second == wanted; };
    if (std::ranges::any_of(sa.later, same)) return;
    const Duration pause = wanted.put_off > 1 ? kPutOff * (1U << (wanted.put_off - 1)) : kPutOff;
    sa.later.emplace_back(now + pause + jittered(pause / 2), std::move(wanted));
    arm(sa);
}

// RFC 7296 2.25: no Child SA is made, rekeyed or deleted while the IKE SA is being rekeyed, and the other way
// round; what ends the IKE SA is the last that is asked.
bool Engine::Core::may_start(const IkeSa& sa, const Want& wanted) const {
    const bool quiet = sa.outstanding.empty();
    switch (wanted.kind) {
    case Want::Kind::liveness:
    case Want::Kind::tell_lifetime:
    case Want::Kind::update_addresses:
    case Want::Kind::prove_route: return true;
    case Want::Kind::tell_group:
    case Want::Kind::clone_ike: return !under_way<RekeyingIke>(sa) && !sa.theirs;
    case Want::Kind::delete_ike: return quiet;
    case Want::Kind::rekey_ike: {
        const bool installing = std::ranges::any_of(
            sa.children, [](const ChildSa& child) { return child.state == ChildState::installing; });
        return quiet && sa.deferred.empty() && !installing;
    }
    case Want::Kind::create_child:
    case Want::Kind::rekey_child:
    case Want::Kind::delete_child: return !under_way<RekeyingIke>(sa) && !sa.theirs;
    }
    return false;
}

void Engine::Core::begin(Instant now, IkeSa& sa, const Want& wanted) {
    switch (wanted.kind) {
    case Want::Kind::liveness: return send_question(now, sa, pair_to_try(now, sa));
    case Want::Kind::update_addresses: return send_update(now, sa);
    case Want::Kind::prove_route: return send_route_proof(now, sa);
    case Want::Kind::delete_ike:
        return send_request(now, sa, ExchangeType::informational, DeletingIke{},
                            {wire::Delete{wire::Protocol::ike, {}}});
    case Want::Kind::rekey_ike: return rekey_ike(now, sa, wanted);
    case Want::Kind::clone_ike: return clone_ike(now, sa, wanted);
    case Want::Kind::tell_group: return groups_->tell(now, sa);
    case Want::Kind::create_child:
    case Want::Kind::rekey_child: return create_child(now, sa, wanted);
    case Want::Kind::delete_child: return delete_child(now, sa, wanted);
    case Want::Kind::tell_lifetime: {
        const auto left = std::chrono::floor<std::chrono::seconds>(kRenumberTime).count();
        return send_request(
            now, sa, ExchangeType::informational, Liveness{},
            {notify(wire::NotifyType::auth_lifetime, spi_octets(static_cast<std::uint32_t>(left)))});
    }
    }
}

void Engine::Core::serve(Instant now, IkeSa& sa) {
    const bool deleting = sa.in<Deleting>() != nullptr;
    if (!deleting && !sa.in<Established>()) return;
    // RFC 7296 2.3: the window is counted from the oldest request that is not answered.
    const auto room = [&sa] {
        if (sa.outstanding.empty()) return true;
        const auto oldest = std::ranges::min_element(sa.outstanding, {}, &Outstanding::message_id);
        return sa.next_request - oldest->message_id < sa.peer_window;
    };
    while (!sa.wanted.empty() && room()) {
        const Want next = sa.wanted.front();
        const bool obsolete =
            next.kind != Want::Kind::delete_ike && (deleting || sa.standing != Standing::current);
        if (!obsolete && !may_start(sa, next)) break;
        sa.wanted.pop_front();
        if (!obsolete) begin(now, sa, next);
    }
    arm(sa);
}

} // namespace sheaf::ike

// From a datagram to the payloads of an exchange.

#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

constexpr unsigned kPlainAnswersPerSecond = 20;
// What a peer can make us keep before it has shown who it is, and afterwards; certificate chains fit into
// either.
constexpr std::size_t kMaxInitMessage = 8192;
constexpr std::size_t kMaxReassembledEarly = 16384;
constexpr std::size_t kMaxReassembled = 65536;

std::string payload_names(std::span<const wire::Payload> payloads) {
    std::string out;
    for (const wire::Payload& payload : payloads) {
        if (!out.empty()) out += ' ';
        if (const auto* n = std::get_if<wire::Notify>(&payload)) {
            const auto known = wire::name(n->type);
            out += "N(";
            out += known == "unknown" ? std::to_string(static_cast<unsigned>(n->type)) : std::string(known);
            out += ')';
        } else {
            out += wire::name(wire::type_of(payload));
        }
    }
    return out;
}

} // namespace

void Engine::Core::trace_message(bool sent, const wire::Header& header, const Endpoint& local,
                                 const Endpoint& peer, std::span<const wire::Payload> payloads) {
    if (trace_) tell(MessageTraced{sent, header, local, peer, payload_names(payloads)});
}

void Engine::Core::datagram(Instant now, const Datagram& datagram) {
    ++counters_.datagrams_in;
    const auto header = wire::parse_header(datagram.bytes);
    if (!header) {
        refuse(datagram.peer, header.error());
        const auto higher = wire::parse_higher_version(datagram.bytes);
        if (higher && !higher->response) answer_plain({now, datagram, *higher}, header.error());
        return;
    }
    const Input in{now, datagram, *header};
    const auto outer = wire::parse_message(datagram.bytes);
    if (!outer) {
        const wire::Spi ours = header->from_initiator ? header->responder_spi : header->initiator_spi;
        refuse(datagram.peer, outer.error().rule, find(ours) ? ours : 0);
        const bool answerable = header->exchange == wire::ExchangeType::ike_sa_init && !header->response &&
                                outer.error().rule == Rule::unknown_critical_payload;
        if (!answerable) return;
        // RFC 7296 2.5: the answer names the payload type.
        wire::Header answer = *header;
        answer.response = true;
        answer.from_initiator = false;
        wire::Notify unsupported = notify(outer.error().rule);
        unsupported.data = {static_cast<std::uint8_t>(outer.error().payload)};
        send_plain(datagram.local, datagram.peer, answer, std::vector<wire::Payload>{unsupported});
        return;
    }
    if (header->exchange == wire::ExchangeType::ike_sa_init) return receive_init(in, *outer);
    receive_for_sa(in, *outer);
}

void Engine::Core::receive_init(const Input& in, const wire::OuterMessage& outer) {
    // RFC 7296 2.2, 3.1: the first exchange has message ID 0, and the roles of its messages are fixed.
    if (in.header.from_initiator == in.header.response || in.header.message_id != 0)
        return refuse(in.datagram.peer, Rule::bad_flags);
    if (outer.encrypted) return refuse(in.datagram.peer, Rule::misplaced_encrypted_payload);
    if (in.datagram.bytes.size() > kMaxInitMessage) return refuse(in.datagram.peer, Rule::datagram_too_long);
    if (!in.header.response) {
        if (in.header.responder_spi != 0) return refuse(in.datagram.peer, Rule::bad_flags);
        trace_message(false, in.header, in.datagram.local, in.datagram.peer, outer.payloads);
        return on_init_request(in, outer.payloads);
    }
    IkeSa* sa = find(in.header.initiator_spi);
    if (!sa || !sa->initiator) return refuse(in.datagram.peer, Rule::unknown_ike_spi);
    trace_message(false, in.header, in.datagram.local, in.datagram.peer, outer.payloads);
    if (!sa->in<Connecting>()) return refuse(in.datagram.peer, Rule::unexpected_response, sa->our_spi());
    on_init_response(in, *sa, outer.payloads);
}

void Engine::Core::receive_for_sa(const Input& in, const wire::OuterMessage& outer) {
    const bool we_initiated = !in.header.from_initiator;
    IkeSa* sa = find(we_initiated ? in.header.initiator_spi : in.header.responder_spi);
    const wire::Spi peer_spi = we_initiated ? in.header.responder_spi : in.header.initiator_spi;
    const bool left = sa && sa->standing == Standing::left;
    if (!sa || left || sa->initiator != we_initiated || sa->peer_spi() != peer_spi || sa->in<Connecting>()) {
        refuse(in.datagram.peer, Rule::unknown_ike_spi);
        if (!in.header.response) answer_plain(in, Rule::unknown_ike_spi);
        return;
    }
    if (!outer.encrypted) return receive_unprotected(in, *sa, outer);
    if (sa->in<HalfOpen>()) {
        if (in.header.exchange != wire::ExchangeType::ike_auth)
            return refuse(in.datagram.peer, Rule::unexpected_exchange, sa->our_spi());
        // A bad public value stays bad: nothing is computed a second time.
        if (!derive_half_open_keys(*sa)) return erase(*sa);
    }
    auto whole = open(in, *sa, *outer.encrypted);
    if (!whole) return;
    if (in.header.response)
        on_response(in, *sa, *whole);
    else
        on_request(in, *sa, *whole);
    wipe(whole->plaintext); // there are keys in MPSA_PUT
}

// RFC 7296 2.4: what is not protected is no more than a hint. That the peer says it has no such IKE SA is a
// reason to ask it under protection, now rather than at the next regular time; nothing else follows from it.
void Engine::Core::receive_unprotected(const Input& in, IkeSa& sa, const wire::OuterMessage& outer) {
    refuse(in.datagram.peer, Rule::missing_encrypted_payload, sa.our_spi());
    const bool hint = in.header.response && find_notify(outer.payloads, wire::NotifyType::invalid_ike_spi);
    if (hint && sa.in<Established>() && sa.outstanding.empty()) want(in.now, sa, {Want::Kind::liveness});
}

// RFC 7296 1.5, 2.5, 2.21.4: an answer outside of any IKE SA. It is small and limited in rate.
void Engine::Core::answer_plain(const Input& in, Rule why) {
    if (in.now - plain_answers_since_ >= std::chrono::seconds(1)) {
        plain_answers_since_ = in.now;
        plain_answers_ = 0;
    }
    if (plain_answers_++ >= kPlainAnswersPerSecond) return;
    wire::Header answer = in.header;
    answer.major = 2;
    answer.minor = 0;
    answer.higher_version = false;
    answer.response = true;
    answer.from_initiator = !in.header.from_initiator;
    send_plain(in.datagram.local, in.datagram.peer, answer, std::vector<wire::Payload>{notify(why)});
}

std::optional<Reassembly::Whole> Engine::Core::open(const Input& in, IkeSa& sa,
                                                    const wire::Encrypted& encrypted) {
    auto plaintext = open_message(backend_, *sa.protection, in.header, encrypted);
    if (!plaintext) {
        refuse(in.datagram.peer, plaintext.error(), sa.our_spi());
        return std::nullopt;
    }
    // Only what would be worked on is collected, so that a peer's fragments take one buffer each way at most.
    const bool wanted =
        in.header.response
            ? std::ranges::any_of(sa.outstanding,
                                  [&](const Outstanding& o) { return o.message_id == in.header.message_id; })
            : in_window(sa, in.header.message_id) && !sa.answers.contains(in.header.message_id);
    if (!encrypted.is_fragment || (!wanted && encrypted.fragment == 1))
        return Reassembly::Whole{encrypted.first_inner, *std::move(plaintext)};
    if (!wanted) return std::nullopt;
    auto& reassembly = in.header.response ? sa.responses : sa.requests;
    if (!reassembly) reassembly = std::make_unique<Reassembly>();
    const std::size_t most = sa.in<HalfOpen>() ? kMaxReassembledEarly : kMaxReassembled;
    auto whole = reassembly->add(in.header, encrypted, *std::move(plaintext), most);
    if (!whole) {
        refuse(in.datagram.peer, whole.error(), sa.our_spi());
        return std::nullopt;
    }
    if (*whole) reassembly.reset();
    return *std::move(whole);
}

bool Engine::Core::in_window(const IkeSa& sa, std::uint32_t message_id) const {
    return message_id >= sa.next_expected && message_id - sa.next_expected < sa.own_window;
}

void Engine::Core::on_request(const Input& in, IkeSa& sa, const Reassembly::Whole& whole) {
    // RFC 7296 2.1, 2.3: a request that was answered gets the same answer again; others must be in the
    // window. RFC 7296 2.11: an answer goes to where its request came from, from where that was sent to.
    const std::uint32_t id = in.header.message_id;
    if (const auto seen = sa.answers.find(id); seen != sa.answers.end()) {
        for (const Bytes& response : seen->second)
            transmit(in.datagram.local, in.datagram.peer, response);
        if (!seen->second.empty()) ++counters_.retransmits;
        return;
    }
    if (!in_window(sa, id)) return refuse(in.datagram.peer, Rule::message_id, sa.our_spi());
    // Not yet: the answer to IKE_AUTH has to come first. The peer sends the request again.
    if (sa.in<Installing>() || sa.in<Authenticating>())
        return refuse(in.datagram.peer, Rule::unexpected_exchange, sa.our_spi());
    sa.last_heard = in.now;
    sa.answer_from = in.datagram.local;
    sa.answer_to = in.datagram.peer;
    if (sa.in<HalfOpen>()) {
        sa.path.local = in.datagram.local;
        sa.path.peer = in.datagram.peer;
    } else {
        follow_peer(sa, in.datagram.local, in.datagram.peer);
    }
    auto payloads = wire::parse_payloads(whole.first_inner, whole.plaintext);
    sa.answers[id]; // being worked on
    if (payloads) {
        trace_message(false, in.header, in.datagram.local, in.datagram.peer, *payloads);
        dispatch_request(in, sa, *payloads);
        return wipe_keys(*payloads);
    }
    const Rule rule = payloads.error().rule;
    refuse(in.datagram.peer, rule, sa.our_spi());
    wire::Notify answer = notify(notify_type(rule) != 0 ? rule : Rule::truncated);
    if (rule == Rule::unknown_critical_payload)
        answer.data = {static_cast<std::uint8_t>(payloads.error().payload)};
    send_response(in.now, sa, in.header.exchange, id, std::vector<wire::Payload>{answer});
    // RFC 7296 2.21.3: INVALID_SYNTAX ends the IKE SA on both sides, an unsupported payload does not.
    if (rule != Rule::unknown_critical_payload)
        drop(in.now, sa, DownReason::failed, std::string(sentence(rule)));
}

void Engine::Core::dispatch_request(const Input& in, IkeSa& sa, Payloads payloads) {
    using wire::ExchangeType;
    if (in.header.exchange == ExchangeType::ike_auth && sa.in<HalfOpen>())
        return on_auth_request(in, sa, payloads);
    if (in.header.exchange == ExchangeType::informational) return on_informational_request(in, sa, payloads);
    if (in.header.exchange == ExchangeType::create_child_sa) return on_create_child_request(in, sa, payloads);
    refuse(in.datagram.peer, Rule::unexpected_exchange, sa.our_spi());
    send_response(in.now, sa, in.header.exchange, in.header.message_id,
                  std::vector<wire::Payload>{notify(Rule::unexpected_exchange)});
}

void Engine::Core::on_response(const Input& in, IkeSa& sa, const Reassembly::Whole& whole) {
    const auto found = std::ranges::find_if(sa.outstanding, [&](const Outstanding& request) {
        return request.message_id == in.header.message_id && request.exchange == in.header.exchange;
    });
    if (found == sa.outstanding.end())
        return refuse(in.datagram.peer, Rule::unexpected_response, sa.our_spi());
    const auto payloads = wire::parse_payloads(whole.first_inner, whole.plaintext);
    sa.last_heard = in.now;
    Outstanding request = std::move(*found);
    sa.outstanding.erase(found);
    if (!payloads) {
        refuse(in.datagram.peer, payloads.error().rule, sa.our_spi());
        return drop(in.now, sa, DownReason::failed, std::string(sentence(payloads.error().rule)));
    }
    trace_message(false, in.header, in.datagram.local, in.datagram.peer, *payloads);
    // RFC 4555 3.5: the answer shows a path that works; the peer is told that it is ours now.
    const std::pair way{in.datagram.local.address, in.datagram.peer.address};
    const bool elsewhere = request.everywhere && std::ranges::count(other_paths(sa), way) > 0;
    if (elsewhere && !request.over) note_silence(in.now, sa, request.sent);
    if (request.everywhere) note_answer_from(in.now, sa, way.first, way.second);
    // Where the peer took a move from that went over several paths is not known: it is told again.
    const bool unclear = request.everywhere && std::holds_alternative<Moving>(request.purpose);
    if (elsewhere)
        move_to(in.now, sa, way.first, way.second);
    else if (unclear)
        move_to(in.now, sa, sa.path.local.address, sa.path.peer.address);
    dispatch_response(in, sa, std::move(request), *payloads);
}

void Engine::Core::dispatch_response(const Input& in, IkeSa& sa, Outstanding request, Payloads payloads) {
    const wire::Spi spi = sa.our_spi();
    if (std::holds_alternative<DeletingIke>(request.purpose)) return erase(sa);
    if (std::holds_alternative<FirstExchange>(request.purpose)) {
        on_auth_response(in, sa, payloads);
    } else if (auto* child = std::get_if<CreatingChild>(&request.purpose)) {
        on_child_response(in, sa, std::move(*child), payloads);
    } else if (const auto* deleted = std::get_if<DeletingChild>(&request.purpose)) {
        on_delete_answered(in.now, sa, deleted->spi);
    } else if (auto* ike = std::get_if<RekeyingIke>(&request.purpose)) {
        on_ike_rekey_response(in, sa, std::move(*ike), payloads);
    } else if (auto* cloning = std::get_if<CloningIke>(&request.purpose)) {
        on_clone_response(in, sa, std::move(*cloning), payloads);
    } else if (const auto* moving = std::get_if<Moving>(&request.purpose)) {
        on_update_answered(in, sa, *moving, payloads);
    } else if (const auto* proving = std::get_if<ProvingRoute>(&request.purpose)) {
        on_route_proved(in, sa, *proving, payloads);
    } else if (std::holds_alternative<Liveness>(request.purpose)) {
        note_round_trip(sa, request, in.now);
        on_liveness_answered(in, sa, payloads);
    } else if (const auto* telling = std::get_if<TellingGroup>(&request.purpose)) {
        groups_->on_answer(in.now, sa, *telling, payloads);
    }
    // The IKE SA may have ended with the answer.
    IkeSa* left = find(spi);
    if (!left) return;
    serve(in.now, *left);
    arm(*left);
}

} // namespace sheaf::ike

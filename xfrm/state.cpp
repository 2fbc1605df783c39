#include "xfrm/state.h"

#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <linux/udp.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <vector>

namespace sheaf::xfrm {
namespace {

// Linux 6.10; the headers of Debian 12 do not have it.
constexpr std::uint16_t kAttributeSaDirection = 33;
// What fits the older form of the replay window, which every kernel reads.
constexpr std::uint32_t kMaxPlainWindow = 32;
constexpr std::uint32_t kBitsPerWord = 32;

// The kernel's three forms of an algorithm differ in whether, and by which name, they state a tag length.
template <typename Form>
void put_algorithm(netlink::Builder& out, std::uint16_t type, const Algorithm& algorithm) {
    Form form{};
    const std::size_t name = std::min(algorithm.name.size(), sizeof form.alg_name - 1);
    std::memcpy(form.alg_name, algorithm.name.data(), name);
    form.alg_key_len = static_cast<unsigned>(algorithm.key.size() * 8);
    if constexpr (requires { form.alg_icv_len; }) form.alg_icv_len = algorithm.tag_bits;
    if constexpr (requires { form.alg_trunc_len; }) form.alg_trunc_len = algorithm.tag_bits;
    Secret value(sizeof form + algorithm.key.size());
    std::memcpy(value.span().data(), &form, sizeof form);
    std::ranges::copy(algorithm.key.view(), value.span().subspan(sizeof form).begin());
    out.put(type, value.view());
}

template <typename Form>
std::optional<Algorithm> read_algorithm(const netlink::Attributes& attributes, std::uint16_t type) {
    const View value = attributes.bytes(type);
    Form form{};
    if (value.size() < sizeof form) return std::nullopt;
    std::memcpy(&form, value.data(), sizeof form);
    const View key = value.subspan(sizeof form);
    Algorithm out;
    out.name.assign(form.alg_name, strnlen(form.alg_name, sizeof form.alg_name));
    out.key = Secret::copy_of(key.first(std::min<std::size_t>(key.size(), (form.alg_key_len + 7) / 8)));
    if constexpr (requires { form.alg_icv_len; }) out.tag_bits = form.alg_icv_len;
    if constexpr (requires { form.alg_trunc_len; }) out.tag_bits = form.alg_trunc_len;
    return out;
}

std::uint64_t limit_or_never(std::uint64_t limit) { return limit == 0 ? XFRM_INF : limit; }
std::uint64_t zero_if_never(std::uint64_t limit) { return limit == XFRM_INF ? 0 : limit; }

xfrm_lifetime_cfg lifetime_of(const child::SaLimits& limits) {
    xfrm_lifetime_cfg out{};
    out.soft_byte_limit = limit_or_never(limits.soft_bytes);
    out.hard_byte_limit = limit_or_never(limits.hard_bytes);
    out.soft_packet_limit = limit_or_never(limits.soft_packets);
    out.hard_packet_limit = limit_or_never(limits.hard_packets);
    out.hard_add_expires_seconds =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, limits.hard_time.count()));
    return out;
}

child::SaLimits limits_of(const xfrm_lifetime_cfg& lifetime) {
    return {.hard_time = std::chrono::seconds(lifetime.hard_add_expires_seconds),
            .soft_bytes = zero_if_never(lifetime.soft_byte_limit),
            .hard_bytes = zero_if_never(lifetime.hard_byte_limit),
            .soft_packets = zero_if_never(lifetime.soft_packet_limit),
            .hard_packets = zero_if_never(lifetime.hard_packet_limit)};
}

void fill(xfrm_usersa_info& info, const State& state) {
    info.id.daddr = encode(state.id.destination);
    info.id.spi = htonl(state.id.spi);
    info.id.proto = IPPROTO_ESP;
    info.saddr = encode(state.source);
    info.lft = lifetime_of(state.limits);
    info.reqid = state.reqid;
    info.family = family_number(state.id.destination.family());
    if (state.mode == child::Mode::tunnel) {
        info.mode = XFRM_MODE_TUNNEL;
        info.flags = XFRM_STATE_AF_UNSPEC; // one entry for both families inside
    } else {
        info.mode = XFRM_MODE_TRANSPORT;
        info.sel.family = info.family;
        if (state.selector) info.sel = selector_form(*state.selector);
    }
    if (state.esn) info.flags |= XFRM_STATE_ESN;
    if (!state.outer.ecn) info.flags |= XFRM_STATE_NOECN;
    if (state.outer.dscp_in) info.flags |= XFRM_STATE_DECAP_DSCP;
    if (!state.outer.path_mtu) info.flags |= XFRM_STATE_NOPMTUDISC;
}

child::OuterHeader outer_of(const xfrm_usersa_info& info, const netlink::Attributes& attributes) {
    return {.ecn = (info.flags & XFRM_STATE_NOECN) == 0,
            .dscp_out = (attributes.u32(XFRMA_SA_EXTRA_FLAGS) & XFRM_SA_XFLAG_DONT_ENCAP_DSCP) == 0,
            .dscp_in = (info.flags & XFRM_STATE_DECAP_DSCP) != 0,
            .path_mtu = (info.flags & XFRM_STATE_NOPMTUDISC) == 0};
}

// RFC 4303 3.4.3. With extended sequence numbers, or more than 32 packets, the window has a form of its own.
bool has_plain_window(const State& state) { return !state.esn && state.replay_window <= kMaxPlainWindow; }

std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> kBitsPerWord); }
std::uint64_t joined(std::uint32_t high, std::uint32_t low) {
    return std::uint64_t{high} << kBitsPerWord | low;
}

void put_replay_window(netlink::Builder& out, xfrm_usersa_info& info, const State& state,
                       const Progress& progress) {
    if (has_plain_window(state)) {
        info.replay_window = static_cast<std::uint8_t>(state.replay_window);
        if (progress == Progress{}) return;
        xfrm_replay_state window{};
        window.oseq = low(progress.sent);
        window.seq = low(progress.received);
        if (!progress.window.empty()) window.bitmap = progress.window.front();
        out.put_struct(XFRMA_REPLAY_VAL, window);
        return;
    }
    xfrm_replay_state_esn window{};
    window.replay_window = state.replay_window;
    window.bmp_len = (state.replay_window + kBitsPerWord - 1) / kBitsPerWord;
    window.oseq = low(progress.sent);
    window.oseq_hi = high(progress.sent);
    window.seq = low(progress.received);
    window.seq_hi = high(progress.received);
    std::vector<std::uint32_t> bitmap = progress.window;
    bitmap.resize(window.bmp_len);
    std::vector<std::uint8_t> value(sizeof window + window.bmp_len * sizeof(std::uint32_t));
    std::memcpy(value.data(), &window, sizeof window);
    if (!bitmap.empty())
        std::memcpy(value.data() + sizeof window, bitmap.data(), bitmap.size() * sizeof(std::uint32_t));
    out.put(XFRMA_REPLAY_ESN_VAL, value);
}

// A listing shows the counters in the fixed part, an installation heeds the attribute.
void put_counters(netlink::Builder& out, xfrm_usersa_info& info, const Progress& progress) {
    if (progress.bytes == 0 && progress.packets == 0 && progress.added == 0 && progress.used == 0) return;
    info.curlft = {.bytes = progress.bytes,
                   .packets = progress.packets,
                   .add_time = progress.added,
                   .use_time = progress.used};
    out.put_struct(XFRMA_LTIME_VAL, info.curlft);
}

void read_extended_window(Progress& progress, View value) {
    xfrm_replay_state_esn window{};
    std::memcpy(&window, value.data(), sizeof window);
    progress.sent = joined(window.oseq_hi, window.oseq);
    progress.received = joined(window.seq_hi, window.seq);
    const std::size_t words =
        std::min<std::size_t>(window.bmp_len, (value.size() - sizeof window) / sizeof(std::uint32_t));
    progress.window.resize(words);
    if (words != 0)
        std::memcpy(progress.window.data(), value.data() + sizeof window, words * sizeof(std::uint32_t));
}

void read_replay_window(State& state, const xfrm_usersa_info& info, const netlink::Attributes& attributes) {
    state.replay_window = info.replay_window;
    const View value = attributes.bytes(XFRMA_REPLAY_ESN_VAL);
    xfrm_replay_state_esn window{};
    if (value.size() < sizeof window) return;
    std::memcpy(&window, value.data(), sizeof window);
    state.replay_window = window.replay_window;
}

StateId id_of(const xfrm_id& id, std::uint16_t family) { return {decode(id.daddr, family), ntohl(id.spi)}; }

void put_mark(netlink::Builder& out, const StateId& id) {
    if (id.mark != 0) out.put_struct(XFRMA_MARK, xfrm_mark{id.mark, kGroupMarkMask});
}

std::uint32_t read_mark(const netlink::Attributes& attributes) {
    xfrm_mark mark{};
    if (const View value = attributes.bytes(XFRMA_MARK); value.size() >= sizeof mark)
        std::memcpy(&mark, value.data(), sizeof mark);
    return mark.v & mark.m;
}

} // namespace

bool operator==(const Algorithm& a, const Algorithm& b) {
    return a.name == b.name && a.tag_bits == b.tag_bits && constant_time_equal(a.key.view(), b.key.view());
}

std::string State::to_string() const {
    return "SA " + source.to_string() + " -> " + id.destination.to_string() + " SPI " + hex(id.spi) +
           " (link " + hex(link != 0 ? link : reqid) + ")";
}

namespace {

netlink::Message encode_state(std::uint16_t type, const State& state, const Progress& progress) {
    netlink::Builder out(type, 0);
    auto& info = out.fixed<xfrm_usersa_info>();
    fill(info, state);
    if (state.aead) put_algorithm<xfrm_algo_aead>(out, XFRMA_ALG_AEAD, *state.aead);
    if (state.cipher) put_algorithm<xfrm_algo>(out, XFRMA_ALG_CRYPT, *state.cipher);
    if (state.integrity) put_algorithm<xfrm_algo_auth>(out, XFRMA_ALG_AUTH_TRUNC, *state.integrity);
    put_replay_window(out, info, state, progress);
    put_counters(out, info, progress);
    if (state.encapsulation) {
        xfrm_encap_tmpl encapsulation{};
        encapsulation.encap_type = UDP_ENCAP_ESPINUDP;
        encapsulation.encap_sport = htons(state.encapsulation->source_port);
        encapsulation.encap_dport = htons(state.encapsulation->destination_port);
        out.put_struct(XFRMA_ENCAP, encapsulation);
    }
    put_mark(out, state.id);
    if (!state.outer.dscp_out) out.put_u32(XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
    if (state.output_mark_mask != 0) {
        out.put_u32(XFRMA_SET_MARK, state.output_mark);
        out.put_u32(XFRMA_SET_MARK_MASK, state.output_mark_mask);
    }
    if (state.link != 0) out.put_u32(XFRMA_IF_ID, state.link);
    if (state.direction != SaDirection::unstated)
        out.put_u8(kAttributeSaDirection, static_cast<std::uint8_t>(state.direction));
    return out.finish();
}

netlink::Message about(std::uint16_t type, const StateId& id) {
    netlink::Builder out(type, 0);
    auto& fixed = out.fixed<xfrm_usersa_id>();
    fixed.daddr = encode(id.destination);
    fixed.spi = htonl(id.spi);
    fixed.family = family_number(id.destination.family());
    fixed.proto = IPPROTO_ESP;
    put_mark(out, id);
    return out.finish();
}

} // namespace

netlink::Message install_state(const State& state) { return encode_state(XFRM_MSG_NEWSA, state, {}); }
netlink::Message install_state(const State& state, const Progress& progress) {
    return encode_state(XFRM_MSG_NEWSA, state, progress);
}
netlink::Message update_state(const State& state) { return encode_state(XFRM_MSG_UPDSA, state, {}); }
netlink::Message count_on(const StateId& id, const IpAddress& source, std::uint32_t sent) {
    netlink::Builder out(XFRM_MSG_NEWAE, NLM_F_REPLACE);
    auto& fixed = out.fixed<xfrm_aevent_id>();
    fixed.sa_id.daddr = encode(id.destination);
    fixed.sa_id.spi = htonl(id.spi);
    fixed.sa_id.family = family_number(id.destination.family());
    fixed.sa_id.proto = IPPROTO_ESP;
    fixed.saddr = encode(source);
    put_mark(out, id);
    xfrm_replay_state counters{};
    counters.oseq = sent;
    out.put_struct(XFRMA_REPLAY_VAL, counters);
    return out.finish();
}
netlink::Message remove_state(const StateId& id) { return about(XFRM_MSG_DELSA, id); }
netlink::Message query_state(const StateId& id) { return about(XFRM_MSG_GETSA, id); }

netlink::Message dump_states() {
    netlink::Builder out(XFRM_MSG_GETSA, NLM_F_DUMP);
    out.put_u8(XFRMA_PROTO, IPPROTO_ESP);
    return out.finish();
}

std::optional<State> parse_state(const nlmsghdr& message) {
    xfrm_usersa_info info{};
    if (message.nlmsg_type != XFRM_MSG_NEWSA || !netlink::read_fixed(message, &info, sizeof info))
        return std::nullopt;
    if (info.id.proto != IPPROTO_ESP || info.id.spi == 0) return std::nullopt;
    const auto attributes = netlink::Attributes::of(message, sizeof info);
    State out;
    out.id = id_of(info.id, info.family);
    out.id.mark = read_mark(attributes);
    out.source = decode(info.saddr, info.family);
    out.mode = info.mode == XFRM_MODE_TRANSPORT ? child::Mode::transport : child::Mode::tunnel;
    out.link = attributes.u32(XFRMA_IF_ID);
    out.reqid = info.reqid;
    out.aead = read_algorithm<xfrm_algo_aead>(attributes, XFRMA_ALG_AEAD);
    out.cipher = read_algorithm<xfrm_algo>(attributes, XFRMA_ALG_CRYPT);
    out.integrity = read_algorithm<xfrm_algo_auth>(attributes, XFRMA_ALG_AUTH_TRUNC);
    out.esn = (info.flags & XFRM_STATE_ESN) != 0;
    read_replay_window(out, info, attributes);
    if (const View value = attributes.bytes(XFRMA_ENCAP); value.size() >= sizeof(xfrm_encap_tmpl)) {
        xfrm_encap_tmpl encapsulation{};
        std::memcpy(&encapsulation, value.data(), sizeof encapsulation);
        out.encapsulation =
            State::Encapsulation{ntohs(encapsulation.encap_sport), ntohs(encapsulation.encap_dport)};
    }
    out.output_mark = attributes.u32(XFRMA_SET_MARK);
    out.output_mark_mask = attributes.u32(XFRMA_SET_MARK_MASK);
    out.direction = static_cast<SaDirection>(attributes.u8(kAttributeSaDirection));
    out.limits = limits_of(info.lft);
    out.outer = outer_of(info, attributes);
    if (info.sel.prefixlen_s != 0 || info.sel.prefixlen_d != 0) out.selector = selector_of(info.sel);
    return out;
}

std::optional<CountedState> parse_counted(const nlmsghdr& message) {
    xfrm_usersa_info info{};
    if (message.nlmsg_type != XFRM_MSG_NEWSA || !netlink::read_fixed(message, &info, sizeof info))
        return std::nullopt;
    // What holds the place of an SA that the kernel has asked for has a number, and by a policy that names it
    // even an SPI.
    if (info.id.proto != IPPROTO_ESP || info.id.spi == 0 || info.seq != 0) return std::nullopt;
    return CountedState{.id = id_of(info.id, info.family),
                        .source = decode(info.saddr, info.family),
                        .reqid = info.reqid,
                        .bytes = info.curlft.bytes,
                        .packets = info.curlft.packets,
                        .replayed = std::uint64_t{info.stats.replay} + info.stats.replay_window,
                        .forged = info.stats.integrity_failed};
}

std::optional<Progress> parse_progress(const nlmsghdr& message) {
    xfrm_usersa_info info{};
    if (message.nlmsg_type != XFRM_MSG_NEWSA || !netlink::read_fixed(message, &info, sizeof info))
        return std::nullopt;
    Progress out{.bytes = info.curlft.bytes,
                 .packets = info.curlft.packets,
                 .added = info.curlft.add_time,
                 .used = info.curlft.use_time,
                 .window = {}};
    const auto attributes = netlink::Attributes::of(message, sizeof info);
    if (const View value = attributes.bytes(XFRMA_REPLAY_ESN_VAL);
        value.size() >= sizeof(xfrm_replay_state_esn)) {
        read_extended_window(out, value);
    } else if (const View plain = attributes.bytes(XFRMA_REPLAY_VAL);
               plain.size() >= sizeof(xfrm_replay_state)) {
        xfrm_replay_state window{};
        std::memcpy(&window, plain.data(), sizeof window);
        out.sent = window.oseq;
        out.received = window.seq;
        out.window = {window.bitmap};
    }
    return out;
}

// A soft limit just above the hard one is what no other entry has.
child::SaLimits confined(child::SaLimits limits, std::uint64_t packets) {
    limits.hard_packets = limits.hard_packets == 0 ? packets : std::min(limits.hard_packets, packets);
    limits.soft_packets = limits.hard_packets + 1;
    return limits;
}

std::optional<StateNotice> parse_expiry(const nlmsghdr& message) {
    xfrm_user_expire expiry{};
    if (message.nlmsg_type != XFRM_MSG_EXPIRE || !netlink::read_fixed(message, &expiry, sizeof expiry))
        return std::nullopt;
    if (expiry.state.id.proto != IPPROTO_ESP || expiry.state.id.spi == 0) return std::nullopt;
    const xfrm_lifetime_cfg& limits = expiry.state.lft;
    return StateNotice{id_of(expiry.state.id, expiry.state.family),
                       decode(expiry.state.saddr, expiry.state.family), expiry.state.reqid, expiry.hard != 0,
                       limits.soft_packet_limit == limits.hard_packet_limit + 1};
}

std::optional<StateNotice> parse_removal(const nlmsghdr& message) {
    xfrm_usersa_id id{};
    if (message.nlmsg_type != XFRM_MSG_DELSA || !netlink::read_fixed(message, &id, sizeof id))
        return std::nullopt;
    const View value = netlink::Attributes::of(message, sizeof id).bytes(XFRMA_SA);
    xfrm_usersa_info info{};
    if (value.size() < sizeof info || id.proto != IPPROTO_ESP || id.spi == 0) return std::nullopt;
    std::memcpy(&info, value.data(), sizeof info);
    return StateNotice{
        {decode(id.daddr, id.family), ntohl(id.spi)}, decode(info.saddr, id.family), info.reqid};
}

} // namespace sheaf::xfrm

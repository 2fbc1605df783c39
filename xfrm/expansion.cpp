#include "xfrm/expansion.h"

#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <netinet/in.h>
#include <set>
#include <tuple>

namespace sheaf::xfrm {
namespace {

// Priority of a policy for all of IPv6; each fixed bit, protocol and port makes it smaller, and so stronger.
constexpr std::uint32_t kWidestPolicyPriority = 10000;
constexpr std::uint32_t kFixedFieldWeight = 4;

std::string text_of(const wire::TrafficSelector& selector) {
    std::string out = selector.start.to_string() + "-" + selector.end.to_string();
    if (selector.ip_protocol != 0) out += " protocol " + std::to_string(selector.ip_protocol);
    if (selector.start_port != 0 || selector.end_port != 65535)
        out += " ports " + std::to_string(selector.start_port) + "-" + std::to_string(selector.end_port);
    return "traffic selector " + out;
}

// One side of a policy's selector. What protocols without ports have instead, type and code, is only in
// messages that this side sends: so says RFC 4301 4.4.1.3, and OPAQUE there means that it sends none.
struct Side {
    Prefix prefix;
    std::uint8_t protocol = 0;
    PortMatch port; // or type
    PortMatch code;
    bool sends = true;
};

bool has_types(std::uint8_t protocol) { return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6; }

// Those whose ports the kernel reads.
bool has_ports(std::uint8_t protocol) {
    constexpr std::array<int, 5> kWithPorts{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP,
                                            IPPROTO_DCCP};
    return std::ranges::find(kWithPorts, protocol) != kWithPorts.end();
}

bool is_opaque(const wire::TrafficSelector& selector) { // RFC 7296 3.13.1
    return selector.start_port == 65535 && selector.end_port == 0;
}

bool is_any_port(const wire::TrafficSelector& selector) {
    return selector.start_port == 0 && selector.end_port == 65535;
}

const char* unfit_ports(const wire::TrafficSelector& selector) {
    if (is_any_port(selector) || is_opaque(selector)) return nullptr;
    if (selector.end_port < selector.start_port) return "the last port lies before the first";
    if (selector.ip_protocol == 0) return "a port without a protocol means nothing to the kernel's policies";
    if (!has_types(selector.ip_protocol) && !has_ports(selector.ip_protocol))
        return "the kernel does not read ports or message types of this protocol; configure the peer for all "
               "of them";
    return nullptr;
}

// What the selector says of ports, types and codes, once for each policy that it takes.
std::vector<Side> sides_of_ports(const wire::TrafficSelector& selector) {
    Side side;
    side.protocol = selector.ip_protocol;
    const bool types = has_types(selector.ip_protocol);
    if (is_opaque(selector)) {
        side.sends = !types;
        if (selector.ip_protocol != 0 && !types) side.port = {0, PortMatch::kWhole};
        return {side};
    }
    std::vector<Side> out;
    for (const PortMatch& block : blocks_of(selector.start_port, selector.end_port)) {
        side.port = block;
        if (types) { // RFC 7296 3.13.1: the type is the high octet
            const auto half = [](unsigned value, unsigned mask) {
                return PortMatch{static_cast<std::uint16_t>(value),
                                 static_cast<std::uint16_t>(mask == 0 ? 0 : 0xff00 | mask)};
            };
            side.port = half(block.value >> 8, block.mask >> 8);
            side.code = half(block.value & 0xff, block.mask & 0xff);
        }
        out.push_back(side);
    }
    return out;
}

std::expected<std::vector<Side>, std::string> sides_of(const wire::TrafficSelector& selector) {
    const auto refuse = [&](const char* why) { return std::unexpected(text_of(selector) + ": " + why); };
    if (selector.start.family() != selector.end.family() || selector.end < selector.start)
        return refuse("the last address lies before the first");
    if (const char* why = unfit_ports(selector); why != nullptr) return refuse(why);
    const auto prefixes = prefixes_of(selector.start, selector.end, kMaxPrefixesPerSelector);
    if (!prefixes)
        return refuse("the range needs too many prefixes; use a range that is one prefix, or a few");
    std::vector<Side> out;
    for (Side side : sides_of_ports(selector)) {
        for (const Prefix& prefix : *prefixes) {
            side.prefix = prefix;
            out.push_back(side);
        }
    }
    return out;
}

std::expected<std::vector<Side>, std::string> sides_of(const std::vector<wire::TrafficSelector>& selectors) {
    std::vector<Side> out;
    for (const auto& selector : selectors) {
        auto sides = sides_of(selector);
        if (!sides) return sides;
        out.insert(out.end(), sides->begin(), sides->end());
    }
    return out;
}

std::uint32_t weight_of(const PortMatch& port) { // of 16 bits as much as of a protocol
    return static_cast<std::uint32_t>(std::popcount(port.mask) + 3) / 4;
}

std::uint32_t priority_of(const Selector& selector) {
    std::uint32_t weight = selector.source.length() + selector.destination.length();
    if (selector.protocol != 0) weight += kFixedFieldWeight;
    weight += weight_of(selector.source_port) + weight_of(selector.destination_port);
    return kWidestPolicyPriority - weight;
}

// For packets from one side to the other; none when no packet fits both.
std::optional<Selector> selector_of(const Side& from, const Side& to) {
    if (from.prefix.family() != to.prefix.family()) return std::nullopt;
    if (from.protocol != 0 && to.protocol != 0 && from.protocol != to.protocol) return std::nullopt;
    const std::uint8_t protocol = from.protocol != 0 ? from.protocol : to.protocol;
    Selector out{.source = from.prefix, .destination = to.prefix, .protocol = protocol};
    if (has_types(protocol)) {
        if (!from.sends) return std::nullopt;
        out.source_port = from.port;
        out.destination_port = from.code;
    } else {
        out.source_port = from.port;
        out.destination_port = to.port;
    }
    return out;
}

std::uint32_t reqid_of(child::LinkNumber reqid, child::LinkNumber link) { return reqid != 0 ? reqid : link; }

// Inwards the reqid alone ties a packet to the SAs that it may come by. With addresses in the template, too,
// the packets of an SA that a peer has left behind in moving would be dropped as soon as the policy follows.
Policy policy_of(const child::PolicySet& set, PolicyDirection direction, const Selector& selector) {
    const bool addresses = direction == PolicyDirection::out && set.mode == child::Mode::tunnel;
    const IpAddress any = IpAddress::any(set.local.family());
    return {.direction = direction,
            .selector = selector,
            .priority = priority_of(selector),
            .link = set.on_interface ? set.link : 0,
            .reqid = reqid_of(set.reqid, set.link),
            .mode = set.mode,
            .source = addresses ? set.local : any,
            .destination = addresses ? set.peer : any};
}

// Each policy once.
class Collection {
  public:
    explicit Collection(const child::PolicySet& set) : set_(set) {}

    void add(const Side& ours, const Side& theirs) {
        if (const auto inwards = selector_of(theirs, ours); inwards && in_.insert(*inwards).second) {
            policies_.push_back(policy_of(set_, PolicyDirection::in, *inwards));
            // What is link-local is not forwarded.
            if (set_.mode == child::Mode::tunnel && !inwards->source.address().is_link_local())
                policies_.push_back(policy_of(set_, PolicyDirection::forward, *inwards));
        }
        if (const auto outwards = selector_of(ours, theirs); outwards && out_.insert(*outwards).second)
            policies_.push_back(policy_of(set_, PolicyDirection::out, *outwards));
    }

    [[nodiscard]] std::vector<Policy>& policies() { return policies_; }

  private:
    const child::PolicySet& set_;
    std::set<Selector> in_;
    std::set<Selector> out_;
    std::vector<Policy> policies_;
};

const char* integrity_name(crypto::IntegId id) {
    switch (id) {
    case crypto::IntegId::hmac_sha1_96: return "hmac(sha1)";
    case crypto::IntegId::hmac_sha2_256_128: return "hmac(sha256)";
    case crypto::IntegId::hmac_sha2_384_192: return "hmac(sha384)";
    case crypto::IntegId::hmac_sha2_512_256: return "hmac(sha512)";
    case crypto::IntegId::none: break;
    }
    return "";
}

std::optional<std::string> unfit(const child::InstallSas& step) {
    const crypto::EspSuite& suite = step.suite;
    if (!crypto::supported(suite)) return "the algorithms are none that can be installed";
    const std::size_t encryption = crypto::encr_key_length({suite.encr, suite.key_bits});
    const std::size_t integrity = crypto::integ_key_length(suite.integ);
    const auto fits = [&](const child::EspKeys& keys) {
        return keys.encryption.size() == encryption && keys.integrity.size() == integrity;
    };
    if ((installs_in(step.directions) && !fits(step.in)) ||
        (installs_out(step.directions) && !fits(step.out)))
        return "the keys do not have the algorithms' lengths";
    if (step.replay_window > kMaxReplayWindow)
        return "the replay window is larger than " + std::to_string(kMaxReplayWindow) + " packets";
    if (suite.esn && step.replay_window == 0)
        return "extended sequence numbers need a replay window; choose one of at least 32 packets";
    if (step.id.local.address.family() != step.id.peer.address.family())
        return "the outer addresses are of two families";
    return std::nullopt;
}

// How many leading bits two addresses of one family share.
unsigned common_bits(const IpAddress& a, const IpAddress& b) {
    unsigned out = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto differ = static_cast<std::uint8_t>(a.view()[i] ^ b.view()[i]);
        out += static_cast<unsigned>(std::countl_zero(differ));
        if (differ != 0) break;
    }
    return out;
}

} // namespace

std::optional<std::vector<Prefix>> prefixes_of(const IpAddress& first, const IpAddress& last,
                                               std::size_t limit) {
    std::vector<Prefix> out;
    // Nearly always it is one, which the search below would find bit by bit.
    if (const Prefix whole(first, common_bits(first, last));
        limit > 0 && whole.address() == first && whole.last() == last) {
        out.push_back(whole);
        return out;
    }
    IpAddress at = first;
    while (true) {
        unsigned length = at.bits();
        while (length > 0 && at.masked(length - 1) == at && at.filled(length - 1) <= last)
            --length;
        if (out.size() == limit) return std::nullopt;
        out.emplace_back(at, length);
        const IpAddress end = at.filled(length);
        if (end == last) return out;
        at = *end.next(); // there is one, for end < last
    }
}

std::vector<PortMatch> blocks_of(std::uint16_t first, std::uint16_t last) {
    std::vector<PortMatch> out;
    for (std::uint32_t at = first; at <= last;) {
        std::uint32_t size = 1;
        while (size < 0x10000 && at % (2 * size) == 0 && at + 2 * size - 1 <= last)
            size *= 2;
        out.push_back({static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(~(size - 1))});
        at += size;
    }
    return out;
}

std::expected<std::vector<Policy>, std::string> policies_of(const child::PolicySet& set) {
    const auto local = sides_of(set.local_selectors);
    if (!local) return std::unexpected(local.error());
    const auto remote = sides_of(set.remote_selectors);
    if (!remote) return std::unexpected(remote.error());
    Collection collection(set);
    std::vector<Policy>& out = collection.policies();
    for (const Side& ours : *local) {
        for (const Side& theirs : *remote) {
            collection.add(ours, theirs);
            if (out.size() > kMaxPoliciesPerSet)
                return std::unexpected(
                    "policies of link " + hex(set.link) + ": the traffic selectors need more than " +
                    std::to_string(kMaxPoliciesPerSet) + " policies; use fewer or wider ones");
        }
    }
    if (out.empty())
        return std::unexpected("policies of link " + hex(set.link) +
                               ": no local and remote traffic selector share a family and a protocol");
    return std::move(out);
}

StateId inbound_id(const child::SaPairId& id) { return {id.local.address, id.spi_in}; }
StateId outbound_id(const child::SaPairId& id) { return {id.peer.address, id.spi_out}; }

void put_algorithms(State& state, const crypto::EspSuite& suite, View encryption_key, View integrity_key) {
    const auto tag_bits = static_cast<std::uint32_t>(crypto::icv_length(suite.encr, suite.integ) * 8);
    switch (suite.encr) {
    case crypto::EncrId::aes_gcm_16: // RFC 4106 8.1: the salt follows the key
        state.aead = Algorithm{"rfc4106(gcm(aes))", Secret::copy_of(encryption_key), tag_bits};
        break;
    case crypto::EncrId::chacha20_poly1305: // RFC 7634 2
        state.aead = Algorithm{"rfc7539esp(chacha20,poly1305)", Secret::copy_of(encryption_key), tag_bits};
        break;
    case crypto::EncrId::aes_cbc:
        state.cipher = Algorithm{"cbc(aes)", Secret::copy_of(encryption_key), 0};
        state.integrity = Algorithm{integrity_name(suite.integ), Secret::copy_of(integrity_key), tag_bits};
        break;
    }
}

bool installs_in(child::Directions directions) { return directions != child::Directions::out; }
bool installs_out(child::Directions directions) { return directions != child::Directions::in; }

std::expected<StatePair, std::string> states_of(const child::InstallSas& step, bool with_direction) {
    StatePair pair;
    pair.in.id = inbound_id(step.id);
    pair.in.source = step.id.peer.address;
    pair.out.id = outbound_id(step.id);
    pair.out.source = step.id.local.address;
    for (State* state : {&pair.in, &pair.out}) {
        state->mode = step.mode;
        state->link = step.on_interface ? step.id.link : 0;
        state->reqid = reqid_of(step.reqid, step.id.link);
        state->esn = step.suite.esn;
        state->limits = step.limits;
    }
    if (const auto why = unfit(step)) return std::unexpected(pair.in.to_string() + ": " + *why);
    if (installs_in(step.directions))
        put_algorithms(pair.in, step.suite, step.in.encryption.view(), step.in.integrity.view());
    if (installs_out(step.directions))
        put_algorithms(pair.out, step.suite, step.out.encryption.view(), step.out.integrity.view());
    if (step.mode == child::Mode::tunnel) {
        pair.in.outer = {.ecn = step.outer.ecn, .dscp_in = step.outer.dscp_in};
        pair.out.outer = {
            .ecn = step.outer.ecn, .dscp_out = step.outer.dscp_out, .path_mtu = step.outer.path_mtu};
    }
    pair.in.replay_window = step.replay_window;
    // A sender has no window, but kernels that are not told the direction want one with extended numbers.
    pair.out.replay_window = step.suite.esn && !with_direction ? 32 : 0;
    if (with_direction) {
        pair.in.direction = SaDirection::in;
        pair.out.direction = SaDirection::out;
    }
    if (step.udp_encapsulation) {
        pair.in.encapsulation = State::Encapsulation{step.id.peer.port, step.id.local.port};
        pair.out.encapsulation = State::Encapsulation{step.id.local.port, step.id.peer.port};
    }
    if (step.role == child::LinkRole::client) {
        pair.out.output_mark = kMark;
        pair.out.output_mark_mask = kMarkMask;
    }
    return pair;
}

} // namespace sheaf::xfrm

#include "netlink/path_batch.h"

// The kernel's own headers leave out what is here when it comes first.
// clang-format off
#include <netinet/in.h>
// clang-format on

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace sheaf::netlink {
namespace {

constexpr const char* kIncoming = "incoming";
constexpr const char* kOutgoing = "outgoing";
constexpr std::int32_t kHookPriority = -140; // `mangle` is -150, translation of addresses -100
constexpr std::uint8_t kMobilityHeader = 135;

struct Set {
    const char* name;
    std::uint32_t id;
};
constexpr Set kRegistered{"registered", 1}; // source, destination, SPI
constexpr Set kAnywhere{"anywhere", 2};     // destination, SPI
constexpr Set kGuarded{"guarded", 3};       // destination, SPI
constexpr Set kTowards{"towards", 4};       // where packets to a mobile node look
constexpr Set kFrom{"from", 5};             // where packets of a mobile node look

constexpr std::size_t kElementsPerMessage = 256; // of at most 88 octets each, in a list of 64 KiB
// How `nft list` shows what has no type of its own there: an SPI like an IPv4 address, octet by octet.
constexpr std::uint32_t kIpv4Type = 7, kIpv6Type = 8;
constexpr unsigned kTypeBits = 6;
constexpr std::uint32_t kPairSize = 32, kAddressSize = 16, kSpiSize = 4; // octets
constexpr std::uint32_t kSourceOffset = 8, kDestinationOffset = 24;      // in the IPv6 header
constexpr unsigned kAfterPair = 8, kAfterAddress = 4;                    // registers

Bytes octets_of(std::uint32_t value, std::size_t size) {
    Bytes out;
    for (std::size_t i = size; i-- > 0;)
        out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
    return out;
}
Bytes octets_of(const IpAddress& address) { return {address.view().begin(), address.view().end()}; }

Bytes key_of(const EspFlow& flow, bool with_source) {
    Bytes out;
    if (with_source) out = octets_of(flow.source);
    append(out, flow.destination.view());
    append(out, octets_of(flow.spi, kSpiSize));
    return out;
}

const Set& map_of(const HomeMarks& home) { return home.from_there ? kFrom : kTowards; }

void name_chain(NftMessage& message, const char* chain) {
    message.text(NFTA_RULE_TABLE, PathTable::kName);
    message.text(NFTA_RULE_CHAIN, chain);
}

template <typename Content>
NftMessage rule_in(const char* chain, Content content) {
    NftMessage rule(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    name_chain(rule, chain);
    rule.nest(NFTA_RULE_EXPRESSIONS, [&] { content(rule); });
    return rule;
}

void want_protocol(NftMessage& rule, std::uint8_t protocol) {
    const std::array<std::uint8_t, 1> ipv6{NFPROTO_IPV6}, wanted{protocol};
    rule.load_meta(NFT_META_NFPROTO);
    rule.compare(NFT_CMP_EQ, ipv6);
    rule.load_meta(NFT_META_L4PROTO);
    rule.compare(NFT_CMP_EQ, wanted);
}

NftMessage new_set(const Set& set, std::uint32_t flags, std::uint32_t key_type, std::uint32_t key_size) {
    NftMessage out(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
    out.text(NFTA_SET_TABLE, PathTable::kName);
    out.text(NFTA_SET_NAME, set.name);
    out.number(NFTA_SET_ID, set.id);
    out.number(NFTA_SET_FLAGS, flags);
    out.number(NFTA_SET_KEY_TYPE, key_type);
    out.number(NFTA_SET_KEY_LEN, key_size);
    if ((flags & NFT_SET_MAP) != 0) out.number(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
    return out;
}

// Where a packet's first, or its last part under the mask is within the range.
void want_range(NftMessage& rule, const Bytes& first, const Bytes& last) {
    if (first == last) {
        rule.compare(NFT_CMP_EQ, first);
    } else {
        rule.within(first, last);
    }
}

template <typename T>
void want_number(NftMessage& rule, const std::optional<mobility::Range<T>>& range, std::uint32_t base,
                 std::uint32_t offset) {
    if (!range) return;
    rule.load_payload(base, offset, sizeof(T));
    want_range(rule, octets_of(range->first, sizeof(T)), octets_of(range->last, sizeof(T)));
}

void want_address(NftMessage& rule, const std::optional<mobility::Range<IpAddress>>& range,
                  std::uint32_t offset) {
    if (!range) return;
    rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, kAddressSize);
    want_range(rule, octets_of(range->first), octets_of(range->last));
}

// RFC 8200 3: the version (4 bits), the traffic class (8) and the flow label (20) are the first four octets.
void want_first_word(NftMessage& rule, const mobility::FlowSelector& selector) {
    constexpr std::size_t kClassSize = 2, kLabelSize = 3;
    constexpr std::uint32_t kClassMask = 0x0fc0, kLabelMask = 0xfffff;
    constexpr unsigned kClassShift = 4;
    if (const auto& wanted = selector.traffic_class) {
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, 0, kClassSize);
        rule.mask(octets_of(kClassMask, kClassSize), octets_of(0, kClassSize));
        want_range(rule, octets_of(std::uint32_t{wanted->first} << kClassShift, kClassSize),
                   octets_of(std::uint32_t{wanted->last} << kClassShift, kClassSize));
    }
    if (const auto& wanted = selector.flow_label) {
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, 1, kLabelSize);
        rule.mask(octets_of(kLabelMask, kLabelSize), octets_of(0, kLabelSize));
        want_range(rule, octets_of(wanted->first, kLabelSize), octets_of(wanted->last, kLabelSize));
    }
}

// In which protocols what the selector wants stands at the front; none: it wants nothing of that kind.
std::vector<std::uint8_t> protocols_of(const mobility::FlowSelector& selector) {
    std::vector<std::uint8_t> out;
    if (selector.source_port || selector.destination_port)
        out = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_UDPLITE};
    if (selector.spi) out = {IPPROTO_ESP};
    return out;
}

mobility::FlowSelector turned(mobility::FlowSelector selector) {
    std::swap(selector.source, selector.destination);
    std::swap(selector.source_port, selector.destination_port);
    return selector;
}

NftMessage flow_rule(const HomeMarks& home, const mobility::FlowSelector& selector,
                     std::optional<std::uint8_t> protocol, std::uint32_t mark, std::uint32_t mask) {
    return rule_in(home.chain.c_str(), [&](NftMessage& rule) {
        if (protocol) {
            const std::array<std::uint8_t, 1> wanted{*protocol};
            rule.load_meta(NFT_META_L4PROTO);
            rule.compare(NFT_CMP_EQ, wanted);
        } else if (selector.next_header) {
            rule.load_meta(NFT_META_L4PROTO);
            want_range(rule, {selector.next_header->first}, {selector.next_header->last});
        }
        want_address(rule, selector.source, kSourceOffset);
        want_address(rule, selector.destination, kDestinationOffset);
        want_first_word(rule, selector);
        want_number(rule, selector.source_port, NFT_PAYLOAD_TRANSPORT_HEADER, 0);
        want_number(rule, selector.destination_port, NFT_PAYLOAD_TRANSPORT_HEADER, 2);
        want_number(rule, selector.spi, NFT_PAYLOAD_TRANSPORT_HEADER, 0);
        rule.set_mark(mark, mask);
        rule.decide(NF_ACCEPT);
    });
}

} // namespace

void PathBatch::add_base_chain(const char* name, std::uint32_t hook) {
    NftMessage chain(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    chain.text(NFTA_CHAIN_TABLE, PathTable::kName);
    chain.text(NFTA_CHAIN_NAME, name);
    chain.nest(NFTA_CHAIN_HOOK, [&] {
        chain.number(NFTA_HOOK_HOOKNUM, hook);
        chain.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kHookPriority));
    });
    chain.text(NFTA_CHAIN_TYPE, "filter");
    chain.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
    messages_.append(chain);
}

void PathBatch::add_table() {
    NftMessage table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    table.text(NFTA_TABLE_NAME, PathTable::kName);
    table.number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    messages_.append(table);
    const std::uint32_t one = kIpv6Type << kTypeBits | kIpv4Type;
    const std::uint32_t pair = kIpv6Type << 2 * kTypeBits | one;
    messages_.append(new_set(kRegistered, 0, pair, kPairSize + kSpiSize));
    messages_.append(new_set(kAnywhere, 0, one, kAddressSize + kSpiSize));
    messages_.append(new_set(kGuarded, 0, one, kAddressSize + kSpiSize));
    for (const Set& map : {kTowards, kFrom})
        messages_.append(new_set(map, NFT_SET_MAP | NFT_SET_INTERVAL, kIpv6Type, kAddressSize));
    add_base_chain(kIncoming, NF_INET_PRE_ROUTING);
    add_gate();
    add_ways(kIncoming);
    add_base_chain(kOutgoing, NF_INET_LOCAL_OUT);
    add_ways(kOutgoing);
}

void PathBatch::add_gate() {
    const auto from_registered = [&](NftMessage& rule) {
        want_protocol(rule, IPPROTO_ESP);
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, kSourceOffset, kPairSize);
        rule.load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, kSpiSize, kAfterPair);
        rule.look_up(kRegistered.name, kRegistered.id);
        rule.set_mark(marks_.gate, marks_.mask);
        rule.decide(NF_ACCEPT);
    };
    const auto from_anywhere = [&](const Set& set, NftMessage& rule) {
        want_protocol(rule, IPPROTO_ESP);
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, kDestinationOffset, kAddressSize);
        rule.load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, kSpiSize, kAfterAddress);
        rule.look_up(set.name, set.id);
    };
    messages_.append(rule_in(kIncoming, from_registered));
    messages_.append(rule_in(kIncoming, [&](NftMessage& rule) {
        from_anywhere(kAnywhere, rule);
        rule.set_mark(marks_.gate, marks_.mask);
        rule.decide(NF_ACCEPT);
    }));
    messages_.append(rule_in(kIncoming, [&](NftMessage& rule) {
        from_anywhere(kGuarded, rule);
        rule.count();
        rule.decide(NF_DROP);
    }));
}

void PathBatch::add_ways(const char* chain) {
    messages_.append(rule_in(chain, [](NftMessage& rule) {
        want_protocol(rule, kMobilityHeader);
        rule.decide(NF_ACCEPT);
    }));
    const std::array<std::uint8_t, 1> ipv6{NFPROTO_IPV6};
    for (const auto& [map, offset] : {std::pair{kTowards, kDestinationOffset}, {kFrom, kSourceOffset}}) {
        messages_.append(rule_in(chain, [&, &set = map, &at = offset](NftMessage& rule) {
            rule.load_meta(NFT_META_NFPROTO);
            rule.compare(NFT_CMP_EQ, ipv6);
            rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, at, kAddressSize);
            rule.look_up_verdict(set.name, set.id);
        }));
    }
}

void PathBatch::put_set(std::uint16_t type, std::uint16_t flags, const char* set,
                        const std::vector<EspFlow>& flows, bool with_source) {
    for (std::size_t first = 0; first < flows.size(); first += kElementsPerMessage) {
        NftMessage list(type, flags);
        list.text(NFTA_SET_ELEM_LIST_TABLE, PathTable::kName);
        list.text(NFTA_SET_ELEM_LIST_SET, set);
        list.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
            for (const EspFlow& flow :
                 std::span(flows).subspan(first, std::min(kElementsPerMessage, flows.size() - first)))
                list.nest(NFTA_LIST_ELEM, [&] { list.data(NFTA_SET_ELEM_KEY, key_of(flow, with_source)); });
        });
        messages_.append(list);
    }
}

void PathBatch::put_elements(std::uint16_t type, std::uint16_t flags, const std::vector<EspFlow>& admitted,
                             const std::vector<EspFlow>& guarded) {
    std::vector<EspFlow> registered, anywhere;
    for (const EspFlow& flow : admitted)
        (flow.source.is_any() ? anywhere : registered).push_back(flow);
    put_set(type, flags, kRegistered.name, registered, true);
    put_set(type, flags, kAnywhere.name, anywhere, false);
    put_set(type, flags, kGuarded.name, guarded, false);
}

void PathBatch::add(const std::vector<EspFlow>& admitted, const std::vector<EspFlow>& guarded) {
    put_elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, admitted, guarded);
}

void PathBatch::remove(const std::vector<EspFlow>& admitted, const std::vector<EspFlow>& guarded) {
    put_elements(NFT_MSG_DELSETELEM, 0, admitted, guarded);
}

void PathBatch::open_chain(const HomeMarks& home) {
    NftMessage chain(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    chain.text(NFTA_CHAIN_TABLE, PathTable::kName);
    chain.text(NFTA_CHAIN_NAME, home.chain.c_str());
    messages_.append(chain);
}

void PathBatch::close_chain(const HomeMarks& home) {
    NftMessage rules(NFT_MSG_DELRULE, 0);
    name_chain(rules, home.chain.c_str());
    messages_.append(rules);
    NftMessage chain(NFT_MSG_DELCHAIN, 0);
    chain.text(NFTA_CHAIN_TABLE, PathTable::kName);
    chain.text(NFTA_CHAIN_NAME, home.chain.c_str());
    messages_.append(chain);
}

void PathBatch::put_rules(const HomeMarks& home) {
    NftMessage all(NFT_MSG_DELRULE, 0); // those that there are
    name_chain(all, home.chain.c_str());
    messages_.append(all);
    for (const PathRule& rule : home.rules)
        put_rule(home, rule);
}

void PathBatch::put_rule(const HomeMarks& home, const PathRule& wanted) {
    if (wanted.carried != 0) {
        messages_.append(rule_in(home.chain.c_str(), [&](NftMessage& rule) {
            const auto carried =
                std::bit_cast<std::array<std::uint8_t, sizeof(std::uint32_t)>>(wanted.carried);
            rule.load_meta(NFT_META_MARK);
            rule.compare(NFT_CMP_EQ, carried);
            rule.set_mark(wanted.mark, marks_.mask);
            rule.decide(NF_ACCEPT);
        }));
        return;
    }
    const auto selector = home.from_there ? turned(wanted.selector) : wanted.selector;
    if (selector.spi && (selector.source_port || selector.destination_port)) return; // nothing has both
    const auto protocols = protocols_of(selector);
    if (protocols.empty())
        return messages_.append(flow_rule(home, selector, std::nullopt, wanted.mark, marks_.mask));
    for (const std::uint8_t protocol : protocols) {
        if (!selector.next_header || selector.next_header->contains(protocol))
            messages_.append(flow_rule(home, selector, protocol, wanted.mark, marks_.mask));
    }
}

// An interval is its first key, and the first one behind it, which ends it.
void PathBatch::put_prefixes(std::uint16_t type, std::uint16_t flags, const HomeMarks& home) {
    NftMessage list(type, flags);
    list.text(NFTA_SET_ELEM_LIST_TABLE, PathTable::kName);
    list.text(NFTA_SET_ELEM_LIST_SET, map_of(home).name);
    list.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
        for (const Prefix& prefix : home.prefixes) {
            list.nest(NFTA_LIST_ELEM, [&] {
                list.data(NFTA_SET_ELEM_KEY, octets_of(prefix.address()));
                if (type == NFT_MSG_NEWSETELEM)
                    list.verdict(NFTA_SET_ELEM_DATA, NFT_JUMP, home.chain.c_str());
            });
            const auto end = prefix.last().next();
            if (!end) continue;
            list.nest(NFTA_LIST_ELEM, [&] {
                list.number(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                list.data(NFTA_SET_ELEM_KEY, octets_of(*end));
            });
        }
    });
    messages_.append(list);
}

void PathBatch::lead(const HomeMarks& home) {
    put_prefixes(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, home);
}
void PathBatch::lead_no_more(const HomeMarks& home) { put_prefixes(NFT_MSG_DELSETELEM, 0, home); }

} // namespace sheaf::netlink

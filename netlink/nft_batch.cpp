#include "netlink/nft_batch.h"

// The kernel's own headers leave out what is here when it comes first.
// clang-format off
#include <netinet/in.h>
// clang-format on

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <span>

namespace sheaf::netlink {
namespace {

constexpr const char* kChain = "incoming";
constexpr std::int32_t kPriority = -140;      // `mangle` is -150, translation of addresses -100
constexpr std::size_t kMarksPerMessage = 512; // of at most 72 octets each, in a list of 64 KiB
// How `nft list` shows keys and values: IPv4 and IPv6 addresses, joined, and marks.
constexpr std::uint32_t kShownAsIpv4 = 7, kShownAsIpv6 = 8, kShownAsMark = 19;
constexpr unsigned kShownBits = 6;
// And in what order their octets stand: pairs of type, length and value, of which keys are 0 and data 1; the
// network's order is 2, the host's 1.
struct ShownOrder {
    std::uint8_t key_type = 0, key_size = sizeof(std::uint32_t);
    std::array<std::uint8_t, 4> key = std::bit_cast<std::array<std::uint8_t, 4>>(std::uint32_t{2});
    std::uint8_t data_type = 1, data_size = sizeof(std::uint32_t);
    std::array<std::uint8_t, 4> data = std::bit_cast<std::array<std::uint8_t, 4>>(std::uint32_t{1});
};

const char* map_of(Family family) { return family == Family::ipv6 ? "sources6" : "sources4"; }
std::uint32_t map_id(Family family) { return family == Family::ipv6 ? 2 : 1; }
std::uint32_t address_size(Family family) { return family == Family::ipv6 ? 16 : 4; }

} // namespace

void NftBatch::add_table() {
    NftMessage table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    table.text(NFTA_TABLE_NAME, MarkTable::kName);
    table.number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    messages_.append(table);

    NftMessage chain(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    chain.text(NFTA_CHAIN_TABLE, MarkTable::kName);
    chain.text(NFTA_CHAIN_NAME, kChain);
    chain.nest(NFTA_CHAIN_HOOK, [&] {
        chain.number(NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
        chain.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kPriority));
    });
    chain.text(NFTA_CHAIN_TYPE, "filter");
    chain.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
    messages_.append(chain);
}

void NftBatch::add_family(Family family, std::uint32_t first_spi) {
    const bool v6 = family == Family::ipv6;
    const std::uint32_t shown = v6 ? kShownAsIpv6 : kShownAsIpv4, pair_size = 2 * address_size(family);
    NftMessage map(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
    map.text(NFTA_SET_TABLE, MarkTable::kName);
    map.text(NFTA_SET_NAME, map_of(family));
    map.number(NFTA_SET_ID, map_id(family));
    map.number(NFTA_SET_FLAGS, NFT_SET_MAP);
    map.number(NFTA_SET_KEY_TYPE, shown << kShownBits | shown);
    map.number(NFTA_SET_KEY_LEN, pair_size);
    map.number(NFTA_SET_DATA_TYPE, kShownAsMark);
    map.number(NFTA_SET_DATA_LEN, sizeof(std::uint32_t));
    const auto order = std::bit_cast<std::array<std::uint8_t, sizeof(ShownOrder)>>(ShownOrder{});
    map.octets(NFTA_SET_USERDATA, order);
    messages_.append(map);

    const std::array<std::uint8_t, 1> protocol{v6 ? std::uint8_t{NFPROTO_IPV6} : std::uint8_t{NFPROTO_IPV4}};
    const std::array<std::uint8_t, 1> esp{IPPROTO_ESP};
    const std::uint32_t spi = htonl(first_spi);
    NftMessage rule(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    rule.text(NFTA_RULE_TABLE, MarkTable::kName);
    rule.text(NFTA_RULE_CHAIN, kChain);
    rule.nest(NFTA_RULE_EXPRESSIONS, [&] {
        rule.load_meta(NFT_META_NFPROTO);
        rule.compare(NFT_CMP_EQ, protocol);
        rule.load_meta(NFT_META_L4PROTO);
        rule.compare(NFT_CMP_EQ, esp);
        rule.load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof spi);
        rule.compare(NFT_CMP_GTE, host_octets(spi));
        // Source and destination stand together in both headers.
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? 8 : 12, pair_size);
        rule.look_up_mark(map_of(family), map_id(family));
    });
    messages_.append(rule);
}

void NftBatch::put_marks(std::uint16_t type, std::uint16_t flags, Family family,
                         const std::vector<PacketMark>& marks) {
    std::vector<PacketMark> ours;
    std::ranges::copy_if(marks, std::back_inserter(ours),
                         [family](const PacketMark& one) { return one.packet.source.family() == family; });
    for (std::size_t first = 0; first < ours.size(); first += kMarksPerMessage) {
        NftMessage list(type, flags);
        list.text(NFTA_SET_ELEM_LIST_TABLE, MarkTable::kName);
        list.text(NFTA_SET_ELEM_LIST_SET, map_of(family));
        list.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
            for (const PacketMark& one :
                 std::span(ours).subspan(first, std::min(kMarksPerMessage, ours.size() - first))) {
                Bytes key(one.packet.source.view().begin(), one.packet.source.view().end());
                key.insert(key.end(), one.packet.destination.view().begin(),
                           one.packet.destination.view().end());
                list.nest(NFTA_LIST_ELEM, [&] {
                    list.data(NFTA_SET_ELEM_KEY, key);
                    if (type == NFT_MSG_NEWSETELEM) list.data(NFTA_SET_ELEM_DATA, host_octets(one.mark));
                });
            }
        });
        messages_.append(list);
    }
}

void NftBatch::add_marks(Family family, const std::vector<PacketMark>& marks) {
    put_marks(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, family, marks);
}

void NftBatch::remove_marks(Family family, const std::vector<PacketMark>& marks) {
    put_marks(NFT_MSG_DELSETELEM, 0, family, marks);
}

} // namespace sheaf::netlink

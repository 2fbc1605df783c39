#include "netlink/nft_batch.h"

// The kernel's own headers leave out what is here when it comes first.
// clang-format off
#include <netinet/in.h>
// clang-format on

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <span>

namespace sheaf::netlink {
namespace {

constexpr const char* kChain = "incoming";
constexpr std::int32_t kPriority = -140; // `mangle` is -150, translation of addresses -100
constexpr std::size_t kMaxMessage = 64 << 10;
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

// One message.
class NftBatch::Writer {
  public:
    Writer(std::uint16_t type, std::uint16_t flags) : buffer_(kMaxMessage) {
        header_ = mnl_nlmsg_put_header(buffer_.data());
        header_->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
        header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        auto* fixed = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg)));
        fixed->nfgen_family = NFPROTO_INET;
        fixed->version = NFNETLINK_V0;
    }

    void text(std::uint16_t type, const char* value) { mnl_attr_put_strz(header_, type, value); }
    void number(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(header_, type, htonl(value)); }
    void octets(std::uint16_t type, View value) { mnl_attr_put(header_, type, value.size(), value.data()); }
    template <typename Content>
    void nest(std::uint16_t type, Content content) {
        nlattr* start = mnl_attr_nest_start(header_, type);
        content();
        mnl_attr_nest_end(header_, start);
    }
    void data(std::uint16_t type, View value) {
        nest(type, [&] { octets(NFTA_DATA_VALUE, value); });
    }
    template <typename Content>
    void expression(const char* name, Content content) {
        nest(NFTA_LIST_ELEM, [&] {
            text(NFTA_EXPR_NAME, name);
            nest(NFTA_EXPR_DATA, content);
        });
    }
    void load_meta(nft_meta_keys key) {
        expression("meta", [&] {
            number(NFTA_META_KEY, key);
            number(NFTA_META_DREG, NFT_REG_1);
        });
    }
    void load_payload(nft_payload_bases base, std::uint32_t offset, std::uint32_t length) {
        expression("payload", [&] {
            number(NFTA_PAYLOAD_DREG, NFT_REG_1);
            number(NFTA_PAYLOAD_BASE, base);
            number(NFTA_PAYLOAD_OFFSET, offset);
            number(NFTA_PAYLOAD_LEN, length);
        });
    }
    void compare(nft_cmp_ops operation, View value) {
        expression("cmp", [&] {
            number(NFTA_CMP_SREG, NFT_REG_1);
            number(NFTA_CMP_OP, operation);
            data(NFTA_CMP_DATA, value);
        });
    }
    [[nodiscard]] View finished() const { return View(buffer_).first(header_->nlmsg_len); }

  private:
    std::vector<std::uint8_t> buffer_;
    nlmsghdr* header_;
};

namespace {

// Begins or ends a transaction of the nf_tables subsystem.
Bytes bound(std::uint16_t type) {
    alignas(8) std::array<std::uint8_t, sizeof(nlmsghdr) + sizeof(nfgenmsg)> buffer{};
    nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST;
    auto* fixed = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    fixed->res_id = htons(NFNL_SUBSYS_NFTABLES);
    return {buffer.begin(), buffer.begin() + header->nlmsg_len};
}

View octets_of(const std::uint32_t& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

} // namespace

NftBatch::NftBatch() : bytes_(bound(NFNL_MSG_BATCH_BEGIN)) {}

Bytes NftBatch::finish() {
    const Bytes end = bound(NFNL_MSG_BATCH_END);
    bytes_.insert(bytes_.end(), end.begin(), end.end());
    return std::move(bytes_);
}

void NftBatch::append(Writer& message) {
    const View octets = message.finished();
    bytes_.insert(bytes_.end(), octets.begin(), octets.end());
    bytes_.resize((bytes_.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
    ++messages_;
}

void NftBatch::add_table() {
    Writer table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    table.text(NFTA_TABLE_NAME, MarkTable::kName);
    table.number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    append(table);

    Writer chain(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
    chain.text(NFTA_CHAIN_TABLE, MarkTable::kName);
    chain.text(NFTA_CHAIN_NAME, kChain);
    chain.nest(NFTA_CHAIN_HOOK, [&] {
        chain.number(NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
        chain.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kPriority));
    });
    chain.text(NFTA_CHAIN_TYPE, "filter");
    chain.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
    append(chain);
}

void NftBatch::add_family(Family family, std::uint32_t first_spi) {
    const bool v6 = family == Family::ipv6;
    const std::uint32_t shown = v6 ? kShownAsIpv6 : kShownAsIpv4, pair_size = 2 * address_size(family);
    Writer map(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
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
    append(map);

    const std::array<std::uint8_t, 1> protocol{v6 ? std::uint8_t{NFPROTO_IPV6} : std::uint8_t{NFPROTO_IPV4}};
    const std::array<std::uint8_t, 1> esp{IPPROTO_ESP};
    const std::uint32_t spi = htonl(first_spi);
    Writer rule(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    rule.text(NFTA_RULE_TABLE, MarkTable::kName);
    rule.text(NFTA_RULE_CHAIN, kChain);
    rule.nest(NFTA_RULE_EXPRESSIONS, [&] {
        rule.load_meta(NFT_META_NFPROTO);
        rule.compare(NFT_CMP_EQ, protocol);
        rule.load_meta(NFT_META_L4PROTO);
        rule.compare(NFT_CMP_EQ, esp);
        rule.load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof spi);
        rule.compare(NFT_CMP_GTE, octets_of(spi));
        // Source and destination stand together in both headers.
        rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, v6 ? 8 : 12, pair_size);
        rule.expression("lookup", [&] {
            rule.text(NFTA_LOOKUP_SET, map_of(family));
            rule.number(NFTA_LOOKUP_SET_ID, map_id(family));
            rule.number(NFTA_LOOKUP_SREG, NFT_REG_1);
            rule.number(NFTA_LOOKUP_DREG, NFT_REG_1);
        });
        rule.expression("meta", [&] {
            rule.number(NFTA_META_KEY, NFT_META_MARK);
            rule.number(NFTA_META_SREG, NFT_REG_1);
        });
    });
    append(rule);
}

void NftBatch::put_marks(std::uint16_t type, std::uint16_t flags, Family family,
                         const std::vector<PacketMark>& marks) {
    std::vector<PacketMark> ours;
    std::ranges::copy_if(marks, std::back_inserter(ours),
                         [family](const PacketMark& one) { return one.packet.source.family() == family; });
    for (std::size_t first = 0; first < ours.size(); first += kMarksPerMessage) {
        Writer list(type, flags);
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
                    if (type == NFT_MSG_NEWSETELEM) list.data(NFTA_SET_ELEM_DATA, octets_of(one.mark));
                });
            }
        });
        append(list);
    }
}

void NftBatch::add_marks(Family family, const std::vector<PacketMark>& marks) {
    put_marks(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, family, marks);
}

void NftBatch::remove_marks(Family family, const std::vector<PacketMark>& marks) {
    put_marks(NFT_MSG_DELSETELEM, 0, family, marks);
}

} // namespace sheaf::netlink

#include "netlink/nft_message.h"

// The kernel's own headers leave out what is here when it comes first.
// clang-format off
#include <netinet/in.h>
// clang-format on

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>
#include <utility>

namespace sheaf::netlink {
namespace {

constexpr std::size_t kMaxMessage = 64 << 10;

std::uint32_t register_number(unsigned index) { return NFT_REG32_00 + index; }

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

} // namespace

View host_octets(const std::uint32_t& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

NftMessage::NftMessage(std::uint16_t type, std::uint16_t flags)
    : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kMaxMessage)) {
    static_assert(kListElement == NFTA_LIST_ELEM && kExpressionName == NFTA_EXPR_NAME &&
                  kExpressionData == NFTA_EXPR_DATA);
    header_ = mnl_nlmsg_put_header(buffer_.get());
    header_->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    auto* fixed = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header_, sizeof(nfgenmsg)));
    fixed->nfgen_family = NFPROTO_INET;
    fixed->version = NFNETLINK_V0;
}

void NftMessage::number(std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(header_, type, htonl(value));
}

void NftMessage::data(std::uint16_t type, View value) {
    nest(type, [&] { octets(NFTA_DATA_VALUE, value); });
}

void NftMessage::verdict(std::uint16_t type, std::int32_t code, const char* chain) {
    nest(type, [&] {
        nest(NFTA_DATA_VERDICT, [&] {
            number(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
            if (chain != nullptr) text(NFTA_VERDICT_CHAIN, chain);
        });
    });
}

void NftMessage::load_meta(std::uint32_t key, unsigned to) {
    expression("meta", [&] {
        number(NFTA_META_KEY, key);
        number(NFTA_META_DREG, register_number(to));
    });
}

void NftMessage::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, unsigned to) {
    expression("payload", [&] {
        number(NFTA_PAYLOAD_DREG, register_number(to));
        number(NFTA_PAYLOAD_BASE, base);
        number(NFTA_PAYLOAD_OFFSET, offset);
        number(NFTA_PAYLOAD_LEN, length);
    });
}

void NftMessage::mask(View bits, View toggled) {
    expression("bitwise", [&] {
        number(NFTA_BITWISE_SREG, register_number(0));
        number(NFTA_BITWISE_DREG, register_number(0));
        number(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bits.size()));
        data(NFTA_BITWISE_MASK, bits);
        data(NFTA_BITWISE_XOR, toggled);
    });
}

void NftMessage::compare(std::uint32_t operation, View value) {
    expression("cmp", [&] {
        number(NFTA_CMP_SREG, register_number(0));
        number(NFTA_CMP_OP, operation);
        data(NFTA_CMP_DATA, value);
    });
}

void NftMessage::within(View first, View last) {
    expression("range", [&] {
        number(NFTA_RANGE_SREG, register_number(0));
        number(NFTA_RANGE_OP, NFT_RANGE_EQ);
        data(NFTA_RANGE_FROM_DATA, first);
        data(NFTA_RANGE_TO_DATA, last);
    });
}

void NftMessage::set_mark(std::uint32_t mark, std::uint32_t under) {
    const std::uint32_t others = ~under;
    load_meta(NFT_META_MARK);
    mask(host_octets(others), host_octets(mark));
    expression("meta", [&] {
        number(NFTA_META_KEY, NFT_META_MARK);
        number(NFTA_META_SREG, register_number(0));
    });
}

void NftMessage::look_up(const char* set, std::uint32_t id) {
    expression("lookup", [&] {
        text(NFTA_LOOKUP_SET, set);
        number(NFTA_LOOKUP_SET_ID, id);
        number(NFTA_LOOKUP_SREG, register_number(0));
    });
}

void NftMessage::look_up_mark(const char* map, std::uint32_t id) {
    expression("lookup", [&] {
        text(NFTA_LOOKUP_SET, map);
        number(NFTA_LOOKUP_SET_ID, id);
        number(NFTA_LOOKUP_SREG, register_number(0));
        number(NFTA_LOOKUP_DREG, register_number(0));
    });
    expression("meta", [&] {
        number(NFTA_META_KEY, NFT_META_MARK);
        number(NFTA_META_SREG, register_number(0));
    });
}

void NftMessage::look_up_verdict(const char* map, std::uint32_t id) {
    expression("lookup", [&] {
        text(NFTA_LOOKUP_SET, map);
        number(NFTA_LOOKUP_SET_ID, id);
        number(NFTA_LOOKUP_SREG, register_number(0));
        number(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    });
}

void NftMessage::decide(std::int32_t code) {
    expression("immediate", [&] {
        number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        verdict(NFTA_IMMEDIATE_DATA, code);
    });
}

void NftMessage::count() {
    expression("counter", [&] {
        const std::array<std::uint8_t, sizeof(std::uint64_t)> none{};
        octets(NFTA_COUNTER_BYTES, none);
        octets(NFTA_COUNTER_PACKETS, none);
    });
}

View NftMessage::finished() const { return {buffer_.get(), header_->nlmsg_len}; }

NftTransaction::NftTransaction() : bytes_(bound(NFNL_MSG_BATCH_BEGIN)) {}

void NftTransaction::append(const NftMessage& message) {
    const View octets = message.finished();
    last_ = bytes_.size();
    bytes_.insert(bytes_.end(), octets.begin(), octets.end());
    bytes_.resize((bytes_.size() + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO);
}

Bytes NftTransaction::finish(std::uint32_t sequence) {
    const Bytes end = bound(NFNL_MSG_BATCH_END);
    bytes_.insert(bytes_.end(), end.begin(), end.end());
    for (std::size_t at = 0; at < bytes_.size();) {
        auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data() + at);
        header->nlmsg_seq = sequence;
        if (at == last_ && !empty()) header->nlmsg_flags |= NLM_F_ACK;
        at += NLMSG_ALIGN(header->nlmsg_len);
    }
    return std::move(bytes_);
}

} // namespace sheaf::netlink

#include "netlink/mark_table.h"
#include "test/kernel/samples.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>

namespace sheaf::netlink {
namespace {

using kernel_test::ip;

constexpr std::uint32_t kFirstSpi = 0xf0000000;

// Answers the messages of a transaction that ask for it, and the n-th with an error.
struct Tables {
    test::MockOs os;
    std::vector<std::uint16_t> types; // of what was sent
    int error = 0;
    std::size_t refused = 0;

    Tables() {
        os.on_message = [this](int fd, int protocol, const nlmsghdr& message) {
            CHECK(protocol == NETLINK_NETFILTER);
            static_cast<void>(message);
            const Bytes datagram = os.sent.back().messages.front(); // all of them, one after the other
            for (std::size_t at = 0; at < datagram.size();) {
                const auto& one = *reinterpret_cast<const nlmsghdr*>(datagram.data() + at);
                at += NLMSG_ALIGN(one.nlmsg_len);
                answer(fd, one);
            }
        };
    }

    void answer(int fd, const nlmsghdr& message) {
        types.push_back(message.nlmsg_type);
        if (error != 0 && types.size() - 1 == refused) {
            os.deliver(fd, test::Reply::error(message, error, "no"));
        } else if ((message.nlmsg_flags & NLM_F_ACK) != 0) {
            os.deliver(fd, test::Reply::ack(message));
        }
    }
};

constexpr std::uint16_t nft(unsigned type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

} // namespace

TEST_CASE("a table of marks is changed by transactions, and goes with its socket", "[netlink]") {
    Tables tables;
    auto table = MarkTable::open(tables.os, kFirstSpi);
    REQUIRE(table);
    CHECK(tables.types == std::vector<std::uint16_t>{NFNL_MSG_BATCH_BEGIN, nft(NFT_MSG_NEWTABLE),
                                                     nft(NFT_MSG_NEWCHAIN), nft(NFT_MSG_NEWSET),
                                                     nft(NFT_MSG_NEWRULE), nft(NFT_MSG_NEWSET),
                                                     nft(NFT_MSG_NEWRULE), NFNL_MSG_BATCH_END});
    CHECK(tables.os.sent.size() == 1);
    tables.types.clear();
    const PacketMark one{{ip("192.0.2.2"), ip("192.0.2.1")}, 0x54000100};
    const PacketMark two{{ip("2001:db8::2"), ip("2001:db8::1")}, 0x54000200};
    REQUIRE((*table)->change({one, two}, {}));
    REQUIRE((*table)->change({}, {two}));
    CHECK(tables.types == std::vector<std::uint16_t>{NFNL_MSG_BATCH_BEGIN, nft(NFT_MSG_NEWSETELEM),
                                                     nft(NFT_MSG_NEWSETELEM), NFNL_MSG_BATCH_END,
                                                     NFNL_MSG_BATCH_BEGIN, nft(NFT_MSG_DELSETELEM),
                                                     NFNL_MSG_BATCH_END});
    REQUIRE((*table)->change({}, {})); // nothing to send
    CHECK(tables.os.sent.size() == 3);
    const int fd = tables.os.fd_of(NETLINK_NETFILTER);
    table->reset();
    CHECK(tables.os.closed(fd));
}

TEST_CASE("a transaction holds as many marks as there are", "[netlink]") {
    Tables tables;
    auto table = MarkTable::open(tables.os, kFirstSpi);
    REQUIRE(table);
    tables.types.clear();
    std::vector<PacketMark> many;
    auto source = ip("2001:db8::");
    for (std::uint32_t i = 0; i < 1200; ++i) {
        source = *source.next();
        many.push_back({{source, ip("2001:db8:1::1")}, i});
    }
    REQUIRE((*table)->change(many, {}));
    CHECK(tables.types.size() == 5); // three lists
    CHECK(tables.os.sent.size() == 2);
}

TEST_CASE("the kernel's refusal of a transaction is told", "[netlink]") {
    Tables tables;
    tables.error = EEXIST;
    tables.refused = 1;
    const auto table = MarkTable::open(tables.os, kFirstSpi);
    REQUIRE_FALSE(table);
    CHECK(table.error().code == EEXIST);
    CHECK(tables.os.closed(tables.os.fd_of(NETLINK_NETFILTER)));
    tables.os.refuse_socket = EPROTONOSUPPORT;
    CHECK(MarkTable::open(tables.os, kFirstSpi).error().code == EPROTONOSUPPORT);
}

} // namespace sheaf::netlink

#include "test/kernel/samples.h"
#include "test/unit/netlink/mock_os.h"
#include "xfrm/packet_marks.h"
#include "xfrm/path_marks.h"

#include <catch2/catch.hpp>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace sheaf::xfrm {
namespace {

using kernel_test::ip;

constexpr child::LinkNumber kFirstHome = child::kFirstLink + 1, kSecondHome = child::kFirstLink + 2;

// Answers transactions, and counts the elements of each socket's table.
struct Tables {
    test::MockOs os;
    std::map<int, int> elements; // by socket
    int lost = 0;                // so many answers from now on
    int refused = 0;             // so many transactions from now on
    int code = ENOMEM;

    Tables() {
        os.on_message = [this](int fd, int, const nlmsghdr& first) {
            if (refused > 0) {
                --refused;
                return os.deliver(fd, test::Reply::error(first, code));
            }
            const Bytes datagram = os.sent.back().messages.front();
            for (std::size_t at = 0; at < datagram.size();) {
                const auto& one = *reinterpret_cast<const nlmsghdr*>(datagram.data() + at);
                at += NLMSG_ALIGN(one.nlmsg_len);
                take(fd, one);
            }
        };
    }
    void take(int fd, const nlmsghdr& message) {
        const int type = message.nlmsg_type & 0xff;
        if (type == NFT_MSG_NEWSETELEM) ++elements[fd];
        if (type == NFT_MSG_DELSETELEM) --elements[fd];
        if ((message.nlmsg_flags & NLM_F_ACK) == 0) return;
        if (lost-- > 0) return os.overrun(fd);
        os.deliver(fd, test::Reply::ack(message));
    }
    // In the table that there is now.
    [[nodiscard]] int held() const {
        int out = 0;
        for (const auto& [fd, count] : elements)
            out += os.closed(fd) ? 0 : count;
        return out;
    }
};

HomeMarks admitting(std::uint32_t spi) {
    HomeMarks out;
    out.chain = "home-" + std::to_string(spi);
    out.admitted = {{IpAddress::any(Family::ipv6), ip("2001:db8::1"), spi}};
    return out;
}

} // namespace

TEST_CASE("a table of which the kernel has not told what it holds is made anew", "[xfrm]") {
    Tables tables;
    const auto marks = nft_path_marks(tables.os);
    REQUIRE(marks->change(kFirstHome, admitting(1)));
    const int first = tables.os.fd_of(NETLINK_NETFILTER);
    tables.lost = 1;
    REQUIRE(marks->change(kSecondHome, admitting(2)));
    CHECK(tables.os.closed(first)); // the kernel removes it with the socket
    CHECK(tables.held() == 2);
    CHECK(marks->held(kSecondHome) == admitting(2));
}

TEST_CASE("so is that of a group's senders", "[xfrm]") {
    Tables tables;
    const auto marks = nft_marks(tables.os);
    const PacketMark one{{ip("192.0.2.2"), ip("192.0.2.1")}, 0x54000100};
    const PacketMark two{{ip("2001:db8::2"), ip("2001:db8::1")}, 0x54000200};
    REQUIRE(marks->change({one}, {}));
    const int first = tables.os.fd_of(NETLINK_NETFILTER);
    tables.lost = 1;
    REQUIRE(marks->change({two}, {}));
    CHECK(tables.os.closed(first));
    CHECK(tables.held() == 2);
    tables.lost = 3;
    CHECK_FALSE(marks->change({}, {two}));
    CHECK(tables.held() == 0);
    marks->make_again();
    CHECK(tables.held() == 2);
    REQUIRE(marks->change({}, {two}));
    CHECK(tables.held() == 1);
    REQUIRE(marks->change({}, {one}));
    CHECK(tables.held() == 0);
}

TEST_CASE("a table that cannot be made anew lets nothing in until it can", "[xfrm]") {
    Tables tables;
    const auto marks = nft_path_marks(tables.os);
    REQUIRE(marks->change(kFirstHome, admitting(1)));
    tables.lost = 3;
    const auto lost = marks->change(kSecondHome, admitting(2));
    REQUIRE_FALSE(lost);
    CHECK(lost.error().find("ENOBUFS") != std::string::npos);
    CHECK(tables.held() == 0);
    CHECK(marks->held(kSecondHome) == HomeMarks{});
    REQUIRE(marks->change(kFirstHome, admitting(1))); // the same as before
    CHECK(tables.held() == 1);
    marks->clear();
    CHECK(tables.held() == 0);
}

TEST_CASE("a table that could not be made anew when something was taken away is made when it is tried again",
          "[xfrm]") {
    Tables tables;
    const auto marks = nft_path_marks(tables.os);
    CHECK_FALSE(marks->is_missing());
    REQUIRE(marks->change(kFirstHome, admitting(1)));
    REQUIRE(marks->change(kSecondHome, admitting(2)));
    tables.refused = 3;
    CHECK_FALSE(marks->change(kSecondHome, {}));
    CHECK(marks->is_missing());
    CHECK(tables.held() == 0);
    tables.refused = 1;
    marks->make_again();
    CHECK(marks->is_missing());
    marks->make_again();
    CHECK_FALSE(marks->is_missing());
    CHECK(tables.held() == 1);
}

TEST_CASE("what is to be let in no longer is not, though the kernel refuses the change", "[xfrm]") {
    Tables tables;
    const auto marks = nft_path_marks(tables.os);
    REQUIRE(marks->change(kFirstHome, admitting(1)));
    REQUIRE(marks->change(kSecondHome, admitting(2)));
    tables.refused = 2;
    CHECK_FALSE(marks->change(kSecondHome, admitting(3)));
    CHECK(tables.held() == 1); // the first home address's
    CHECK(marks->held(kSecondHome) == HomeMarks{});
    CHECK(marks->change(kSecondHome, admitting(3)));
    tables.refused = 1;
    CHECK_FALSE(marks->change(kFirstHome, {}));
    CHECK(tables.held() == 1);
    CHECK(marks->held(kFirstHome) == HomeMarks{});
}

TEST_CASE("home addresses whose prefixes are one in another are told how to be mended", "[xfrm]") {
    Tables tables;
    const auto marks = nft_path_marks(tables.os);
    REQUIRE(marks->change(kFirstHome, admitting(1)));
    tables.code = ENOTEMPTY;
    tables.refused = 1;
    const auto refused = marks->change(kSecondHome, admitting(2));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().find("of another home address: let them be apart") != std::string::npos);
}

} // namespace sheaf::xfrm

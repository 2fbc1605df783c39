#include "netlink/path_table.h"
#include "test/kernel/samples.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sheaf::netlink {
namespace {

using kernel_test::ip;
using kernel_test::prefix;

constexpr PathTable::Marks kMarks{.gate = 0x55000000, .mask = 0xffffff00};

// Answers the messages of a transaction that ask for it, and keeps what was sent.
struct Transactions {
    test::MockOs os;
    std::vector<std::uint16_t> types;
    int error = 0;           // of the first message
    std::size_t answers = 0; // to all that was sent
    bool lost = false;       // the answers
    bool late = false;       // then they come with the next transaction's
    std::vector<Bytes> belated{};

    Transactions() {
        os.on_message = [this](int fd, int, const nlmsghdr&) {
            const Bytes datagram = os.sent.back().messages.front(); // all of them, one after the other
            for (Bytes& answer : std::exchange(belated, {}))
                os.deliver(fd, std::move(answer));
            for (std::size_t at = 0; at < datagram.size();) {
                const auto& one = *reinterpret_cast<const nlmsghdr*>(datagram.data() + at);
                at += NLMSG_ALIGN(one.nlmsg_len);
                if (one.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
                    continue; // where the transaction begins and ends
                types.push_back(static_cast<std::uint16_t>(one.nlmsg_type & 0xff));
                answer(fd, one);
            }
        };
    }
    void answer(int fd, const nlmsghdr& message) {
        const int code = std::exchange(error, 0);
        if (code == 0 && (message.nlmsg_flags & NLM_F_ACK) == 0) return;
        ++answers;
        if (lost) return os.overrun(fd);
        Bytes said = code != 0 ? test::Reply::error(message, code, "no") : test::Reply::ack(message);
        if (late) return belated.push_back(std::move(said));
        os.deliver(fd, std::move(said));
    }
    std::unique_ptr<PathTable> table() {
        auto opened = PathTable::open(os, kMarks);
        REQUIRE(opened);
        types.clear();
        return std::move(*opened);
    }
};

using Types = std::vector<std::uint16_t>;

HomeMarks home() {
    HomeMarks out;
    out.chain = "home-1";
    out.admitted = {{ip("::"), ip("2001:db8::1"), 1}, {ip("2001:db8:a::5"), ip("2001:db8::1"), 2}};
    out.guarded = {{ip("::"), ip("2001:db8::1"), 2}};
    return out;
}

PathRule rule(mobility::FlowSelector selector) { return {std::move(selector), 0, 0x57000100}; }

std::size_t rules_for(const mobility::FlowSelector& selector) {
    Transactions kernel;
    const auto table = kernel.table();
    auto with = home();
    with.prefixes = {prefix("2001:db8:1::100/128")};
    with.rules = {rule(selector)};
    REQUIRE(table->change({}, with));
    return static_cast<std::size_t>(std::ranges::count(kernel.types, NFT_MSG_NEWRULE));
}

} // namespace

TEST_CASE("ESP is let in by elements of sets", "[netlink]") {
    Transactions kernel;
    const auto table = kernel.table();
    REQUIRE(table->change({}, home()));
    CHECK(kernel.types == Types{NFT_MSG_NEWSETELEM, NFT_MSG_NEWSETELEM, NFT_MSG_NEWSETELEM});
    kernel.types.clear();
    auto less = home();
    less.admitted.pop_back();
    REQUIRE(table->change(home(), less));
    CHECK(kernel.types == Types{NFT_MSG_DELSETELEM});
    kernel.types.clear();
    REQUIRE(table->change(less, less)); // nothing to send
    CHECK(kernel.types.empty());
}

TEST_CASE("the flows of a home address change in one transaction", "[netlink]") {
    Transactions kernel;
    const auto table = kernel.table();
    auto with = home();
    with.prefixes = {prefix("2001:db8:1::100/128")};
    with.rules = {rule({}), rule({})};
    REQUIRE(table->change(home(), with));
    CHECK(kernel.types ==
          Types{NFT_MSG_NEWCHAIN, NFT_MSG_DELRULE, NFT_MSG_NEWRULE, NFT_MSG_NEWRULE, NFT_MSG_NEWSETELEM});
    kernel.types.clear();
    auto other = with;
    other.rules[1].mark = 0x57000200;
    const std::size_t sent = kernel.os.sent.size();
    REQUIRE(table->change(with, other));
    CHECK(kernel.types == Types{NFT_MSG_DELRULE, NFT_MSG_NEWRULE, NFT_MSG_NEWRULE});
    CHECK(kernel.os.sent.size() == sent + 1);
    kernel.types.clear();
    REQUIRE(table->change(other, home()));
    CHECK(kernel.types == Types{NFT_MSG_DELSETELEM, NFT_MSG_DELRULE, NFT_MSG_DELCHAIN});
    kernel.types.clear();
    kernel.error = EEXIST;
    CHECK(table->change(home(), with).error().code == EEXIST);
}

TEST_CASE("a selector becomes a rule for each protocol that has what it wants", "[netlink]") {
    mobility::FlowSelector selector;
    CHECK(rules_for(selector) == 1);
    selector.next_header = {6, 17};
    CHECK(rules_for(selector) == 1);
    selector.source_port = {5001, 5010};
    CHECK(rules_for(selector) == 2); // of TCP and UDP
    selector.next_header.reset();
    CHECK(rules_for(selector) == 5);
    selector.spi = {1, 2};
    CHECK(rules_for(selector) == 0); // nothing has both
    selector.source_port.reset();
    CHECK(rules_for(selector) == 1);
    selector.traffic_class = {0x08, 0x10};
    selector.flow_label = {1, 1};
    selector.source = {ip("2001:db8::"), ip("2001:db8::ffff")};
    CHECK(rules_for(selector) == 1);
}

TEST_CASE("a transaction of any length has one answer, and each refusal its own", "[netlink]") {
    Transactions kernel;
    const auto table = kernel.table();
    auto with = home();
    with.prefixes = {prefix("2001:db8:1::100/128")};
    with.rules.assign(300, rule({}));
    kernel.answers = 0;
    REQUIRE(table->change(home(), with));
    CHECK(kernel.types.size() > 300);
    CHECK(kernel.answers == 1);
    kernel.error = ENOMEM;
    const auto refused = table->change(with, home());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ENOMEM);
    CHECK_FALSE(refused.error().unanswered);
}

TEST_CASE("a transaction whose answer is lost or late may have been carried out", "[netlink]") {
    Transactions kernel;
    const auto table = kernel.table();
    kernel.lost = true;
    const auto lost = table->change({}, home());
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == ENOBUFS);
    CHECK(lost.error().unanswered);
    kernel.lost = false;
    kernel.late = true;
    const auto late = table->change({}, home());
    REQUIRE_FALSE(late);
    CHECK(late.error().code == ETIMEDOUT);
    CHECK(late.error().unanswered);
    CHECK(table->change({}, home()).error().code == ETIMEDOUT); // the answer to the one before is none to it
    kernel.late = false;
    CHECK(table->change({}, home()));
}

TEST_CASE("many registered care-of addresses are as many elements", "[netlink]") {
    Transactions kernel;
    const auto table = kernel.table();
    HomeMarks many;
    many.chain = "home-1";
    auto source = ip("2001:db8::");
    for (std::uint32_t i = 0; i < 1200; ++i) {
        source = *source.next();
        many.admitted.push_back({source, ip("2001:db8:1::1"), i});
    }
    REQUIRE(table->change({}, many));
    CHECK(kernel.types.size() == 5);
}

} // namespace sheaf::netlink

#include "netlink/netlink_socket.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>

#include <cerrno>
#include <optional>

namespace sheaf::netlink {
namespace {

using test::MockOs;
using test::Reply;
using Result = std::optional<std::expected<void, Error>>;

constexpr std::uint16_t kType = 0x40;
constexpr std::uint16_t kObject = 0x41;
constexpr Instant kStart{std::chrono::seconds(1000)};
constexpr Duration kDeadline = std::chrono::seconds(10);

Message message(std::size_t size = 8, std::uint16_t flags = 0) {
    Builder out(kType, flags);
    out.put(1, Bytes(size));
    return out.finish();
}

Bytes object(std::uint8_t value) {
    Builder out(kObject, 0);
    out.put_u8(1, value);
    const Message built = out.finish();
    return {built.view().begin(), built.view().end()};
}

std::uint8_t value_of(const nlmsghdr& header) { return Attributes::of(header, 0).u8(1); }

struct Bench {
    MockOs os;
    std::unique_ptr<Socket> socket;
    std::vector<Result> results;

    explicit Bench(Socket::Settings settings = {}) {
        auto opened = Socket::open(os, NETLINK_XFRM, settings);
        REQUIRE(opened);
        socket = std::move(*opened);
    }
    void request(Message one = message()) {
        const std::size_t index = results.size();
        results.emplace_back();
        socket->request(std::move(one), [this, index](const auto& result) { results[index] = result; });
    }
    void answer_all() {
        os.on_message = [this](int fd, int, const nlmsghdr& header) { os.deliver(fd, Reply::ack(header)); };
    }
    [[nodiscard]] const nlmsghdr& sent(std::size_t datagram, std::size_t index) const {
        return test::header_of(os.sent.at(datagram).messages.at(index));
    }
};

} // namespace

TEST_CASE("requests travel together and answers find their request", "[netlink]") {
    Bench bench;
    for (int i = 0; i < 5; ++i)
        bench.request();
    CHECK(bench.os.sent.empty());
    CHECK(bench.socket->next_timeout() == Instant::min());
    bench.socket->flush(kStart);
    REQUIRE(bench.os.sent.size() == 1);
    REQUIRE(bench.os.sent[0].messages.size() == 5);
    CHECK((bench.sent(0, 0).nlmsg_flags & NLM_F_ACK) != 0);
    CHECK(bench.socket->next_timeout() == kStart + kDeadline);

    // In another order, two in one datagram, the third an error.
    Bytes datagram;
    test::append_message(datagram, Reply::error(bench.sent(0, 3), EEXIST));
    test::append_message(datagram, Reply::ack(bench.sent(0, 1)));
    bench.os.deliver(bench.socket->fd(), datagram);
    bench.socket->on_readable(kStart);
    CHECK_FALSE(bench.results[0]);
    CHECK((bench.results[1] && *bench.results[1]));
    REQUIRE((bench.results[3] && !*bench.results[3]));
    CHECK(bench.results[3]->error().code == EEXIST);
    for (const std::size_t i : {0U, 2U, 4U})
        bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, i)));
    bench.socket->on_readable(kStart);
    CHECK(bench.socket->idle());
    CHECK_FALSE(bench.socket->next_timeout());
}

TEST_CASE("the window bounds what is unanswered, and datagrams stay small", "[netlink]") {
    Bench bench({.window = 10});
    for (int i = 0; i < 25; ++i)
        bench.request();
    bench.socket->flush(kStart);
    bench.socket->flush(kStart);
    CHECK(bench.os.messages().size() == 10);
    for (std::size_t i = 0; i < 4; ++i)
        bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, i)));
    bench.socket->on_readable(kStart);
    bench.socket->flush(kStart);
    CHECK(bench.os.messages().size() == 14);

    Bench large({.window = 1000});
    large.answer_all();
    for (int i = 0; i < 100; ++i)
        large.request(message(3000));
    large.socket->flush(kStart);
    for (const auto& datagram : large.os.sent)
        CHECK(datagram.messages.size() <= 21);
    CHECK(large.os.messages().size() == 100);
    CHECK(large.os.sent.size() == 5);
}

TEST_CASE("a request without an answer fails at its deadline; a late answer is ignored", "[netlink]") {
    Bench bench;
    bench.request();
    bench.socket->flush(kStart);
    bench.socket->on_timeout(kStart + kDeadline - std::chrono::microseconds(1));
    CHECK_FALSE(bench.results[0]);
    bench.socket->on_timeout(kStart + kDeadline);
    REQUIRE((bench.results[0] && !*bench.results[0]));
    CHECK(bench.results[0]->error().code == ETIMEDOUT);
    CHECK(bench.results[0]->error().unanswered);
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 0)));
    bench.socket->on_readable(kStart + kDeadline);
    CHECK(bench.results[0]->error().code == ETIMEDOUT);
    CHECK(bench.socket->idle());
}

TEST_CASE("an answer that waits unread when its deadline passes counts", "[netlink]") {
    Bench bench;
    bench.request();
    bench.socket->flush(kStart);
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 0)));
    bench.socket->on_timeout(kStart + 2 * kDeadline);
    CHECK((bench.results[0] && *bench.results[0]));
}

TEST_CASE("answers that were lost for want of memory are not waited for", "[netlink]") {
    Bench bench;
    for (int i = 0; i < 3; ++i)
        bench.request();
    bench.socket->flush(kStart);
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 0)));
    bench.os.overrun(bench.socket->fd());
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 2)));
    bool told = false;
    bench.socket->on_overrun([&] { told = true; });
    bench.socket->on_readable(kStart);
    CHECK((bench.results[0] && *bench.results[0]));
    REQUIRE((bench.results[1] && !*bench.results[1]));
    CHECK(bench.results[1]->error().code == ENOBUFS);
    CHECK(bench.results[1]->error().unanswered);
    CHECK((bench.results[2] && *bench.results[2]));
    CHECK(told);
}

TEST_CASE("when the kernel has no memory for a send it is tried again", "[netlink]") {
    Bench bench;
    bench.answer_all();
    bench.request();
    bench.os.send_error = ENOBUFS;
    bench.socket->flush(kStart);
    CHECK(bench.os.sent.empty());
    const auto retry = bench.socket->next_timeout();
    REQUIRE(retry);
    CHECK(*retry > kStart);
    bench.socket->flush(kStart);
    CHECK(bench.os.sent.empty());
    bench.socket->on_timeout(*retry);
    bench.socket->on_readable(*retry);
    CHECK((bench.results[0] && *bench.results[0]));
}

TEST_CASE("a send that is refused fails its requests, and a message that does not fit its own", "[netlink]") {
    Bench bench;
    bench.answer_all();
    bench.request();
    bench.request();
    bench.os.send_error = EPERM;
    bench.socket->flush(kStart);
    for (const auto& result : bench.results) {
        REQUIRE((result && !*result));
        CHECK(result->error().code == EPERM);
        CHECK_FALSE(result->error().unanswered);
    }
    bench.request();
    bench.request(Message{});
    bench.request();
    bench.socket->flush(kStart);
    bench.socket->on_readable(kStart);
    CHECK((bench.results[2] && *bench.results[2]));
    REQUIRE((bench.results[3] && !*bench.results[3]));
    CHECK(bench.results[3]->error().code == EMSGSIZE);
    CHECK((bench.results[4] && *bench.results[4]));
}

TEST_CASE("a dump gives its objects; one that is interrupted begins again", "[netlink]") {
    Bench bench;
    int interruptions = 2;
    bench.os.on_message = [&](int fd, int, const nlmsghdr& header) {
        const std::uint16_t flags = interruptions > 0 ? NLM_F_DUMP_INTR : 0;
        bench.os.deliver(fd, Reply::part(header, object(1)));
        bench.os.deliver(fd, Reply::part(header, object(2), flags));
        bench.os.deliver(fd, Reply::done(header));
        --interruptions;
    };
    std::vector<std::uint8_t> seen;
    Result result;
    bench.socket->dump(
        message(8, NLM_F_DUMP), [&] { seen.clear(); },
        [&](const nlmsghdr& one) { seen.push_back(value_of(one)); }, [&](const auto& end) { result = end; });
    for (int i = 0; i < 5; ++i) {
        bench.socket->flush(kStart);
        bench.socket->on_readable(kStart);
    }
    CHECK(bench.os.sent.size() == 3);
    REQUIRE(result);
    CHECK(*result);
    CHECK(seen == std::vector<std::uint8_t>{1, 2});

    interruptions = 1000; // without end
    result.reset();
    bench.socket->dump(message(8, NLM_F_DUMP), {}, {}, [&](const auto& end) { result = end; });
    for (int i = 0; i < 50; ++i) {
        bench.socket->flush(kStart);
        bench.socket->on_readable(kStart);
    }
    REQUIRE((result && !*result));
    CHECK(result->error().code == EINTR);
}

TEST_CASE("dumps go one after the other, requests pass beside them", "[netlink]") {
    Bench bench;
    std::vector<int> ended;
    for (const int number : {1, 2}) {
        bench.socket->dump(message(8, NLM_F_DUMP), {}, {},
                           [&ended, number](const auto&) { ended.push_back(number); });
        bench.request();
    }
    bench.socket->flush(kStart);
    REQUIRE(bench.os.messages().size() == 2);
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 1)));
    bench.os.deliver(bench.socket->fd(), Reply::done(bench.sent(0, 0), ENOENT));
    bench.socket->on_readable(kStart);
    CHECK(ended == std::vector<int>{1});
    bench.socket->flush(kStart);
    CHECK(bench.os.messages().size() == 4);
    bench.os.deliver(bench.socket->fd(), Reply::done(bench.sent(1, 0)));
    bench.socket->on_readable(kStart);
    CHECK(ended == std::vector<int>{1, 2});
}

TEST_CASE("only the kernel is listened to, and what nobody asked for is an event", "[netlink]") {
    Bench bench;
    std::vector<std::uint8_t> events;
    bench.socket->on_event([&](const nlmsghdr& event) { events.push_back(value_of(event)); });
    bench.request();
    bench.socket->flush(kStart);
    bench.os.sender = 4711;
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 0)));
    bench.os.deliver(bench.socket->fd(), object(9));
    bench.socket->on_readable(kStart);
    CHECK_FALSE(bench.results[0]);
    CHECK(events.empty());
    bench.os.sender = 0;
    bench.os.deliver(bench.socket->fd(), object(3));
    nlmsghdr someone = bench.sent(0, 0); // another socket's request with our sequence number
    someone.nlmsg_pid = 1;
    bench.os.deliver(bench.socket->fd(), Reply::ack(someone));
    bench.socket->on_readable(kStart);
    CHECK(events == std::vector<std::uint8_t>{3});
    CHECK_FALSE(bench.results[0]);
}

TEST_CASE("what is sent tells the socket's port, by which the kernel's events tell our own changes",
          "[netlink]") {
    Bench bench;
    bench.request();
    bench.request(message(8, NLM_F_DUMP));
    bench.socket->flush(kStart);
    REQUIRE(bench.socket->port() != 0);
    CHECK(bench.sent(0, 0).nlmsg_pid == bench.socket->port());
    CHECK(bench.sent(0, 1).nlmsg_pid == bench.socket->port());
}

TEST_CASE("a request may be answered with objects", "[netlink]") {
    Bench bench;
    std::vector<std::uint8_t> seen;
    bench.socket->request(
        message(), [](const auto&) {}, [&](const nlmsghdr& one) { seen.push_back(value_of(one)); });
    bench.socket->flush(kStart);
    bench.os.deliver(bench.socket->fd(), Reply::part(bench.sent(0, 0), object(6)));
    bench.os.deliver(bench.socket->fd(), Reply::ack(bench.sent(0, 0)));
    bench.socket->on_readable(kStart);
    CHECK(seen == std::vector<std::uint8_t>{6});
    CHECK(bench.socket->idle());
}

TEST_CASE("a socket that cannot be had is told, and one that goes is closed", "[netlink]") {
    MockOs os;
    os.refuse_socket = EPROTONOSUPPORT;
    const auto refused = Socket::open(os, NETLINK_XFRM, {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EPROTONOSUPPORT);
    os.refuse_socket = 0;
    int fd = -1;
    {
        auto opened = Socket::open(os, NETLINK_XFRM, {});
        fd = (*opened)->fd();
    }
    CHECK(os.closed(fd));
}

} // namespace sheaf::netlink

#include "netlink/acknowledgement.h"
#include "netlink/message.h"
#include "test/unit/netlink/mock_os.h"

#include <catch2/catch.hpp>

#include <cerrno>

namespace sheaf::netlink {
namespace {

constexpr std::uint16_t kType = 0x40;

Message sample() {
    Builder out(kType, NLM_F_DUMP);
    out.fixed<std::uint64_t>() = 0x0102030405060708;
    out.put_u32(1, 77);
    out.put_u8(2, 5);
    const Bytes text{'l', 'i', 'n', 'k', 0};
    out.put(3, text);
    return out.finish();
}

} // namespace

TEST_CASE("a message is read as it was built", "[netlink]") {
    const Message message = sample();
    REQUIRE_FALSE(message.empty());
    CHECK(message.view().size() % NLMSG_ALIGNTO == 0);
    CHECK(message.header().nlmsg_type == kType);
    CHECK((message.header().nlmsg_flags & NLM_F_REQUEST) != 0);
    CHECK(message.is_dump());
    std::uint64_t fixed = 0;
    REQUIRE(read_fixed(message.header(), &fixed, sizeof fixed));
    CHECK(fixed == 0x0102030405060708);
    const auto attributes = Attributes::of(message.header(), sizeof fixed);
    CHECK(attributes.u32(1) == 77);
    CHECK(attributes.u8(2) == 5);
    CHECK(attributes.string(3) == "link");
    CHECK(attributes.has(3));
    CHECK_FALSE(attributes.has(4));
    CHECK(attributes.u32(4, 9) == 9);
}

TEST_CASE("what does not fit gives an empty message", "[netlink]") {
    Builder out(kType, 0);
    out.put(1, Bytes(Builder::kMaxMessage));
    CHECK(out.finish().empty());
}

TEST_CASE("attributes of a message that is cut off are absent", "[netlink]") {
    const Message message = sample();
    Bytes bytes(message.view().begin(), message.view().end());
    for (std::size_t length = NLMSG_HDRLEN; length < bytes.size(); ++length) {
        Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        reinterpret_cast<nlmsghdr*>(&cut.at(0))->nlmsg_len = static_cast<std::uint32_t>(length);
        const auto attributes = Attributes::of(test::header_of(cut), 8);
        for (std::uint16_t type = 0; type < 5; ++type)
            CHECK(attributes.bytes(type).size() <= length);
        if (length < NLMSG_HDRLEN + 16) CHECK_FALSE(attributes.has(1));
    }
    Bytes lying = bytes;
    lying.at(NLMSG_HDRLEN + 8) = 0xff; // the first attribute's length
    lying.at(NLMSG_HDRLEN + 9) = 0xff;
    CHECK_FALSE(Attributes::of(test::header_of(lying), 8).has(1));
    lying.at(NLMSG_HDRLEN + 8) = 0; // no progress
    lying.at(NLMSG_HDRLEN + 9) = 0;
    CHECK_FALSE(Attributes::of(test::header_of(lying), 8).has(3));
}

TEST_CASE("an error carries the kernel's text and offset", "[netlink]") {
    const Message request = sample();
    const Bytes plain = test::Reply::error(request.header(), EEXIST);
    auto result = acknowledgement(test::header_of(plain));
    REQUIRE_FALSE(result);
    CHECK(result.error() == Error{.code = EEXIST});
    CHECK(result.error().to_string() == "EEXIST: File exists");

    const Bytes told = test::Reply::error(request.header(), EINVAL, "Invalid AEAD key length", 244);
    result = acknowledgement(test::header_of(told));
    REQUIRE_FALSE(result);
    CHECK(result.error().to_string() == "EINVAL: Invalid AEAD key length (octet 244 of the request)");
    CHECK_FALSE(result.error().unanswered);

    CHECK(acknowledgement(test::header_of(test::Reply::ack(request.header()))));
    CHECK(end_of_dump(test::header_of(test::Reply::done(request.header()))));
    CHECK(end_of_dump(test::header_of(test::Reply::done(request.header(), ENOENT))).error().code == ENOENT);
}

TEST_CASE("an error that quotes the request is read past the quotation", "[netlink]") {
    const Message request = sample();
    Builder out(NLMSG_ERROR, 0);
    auto& body = out.fixed<nlmsgerr>();
    body.error = -EINVAL;
    body.msg = request.header();
    Bytes quoted;
    {
        const Message head = out.finish();
        append(quoted, head.view());
        append(quoted, request.view().subspan(NLMSG_HDRLEN));
        Builder text(0, 0);
        const Bytes words{'n', 'o', 0};
        text.put(NLMSGERR_ATTR_MSG, words);
        append(quoted, text.finish().view().subspan(NLMSG_HDRLEN));
    }
    auto* header = reinterpret_cast<nlmsghdr*>(&quoted.at(0));
    header->nlmsg_len = static_cast<std::uint32_t>(quoted.size());
    header->nlmsg_flags = NLM_F_ACK_TLVS;
    CHECK(acknowledgement(*header).error().text == "no");
    header->nlmsg_len = NLMSG_HDRLEN + 2;
    CHECK(acknowledgement(*header).error().unanswered);
}

} // namespace sheaf::netlink

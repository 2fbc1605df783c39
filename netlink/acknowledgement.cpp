#include "netlink/acknowledgement.h"

#include "netlink/message.h"

#include <cerrno>

namespace sheaf::netlink {
namespace {

std::unexpected<Error> refusal(const nlmsghdr& message, int code, std::size_t before_attributes) {
    Error error{.code = code < 0 ? -code : code};
    if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
        const Attributes attributes = Attributes::of(message, before_attributes);
        error.text = attributes.string(NLMSGERR_ATTR_MSG);
        error.offset = attributes.u32(NLMSGERR_ATTR_OFFS);
    }
    return std::unexpected(std::move(error));
}

std::unexpected<Error> unreadable() {
    return std::unexpected(
        Error{.code = EBADMSG, .text = "the kernel's answer is cut off", .unanswered = true});
}

} // namespace

std::expected<void, Error> acknowledgement(const nlmsghdr& message) {
    nlmsgerr body{};
    if (!read_fixed(message, &body, sizeof body)) return unreadable();
    if (body.error == 0) return {};
    // The request is quoted whole unless NLM_F_CAPPED says that its header is all.
    std::size_t before = sizeof body;
    if ((message.nlmsg_flags & NLM_F_CAPPED) == 0 && body.msg.nlmsg_len > NLMSG_HDRLEN)
        before += NLMSG_ALIGN(body.msg.nlmsg_len) - NLMSG_HDRLEN;
    return refusal(message, body.error, before);
}

std::expected<void, Error> end_of_dump(const nlmsghdr& message) {
    int code = 0;
    if (!read_fixed(message, &code, sizeof code) || code == 0) return {};
    return refusal(message, code, sizeof code);
}

} // namespace sheaf::netlink

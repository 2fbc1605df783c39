#include "netlink/message.h"

#include <libmnl/libmnl.h>

#include <algorithm>
#include <cstring>

namespace sheaf::netlink {

Message::Message(View bytes) : bytes_(NLMSG_ALIGN(bytes.size())) {
    std::ranges::copy(bytes, bytes_.span().begin());
}

nlmsghdr& Message::writable_header() { return *reinterpret_cast<nlmsghdr*>(bytes_.span().data()); }

const nlmsghdr& Message::header() const { return *reinterpret_cast<const nlmsghdr*>(bytes_.view().data()); }

bool Message::is_dump() const { return !empty() && (header().nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP; }

void Message::stamp(std::uint32_t sequence, std::uint32_t port) {
    nlmsghdr& mine = writable_header();
    mine.nlmsg_seq = sequence;
    mine.nlmsg_pid = port;
}

void Message::add_flags(std::uint16_t flags) {
    nlmsghdr& mine = writable_header();
    mine.nlmsg_flags = static_cast<std::uint16_t>(mine.nlmsg_flags | flags);
}

Builder::Builder(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_.data())) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
}

Builder::~Builder() {
    wipe(std::span(buffer_).first(std::min<std::size_t>(header_->nlmsg_len, kMaxMessage)));
}

void* Builder::fixed(std::size_t size) { return mnl_nlmsg_put_extra_header(header_, size); }

void Builder::put_raw(std::uint16_t type, const void* value, std::size_t size) {
    if (!mnl_attr_put_check(header_, buffer_.size(), type, size, value)) overflow_ = true;
}

void Builder::put(std::uint16_t type, View value) { put_raw(type, value.data(), value.size()); }
void Builder::put_u32(std::uint16_t type, std::uint32_t value) { put_raw(type, &value, sizeof value); }
void Builder::put_u8(std::uint16_t type, std::uint8_t value) { put_raw(type, &value, sizeof value); }

Message Builder::finish() {
    if (overflow_) return {};
    return Message(View(buffer_).first(header_->nlmsg_len));
}

Attributes Attributes::of(const nlmsghdr& message, std::size_t fixed_size) {
    const std::size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(fixed_size);
    if (message.nlmsg_len < skip) return Attributes({});
    const auto* start = reinterpret_cast<const std::uint8_t*>(&message);
    return Attributes(View(start, message.nlmsg_len).subspan(skip));
}

const nlattr* Attributes::find(std::uint16_t type) const {
    const auto* at = reinterpret_cast<const nlattr*>(region_.data());
    std::size_t left = region_.size();
    while (mnl_attr_ok(at, static_cast<int>(left))) {
        if (mnl_attr_get_type(at) == type) return at;
        const std::size_t step = std::min<std::size_t>(left, MNL_ALIGN(at->nla_len));
        left -= step;
        at = reinterpret_cast<const nlattr*>(reinterpret_cast<const std::uint8_t*>(at) + step);
    }
    return nullptr;
}

View Attributes::bytes(std::uint16_t type) const {
    const nlattr* at = find(type);
    if (at == nullptr) return {};
    return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(at)), mnl_attr_get_payload_len(at)};
}

std::uint32_t Attributes::u32(std::uint16_t type, std::uint32_t otherwise) const {
    const View value = bytes(type);
    if (value.size() < sizeof otherwise) return otherwise;
    std::memcpy(&otherwise, value.data(), sizeof otherwise);
    return otherwise;
}

std::uint16_t Attributes::u16(std::uint16_t type, std::uint16_t otherwise) const {
    const View value = bytes(type);
    if (value.size() < sizeof otherwise) return otherwise;
    std::memcpy(&otherwise, value.data(), sizeof otherwise);
    return otherwise;
}

std::uint8_t Attributes::u8(std::uint16_t type, std::uint8_t otherwise) const {
    const View value = bytes(type);
    return value.empty() ? otherwise : value[0];
}

std::string_view Attributes::string(std::uint16_t type) const {
    const View value = bytes(type);
    const auto end = std::ranges::find(value, std::uint8_t{0});
    return {reinterpret_cast<const char*>(value.data()), static_cast<std::size_t>(end - value.begin())};
}

bool read_fixed(const nlmsghdr& message, void* to, std::size_t size) {
    if (message.nlmsg_len < NLMSG_HDRLEN + size) return false;
    std::memcpy(to, reinterpret_cast<const std::uint8_t*>(&message) + NLMSG_HDRLEN, size);
    return true;
}

} // namespace sheaf::netlink

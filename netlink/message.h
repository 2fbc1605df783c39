#pragma once

#include "lib/base/secret.h"

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace sheaf::netlink {

// One request: a whole netlink message with its sequence number left open. It is wiped when it goes, since an
// SAD entry carries keys. An empty one is what an encoder gives when its input does not fit; it is never
// sent.
class Message {
  public:
    Message() = default;
    explicit Message(View bytes); // REQUIRES: an nlmsghdr and what belongs to it

    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] View view() const { return bytes_.view(); } // padded to NLMSG_ALIGN
    [[nodiscard]] const nlmsghdr& header() const;
    [[nodiscard]] bool is_dump() const;
    // `port` is the sender's: the kernel gives it to those who listen to what a request has changed.
    void stamp(std::uint32_t sequence, std::uint32_t port);
    void add_flags(std::uint16_t flags);

  private:
    [[nodiscard]] nlmsghdr& writable_header();
    Secret bytes_;
};

// Builds a message with libmnl. Its memory is wiped.
class Builder {
  public:
    // What no message of ours reaches: the largest is an SAD entry with all its attributes, about 800 octets.
    static constexpr std::size_t kMaxMessage = 4096;

    Builder(std::uint16_t type, std::uint16_t flags);
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;
    ~Builder();

    // The fixed part that follows the netlink header; all zero. Before any attribute.
    template <typename T>
    T& fixed() {
        return *static_cast<T*>(fixed(sizeof(T)));
    }

    void put(std::uint16_t type, View value);
    void put_u32(std::uint16_t type, std::uint32_t value);
    void put_u8(std::uint16_t type, std::uint8_t value);
    template <typename T>
    void put_struct(std::uint16_t type, const T& value) {
        put_raw(type, &value, sizeof(T));
    }

    [[nodiscard]] Message finish(); // empty when something did not fit

  private:
    void* fixed(std::size_t size);
    void put_raw(std::uint16_t type, const void* value, std::size_t size);

    alignas(8) std::array<std::uint8_t, kMaxMessage> buffer_{};
    nlmsghdr* header_;
    bool overflow_ = false;
};

// The attributes of a received message or of a nest, by libmnl. A view: the message must outlive it.
class Attributes {
  public:
    explicit Attributes(View region) : region_(region) {}
    // Those that follow a fixed part of `fixed_size` octets; none when the message is shorter.
    static Attributes of(const nlmsghdr& message, std::size_t fixed_size);

    [[nodiscard]] bool has(std::uint16_t type) const { return find(type) != nullptr; }
    [[nodiscard]] View bytes(std::uint16_t type) const; // empty when absent
    [[nodiscard]] std::uint32_t u32(std::uint16_t type, std::uint32_t otherwise = 0) const;
    [[nodiscard]] std::uint16_t u16(std::uint16_t type, std::uint16_t otherwise = 0) const;
    [[nodiscard]] std::uint8_t u8(std::uint16_t type, std::uint8_t otherwise = 0) const;
    [[nodiscard]] std::string_view string(std::uint16_t type) const;
    [[nodiscard]] Attributes nest(std::uint16_t type) const { return Attributes(bytes(type)); }

  private:
    [[nodiscard]] const nlattr* find(std::uint16_t type) const;
    View region_;
};

// The fixed part of a received message, copied (messages are aligned to 4 octets only); false when it is
// shorter.
[[nodiscard]] bool read_fixed(const nlmsghdr& message, void* to, std::size_t size);

} // namespace sheaf::netlink

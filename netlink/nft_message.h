#pragma once

#include "lib/base/bytes.h"

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sheaf::netlink {

// As the host keeps it, which is how the kernel compares marks. REQUIRES: the value outlives the view.
[[nodiscard]] View host_octets(const std::uint32_t& value);

// Builds one message of nf_tables, about a table of family inet, with libmnl.
//
// Of registers there are sixteen of four octets each, which may be used together; the numbers are 0 to 15.
class NftMessage {
  public:
    NftMessage(std::uint16_t type, std::uint16_t flags); // NFT_MSG_...

    void text(std::uint16_t type, const char* value) { mnl_attr_put_strz(header_, type, value); }
    void number(std::uint16_t type, std::uint32_t value);
    void octets(std::uint16_t type, View value) { mnl_attr_put(header_, type, value.size(), value.data()); }
    template <typename Content>
    void nest(std::uint16_t type, Content content) {
        nlattr* start = mnl_attr_nest_start(header_, type);
        content();
        mnl_attr_nest_end(header_, start);
    }
    void data(std::uint16_t type, View value);
    // A verdict in place of data: NF_..., or NFT_... with a chain.
    void verdict(std::uint16_t type, std::int32_t code, const char* chain = nullptr);

    // Of a rule, within NFTA_RULE_EXPRESSIONS. The network's octets are compared as they stand, numbers of the host's
    // (marks) for equality alone.
    template <typename Content>
    void expression(const char* name, Content content) {
        nest(kListElement, [&] {
            text(kExpressionName, name);
            nest(kExpressionData, content);
        });
    }
    void load_meta(std::uint32_t key, unsigned to = 0);
    void load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, unsigned to = 0);
    void mask(View bits, View toggled); // of register 0
    void compare(std::uint32_t operation, View value);
    void within(View first, View last);
    void set_mark(std::uint32_t mark, std::uint32_t under); // the packet's, in those bits
    void look_up(const char* set, std::uint32_t id);
    void look_up_mark(const char* map, std::uint32_t id); // and set it, as a whole
    void look_up_verdict(const char* map, std::uint32_t id);
    void decide(std::int32_t code);
    void count();

    [[nodiscard]] View finished() const;

  private:
    static constexpr std::uint16_t kListElement = 1, kExpressionName = 1, kExpressionData = 2;

    std::unique_ptr<std::uint8_t[]> buffer_; // not cleared: a rule uses a hundredth of it
    nlmsghdr* header_;
};

// Messages that take effect together or not at all. The kernel answers each that it refuses, and the last one when it
// has come that far: an answer to each would fill a socket's buffer, and be lost, from some two hundred on.
class NftTransaction {
  public:
    NftTransaction();

    void append(const NftMessage& message);
    [[nodiscard]] bool empty() const { return last_ == 0; }
    // All answers carry the number.
    [[nodiscard]] Bytes finish(std::uint32_t sequence);

  private:
    Bytes bytes_;
    std::size_t last_ = 0; // where the last message begins; 0: there is none
};

} // namespace sheaf::netlink

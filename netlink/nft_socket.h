#pragma once

#include "lib/base/bytes.h"
#include "netlink/error.h"
#include "netlink/nft_message.h"
#include "netlink/os.h"

#include <cstdint>
#include <expected>
#include <memory>

namespace sheaf::netlink {

// A socket of nf_tables. A table that it has made with NFT_TABLE_F_OWNER belongs to it: `nft flush ruleset`, by which
// hosts load their filters anew, passes it over, and the kernel removes it with this object, or with the process,
// however that ends (Linux 5.12).
//
// Blocking: a change is one transaction, which the kernel answers within the call.
class NftSocket {
  public:
    [[nodiscard]] static std::expected<std::unique_ptr<NftSocket>, Error> open(Os& os);
    NftSocket(const NftSocket&) = delete;
    NftSocket& operator=(const NftSocket&) = delete;
    ~NftSocket();

    // All or nothing; which of the two is not known when the error is Error::unanswered. One without messages is not
    // sent.
    [[nodiscard]] std::expected<void, Error> commit(NftTransaction transaction);

  private:
    NftSocket(Os& os, int fd) : os_(os), fd_(fd) {}
    [[nodiscard]] std::expected<void, Error> configure();
    void force(int forced, int limited, int octets); // a socket's buffer
    [[nodiscard]] std::expected<void, Error> send(const Bytes& octets);
    // Whether the last message was carried out; an error is the transaction's.
    [[nodiscard]] std::expected<bool, Error> read_answers();

    Os& os_;
    int fd_;
    std::uint32_t sequence_ = 0; // of the latest transaction
};

} // namespace sheaf::netlink

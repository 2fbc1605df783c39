#pragma once

#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/key_schedule.h"
#include "lib/crypto/sealer.h"
#include "lib/crypto/suite.h"
#include "lib/wire/codec.h"

#include <expected>
#include <optional>
#include <span>
#include <vector>

namespace sheaf::ike {

// The keys of one IKE SA at work: messages are sealed for the peer and opened from it.
struct Protection {
    crypto::IkeSuite suite;
    crypto::IkeKeys keys;
    crypto::IvCounter ivs; // of the direction in which we send
};

// The message as the datagrams to send: one, or several fragments where it would be longer than `most` octets
// and `may_fragment` (RFC 7383 2.5).
[[nodiscard]] std::vector<Bytes> seal_message(crypto::Backend& backend, Protection& protection,
                                              Random& random, const wire::Header& header,
                                              std::span<const wire::Payload> payloads, bool may_fragment,
                                              std::size_t most);

// What the encrypted part of a message from the other side holds, in clear.
[[nodiscard]] std::expected<Bytes, Rule> open_message(crypto::Backend& backend, const Protection& protection,
                                                      const wire::Header& header,
                                                      const wire::Encrypted& encrypted);

// The fragments of one message, collected (RFC 7383 2.6). Each fragment has been opened, hence is authentic,
// before it gets here. Limits: wire::kMaxFragments fragments, with no more octets in all than the caller
// says.
class Reassembly {
  public:
    struct Whole {
        wire::PayloadType first_inner = wire::PayloadType::none;
        Bytes plaintext;
    };

    // The whole message, once nothing is missing. Error: bad_fragment.
    [[nodiscard]] std::expected<std::optional<Whole>, Rule>
    add(const wire::Header& header, const wire::Encrypted& fragment, Bytes plaintext, std::size_t most);

  private:
    std::uint32_t message_id_ = 0;
    bool response_ = false;
    wire::PayloadType first_inner_ = wire::PayloadType::none;
    std::vector<Bytes> parts_; // empty: not yet here
    std::size_t missing_ = 0;
    std::size_t octets_ = 0; // in parts_
};

} // namespace sheaf::ike

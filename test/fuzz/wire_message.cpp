#include "lib/wire/codec.h"
#include "test/fuzz/target.h"
#include "test/fuzz/wire_stable.h"

namespace sheaf::fuzz {
namespace {

// Both views lie end to end and end with the datagram, and the prefix can be made again.
void require_whole(const wire::OuterMessage& message, View datagram) {
    const wire::Encrypted& sk = *message.encrypted;
    require(sk.associated.data() == datagram.data(), "associated data begin with the datagram");
    require(sk.associated.size() + sk.protected_data.size() == datagram.size(), "nothing is left out");
    require(sk.fragment >= 1 && sk.fragment <= sk.fragments, "fragments are numbered from one");
    require(sk.fragments <= wire::kMaxFragments, "fragments are bounded");
    if (!message.payloads.empty()) return;
    const std::size_t size = sk.protected_data.size();
    const Bytes prefix = sk.is_fragment ? encode_fragment_prefix(message.header, sk.first_inner, sk.fragment,
                                                                 sk.fragments, size)
                                        : encode_encrypted_prefix(message.header, sk.first_inner, size);
    require(prefix.size() == sk.associated.size(), "a prefix is as long as the one that was read");
}

} // namespace
} // namespace sheaf::fuzz

// Any octets as a datagram.
SHEAF_FUZZ_TARGET(wire_message) {
    const auto message = wire::parse_message(input);
    if (!message) return;
    require(message->payloads.size() <= wire::kMaxPayloads, "a message is bounded");
    for (const wire::Payload& payload : message->payloads)
        require_stable(payload);
    if (message->encrypted) return require_whole(*message, input);

    const Bytes again = encode_message(message->header, message->payloads);
    require(again.size() <= input.size(), "a message does not grow when it is written again");
}

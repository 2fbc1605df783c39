#include "lib/wire/codec.h"
#include "test/fuzz/target.h"
#include "test/fuzz/wire_stable.h"

// The first octet is the type of the first payload, the rest a chain as in a decrypted SK payload.
SHEAF_FUZZ_TARGET(wire_chain) {
    using namespace wire;
    if (input.empty() || input.size() > kMaxDatagram - kHeaderSize) return;
    const PayloadType first{input[0]};
    const auto payloads = parse_payloads(first, input.subspan(1));
    if (!payloads) return;
    require(payloads->size() <= kMaxPayloads, "a chain is bounded");
    require(payloads->empty() == (first == PayloadType::none), "a chain begins as it says");
    for (const Payload& payload : *payloads)
        require_stable(payload);
}

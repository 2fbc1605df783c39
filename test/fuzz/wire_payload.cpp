#include "lib/wire/codec.h"
#include "test/fuzz/target.h"
#include "test/fuzz/wire_stable.h"

// The first octet is a payload type, the rest its body.
SHEAF_FUZZ_TARGET(wire_payload) {
    using namespace wire;
    if (input.empty() || input.size() > kMaxDatagram - kHeaderSize) return;
    const PayloadType type{input[0]};
    const auto payload = parse_payload(type, input.subspan(1));
    if (!payload || type == PayloadType::none) return;
    require(type_of(*payload) == type, "a payload has the type it was parsed as");
    require_stable(*payload);
}

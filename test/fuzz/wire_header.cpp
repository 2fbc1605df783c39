#include "lib/wire/header.h"
#include "test/fuzz/target.h"

// Any octets as a datagram's header.
SHEAF_FUZZ_TARGET(wire_header) {
    using namespace wire;
    const auto header = parse_header(input);
    if (!header) return;
    require(header->length == input.size() && input.size() >= kHeaderSize,
            "an accepted length is the datagram's");
    require(header->major == 2 && header->initiator_spi != 0,
            "an accepted header is of version 2 and has an SPI");

    Bytes again;
    encode(*header, again);
    require(again.size() == kHeaderSize, "a header has its size");
    append(again, input.subspan(kHeaderSize));
    require(parse_header(again) == header, "a header reads as it was written");
}

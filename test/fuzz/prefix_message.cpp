#include "lib/mobility/prefix_message.h"

#include "test/fuzz/target.h"

// What was accepted can be written and reads the same again.
SHEAF_FUZZ_TARGET(prefix_message) {
    const auto message = mobility::parse_prefix_message(input);
    if (!message) return;
    const auto again = mobility::parse_prefix_message(mobility::encode_prefix_message(*message));
    require(again == message, "what was accepted reads the same again");
}

#include "lib/mobility/codec.h"
#include "lib/mobility/extension.h"
#include "test/fuzz/target.h"

#include <utility>

namespace sheaf::fuzz {
namespace {

using namespace mobility;

// What was malformed, or of a format that we do not know, is not written again.
void forget_malformed(Options& options) {
    std::erase_if(options.bindings, [](const BindingId& binding) { return binding.malformed; });
    for (FlowIdentification& flow : options.flows)
        flow.malformed = flow.unsupported_selector = false;
    options.invalid_prefix = false;
}

void forget_malformed(Message& message) {
    if (auto* update = std::get_if<BindingUpdate>(&message)) forget_malformed(update->options);
    if (auto* ack = std::get_if<BindingAck>(&message)) forget_malformed(ack->options);
    if (auto* request = std::get_if<RefreshRequest>(&message)) forget_malformed(request->options);
}

// Whatever was accepted can be written and reads as the same value again; only our own alignment may make it
// too long.
void require_stable(Message message) {
    forget_malformed(message);
    const auto header = encode_message(message);
    if (!header) return;
    require(header->size() % 8 == 0, "a Mobility Header is a multiple of 8 octets");
    const auto again = parse_message(*header);
    require(again.has_value(), "what was accepted is accepted again");
    require(*again == message, "what was accepted reads the same again");
}

} // namespace
} // namespace sheaf::fuzz

// A Mobility Header, a Destination Options header and a routing header are different enough to be tried all.
SHEAF_FUZZ_TARGET(mobility_message) {
    if (auto message = mobility::parse_message(input)) require_stable(std::move(*message));
    if (const auto home = mobility::parse_home_address_option(input); home && *home) {
        const auto again =
            mobility::parse_home_address_option(mobility::encode_home_address_option(59, **home));
        require(again && *again && **again == **home, "a home address option reads the same again");
    }
    if (const auto home = mobility::parse_routing_header(input))
        require(mobility::parse_routing_header(mobility::encode_routing_header(59, *home)) == *home,
                "a routing header reads the same again");
}

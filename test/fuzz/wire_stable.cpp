#include "test/fuzz/wire_stable.h"

#include "test/fuzz/target.h"

namespace sheaf::fuzz {
namespace {

// Attributes that we do not know are not kept, so they are not written.
void forget_unknown_attributes(wire::Payload& payload) {
    auto* sa = std::get_if<wire::Sa>(&payload);
    if (sa == nullptr) return;
    for (wire::Proposal& proposal : sa->proposals)
        for (wire::Transform& transform : proposal.transforms)
            transform.unknown_attribute = false;
}

// Neither are selectors of unknown types, and a list without any has no written form.
bool is_without_selectors(const wire::Payload& payload) {
    const auto* ts = std::get_if<wire::TrafficSelectors>(&payload);
    return ts != nullptr && ts->selectors.empty();
}

} // namespace

void require_stable(const wire::Payload& payload) {
    if (is_without_selectors(payload)) return;
    wire::Payload expected = payload;
    forget_unknown_attributes(expected);
    Bytes chain;
    const wire::PayloadType type = encode_payloads(std::span(&expected, 1), chain);
    const auto again = wire::parse_payloads(type, chain);
    require(again.has_value(), "what was accepted is accepted again");
    require(again->size() == 1 && again->front() == expected, "what was accepted reads the same again");
}

} // namespace sheaf::fuzz

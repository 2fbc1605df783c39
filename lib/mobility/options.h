#pragma once

#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/mobility/message.h"

#include <expected>

// The options behind a message's fixed part (RFC 6275 6.2). Parts of the codec.
namespace sheaf::mobility {

// All octets must be used. What has a status of its own (a binding, a flow, a prefix) is kept when it is
// malformed; any other option that does not have its form refuses the message.
[[nodiscard]] std::expected<Options, Rule> parse_options(View bytes);

// Appends the options and pads to a multiple of 8. REQUIRES: `to` begins with the Mobility Header.
void encode_options(const Options& options, Bytes& to);

[[nodiscard]] FlowIdentification parse_flow(View content);
void encode_flow(const FlowIdentification& flow, Bytes& to);

// Pad1 or PadN up to where an option starts that has to stand at `n * unit + offset`. Sub-options of a flow
// have the same two types, so that this is for both.
void pad(Bytes& to, std::size_t unit, std::size_t offset = 0);

} // namespace sheaf::mobility

#pragma once

#include "lib/wire/codec.h"

namespace sheaf::fuzz {

// Whatever was accepted can be written and reads as the same value again. Ends the process if not.
void require_stable(const wire::Payload& payload);

} // namespace sheaf::fuzz

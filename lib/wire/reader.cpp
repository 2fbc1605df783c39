#include "lib/wire/reader.h"

namespace sheaf::wire {

Bytes to_bytes(View view) { return {view.begin(), view.end()}; }

} // namespace sheaf::wire

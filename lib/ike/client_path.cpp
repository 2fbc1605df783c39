#include "lib/ike/client_path.h"

#include <algorithm>

namespace sheaf::ike {

std::string_view name(PathState state) {
    switch (state) {
    case PathState::down: return "down";
    case PathState::opening: return "opening";
    case PathState::up: return "up";
    case PathState::away: return "away";
    case PathState::refused: return "refused";
    }
    return "unknown";
}

ClientPath* ClientPaths::of(wire::Spi sa) {
    const auto found = std::ranges::find(all, sa, &ClientPath::sa);
    return sa == 0 || found == all.end() ? nullptr : &*found;
}

} // namespace sheaf::ike

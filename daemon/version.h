#pragma once

#include <string_view>

namespace sheaf::daemon {

inline constexpr std::string_view kVersion = SHEAF_VERSION; // meson.build's project version

} // namespace sheaf::daemon

#pragma once

namespace sheaf {

// Of ASCII letters, whatever the locale is; other octets stay.
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

} // namespace sheaf

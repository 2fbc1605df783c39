#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sheaf::conf {

// One mistake in a configuration file, with its place and what to do about it.
struct Diagnostic {
    std::string file{};
    std::size_t line = 0;   // from 1; 0: the file as a whole, and nothing but file, message and hint is set
    std::size_t column = 0; // from 1, in characters
    std::string excerpt{};  // the line, or the part around the place; secrets are masked, control bytes gone
    std::size_t indent = 0; // characters of `excerpt` before the underlined place
    std::size_t width = 1;  // characters underlined, at least 1
    std::string message{};  // "unknown key "retransmitt" in connections.home"
    std::string hint{};     // the remedy, `did you mean "retransmit"?`; may be empty

    friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

// As a person reads it, ending in a newline:
//
//   sheafd.json:12:7: unknown key "retransmitt" in connections.home
//      12 |       "retransmitt": { "tries": 5 }
//         |       ^~~~~~~~~~~~~
//      did you mean "retransmit"?
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

// All of them, and how many there are.
[[nodiscard]] std::string to_string(std::span<const Diagnostic> diagnostics);

} // namespace sheaf::conf

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

// Words as diagnostics show them.
namespace sheaf::conf {

// In quotation marks; control characters are escaped and long words cut, so that a line stays a line.
[[nodiscard]] std::string quote(std::string_view word);

// `"a", "b" or "c"`
[[nodiscard]] std::string alternatives(std::span<const std::string_view> words);

// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other; upper and
// lower case are the same letter.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest distance (the first of equals), or empty if none is near: more than a third
// of the word would have to change.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// `did you mean "retransmit"?`, or `one of "a", "b" or "c"` where nothing is near.
[[nodiscard]] std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

} // namespace sheaf::conf

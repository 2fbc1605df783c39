#include "conf/text.h"

#include "lib/base/ascii.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace sheaf::conf {
namespace {

constexpr std::size_t kLongestShown = 64;   // octets of a quoted word
constexpr std::size_t kLongestMatched = 64; // no word of ours is longer; bounds the quadratic distance

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

} // namespace

std::string quote(std::string_view word) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const bool cut = word.size() > kLongestShown;
    if (cut) {
        std::size_t end = kLongestShown;
        while (end > 0 && continues_character(word[end]))
            --end;
        word = word.substr(0, end);
    }
    std::string out = "\"";
    for (const char c : word) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x20 || octet == 0x7f) {
            out += "\\x";
            out += kHex[octet >> 4];
            out += kHex[octet & 15];
        } else {
            out += c;
        }
    }
    return out + (cut ? "...\"" : "\"");
}

std::string alternatives(std::span<const std::string_view> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += quote(words[i]);
    }
    return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::array<std::vector<std::size_t>, 3> rows; // two before, one before, current
    rows.fill(std::vector<std::size_t>(width));
    std::iota(rows[1].begin(), rows[1].end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        rows[2][0] = i;
        for (std::size_t j = 1; j < width; ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            const bool swapped =
                i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
            std::size_t best = rows[1][j - 1] + (same ? 0 : 1);
            best = std::min({best, rows[1][j] + 1, rows[2][j - 1] + 1});
            if (swapped) best = std::min(best, rows[0][j - 2] + 1);
            rows[2][j] = best;
        }
        std::rotate(rows.begin(), rows.begin() + 1, rows.end());
    }
    return rows[1].back();
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.size() > kLongestMatched) return {};
    std::string_view best;
    std::size_t best_distance = (word.size() + 2) / 3 + 1;
    for (const auto candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= best_distance) continue;
        best = candidate;
        best_distance = distance;
    }
    return best;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
    if (candidates.empty()) return {};
    if (const auto near = nearest(word, candidates); !near.empty())
        return "did you mean " + quote(near) + "?";
    return (candidates.size() == 1 ? "use " : "use one of ") + alternatives(candidates);
}

} // namespace sheaf::conf

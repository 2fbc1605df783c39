#include "conf/source.h"

#include "lib/base/secret.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace sheaf::conf {
namespace {

constexpr std::size_t kExcerptWidth = 100; // characters; longer lines are shown around the place
constexpr std::size_t kExcerptLead = 40;   // characters before the place then

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::size_t skip_space(std::string_view text, std::size_t at) {
    const auto found = text.find_first_not_of(" \t\r\n", at);
    return found == text.npos ? text.size() : found;
}

// Where the value that starts at `at` ends at the latest: its closing quotation mark, or the line's end.
std::size_t value_end(std::string_view text, std::size_t at) {
    const char mark = at < text.size() ? text[at] : '\0';
    const bool marked = mark == '"' || mark == '\'';
    for (std::size_t i = at + (marked ? 1 : 0); i < text.size(); ++i) {
        if (text[i] == '\n') return i;
        if (marked && text[i] == mark) return i;
        if (marked && text[i] == '\\') ++i;
    }
    return text.size();
}

// Puts stars over what looks like a secret's value, without understanding the text: it may be no JSON.
void mask_values_of(std::string_view key, std::string_view text, std::string& masked) {
    for (auto at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
        std::size_t next = at + key.size();
        if (at > 0 && is_letter(text[at - 1])) continue;
        if (next < text.size() && (text[next] == '"' || text[next] == '\'')) ++next;
        next = skip_space(text, next);
        if (next >= text.size() || text[next] != ':') continue;
        next = skip_space(text, next + 1);
        if (next < text.size() && (text[next] == '{' || text[next] == '[')) continue;
        const std::size_t end = value_end(text, next);
        if (next < text.size() && (text[next] == '"' || text[next] == '\'')) ++next;
        for (std::size_t i = next; i < end; ++i)
            masked[i] = '*';
    }
}

constexpr std::array<std::string_view, 6> kSecretKeys = {"text", "psk",        "secret",
                                                         "key",  "passphrase", "password"};

// The octets of the character at the front of `text`, which is not empty; 0 if they are no UTF-8.
std::size_t character_length(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
    return length;
}

// One entry per character, each of one column on a terminal: nothing in it controls the terminal.
std::vector<std::string_view> characters(std::string_view line) {
    std::vector<std::string_view> out;
    while (!line.empty()) {
        const std::size_t length = character_length(line);
        const auto first = static_cast<unsigned char>(line[0]);
        const bool control = (length == 1 && (first < 0x20 || first == 0x7f)) ||
                             (first == 0xc2 && length == 2 && static_cast<unsigned char>(line[1]) < 0xa0);
        out.push_back(first == '\t' ? " " : length == 0 || control ? "?" : line.substr(0, length));
        line.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

} // namespace

Source::Source(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)), masked_(text_), line_starts_{0} {
    for (std::size_t i = 0; i < text_.size(); ++i)
        if (text_[i] == '\n') line_starts_.push_back(i + 1);
    for (const auto key : kSecretKeys)
        mask_values_of(key, text_, masked_);
}

Source::~Source() { wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.size()}); }

std::size_t Source::line(std::size_t offset) const {
    const auto after = std::ranges::upper_bound(line_starts_, offset);
    return static_cast<std::size_t>(after - line_starts_.begin());
}

void Source::mask(Place place) {
    for (std::size_t i = place.begin; i < place.end && i < masked_.size(); ++i)
        if (masked_[i] != '\n') masked_[i] = '*';
}

Diagnostic Source::diagnose(Place place, std::string message, std::string hint) const {
    const std::size_t begin = std::min(place.begin, masked_.size());
    const std::size_t number = line(begin);
    const std::size_t start = line_starts_[number - 1];
    std::size_t stop = std::min(masked_.find('\n', start), masked_.size());
    if (stop > start && masked_[stop - 1] == '\r') --stop;

    const std::string_view whole = std::string_view(masked_).substr(start, stop - start);
    const auto shown = characters(whole);
    const std::size_t indent = characters(whole.substr(0, std::min(begin, stop) - start)).size();
    const std::size_t marked_end = std::clamp(place.end, std::min(begin, stop), stop);
    const std::size_t marked = characters(whole.substr(0, marked_end - start)).size() - indent;

    const bool cut = shown.size() > kExcerptWidth;
    const std::size_t first = cut && indent > kExcerptLead ? indent - kExcerptLead : 0;
    const std::size_t last = std::min(shown.size(), first + kExcerptWidth);
    Diagnostic out{.file = name_, .line = number, .column = indent + 1};
    for (std::size_t i = first; i < last; ++i)
        out.excerpt += shown[i];
    out.indent = indent - first;
    out.width = std::clamp<std::size_t>(marked, 1, std::max<std::size_t>(last - std::min(indent, last), 1));
    out.message = std::move(message);
    out.hint = std::move(hint);
    return out;
}

void Report::add(Place place, std::string message, std::string hint) {
    const auto after =
        std::ranges::upper_bound(found_, place.begin, {}, [](const Found& f) { return f.place.begin; });
    found_.insert(after, {place, std::move(message), std::move(hint)});
    if (found_.size() > kMaxDiagnostics) found_.pop_back();
}

std::vector<Diagnostic> Report::diagnostics() const {
    std::vector<Diagnostic> out;
    for (const auto& found : found_)
        out.push_back(source_.diagnose(found.place, found.message, found.hint));
    return out;
}

} // namespace sheaf::conf

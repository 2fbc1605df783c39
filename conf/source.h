#pragma once

#include "conf/diagnostic.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::conf {

// Octets [begin, end) of a file's text.
struct Place {
    std::size_t begin = 0;
    std::size_t end = 0;
    friend bool operator==(const Place&, const Place&) = default;
};

// A configuration file's text, and where in it something is wrong.
//
// Secrets: the text may hold some. It is wiped at the end, and a second copy, in which they are stars, serves
// every excerpt: what follows the key "text" (and the keys that people write for it) from the start, so that
// not even a syntax error shows it, and what mask() is told later.
class Source {
  public:
    Source(std::string name, std::string text);
    ~Source();
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::string_view text() const { return text_; }
    [[nodiscard]] std::size_t line(std::size_t offset) const; // from 1
    [[nodiscard]] Diagnostic diagnose(Place place, std::string message, std::string hint) const;
    void mask(Place place);

  private:
    std::string name_;
    std::string text_;
    std::string masked_; // as long as text_
    std::vector<std::size_t> line_starts_;
};

// More than a person repairs in one go; bounds the output for a file that is no configuration at all.
inline constexpr std::size_t kMaxDiagnostics = 50;

// The mistakes found so far in one file: the first kMaxDiagnostics of them by place.
class Report {
  public:
    explicit Report(const Source& source) : source_(source) {}

    void add(Place place, std::string message, std::string hint = {});
    [[nodiscard]] bool empty() const { return found_.empty(); }
    [[nodiscard]] const Source& source() const { return source_; }
    [[nodiscard]] std::vector<Diagnostic> diagnostics() const; // by place

  private:
    struct Found {
        Place place;
        std::string message;
        std::string hint;
    };
    const Source& source_;
    std::vector<Found> found_; // by place
};

} // namespace sheaf::conf

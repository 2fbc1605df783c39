#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sheaf::daemon {

// Cuts a stream into lines of at most `limit` octets, the newline not counted.
class LineReader {
  public:
    explicit LineReader(std::size_t limit) : limit_(limit) {}

    void append(std::string_view bytes);
    // The next whole line, without its newline. After overflow() there is none any more.
    [[nodiscard]] std::optional<std::string> next();
    [[nodiscard]] bool has_line() const;
    // A line is longer than the limit, whether its end has come or not.
    [[nodiscard]] bool overflow() const;
    [[nodiscard]] std::size_t pending() const { return pending_.size(); }

  private:
    std::size_t limit_;
    std::string pending_;
    std::size_t line_ = 0; // length of the first line: up to its newline, or all there is
};

} // namespace sheaf::daemon

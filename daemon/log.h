#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sheaf::daemon {

enum class LogLevel : std::uint8_t { error, warning, info, debug };

[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view word);

// Text that came from outside, made fit for a log line: control characters and bytes that are no UTF-8 as \n
// or \xhh, and cut after `limit` octets. What is escaped already stays as it is.
inline constexpr std::size_t kMaxLogText = 512; // an identity, or a kernel's error, and some words
inline constexpr std::size_t kMaxLogLine = 4096;
[[nodiscard]] std::string escaped(std::string_view text, std::size_t limit = kMaxLogText);

// What a line begins with.
enum class LogPrefix : std::uint8_t {
    journal,   // systemd's priority, "<6>"
    timestamp, // "2026-03-01T12:00:00.123Z info "
};

// One line per message, one write per line.
//
// Whatever is written is escaped as a whole, so a message cannot become two lines whoever chose its words.
class Log {
  public:
    using Sink = std::function<void(std::string_view line)>; // the line ends in a newline

    Log(LogLevel level, LogPrefix prefix, Sink sink);

    void error(std::string_view text) { write(LogLevel::error, text); }
    void warning(std::string_view text) { write(LogLevel::warning, text); }
    void info(std::string_view text) { write(LogLevel::info, text); }
    void debug(std::string_view text) { write(LogLevel::debug, text); }
    void write(LogLevel level, std::string_view text);
    [[nodiscard]] bool wants(LogLevel level) const { return level <= level_; }

  private:
    LogLevel level_;
    LogPrefix prefix_;
    Sink sink_;
};

// To standard error; with systemd's priorities where that is the journal ($JOURNAL_STREAM names it).
[[nodiscard]] Log log_to_stderr(LogLevel level);

} // namespace sheaf::daemon

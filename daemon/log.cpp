#include "daemon/log.h"

#include "daemon/clock.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace sheaf::daemon {
namespace {

struct LevelName {
    LogLevel level;
    std::string_view name;
    char priority; // RFC 5424 6.2.1
};
constexpr std::array kLevels{
    LevelName{LogLevel::error, "error", '3'},
    LevelName{LogLevel::warning, "warning", '4'},
    LevelName{LogLevel::info, "info", '6'},
    LevelName{LogLevel::debug, "debug", '7'},
};

const LevelName& entry(LogLevel level) { return kLevels.at(static_cast<std::size_t>(level)); }

// Octets of the well-formed UTF-8 sequence at the beginning; 0 if there is none. Overlong forms, surrogates
// and code points beyond U+10FFFF are not well-formed.
std::size_t utf8_sequence(std::string_view text) {
    const auto octet = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned first = octet(0);
    const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((octet(i) & 0xc0U) != 0x80U) return 0;
    if (first == 0xe0 && octet(1) < 0xa0) return 0;
    if (first == 0xed && octet(1) > 0x9f) return 0;
    if (first == 0xf0 && octet(1) < 0x90) return 0;
    if (first == 0xf4 && octet(1) > 0x8f) return 0;
    return length;
}

// C1 controls and the line separators are UTF-8, and terminals act upon them all the same.
bool is_control(std::string_view sequence) {
    if (sequence.size() == 1) {
        const auto octet = static_cast<unsigned char>(sequence[0]);
        return octet < 0x20 || octet == 0x7f;
    }
    const auto second = static_cast<unsigned char>(sequence[1]);
    if (sequence[0] == '\xc2') return second < 0xa0;
    return sequence == "\xe2\x80\xa8" || sequence == "\xe2\x80\xa9";
}

bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    if (stream == nullptr) return false;
    // The variable is inherited by children whose standard error was redirected since: compare, as sd-journal
    // asks for.
    struct stat file {};
    if (::fstat(STDERR_FILENO, &file) != 0) return false;
    return fmt::format("{}:{}", file.st_dev, file.st_ino) == stream;
}

void write_stderr(std::string_view line) {
    // Nobody is left to be told of a failure here.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace

std::optional<LogLevel> parse_log_level(std::string_view word) {
    for (const auto& level : kLevels)
        if (level.name == word) return level.level;
    return std::nullopt;
}

std::string escaped(std::string_view text, std::size_t limit) {
    const bool cut = text.size() > limit;
    text = text.substr(0, limit);
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_sequence(text);
        const std::string_view sequence = text.substr(0, length == 0 ? 1 : length);
        if (sequence == "\n") {
            out += "\\n";
        } else if (length == 0 || is_control(sequence)) {
            for (const char c : sequence)
                out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += sequence;
        }
        text.remove_prefix(sequence.size());
    }
    return cut ? out + "..." : out;
}

Log::Log(LogLevel level, LogPrefix prefix, Sink sink)
    : level_(level), prefix_(prefix), sink_(std::move(sink)) {}

void Log::write(LogLevel level, std::string_view text) {
    if (!wants(level)) return;
    const auto& [value, name, priority] = entry(level);
    const std::string line = escaped(text, kMaxLogLine);
    sink_(prefix_ == LogPrefix::journal ? fmt::format("<{}>{}\n", priority, line)
                                        : fmt::format("{} {:<7} {}\n", utc_timestamp(), name, line));
}

Log log_to_stderr(LogLevel level) {
    return {level, stderr_is_journal() ? LogPrefix::journal : LogPrefix::timestamp, write_stderr};
}

} // namespace sheaf::daemon

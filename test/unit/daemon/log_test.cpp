#include "daemon/log.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace sheaf::daemon;

TEST_CASE("Text from outside stays within its log line", "[daemon]") {
    CHECK(escaped("alice.example.org") == "alice.example.org");
    CHECK(escaped("a\nb\rc\td") == "a\\nb\\x0dc\\x09d");
    CHECK(escaped("\x1b[31mred\x7f") == "\\x1b[31mred\\x7f");
    CHECK(escaped(std::string_view("a\0b", 3)) == "a\\x00b");
    CHECK(escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbe") ==
          "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xbe");
    CHECK(escaped("once\\n") == "once\\n");
}

TEST_CASE("What is not UTF-8, or controls a terminal in UTF-8, is escaped", "[daemon]") {
    CHECK(escaped("\xc3") == "\\xc3");
    CHECK(escaped("\xc0\xaf") == "\\xc0\\xaf");          // overlong
    CHECK(escaped("\xe0\x80\xaf") == "\\xe0\\x80\\xaf"); // overlong
    CHECK(escaped("\xed\xa0\x80") == "\\xed\\xa0\\x80"); // surrogate
    CHECK(escaped("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
    CHECK(escaped("\xff\xfe") == "\\xff\\xfe");
    CHECK(escaped("\xc2\x9b") == "\\xc2\\x9b");          // CSI
    CHECK(escaped("\xe2\x80\xa8") == "\\xe2\\x80\\xa8"); // line separator
}

TEST_CASE("Long text is cut", "[daemon]") {
    std::string text(kMaxLogText, 'x');
    CHECK(escaped(text) == text);
    text += 'y';
    CHECK(escaped(text).size() == kMaxLogText + 3);
    CHECK(escaped(text).ends_with("xxx..."));
    CHECK(escaped("abcdef", 3) == "abc...");
}

TEST_CASE("A log writes the wanted levels, one line each", "[daemon]") {
    std::vector<std::string> lines;
    Log log(LogLevel::info, LogPrefix::journal, [&](std::string_view line) { lines.emplace_back(line); });
    log.error("e");
    log.warning("w\nnot a line of its own");
    log.info("i");
    log.debug("d");
    CHECK(lines == std::vector<std::string>{"<3>e\n", "<4>w\\nnot a line of its own\n", "<6>i\n"});
    CHECK(log.wants(LogLevel::warning));
    CHECK_FALSE(log.wants(LogLevel::debug));
}

TEST_CASE("Outside the journal a line begins with time and level", "[daemon]") {
    std::string line;
    Log log(LogLevel::debug, LogPrefix::timestamp, [&](std::string_view text) { line = text; });
    log.warning("careful");
    REQUIRE(line.size() == std::string("2026-03-01T12:00:00.123Z warning careful\n").size());
    CHECK(line.substr(10, 1) == "T");
    CHECK(line.substr(23) == "Z warning careful\n");
}

TEST_CASE("Log levels have names", "[daemon]") {
    CHECK(parse_log_level("error") == LogLevel::error);
    CHECK(parse_log_level("debug") == LogLevel::debug);
    CHECK_FALSE(parse_log_level("verbose"));
}

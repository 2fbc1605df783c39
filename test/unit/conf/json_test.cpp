#include "conf/json.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf::conf;
using json::Kind;

namespace {

std::optional<json::Value> read(const Source& source) {
    Report report(source);
    auto value = json::parse(source, report);
    CHECK(report.empty() == value.has_value());
    return value;
}

// What the text holds at a place.
std::string at(const Source& source, Place place) {
    return std::string(source.text().substr(place.begin, place.end - place.begin));
}

// The text with, in front of every token, what may stand there.
std::string spread(std::string_view blank) {
    std::string out;
    for (const auto* token : {"{", R"("a\"b")", ":", "-12.5e+3", ",", R"("c")", ":", "[", "1", ",", "true",
                              ",", "null",      ",", R"("\\")",  ",", "false",  ",", "{", "}", ",", "[",
                              "]", "]",         ",", R"("d")",   ":", "7",      "}"})
        (out += blank) += token;
    return out + std::string(blank);
}

} // namespace

TEST_CASE("Every key and value knows its place", "[conf]") {
    const auto* blank = GENERATE("", " ", "\t\n", "/* , : { \" */", "// , : }\n", " /**/ //\n ");
    CAPTURE(blank);
    const Source source("x", spread(blank));
    const auto root = read(source);
    REQUIRE(root);
    REQUIRE(root->members.size() == 3);
    CHECK(at(source, root->place).front() == '{');
    CHECK(at(source, root->place).back() == '}');

    CHECK(root->members[0].key == "a\"b");
    CHECK(at(source, root->members[0].place) == R"("a\"b")");
    CHECK(root->members[0].value.kind == Kind::real);
    CHECK(at(source, root->members[0].value.place) == "-12.5e+3");

    const auto& items = root->members[1].value.items;
    REQUIRE(items.size() == 7);
    const char* texts[] = {"1", "true", "null", R"("\\")", "false"};
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(at(source, items[i].place) == texts[i]);
    CHECK(items[5].kind == Kind::object);
    CHECK(at(source, items[5].place).front() == '{');
    CHECK(at(source, items[6].place).back() == ']');
    CHECK(at(source, root->members[1].value.place).back() == ']');

    CHECK(json::find(*root, "d")->value.integer == 7);
    CHECK(at(source, json::find(*root, "d")->value.place) == "7");
    CHECK(json::find(*root, "e") == nullptr);
}

TEST_CASE("A byte order mark is no part of the text", "[conf]") {
    const Source source("x", "\xef\xbb\xbf{\"a\":1}");
    const auto root = read(source);
    REQUIRE(root);
    CHECK(root->place.begin == 3);
}

TEST_CASE("Numbers beyond the range are the nearest in it", "[conf]") {
    const Source source("x", "[18446744073709551615, -1]");
    const auto root = read(source);
    REQUIRE(root);
    CHECK(root->items[0].integer == std::numeric_limits<std::int64_t>::max());
    CHECK(root->items[1].integer == -1);
}

TEST_CASE("Depth and size are bounded", "[conf]") {
    const std::string deepest = std::string(json::kMaxDepth, '[') + std::string(json::kMaxDepth, ']');
    CHECK(read(Source("x", deepest)));
    CHECK_FALSE(read(Source("x", "[" + deepest + "]")));
    CHECK_FALSE(read(Source("x", std::string(1'000'000, '['))));
    CHECK_FALSE(read(Source("x", "1" + std::string(json::kMaxText, ' '))));
}

TEST_CASE("Diagnostics are cut, counted in characters and free of control bytes", "[conf]") {
    const Source source("x", "ab\tc\xc3\xa4\x1b\xff" + std::string(200, 'z') + "!" + std::string(200, 'z') +
                                 "\nlast");
    const Diagnostic wide = source.diagnose({4, 6}, "m", "h");
    CHECK(wide.line == 1);
    CHECK(wide.column == 5);
    CHECK(wide.indent == 4);
    CHECK(wide.width == 1);
    CHECK(wide.excerpt.substr(0, 10) == "ab c\xc3\xa4??zz");
    const Diagnostic far = source.diagnose({208, 209}, "m", "h");
    CHECK(far.column == 208);
    CHECK(far.excerpt.size() == 100);
    CHECK(far.excerpt.at(far.indent) == '!');
    const Diagnostic end = source.diagnose({9000, 9001}, "m", "h");
    CHECK(end.line == 2);
    CHECK(end.column == 5);
    CHECK(end.excerpt == "last");
}

TEST_CASE("A report is bounded and in the order of the file", "[conf]") {
    const Source source("x", std::string(200, '\n'));
    Report report(source);
    for (std::size_t i = 200; i-- > 0;)
        report.add({i, i + 1}, std::to_string(i));
    const auto sorted = report.diagnostics();
    REQUIRE(sorted.size() == kMaxDiagnostics);
    CHECK(sorted.front().line == 1);
    CHECK(sorted.back().line == kMaxDiagnostics);
}

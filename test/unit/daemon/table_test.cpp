#include "daemon/table.h"

#include <catch2/catch.hpp>

using namespace sheaf::daemon;

TEST_CASE("Columns are as wide as their widest text", "[daemon]") {
    Table table({{"NAME"}, {"COUNT", Table::Side::right}, {"REST"}});
    CHECK(table.empty());
    table.row({"a", "1", "x"});
    table.row({"long name", "1000000", ""});
    CHECK(table.text(false) == "NAME         COUNT  REST\n"
                               "a                1  x\n"
                               "long name  1000000\n");
}

TEST_CASE("A character counts as one column, however many octets it has", "[daemon]") {
    Table table({{"A"}, {"B"}});
    table.row({"\xc3\xa9\xc3\xa9", "x"});
    table.row({"abc", "y"});
    CHECK(table.text(false) == "A    B\n"
                               "\xc3\xa9\xc3\xa9   x\n"
                               "abc  y\n");
}

TEST_CASE("Colours do not disturb the columns", "[daemon]") {
    Table table({{"A"}, {"B"}});
    table.row({{"ok", Tone::good}, "x"});
    CHECK(table.text(true) == "\x1b[2mA\x1b[0m   \x1b[2mB\x1b[0m\n"
                              "\x1b[32mok\x1b[0m  x\n");
}

TEST_CASE("A cell cannot control the terminal", "[daemon]") {
    Table table({{"A"}});
    table.row({"\x1b]0;title\x07\n"});
    CHECK(table.text(false) == "A\n\\x1b]0;title\\x07\\n\n");
}

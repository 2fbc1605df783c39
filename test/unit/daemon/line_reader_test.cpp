#include "daemon/line_reader.h"

#include <catch2/catch.hpp>

#include <string>

using sheaf::daemon::LineReader;

TEST_CASE("Lines come out whole, however they came in", "[daemon]") {
    LineReader reader(16);
    CHECK_FALSE(reader.next());
    reader.append("fir");
    CHECK_FALSE(reader.has_line());
    reader.append("st\nsecond\n\nthi");
    CHECK(reader.next() == "first");
    CHECK(reader.next() == "second");
    CHECK(reader.next() == "");
    CHECK_FALSE(reader.next());
    reader.append("rd\n");
    CHECK(reader.next() == "third");
    CHECK(reader.pending() == 0);
}

TEST_CASE("A line may be as long as the limit and no longer", "[daemon]") {
    LineReader fits(4);
    fits.append("abcd\n");
    CHECK_FALSE(fits.overflow());
    CHECK(fits.next() == "abcd");

    LineReader ended(4);
    ended.append("abcde\nx\n");
    CHECK(ended.overflow());
    CHECK_FALSE(ended.next());

    LineReader endless(4);
    endless.append("abcd");
    CHECK_FALSE(endless.overflow());
    endless.append("e");
    CHECK(endless.overflow());
    CHECK_FALSE(endless.has_line());
}

TEST_CASE("A long line does not hide behind a short one", "[daemon]") {
    LineReader reader(4);
    reader.append("ab\nabcdef");
    CHECK(reader.next() == "ab");
    CHECK(reader.overflow());
}

#include "lib/base/bytes.h"
#include "lib/base/random.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;

TEST_CASE("comparison is of size and every octet") {
    const Bytes value{1, 2, 3};
    for (const auto compare : {constant_time_equal, equal}) {
        CHECK(compare(value, Bytes{1, 2, 3}));
        CHECK(compare({}, {}));
        CHECK_FALSE(compare(value, Bytes{1, 2}));
        CHECK_FALSE(compare(value, Bytes{1, 2, 3, 0}));
        CHECK_FALSE(compare({}, value));
        for (std::size_t at = 0; at < value.size(); ++at) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                Bytes other = value;
                other[at] = static_cast<std::uint8_t>(other[at] ^ (1U << bit));
                CHECK_FALSE(compare(value, other));
            }
        }
    }
}

TEST_CASE("appending keeps what was there") {
    Bytes to{1};
    append(to, Bytes{2, 3});
    append(to, {});
    CHECK(to == Bytes{1, 2, 3});
}

TEST_CASE("random numbers use as many octets as they are wide") {
    struct Counting final : Random {
        std::size_t asked = 0;
        void fill(std::span<std::uint8_t> out) override {
            asked += out.size();
            std::ranges::fill(out, std::uint8_t{0xa5});
        }
    } random;
    CHECK(random.u32() == 0xa5a5a5a5);
    CHECK(random.asked == 4);
    CHECK(random.u64() == 0xa5a5a5a5a5a5a5a5);
    CHECK(random.asked == 12);
}

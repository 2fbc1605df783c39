#include "lib/base/secret.h"
#include "test/support/hex.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <type_traits>

using namespace sheaf;
using sheaf::test::to_hex;

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, View>);

TEST_CASE("a secret starts as zeros of its size") {
    CHECK(Secret().empty());
    CHECK(to_hex(Secret(3).view()) == "000000");
}

TEST_CASE("a copy is a block of its own") {
    Secret first = Secret::copy_of(Bytes{1, 2, 3});
    Secret second = first.copy();
    second.span()[0] = 9;
    CHECK(to_hex(first.view()) == "010203");
    CHECK(to_hex(second.view()) == "090203");
    CHECK(Secret::copy_of({}).empty());
}

TEST_CASE("moving empties the source") {
    Secret first = Secret::copy_of(Bytes{1, 2, 3});
    const std::uint8_t* block = first.view().data();
    Secret second(std::move(first));
    CHECK(first.empty()); // NOLINT(bugprone-use-after-move)
    CHECK(first.view().data() == nullptr);
    CHECK(second.view().data() == block);
    Secret third = Secret::copy_of(Bytes{7});
    third = std::move(second);
    CHECK(to_hex(third.view()) == "010203");
    CHECK(second.empty()); // NOLINT(bugprone-use-after-move)
    Secret& itself = third;
    third = std::move(itself);
    CHECK(to_hex(third.view()) == "010203");
}

TEST_CASE("wiping leaves zeros, clearing leaves nothing") {
    Bytes memory{1, 2, 3, 4};
    wipe(std::span(memory).subspan(1, 2));
    CHECK(memory == Bytes{1, 0, 0, 4});
    wipe({});
    Secret secret = Secret::copy_of(memory);
    secret.clear();
    CHECK(secret.empty());
    secret.clear();
    CHECK(secret.empty());
}

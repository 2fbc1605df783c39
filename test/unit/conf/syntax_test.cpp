// Golden diagnostics of texts that are no JSON, or no configuration.
// Each expected text is what a person sees, to the letter; the examples are changed in one
// place each.
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

using namespace sheaf::conf;
using namespace sheaf::conf::test;

TEST_CASE("A text that is no JSON is told by its first mistake", "[conf]") {
    SECTION("an empty file") {
        CHECK(mistakes(R"()") ==
              R"(sheafd.json:1:1: unexpected end of input; expected '[', '{', or a literal
    1 |
      | ^
   a configuration is a JSON object: { ... }
)");
    }
    SECTION("a value that is no object") {
        CHECK(mistakes(R"([1]
)") ==
              R"(sheafd.json:1:1: the configuration: expected an object, found a list
    1 | [1]
      | ^~~
)");
    }
    SECTION("an empty object") {
        CHECK(mistakes(R"({}
)") ==
              R"(sheafd.json:1:1: the configuration lacks "connections"
    1 | {}
      | ^
   "connections": With whom to make SAs, by name.
)");
    }
    SECTION("a missing comma") {
        CHECK(mistakes(R"({
  "a": 1
  "b": 2
}
)") ==
              R"(sheafd.json:3:3: unexpected string literal; expected '}'
    3 |   "b": 2
      |   ^~~
   is a comma missing before it?
)");
    }
    SECTION("a comma too many") {
        CHECK(mistakes(R"({
  "a": 1, // one
}
)") ==
              R"(sheafd.json:3:1: unexpected '}'; expected string literal
    3 | }
      | ^
   remove the comma before it
)");
    }
    SECTION("a missing colon") {
        CHECK(mistakes(R"({ "a" 1 }
)") ==
              R"(sheafd.json:1:7: unexpected number literal; expected ':'
    1 | { "a" 1 }
      |       ^~
)");
    }
    SECTION("a word without quotation marks") {
        CHECK(mistakes(R"({ "a": yes }
)") ==
              R"(sheafd.json:1:8: invalid literal
    1 | { "a": yes }
      |        ^~~
   strings stand in " "
)");
    }
    SECTION("single quotation marks") {
        CHECK(mistakes(R"({ 'a': 1 }
)") ==
              R"(sheafd.json:1:3: invalid literal
    1 | { 'a': 1 }
      |   ^~~
   strings stand in " "
)");
    }
    SECTION("a string that is not closed") {
        CHECK(mistakes(R"({
  "a": "b,
  "c": 1
}
)") ==
              R"(sheafd.json:2:8: the string is not closed
    2 |   "a": "b,
      |        ^~~
)");
    }
    SECTION("an object that is not closed") {
        CHECK(mistakes(R"({
  "a": {
    "b": 1
)") ==
              R"(sheafd.json:4:1: unexpected end of input; expected '}'
    4 |
      | ^
   the { of line 2 is not closed
)");
    }
    SECTION("a comment that is not closed") {
        CHECK(mistakes(R"({ "a": 1 /* one }
)") ==
              R"(sheafd.json:1:10: invalid comment; missing closing '*/'
    1 | { "a": 1 /* one }
      |          ^~~~~~~~
)");
    }
    SECTION("text after the end") {
        CHECK(mistakes(R"({} {}
)") ==
              R"(sheafd.json:1:4: unexpected '{'; expected end of input
    1 | {} {}
      |    ^
)");
    }
    SECTION("a number beyond all bounds") {
        CHECK(mistakes(R"({ "a": 1e999 }
)") ==
              R"(sheafd.json:1:8: the number is too large
    1 | { "a": 1e999 }
      |        ^~~~~~
)");
    }
    SECTION("a key that stands twice") {
        CHECK(mistakes(R"({
  "connections": {},
  "listen": {},
  "connections": {}
}
)") ==
              R"(sheafd.json:4:3: the key "connections" stands twice
    4 |   "connections": {}
      |   ^~~~~~~~~~~~~
   line 2 has it already: remove one
)");
    }
    SECTION("too many levels") {
        CHECK(mistakes(R"({"a":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}
)") ==
              R"(sheafd.json:1:21: values are nested deeper than 16 levels
    1 | {"a":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}
      |                     ^
)");
    }
}

TEST_CASE("No diagnostic shows a secret", "[conf]") {
    SECTION("a secret under a wrong key") {
        CHECK(mistakes(changed(kClient, R"("text")", R"("txt")")) ==
              R"(sheafd.json:2:48: unknown key "txt" in secrets.gw
    2 |   "secrets": { "gw": { "id": "gw.example.org", "txt": "*************" } },
      |                                                ^~~~~
   did you mean "text"?
)");
    }
    SECTION("a secret in an object's place") {
        CHECK(mistakes(changed(kClient, R"({ "id": "gw.example.org", "text": "correct horse" })",
                               R"("correct horse")")) ==
              R"(sheafd.json:2:22: secrets.gw: expected an object, found a string
    2 |   "secrets": { "gw": "*************" },
      |                      ^~~~~~~~~~~~~~~
)");
    }
    SECTION("a secret of a wrong type") {
        CHECK(mistakes(changed(kClient, R"("correct horse")", R"(["correct horse"])")) ==
              R"(sheafd.json:2:56: secrets.gw.text: expected a secret in quotation marks, found a list
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": ["*************"] } },
      |                                                        ^~~~~~~~~~~~~~~~~
)");
    }
    SECTION("a secret before a syntax error") {
        CHECK(mistakes(changed(kClient, R"("correct horse" })", R"("correct horse" ")")) ==
              R"(sheafd.json:2:72: the string is not closed
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": "*************" " },
      |                                                                        ^~~~
)");
    }
    SECTION("a secret that is not closed") {
        CHECK(mistakes(changed(kClient, R"("correct horse")", R"("correct horse)")) ==
              R"(sheafd.json:2:56: the string is not closed
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": "******************
      |                                                        ^~~~~~~~~~~~~~~~~~~
)");
    }
    SECTION("a secret without quotation marks") {
        CHECK(mistakes(changed(kClient, R"("correct horse")", R"(correct horse)")) ==
              R"(sheafd.json:2:56: invalid literal
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": ******************
      |                                                        ^~~~~~~
   strings stand in " "
)");
    }
}

// Golden diagnostics of keys, types and words.
// Each expected text is what a person sees, to the letter; the examples are changed in one
// place each.
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

using namespace sheaf::conf;
using namespace sheaf::conf::test;

TEST_CASE("Keys, types and ranges are checked", "[conf]") {
    SECTION("an unknown key") {
        CHECK(mistakes(changed(kClient, R"("retransmit")", R"("retransmitt")")) ==
              R"(sheafd.json:8:7: unknown key "retransmitt" in connections.home
    8 |       "retransmitt": { "first": "500ms", "tries": 5 },
      |       ^~~~~~~~~~~~~
   did you mean "retransmit"?
)");
    }
    SECTION("an unknown key that nothing is near") {
        CHECK(mistakes(changed(kClient, R"("retransmit")", R"("colour")")) ==
              R"(sheafd.json:8:7: unknown key "colour" in connections.home
    8 |       "colour": { "first": "500ms", "tries": 5 },
      |       ^~~~~~~~
   use one of "role", "local", "remote", "networks", "children", "group", "ike", "esp", "liveness", "retransmit", "rekey", "child_rekey", "reauth", "replay_window", "dscp", "ecn", "df", "nat_keepalive", "encapsulation", "mobike", "allow_nat", "uplinks", "paths", "request", "interface_ids", "lan", "interface" or "start"
)");
    }
    SECTION("an unknown key at the top level") {
        CHECK(mistakes(changed(kGateway, R"("listen")", R"("lisen")")) ==
              R"(sheafd.json:2:3: unknown key "lisen" at the top level
    2 |   "lisen": { "port": 500 },
      |   ^~~~~~~
   did you mean "listen"?
)");
    }
    SECTION("a key of the other role") {
        CHECK(mistakes(changed(kClient, R"("start": true)", R"("dns": ["2001:db8::53"])")) ==
              R"(sheafd.json:9:7: "dns" in connections.home is for the role "gateway", not for "client"
    9 |       "dns": ["2001:db8::53"]
      |       ^~~~~
   remove it, or change the role
)");
    }
    SECTION("a key of the other role, below") {
        CHECK(
            mistakes(changed(kGateway, R"({ "id": "*.example.org" },
)",
                             R"({ "id": "*.example.org", "port": 500 },
)")) ==
            R"(sheafd.json:12:42: "port" in connections.clients.remote is for the roles "client", "peer" or "mobile-node", not for "gateway"
   12 |       "remote": { "id": "*.example.org", "port": 500 },
      |                                          ^~~~~~
   remove it, or change the role
)");
    }
    SECTION("a missing key") {
        CHECK(mistakes(changed(kClient, R"("local": { "id": "alice.example.org" })", R"("local": {})")) ==
              R"(sheafd.json:6:7: connections.home.local lacks "id"
    6 |       "local": {},
      |       ^~~~~~~
   "id": Who we say we are.
)");
    }
    SECTION("a key that only one role needs") {
        CHECK(mistakes(changed(kClient, R"(, "address": "2001:db8:13::2")", R"()")) ==
              R"(sheafd.json:7:7: connections.home.remote lacks "address"
    7 |       "remote": { "id": "gw.example.org" },
      |       ^~~~~~~~
   "address": Where the gateway, peer or home agent is; a peer connection without it only answers.
)");
    }
    SECTION("a wrong type") {
        CHECK(mistakes(changed(kClient, R"("start": true)", R"("start": "yes")")) ==
              R"(sheafd.json:9:16: connections.home.start: expected true or false, found a string
    9 |       "start": "yes"
      |                ^~~~~
)");
    }
    SECTION("a list for a word") {
        CHECK(
            mistakes(changed(kClient, R"("500ms")", R"(["500ms"])")) ==
            R"(sheafd.json:8:32: connections.home.retransmit.first: expected a duration such as "500ms", found a list
    8 |       "retransmit": { "first": ["500ms"], "tries": 5 },
      |                                ^~~~~~~~~
)");
    }
    SECTION("a number for a duration") {
        CHECK(
            mistakes(changed(kClient, R"("500ms")", R"(500)")) ==
            R"(sheafd.json:8:32: connections.home.retransmit.first: expected a duration such as "500ms", found a number
    8 |       "retransmit": { "first": 500, "tries": 5 },
      |                                ^~~
)");
    }
    SECTION("a fraction") {
        CHECK(
            mistakes(changed(kClient, R"("tries": 5)", R"("tries": 5.5)")) ==
            R"(sheafd.json:8:50: connections.home.retransmit.tries: expected a whole number, found a number with a fraction
    8 |       "retransmit": { "first": "500ms", "tries": 5.5 },
      |                                                  ^~~
)");
    }
    SECTION("a number out of range") {
        CHECK(mistakes(changed(kClient, R"("tries": 5)", R"("tries": 50)")) ==
              R"(sheafd.json:8:50: connections.home.retransmit.tries: the number is not between 1 and 20
    8 |       "retransmit": { "first": "500ms", "tries": 50 },
      |                                                  ^~
)");
    }
    SECTION("null") {
        CHECK(mistakes(changed(kClient, R"({ "first": "500ms", "tries": 5 })", R"(null)")) ==
              R"(sheafd.json:8:21: connections.home.retransmit: expected an object, found null
    8 |       "retransmit": null,
      |                     ^~~~
)");
    }
    SECTION("an unknown word") {
        CHECK(mistakes(changed(kGateway, R"("role": "gateway")", R"("role": "gatway")")) ==
              R"(sheafd.json:10:15: unknown word "gatway" in connections.clients.role
   10 |       "role": "gatway",
      |               ^~~~~~~~
   did you mean "gateway"?
)");
    }
    SECTION("an empty list") {
        CHECK(mistakes(changed(kGateway, R"(["v6", "v4"])", R"([])")) ==
              R"(sheafd.json:13:16: connections.clients.pools: the list is empty
   13 |       "pools": [],
      |                ^~
   name at least one, or leave the key out
)");
    }
    SECTION("a word that stands twice in a list") {
        CHECK(mistakes(changed(kGateway, R"(["aes256gcm16"])", R"(["aes256gcm16", "aes256gcm16"])")) ==
              R"(sheafd.json:15:30: connections.clients.esp: "aes256gcm16" stands twice
   15 |       "esp": ["aes256gcm16", "aes256gcm16"]
      |                              ^~~~~~~~~~~~~
   remove one
)");
    }
    SECTION("two sources of a secret") {
        CHECK(mistakes(changed(kClient, R"("text": "correct horse")",
                               R"("text": "correct horse", "credential": "gw.psk")")) ==
              R"(sheafd.json:2:73: secrets.gw has both "text" and "credential"
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": "*************", "credential": "gw.psk" } },
      |                                                                         ^~~~~~~~~~~~
   remove one
)");
    }
    SECTION("no source of a secret") {
        CHECK(mistakes(changed(kClient, R"(, "text": "correct horse")", R"()")) ==
              R"(sheafd.json:2:16: secrets.gw lacks "file", "credential" or "text"
    2 |   "secrets": { "gw": { "id": "gw.example.org" } },
      |                ^~~~
   add exactly one of them
)");
    }
    SECTION("a name with blanks") {
        CHECK(mistakes(changed(kClient, R"("home")", R"("at home")")) ==
              R"(sheafd.json:4:5: connections: "at home" is no name
    4 |     "at home": {
      |     ^~~~~~~~~
   use letters, digits, "-", "_" and ".", a letter or digit first
)");
    }
}

TEST_CASE("Words inside strings are checked", "[conf]") {
    SECTION("a duration without a unit") {
        CHECK(mistakes(changed(kClient, R"("500ms")", R"("30")")) ==
              R"(sheafd.json:8:32: connections.home.retransmit.first: "30" is no duration
    8 |       "retransmit": { "first": "30", "tries": 5 },
      |                                ^~~~
   did you mean "30s"?
)");
    }
    SECTION("a duration with an unknown unit") {
        CHECK(mistakes(changed(kClient, R"("500ms")", R"("5 seconds")")) ==
              R"(sheafd.json:8:32: connections.home.retransmit.first: "5 seconds" is no duration
    8 |       "retransmit": { "first": "5 seconds", "tries": 5 },
      |                                ^~~~~~~~~~~
   write a whole number and a unit (ms, s, m, h, d): "500ms", "30s", "5m", "1h"
)");
    }
    SECTION("a wait that is too long") {
        CHECK(mistakes(changed(kClient, R"("500ms")", R"("1h")")) ==
              R"(sheafd.json:8:32: connections.home.retransmit.first: "1h" is not between 10ms and 1m
    8 |       "retransmit": { "first": "1h", "tries": 5 },
      |                                ^~~~
)");
    }
    SECTION("a host name for an address") {
        CHECK(mistakes(changed(kClient, R"("2001:db8:13::2")", R"("gw.example.org")")) ==
              R"(sheafd.json:7:54: connections.home.remote.address: "gw.example.org" is no IP address
    7 |       "remote": { "id": "gw.example.org", "address": "gw.example.org" },
      |                                                      ^~~~~~~~~~~~~~~~
   write it in digits, "192.0.2.1" or "2001:db8::1": names are not looked up
)");
    }
    SECTION("a prefix for an address") {
        CHECK(
            mistakes(changed(kClient, R"("2001:db8:13::2")", R"("2001:db8:13::2/64")")) ==
            R"(sheafd.json:7:54: connections.home.remote.address: "2001:db8:13::2/64" is a prefix, not an address
    7 |       "remote": { "id": "gw.example.org", "address": "2001:db8:13::2/64" },
      |                                                      ^~~~~~~~~~~~~~~~~~~
   did you mean "2001:db8:13::2"?
)");
    }
    SECTION("a prefix that is none") {
        CHECK(mistakes(changed(kGateway, R"("10.77.0.0/24")", R"("10.77.0.0/33")")) ==
              R"(sheafd.json:5:23: pools.v4.prefix: "10.77.0.0/33" is no prefix
    5 |     "v4": { "prefix": "10.77.0.0/33" }
      |                       ^~~~~~~~~~~~~~
   write address/length: "2001:db8::/48", "10.77.0.0/24"
)");
    }
    SECTION("bits after a prefix's length") {
        CHECK(mistakes(changed(kGateway, R"("10.77.0.0/24")", R"("10.77.0.9/24")")) ==
              R"(sheafd.json:5:23: pools.v4.prefix: "10.77.0.9/24" has bits set after its length
    5 |     "v4": { "prefix": "10.77.0.9/24" }
      |                       ^~~~~~~~~~~~~~
   did you mean "10.77.0.0/24"?
)");
    }
    SECTION("a long interface name") {
        CHECK(
            mistakes(changed(kClient, R"("start": true)", R"("interface": "sheaf-to-headquarters")")) ==
            R"(sheafd.json:9:20: connections.home.interface: the interface name "sheaf-to-headquarters" is longer than 15 characters
    9 |       "interface": "sheaf-to-headquarters"
      |                    ^~~~~~~~~~~~~~~~~~~~~~~
   Linux allows no more: shorten it
)");
    }
    SECTION("an interface name with a slash") {
        CHECK(mistakes(changed(kClient, R"("start": true)", R"("interface": "a/b")")) ==
              R"(sheafd.json:9:20: connections.home.interface: "a/b" is no interface name
    9 |       "interface": "a/b"
      |                    ^~~~~
   use letters, digits, "-", "_" and "."
)");
    }
    SECTION("an identity that is none") {
        CHECK(mistakes(changed(kClient, R"("alice.example.org")", R"("alice example")")) ==
              R"(sheafd.json:6:24: connections.home.local.id: "alice example" is no identity
    6 |       "local": { "id": "alice example" },
      |                        ^~~~~~~~~~~~~~~
   write a host name, user@host, an IP address, a name such as "CN=gw, O=Example", or @# and hexadecimal digits
)");
    }
    SECTION("a pattern for our own identity") {
        CHECK(mistakes(changed(kClient, R"("alice.example.org")", R"("*.example.org")")) ==
              R"(sheafd.json:6:24: connections.home.local.id: the pattern "*.example.org" names nobody
    6 |       "local": { "id": "*.example.org" },
      |                        ^~~~~~~~~~~~~~~
   write one identity
)");
    }
    SECTION("a star in the middle") {
        CHECK(mistakes(changed(kGateway, R"({ "id": "*.example.org" },
)",
                               R"({ "id": "gw.*.org" },
)")) ==
              R"(sheafd.json:12:25: connections.clients.remote.id: "gw.*.org" is no pattern of identities
   12 |       "remote": { "id": "gw.*.org" },
      |                         ^~~~~~~~~~
   "*" stands alone or for the first labels: "*.example.org"
)");
    }
    SECTION("an empty secret") {
        CHECK(mistakes(changed(kClient, R"("correct horse")", R"("")")) ==
              R"(sheafd.json:2:56: secrets.gw.text: the secret is empty
    2 |   "secrets": { "gw": { "id": "gw.example.org", "text": "" } },
      |                                                        ^~
)");
    }
    SECTION("a port out of range") {
        CHECK(mistakes(changed(kGateway, R"(500)", R"(70000)")) ==
              R"(sheafd.json:2:23: listen.port: the number is not between 1 and 65535
    2 |   "listen": { "port": 70000 },
      |                       ^~~~~
)");
    }
}

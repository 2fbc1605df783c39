// Golden diagnostics of proposals and of what needs several places of the file.
// Each expected text is what a person sees, to the letter; the examples are changed in one
// place each.
#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

using namespace sheaf::conf;
using namespace sheaf::conf::test;

TEST_CASE("Algorithms are checked", "[conf]") {
    SECTION("an unknown algorithm") {
        CHECK(mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256gmc16"])")) ==
              R"(sheafd.json:15:16: connections.clients.esp: unknown algorithm "aes256gmc16"
   15 |       "esp": ["aes256gmc16"]
      |                ^~~~~~~~~~~
   did you mean "aes256gcm16"?
)");
    }
    SECTION("an algorithm that nothing is near") {
        CHECK(mistakes(changed(kGateway, R"("aes256gcm16"])", R"("serpent"])")) ==
              R"(sheafd.json:15:16: connections.clients.esp: unknown algorithm "serpent"
   15 |       "esp": ["serpent"]
      |                ^~~~~~~
   use one of "aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305", "aes256", "aes192", "aes128", "sha256", "sha384", "sha512", "x25519", "ecp256", "ecp384", "ecp521", "modp4096", "modp3072", "modp2048", "none", "esn" or "noesn"
)");
    }
    SECTION("a weak algorithm") {
        CHECK(
            mistakes(changed(kGateway, R"(-x25519)", R"(-modp1024)")) ==
            R"(sheafd.json:14:38: connections.clients.ike: the algorithm "modp1024" is too weak to be offered
   14 |       "ike": ["aes256gcm16-prfsha256-modp1024"],
      |                                      ^~~~~~~~
   use "modp2048"
)");
    }
    SECTION("a weak algorithm by its word") {
        CHECK(mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256-sha1"])")) ==
              R"(sheafd.json:15:23: connections.clients.esp: the algorithm "sha1" is too weak to be offered
   15 |       "esp": ["aes256-sha1"]
      |                       ^~~~
   use "sha256"; if the peer has nothing better, write "weak-sha1"
)");
    }
    SECTION("an AEAD with integrity") {
        CHECK(
            mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256gcm16-sha256"])")) ==
            R"(sheafd.json:15:15: connections.clients.esp: the proposal "aes256gcm16-sha256" has both an AEAD and integrity "sha256"
   15 |       "esp": ["aes256gcm16-sha256"]
      |               ^~~~~~~~~~~~~~~~~~~~
   an AEAD protects integrity itself: remove the second
)");
    }
    SECTION("an AEAD with another cipher") {
        CHECK(
            mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256gcm16-aes256-sha256"])")) ==
            R"(sheafd.json:15:15: connections.clients.esp: the proposal "aes256gcm16-aes256-sha256" mixes AEADs with other ciphers
   15 |       "esp": ["aes256gcm16-aes256-sha256"]
      |               ^~~~~~~~~~~~~~~~~~~~~~~~~~~
   write two proposals
)");
    }
    SECTION("a cipher without integrity") {
        CHECK(
            mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256"])")) ==
            R"(sheafd.json:15:15: connections.clients.esp: the proposal "aes256" has a cipher without integrity
   15 |       "esp": ["aes256"]
      |               ^~~~~~~~
   add "sha256", or use an AEAD such as "aes256gcm16"
)");
    }
    SECTION("a PRF for ESP") {
        CHECK(
            mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256gcm16-prfsha256"])")) ==
            R"(sheafd.json:15:28: connections.clients.esp: the PRF "prfsha256" has no place in an ESP proposal
   15 |       "esp": ["aes256gcm16-prfsha256"]
      |                            ^~~~~~~~~
   remove it
)");
    }
    SECTION("no PRF for IKE") {
        CHECK(mistakes(changed(kGateway, R"(-prfsha256)", R"()")) ==
              R"(sheafd.json:14:15: connections.clients.ike: the proposal "aes256gcm16-x25519" has no PRF
   14 |       "ike": ["aes256gcm16-x25519"],
      |               ^~~~~~~~~~~~~~~~~~~~
   add "prfsha256"
)");
    }
    SECTION("no key exchange for IKE") {
        CHECK(
            mistakes(changed(kGateway, R"(-x25519)", R"()")) ==
            R"(sheafd.json:14:15: connections.clients.ike: the proposal "aes256gcm16-prfsha256" has no key exchange
   14 |       "ike": ["aes256gcm16-prfsha256"],
      |               ^~~~~~~~~~~~~~~~~~~~~~~
   add "x25519"
)");
    }
    SECTION("no cipher") {
        CHECK(mistakes(changed(kGateway, R"("aes256gcm16"])", R"("x25519"])")) ==
              R"(sheafd.json:15:15: connections.clients.esp: the proposal "x25519" has no cipher
   15 |       "esp": ["x25519"]
      |               ^~~~~~~~
   begin it with "aes256gcm16"
)");
    }
    SECTION("a word twice") {
        CHECK(mistakes(changed(kGateway, R"("aes256gcm16"])", R"("aes256gcm16-aes256gcm16"])")) ==
              R"(sheafd.json:15:28: connections.clients.esp: "aes256gcm16" stands twice in the proposal
   15 |       "esp": ["aes256gcm16-aes256gcm16"]
      |                            ^~~~~~~~~~~
   remove one
)");
    }
    SECTION("two dashes") {
        CHECK(
            mistakes(changed(kGateway, R"(-x25519)", R"(--x25519)")) ==
            R"(sheafd.json:14:15: connections.clients.ike: an algorithm is missing in the proposal "aes256gcm16-prfsha256--x25519"
   14 |       "ike": ["aes256gcm16-prfsha256--x25519"],
      |               ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
   words are joined by a single "-"
)");
    }
}

TEST_CASE("The parts of a file must fit each other", "[conf]") {
    SECTION("pools that overlap") {
        CHECK(mistakes(changed(kGateway, R"("10.77.0.0/24")", R"("2001:db8:100:8::/64")")) ==
              R"(sheafd.json:5:23: pools.v4: 2001:db8:100:8::/64 overlaps 2001:db8:100::/48 of pools.v6
    5 |     "v4": { "prefix": "2001:db8:100:8::/64" }
      |                       ^~~~~~~~~~~~~~~~~~~~~
   the same address would be given away twice: make them distinct
)");
    }
    SECTION("a prefix that is too small for a /64") {
        CHECK(mistakes(
                  changed(kGateway, R"("2001:db8:100::/48", "delegate": 64)", R"("2001:db8:100::/112")")) ==
              R"(sheafd.json:4:23: pools.v6: 2001:db8:100::/112 is too small for a /64 per client
    4 |     "v6": { "prefix": "2001:db8:100::/112" },
      |                       ^~~~~~~~~~~~~~~~~~~~
   write "delegate": 128 for an address per client, or give a shorter prefix
)");
    }
    SECTION("a delegate shorter than the pool") {
        CHECK(mistakes(changed(kGateway, R"("delegate": 64)", R"("delegate": 40)")) ==
              R"(sheafd.json:4:56: pools.v6: 2001:db8:100::/48 is too small for a /40 per client
    4 |     "v6": { "prefix": "2001:db8:100::/48", "delegate": 40 },
      |                                                        ^~
   write "delegate": 64, or give a shorter prefix
)");
    }
    SECTION("a delegate of the other family") {
        CHECK(mistakes(changed(kGateway, R"("10.77.0.0/24")", R"("10.77.0.0/24", "delegate": 64)")) ==
              R"(sheafd.json:5:51: pools.v4: clients get single IPv4 addresses, not a /64
    5 |     "v4": { "prefix": "10.77.0.0/24", "delegate": 64 }
      |                                                   ^~
   write "delegate": 32, or leave it out
)");
    }
    SECTION("a delegate of a part of an IPv4 pool") {
        CHECK(mistakes(changed(kGateway, R"("10.77.0.0/24")", R"("10.77.0.0/24", "delegate": 28)")) ==
              R"(sheafd.json:5:51: pools.v4: clients get single IPv4 addresses, not a /28
    5 |     "v4": { "prefix": "10.77.0.0/24", "delegate": 28 }
      |                                                   ^~
   write "delegate": 32, or leave it out
)");
    }
    SECTION("a delegate that no link can use") {
        CHECK(mistakes(changed(kGateway, R"("delegate": 64)", R"("delegate": 96)")) ==
              R"(sheafd.json:4:56: pools.v6: a client cannot use a /96 on a link
    4 |     "v6": { "prefix": "2001:db8:100::/48", "delegate": 96 },
      |                                                        ^~
   write 64 for a prefix per client, or 128 for an address
)");
    }
    SECTION("an unknown pool") {
        CHECK(mistakes(changed(kGateway, R"(["v6", "v4"])", R"(["v6", "v5"])")) ==
              R"(sheafd.json:13:23: connections.clients.pools: there is no pool "v5"
   13 |       "pools": ["v6", "v5"],
      |                       ^~~~
   did you mean "v6"?
)");
    }
    SECTION("a connection without a secret") {
        CHECK(mistakes(changed(kClient, R"("id": "gw.example.org", "address")",
                               R"("id": "gw.example.com", "address")")) ==
              R"(sheafd.json:7:25: connections.home: no secret is for "gw.example.com"
    7 |       "remote": { "id": "gw.example.com", "address": "2001:db8:13::2" },
      |                         ^~~~~~~~~~~~~~~~
   did you mean "gw.example.org"?
)");
    }
    SECTION("a secret for ourselves") {
        CHECK(mistakes(changed(kClient, R"("gw": { "id": "gw.example.org")",
                               R"("gw": { "id": "alice.example.org")")) ==
              R"(sheafd.json:7:25: connections.home: no secret is for "gw.example.org"
    7 |       "remote": { "id": "gw.example.org", "address": "2001:db8:13::2" },
      |                         ^~~~~~~~~~~~~~~~
   secrets are found by the peer's identity, and "alice.example.org" is our own
)");
    }
    SECTION("a connection without any secret near") {
        CHECK(mistakes(changed(kGateway, R"({ "id": "*.example.org" },
)",
                               R"({ "id": "10.1.2.3" },
)")) ==
              R"(sheafd.json:12:25: connections.clients: no secret is for "10.1.2.3"
   12 |       "remote": { "id": "10.1.2.3" },
      |                         ^~~~~~~~~~
   add one to "secrets" at the top level
)");
    }
    SECTION("two secrets for one peer") {
        CHECK(mistakes(changed(kClient, R"("text": "correct horse" } })", R"("text": "correct horse" },
    "gw2": { "id": "GW.example.org", "text": "battery staple" } })")) ==
              R"(sheafd.json:3:20: secrets.gw2: "gw.example.org" has a secret already
    3 |     "gw2": { "id": "GW.example.org", "text": "**************" } },
      |                    ^~~~~~~~~~~~~~~~
   it is secrets.gw: remove one
)");
    }
    SECTION("addresses of two families") {
        CHECK(
            mistakes(changed(kClient, R"({ "id": "alice.example.org" })",
                             R"({ "id": "alice.example.org", "address": "192.0.2.7" })")) ==
            R"(sheafd.json:6:56: connections.home: the local and the remote address are of different families
    6 |       "local": { "id": "alice.example.org", "address": "192.0.2.7" },
      |                                                        ^~~~~~~~~~~
   both IPv6, or both IPv4
)");
    }
    SECTION("an address that is nobody's") {
        CHECK(mistakes(changed(kClient, R"("2001:db8:13::2")", R"("::")")) ==
              R"(sheafd.json:7:54: connections.home.remote.address: "::" is nobody's address
    7 |       "remote": { "id": "gw.example.org", "address": "::" },
      |                                                      ^~~~
)");
    }
    SECTION("no listening address of the family") {
        CHECK(mistakes(changed(kClient, R"("secrets")", R"("listen": { "addresses": ["0.0.0.0"] },
  "secrets")")) ==
              R"(sheafd.json:8:54: connections.home: "listen" has no address of the family of "2001:db8:13::2"
    8 |       "remote": { "id": "gw.example.org", "address": "2001:db8:13::2" },
      |                                                      ^~~~~~~~~~~~~~~~
   add "::" to listen.addresses
)");
    }
    SECTION("the same port twice") {
        CHECK(mistakes(changed(kGateway, R"("port": 500)", R"("port": 500, "nat_port": 500)")) ==
              R"(sheafd.json:2:40: listen: "port" and "nat_port" are the same
    2 |   "listen": { "port": 500, "nat_port": 500 },
      |                                        ^~~
   IKE has a marker before it on "nat_port" only (RFC 7296 2.23): use two ports
)");
    }
    SECTION("an interface that two connections have") {
        CHECK(mistakes(changed(kClient, R"(    }
  }
})",
                               R"(    },
    "work": {
      "role": "client",
      "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "2001:db8:13::3" }
    }
  }
})")) ==
              R"(sheafd.json:11:5: connections.work: the interface "sheaf0" is that of connections.home
   11 |     "work": {
      |     ^~~~~~
   give this connection another "interface"
)");
    }
    SECTION("a client's interface that is the gateway's") {
        CHECK(mistakes(changed(kGateway, R"(    }
  }
})",
                               R"(    },
    "work": {
      "role": "client",
      "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "2001:db8:13::3" }
    }
  }
})")) ==
              R"(sheafd.json:17:5: connections.work: the interface "sheaf0" is that of the gateway
   17 |     "work": {
      |     ^~~~~~
   give this connection another "interface"
)");
    }
    SECTION("two connections for the same peers") {
        CHECK(mistakes(changed(kGateway, R"(    }
  }
})",
                               R"(    },
    "more": {
      "role": "gateway",
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "pools": ["v4"]
    }
  }
})")) ==
              R"(sheafd.json:20:25: connections.more: connections.clients is for the same peers
   20 |       "remote": { "id": "*.example.org" },
      |                         ^~~~~~~~~~~~~~~
   only one of them would ever be used: remove one
)");
    }
}

#pragma once

#include "conf/settings.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

namespace sheaf::conf::test {

inline constexpr std::string_view kClient = R"({
  "secrets": { "gw": { "id": "gw.example.org", "text": "correct horse" } },
  "connections": {
    "home": {
      "role": "client",
      "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": "2001:db8:13::2" },
      "retransmit": { "first": "500ms", "tries": 5 },
      "start": true
    }
  }
}
)";

inline constexpr std::string_view kGateway = R"({
  "listen": { "port": 500 },
  "pools": {
    "v6": { "prefix": "2001:db8:100::/48", "delegate": 64 },
    "v4": { "prefix": "10.77.0.0/24" }
  },
  "secrets": { "all": { "id": "*.example.org", "text": "correct horse" } },
  "connections": {
    "clients": {
      "role": "gateway",
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "pools": ["v6", "v4"],
      "ike": ["aes256gcm16-prfsha256-x25519"],
      "esp": ["aes256gcm16"]
    }
  }
}
)";

inline constexpr std::string_view kPeer = R"({
  "secrets": { "b": { "id": "b.example.org", "text": "correct horse" } },
  "connections": {
    "b": {
      "role": "peer",
      "local": { "id": "a.example.org" },
      "remote": { "id": "b.example.org", "address": "192.0.2.2" },
      "children": {
        "net": { "local": ["10.1.0.0/16"], "remote": ["10.2.0.0/16"] }
      }
    }
  }
}
)";

// `base` with the first `from` replaced, which must be there.
inline std::string changed(std::string_view base, std::string_view from, std::string_view to) {
    std::string out(base);
    const auto at = out.find(from);
    if (at == out.npos) std::abort();
    return out.replace(at, from.size(), to);
}

// What a person is told about this text, without the count at the end; empty if it is right.
inline std::string mistakes(std::string_view text, const Environment& environment = {}) {
    std::string out;
    const auto loaded = parse("sheafd.json", std::string(text), environment);
    if (!loaded)
        for (const auto& diagnostic : loaded.error())
            out += to_string(diagnostic);
    return out;
}

// The message and hint of the one mistake.
inline std::string mistake(std::string_view text) {
    const auto loaded = parse("x", std::string(text), {});
    REQUIRE_FALSE(loaded);
    INFO(to_string(loaded.error()));
    REQUIRE(loaded.error().size() == 1);
    const auto& found = loaded.error().front();
    return found.message + "\n" + found.hint;
}

} // namespace sheaf::conf::test

#include "test/unit/daemon/configs.h"

namespace sheaf::daemon::test {

std::string gateway_file() {
    return R"({
  "listen": { "addresses": ["127.0.0.1"] },
  "pools": { "v6": { "prefix": "2001:db8:100::/48", "delegate": 64 }, "v4": { "prefix": "10.77.0.0/24" } },
  "secrets": { "all": { "id": "*.example.org", "text": "correct horse battery staple" } },
  "connections": {
    "clients": {
      "role": "gateway",
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "networks": ["2001:db8:9::/48", "192.0.2.0/24"],
      "pools": ["v6", "v4"],
      "dns": ["2001:db8:9::53"],
      "dns_domains": ["example.org"]
    }
  }
}
)";
}

std::string client_file(const Endpoint& gateway) {
    const std::string port = std::to_string(gateway.port);
    return R"({
  "secrets": { "gw": { "id": "gw.example.org", "text": "correct horse battery staple" } },
  "connections": {
    "home": {
      "role": "client",
      "local": { "id": "alice.example.org" },
      "remote": { "id": "gw.example.org", "address": ")" +
           gateway.address.to_string() + R"(", "port": )" + port + R"( },
      "retransmit": { "first": "100ms", "tries": 3 }
    }
  }
}
)";
}

namespace {

std::string with(std::string text, std::string_view before, std::string_view members) {
    return text.insert(text.find(before), members);
}

} // namespace

conf::Settings group_gateway_settings() {
    auto text = with(gateway_file(), R"("pools": {)", R"("groups": { "sites": { "serve": {} } }, )");
    return conf::parse("gateway.json", with(text, R"("role")", R"("group": "sites", )"), {}).value();
}

conf::Settings group_client_settings(const Endpoint& gateway) {
    auto text = with(client_file(gateway), R"("secrets")", R"("groups": { "sites": { "join": {
        "interface": "sheaf-sites", "sites": { "127.0.0.9": ["10.2.0.0/16"] } } } }, )");
    return conf::parse("client.json", with(text, R"("role")", R"("group": "sites", )"), {}).value();
}

conf::Settings gateway_settings() { return conf::parse("gateway.json", gateway_file(), {}).value(); }
conf::Settings client_settings(const Endpoint& gateway) {
    return conf::parse("client.json", client_file(gateway), {}).value();
}

} // namespace sheaf::daemon::test

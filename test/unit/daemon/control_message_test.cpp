#include "daemon/control_message.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace sheaf::daemon;

namespace {

std::string mistake(std::string_view line) {
    const auto request = parse_request(line);
    REQUIRE_FALSE(request);
    return request.error();
}

} // namespace

TEST_CASE("Every request survives its encoding", "[daemon]") {
    for (const Verb verb : {Verb::status, Verb::list, Verb::clients, Verb::pools, Verb::paths, Verb::groups,
                            Verb::reload, Verb::watch, Verb::version})
        CHECK(parse_request(encode({verb, {}})) == Request{verb, {}});
    for (const Verb verb : {Verb::up, Verb::down, Verb::rekey, Verb::reauth, Verb::clone, Verb::explain,
                            Verb::clients, Verb::paths, Verb::groups})
        CHECK(parse_request(encode({verb, "a \"b\"\n\\"})) == Request{verb, "a \"b\"\n\\"});
    for (const Request& request :
         {Request{Verb::down, "b", "office"}, Request{Verb::rekey, "b", {}, Rekeyed::ike},
          Request{Verb::rekey, "b", {}, Rekeyed::group}, Request{Verb::rekey, "b"}, Request{Verb::explain}})
        CHECK(parse_request(encode(request)) == request);
    CHECK(encode({Verb::rekey, "b", {}, Rekeyed::ike}) ==
          R"({"schema":1,"command":"rekey","name":"b","what":"ike"})");
    CHECK(encode({Verb::rekey, "g", {}, Rekeyed::group}) ==
          R"({"schema":1,"command":"rekey","name":"g","what":"group"})");
    CHECK(encode({Verb::down, "b", "c"}) == R"({"schema":1,"command":"down","name":"b","child":"c"})");
    CHECK(encode({Verb::up, "home"}) == R"({"schema":1,"command":"up","name":"home"})");
    CHECK(encode({Verb::up, "two\nlines"}).find('\n') == std::string::npos);
}

TEST_CASE("What is no request is told why", "[daemon]") {
    CHECK(mistake("") == "the request is not a JSON object on one line");
    CHECK(mistake("{") == "the request is not a JSON object on one line");
    CHECK(mistake("[1]") == "the request is not a JSON object on one line");
    CHECK(mistake("{\"command\":\"status\"}") ==
          "the request's \"schema\" must be 1; sheafctl and sheafd are of different versions");
    CHECK(mistake(R"({"schema":"1","command":"status"})") ==
          "the request's \"schema\" must be 1; sheafctl and sheafd are of different versions");
    CHECK(mistake(R"({"schema":2,"command":"status"})") ==
          "the request's \"schema\" must be 1; sheafctl and sheafd are of different versions");
    CHECK(mistake(R"({"schema":1,"command":"stop"})") == "\"command\" must be status, list, clients, pools, "
                                                         "paths, groups, bindings, binding, up, down, rekey, "
                                                         "reauth, clone, explain, reload, watch or version");
    CHECK(mistake(R"({"schema":1,"command":["status"]})") ==
          "\"command\" must be status, list, clients, pools, paths, groups, bindings, binding, up, down, "
          "rekey, "
          "reauth, clone, explain, reload, watch or version");
    CHECK(mistake(R"({"schema":1,"command":"up"})") == "\"up\" needs a \"name\": that of a connection");
    CHECK(mistake(R"({"schema":1,"command":"down","name":7})") ==
          "\"down\" needs a \"name\": that of a connection");
    CHECK(mistake(R"({"schema":1,"command":"clone"})") == "\"clone\" needs a \"name\": that of a connection");
    CHECK(mistake(R"({"schema":1,"command":"rekey"})") == "\"rekey\" needs a \"name\": that of a connection");
    CHECK(mistake(R"({"schema":1,"command":"rekey","name":"b","what":"all"})") ==
          "\"what\" must be children, ike or group");
}

TEST_CASE("Depth and length of a request are bounded", "[daemon]") {
    CHECK(mistake(std::string(kMaxRequest + 1, ' ')) == "the request is longer than 4096 octets");
    CHECK(mistake(std::string(kMaxRequest, '[')) == "the request is not a JSON object on one line");
    CHECK(mistake(std::string(2000, '[') + std::string(2000, ']')) ==
          "the request is not a JSON object on one line");
}

TEST_CASE("Answers say their schema and how it went", "[daemon]") {
    CHECK(success().dump() == R"({"schema":1,"ok":true})");
    CHECK(failure("no such thing").dump() == R"({"schema":1,"ok":false,"error":"no such thing"})");
}

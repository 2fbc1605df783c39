#include "daemon/control_socket.h"
#include "daemon/ctl_options.h"
#include "daemon/options.h"
#include "daemon/run.h"
#include "test/unit/daemon/configs.h"
#include "test/unit/daemon/scratch_folder.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <unistd.h>
#include <vector>

using namespace sheaf::daemon;
using namespace sheaf::daemon::test;

namespace {

struct Printed {
    int code = 0;
    std::string out;
    std::string err;
};

// Runs it with both outputs in files.
Printed printed(const std::function<int()>& program) {
    const ScratchFolder folder;
    std::array<int, 2> saved{};
    std::cout.flush();
    std::fflush(nullptr);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
        saved.at(static_cast<std::size_t>(fd - 1)) = ::dup(fd);
        const int file = ::open(folder.file(std::to_string(fd)).c_str(), O_CREAT | O_WRONLY, 0600);
        ::dup2(file, fd);
        ::close(file);
    }
    Printed result;
    result.code = program();
    std::cout.flush();
    std::cerr.flush();
    std::fflush(nullptr);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(saved.at(static_cast<std::size_t>(fd - 1)), fd);
        ::close(saved.at(static_cast<std::size_t>(fd - 1)));
    }
    const auto content = [&](int fd) {
        std::ostringstream all;
        all << std::ifstream(folder.file(std::to_string(fd))).rdbuf();
        return all.str();
    };
    result.out = content(STDOUT_FILENO);
    result.err = content(STDERR_FILENO);
    return result;
}

template <class Parse>
auto parsed(Parse parse, std::vector<const char*> words) {
    return parse(static_cast<int>(words.size()), words.data());
}

Options sheafd(std::vector<const char*> words) { return parsed(parse_options, std::move(words)); }
auto sheafctl(std::vector<const char*> words) { return parsed(parse_ctl_options, std::move(words)); }

int usage_code(const std::function<int()>& parse) { return printed(parse).code; }

} // namespace

TEST_CASE("sheafd --check says ok of a good file", "[daemon]") {
    const ScratchFolder folder;
    const std::string file = folder.write("good.json", gateway_file());
    const auto result = printed([&] { return check_file({file}); });
    CHECK(result.code == 0);
    CHECK(result.out == file + ": ok\n");
    CHECK(result.err.empty());
}

TEST_CASE("sheafd --check tells what is right and yet worth a look", "[daemon]") {
    const ScratchFolder folder;
    std::string text = gateway_file();
    const std::string_view pools = "\"pools\": [";
    text.insert(text.rfind(pools), "\"replay_window\": 0, ");
    const std::string file = folder.write("weak.json", text);
    const auto result = printed([&] { return check_file({file}); });
    CHECK(result.code == 0);
    CHECK(result.out == file + ": ok\n");
    CHECK(result.err ==
          "note: connections.clients.replay_window is 0: replayed packets are taken for new ones\n");
}

TEST_CASE("sheafd --check tells the mistakes of a bad file", "[daemon]") {
    const ScratchFolder folder;
    const std::string file = folder.write("bad.json", R"({ "conections": {} })");
    const auto result = printed([&] { return check_file({file}); });
    CHECK(result.code == 1);
    CHECK(result.out.empty());
    CHECK(result.err.find(file + ":1:3: unknown key \"conections\"") == 0);
    CHECK(result.err.find("^~~~") != std::string::npos);
    CHECK(printed([&] { return check_file({folder.file("none.json")}); }).code == 1);
}

TEST_CASE("sheafd does not start with a bad file", "[daemon]") {
    const ScratchFolder folder;
    const std::string file = folder.write("bad.json", "{");
    const auto result = printed([&] { return run({file, folder.file("control.sock"), LogLevel::info}); });
    CHECK(result.code == 1);
    CHECK(result.err.find("has mistakes; sheafd does not start") != std::string::npos);
    CHECK_FALSE(connect_to(folder.file("control.sock")));
}

TEST_CASE("sheafd does not start where keys cannot be written", "[daemon]") {
    const ScratchFolder folder;
    const std::string file = folder.write("good.json", gateway_file());
    const auto result = printed([&] {
        return run({file, folder.file("control.sock"), LogLevel::info, folder.file("none")});
    });
    CHECK(result.code == 1);
    CHECK(result.err.find("--write-keys: cannot write " + folder.file("none") + "/ikev2_decryption_table") !=
          std::string::npos);
    CHECK_FALSE(connect_to(folder.file("control.sock")));
}

TEST_CASE("sheafd beside another one on the same control socket does not start", "[daemon]") {
    const ScratchFolder folder;
    const std::string file = folder.write("good.json", gateway_file());
    const auto other = listen_at(folder.file("control.sock"));
    REQUIRE(other);
    const auto result = printed([&] { return run({file, folder.file("control.sock"), LogLevel::info}); });
    CHECK(result.code == 1);
    CHECK(result.err.find("another sheafd answers there") != std::string::npos);
    CHECK(connect_to(folder.file("control.sock")));
}

TEST_CASE("sheafd's options", "[daemon]") {
    const auto plain = std::get<RunOptions>(sheafd({"sheafd"}));
    CHECK(plain.config == "/etc/sheaf/sheafd.json");
    CHECK(plain.control == "/run/sheaf/control.sock");
    CHECK(plain.log_level == LogLevel::info);
    CHECK(plain.write_keys.empty());
    CHECK(std::get<RunOptions>(sheafd({"sheafd", "--write-keys", "/tmp/keys"})).write_keys == "/tmp/keys");
    const auto all =
        std::get<RunOptions>(sheafd({"sheafd", "--config", "a", "--control", "b", "--log-level", "debug"}));
    CHECK(all.config == "a");
    CHECK(all.control == "b");
    CHECK(all.log_level == LogLevel::debug);
    CHECK(std::get<CheckOptions>(sheafd({"sheafd", "--check", "c"})).config == "c");
    const auto code = [](std::vector<const char*> words) {
        return usage_code([&] { return std::get<ExitNow>(sheafd(words)).code; });
    };
    CHECK(code({"sheafd", "--version"}) == 0);
    CHECK(code({"sheafd", "--help"}) == 0);
    CHECK(code({"sheafd", "--log-level", "loud"}) == kExitUsage);
    CHECK(code({"sheafd", "surplus"}) == kExitUsage);
}

TEST_CASE("sheafctl's commands", "[daemon]") {
    const auto status = std::get<CtlOptions>(sheafctl({"sheafctl", "status"}));
    CHECK(status.control == "/run/sheaf/control.sock");
    CHECK_FALSE(status.json);
    CHECK(status.request == Request{Verb::status, {}});
    const auto up = std::get<CtlOptions>(sheafctl({"sheafctl", "--control", "x", "up", "home", "--json"}));
    CHECK(up.control == "x");
    CHECK(up.json);
    CHECK(up.request == Request{Verb::up, "home"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "down", "b", "office"})).request ==
          Request{Verb::down, "b", "office"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "rekey", "b"})).request == Request{Verb::rekey, "b"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "rekey", "--ike", "b"})).request ==
          Request{Verb::rekey, "b", {}, Rekeyed::ike});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "rekey", "--group", "g"})).request ==
          Request{Verb::rekey, "g", {}, Rekeyed::group});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "groups"})).request == Request{Verb::groups});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "groups", "g"})).request == Request{Verb::groups, "g"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "reauth", "b"})).request == Request{Verb::reauth, "b"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "explain"})).request == Request{Verb::explain});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "explain", "192.0.2.1"})).request ==
          Request{Verb::explain, "192.0.2.1"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "clients"})).request == Request{Verb::clients});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "clients", "2001:db8::1"})).request ==
          Request{Verb::clients, "2001:db8::1"});
    CHECK(std::get<CtlOptions>(sheafctl({"sheafctl", "pools", "--json"})).request == Request{Verb::pools});
    const auto code = [](std::vector<const char*> words) {
        return usage_code([&] { return std::get<CtlExitNow>(sheafctl(words)).code; });
    };
    CHECK(code({"sheafctl"}) == kCtlUsage);
    CHECK(code({"sheafctl", "down"}) == kCtlUsage);
    CHECK(code({"sheafctl", "pools", "v6"}) == kCtlUsage);
    CHECK(code({"sheafctl", "rekey"}) == kCtlUsage);
    CHECK(code({"sheafctl", "rekey", "--ike", "--group", "b"}) == kCtlUsage);
    CHECK(code({"sheafctl", "stauts"}) == kCtlUsage);
    CHECK(code({"sheafctl", "--version"}) == kCtlDone);
}

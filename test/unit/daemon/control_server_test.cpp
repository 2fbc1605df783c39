#include "daemon/clock.h"
#include "daemon/control_message.h"
#include "daemon/control_server.h"
#include "daemon/control_socket.h"
#include "test/unit/daemon/quiet.h"
#include "test/unit/daemon/scratch_folder.h"

#include <catch2/catch.hpp>

#include <array>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <vector>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace sheaf::daemon::test;
using namespace std::chrono_literals;

namespace {

// A server whose handler remembers requests; the test answers by hand, or at once with `echo`.
struct Bench {
    ScratchFolder folder;
    std::string path = folder.file("control.sock");
    Loop loop;
    bool echo = true;
    std::vector<std::pair<ControlServer::ClientId, std::string>> requests;
    std::unique_ptr<ControlServer> server;

    Bench() {
        auto listening = listen_at(path);
        REQUIRE(listening);
        server = std::make_unique<ControlServer>(loop, std::move(*listening), [this](auto id, auto line) {
            requests.emplace_back(id, line);
            if (echo) server->answer(id, "<" + std::string(line) + ">");
        });
    }

    [[nodiscard]] FileDescriptor client() const {
        auto fd = connect_to(path);
        REQUIRE(fd);
        ::fcntl(fd->value(), F_SETFL, O_NONBLOCK);
        return std::move(*fd);
    }
};

// Until nothing has happened for so long: a machine that stands still meanwhile ends nothing.
void run(Bench& bench, Duration quiet = 30ms) { run_until_quiet(bench.loop, quiet); }

void put(const FileDescriptor& fd, std::string_view text) {
    REQUIRE(::send(fd.value(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

// All that has come; "EOF" at the end if the server has closed.
std::string got(const FileDescriptor& fd) {
    std::string out;
    std::array<char, 65536> buffer;
    while (true) {
        const ssize_t size = ::recv(fd.value(), buffer.data(), buffer.size(), 0);
        if (size > 0)
            out.append(buffer.data(), static_cast<std::size_t>(size));
        else
            return size == 0 ? out + "EOF" : out;
    }
}

} // namespace

TEST_CASE("The control socket is its owner's alone", "[daemon]") {
    const Bench bench;
    struct stat file {};
    REQUIRE(::stat(bench.path.c_str(), &file) == 0);
    CHECK((file.st_mode & 07777U) == 0600U);
}

TEST_CASE("A socket that a dead daemon left is replaced, a living one is not", "[daemon]") {
    const ScratchFolder folder;
    const std::string path = folder.file("control.sock");
    {
        const auto dead = listen_at(path);
        REQUIRE(dead);
    }
    const auto living = listen_at(path);
    REQUIRE(living);
    const auto second = listen_at(path);
    REQUIRE_FALSE(second);
    CHECK(second.error() ==
          "control socket " + path +
              ": Address already in use: another sheafd answers there, or it is no socket; stop "
              "that one, or name another path with --control");
}

TEST_CASE("What is no socket is left alone", "[daemon]") {
    const ScratchFolder folder;
    const std::string path = folder.write("precious", "data");
    CHECK_FALSE(listen_at(path));
    std::string content;
    std::ifstream(path) >> content;
    CHECK(content == "data");
}

TEST_CASE("A missing folder of the socket is made, an impossible path is told", "[daemon]") {
    const ScratchFolder folder;
    CHECK(listen_at(folder.file("sheaf") + "/control.sock"));
    const auto far = listen_at("/nonexistent/folder/control.sock");
    REQUIRE_FALSE(far);
    CHECK(far.error() ==
          "control socket /nonexistent/folder/control.sock: No such file or directory: sheafd must be "
          "able to write to that folder; sheafd.service makes it (RuntimeDirectory=), or name another "
          "path with --control");
    CHECK_FALSE(listen_at(folder.file(std::string(120, 'x'))));
}

TEST_CASE("Requests are answered in their order, one after the other", "[daemon]") {
    Bench bench;
    const auto client = bench.client();
    put(client, "one\ntw");
    run(bench);
    CHECK(got(client) == "<one>\n");
    put(client, "o\nthree\n");
    run(bench);
    CHECK(got(client) == "<two>\n<three>\n");
    CHECK(bench.server->clients() == 1);
}

TEST_CASE("The next request waits until the one before is answered", "[daemon]") {
    Bench bench;
    bench.echo = false;
    const auto client = bench.client();
    put(client, "one\ntwo\n");
    run(bench);
    REQUIRE(bench.requests.size() == 1);
    bench.server->answer(bench.requests[0].first, "first");
    run(bench);
    REQUIRE(bench.requests.size() == 2);
    CHECK(bench.requests[1].second == "two");
    bench.server->answer(bench.requests[1].first, "second");
    run(bench);
    CHECK(got(client) == "first\nsecond\n");
}

TEST_CASE("A client may end its side before it is answered", "[daemon]") {
    Bench bench;
    bench.echo = false;
    const auto client = bench.client();
    put(client, "last\n");
    ::shutdown(client.value(), SHUT_WR);
    run(bench);
    REQUIRE(bench.requests.size() == 1);
    CHECK(bench.server->clients() == 1);
    bench.server->answer(bench.requests[0].first, "late");
    run(bench);
    CHECK(got(client) == "late\nEOF");
    CHECK(bench.server->clients() == 0);
}

TEST_CASE("An answer to a client that is gone is nobody's", "[daemon]") {
    Bench bench;
    bench.echo = false;
    {
        const auto client = bench.client();
        put(client, "one\n");
        run(bench);
    }
    run(bench);
    CHECK(bench.server->clients() == 0);
    REQUIRE(bench.requests.size() == 1);
    bench.server->answer(bench.requests[0].first, "late");
    CHECK(bench.server->clients() == 0);
}

TEST_CASE("A request without end closes its connection", "[daemon]") {
    Bench bench;
    const auto client = bench.client();
    put(client, std::string(kMaxRequest, 'x'));
    run(bench);
    CHECK(got(client).empty());
    put(client, "xx");
    run(bench);
    CHECK(got(client) == R"({"schema":1,"ok":false,"error":"the request is longer than 4096 octets"})"
                         "\nEOF");
    CHECK(bench.requests.empty());
    CHECK(bench.server->clients() == 0);
}

TEST_CASE("Who comes after the last seat is told so", "[daemon]") {
    Bench bench;
    std::vector<FileDescriptor> seated;
    for (std::size_t i = 0; i < ControlServer::kMaxClients; ++i) {
        seated.push_back(bench.client());
        run(bench, 2ms);
    }
    const auto late = bench.client();
    run(bench);
    CHECK(got(late) ==
          R"({"schema":1,"ok":false,"error":"32 clients are connected already; end one of them, or wait"})"
          "\nEOF");
    put(seated.front(), "still\n");
    run(bench);
    CHECK(got(seated.front()) == "<still>\n");
}

TEST_CASE("Watchers are told what happens, others are not", "[daemon]") {
    Bench bench;
    const auto watcher = bench.client();
    const auto other = bench.client();
    put(watcher, "w\n");
    run(bench);
    put(other, "o\n");
    run(bench);
    REQUIRE(bench.requests.size() == 2);
    CHECK_FALSE(bench.server->watched());
    bench.server->watch(bench.requests[0].first);
    CHECK(bench.server->watched());
    bench.server->tell_watchers("event");
    run(bench);
    CHECK(got(watcher) == "<w>\nevent\n");
    CHECK(got(other) == "<o>\n");
}

TEST_CASE("A watcher that does not read is dropped, and no other", "[daemon]") {
    Bench bench;
    const auto slow = bench.client();
    const auto quick = bench.client();
    put(slow, "s\n");
    run(bench);
    put(quick, "q\n");
    run(bench);
    for (const auto& [id, line] : bench.requests)
        bench.server->watch(id);
    const std::string event(1000, 'e');
    std::size_t read = 0;
    for (int i = 0; i < 3000; ++i) {
        bench.server->tell_watchers(event);
        read += got(quick).size();
    }
    run(bench);
    read += got(quick).size();
    CHECK(read == 4 + 3000 * (event.size() + 1));
    CHECK(bench.server->clients() == 1);
    const std::string rest = got(slow);
    CHECK(rest.size() < 3000 * event.size());
    CHECK(rest.substr(rest.size() - 3) == "EOF");
}

TEST_CASE("An answer larger than the socket's buffer arrives whole", "[daemon]") {
    Bench bench;
    bench.echo = false;
    const auto client = bench.client();
    put(client, "status\n");
    run(bench);
    const std::string large(3 << 20, 'a');
    bench.server->answer(bench.requests.at(0).first, large);
    std::string all;
    for (int i = 0; i < 200 && all.size() <= large.size(); ++i) {
        all += got(client);
        run(bench, 2ms);
    }
    CHECK(all == large + "\n");
}

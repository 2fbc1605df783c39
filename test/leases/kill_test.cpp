// lease-kill-test [--kills N] [--seed N]: a process that gives addresses away is killed N times at random
// moments (200 unless told otherwise), each time a new one goes on with the file, and what all of them told their clients is
// compared: never one block for two at once or within its lease, never one lost that was told.
#include "daemon/lease_store.h"
#include "test/leases/ledger.h"
#include "test/leases/life.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace sheaf;
using namespace sheaf::leases_test;

namespace {

struct Folder {
    std::string path = "/tmp/sheaf-leases-XXXXXX";
    Folder() {
        if (::mkdtemp(path.data()) == nullptr) std::abort();
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

// When a life ends: so long after it has told so much.
struct Ending {
    std::ptrdiff_t lines = 0;
    std::chrono::microseconds after{};
};

// A life with that end, and what it told.
std::string life_until(const World& world, unsigned seed, const Ending& ending) {
    int fds[2];
    if (::pipe(fds) != 0) std::abort();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) std::abort();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        ::close(fds[0]);
        live(world, seed, fds[1]);
    }
    ::close(fds[1]);
    std::string told;
    std::array<char, 4096> buffer{};
    for (bool killed = false;;) {
        if (!killed && std::ranges::count(told, '\n') >= ending.lines) {
            std::this_thread::sleep_for(ending.after);
            ::kill(child, SIGKILL);
            killed = true;
        }
        const auto got = ::read(fds[0], buffer.data(), buffer.size());
        if (got <= 0) break; // it is dead
        told.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::close(fds[0]);
    ::waitpid(child, nullptr, 0);
    return told;
}

// Empty, or what was wrong.
std::string check(Ledger& ledger, const World& world, std::string_view told) {
    while (!told.empty()) {
        const auto end = told.find('\n');
        if (end == told.npos) return "half a line";
        const auto report = decode(told.substr(0, end));
        if (!report) return fmt::format("a line that means nothing: {}", told.substr(0, end));
        if (auto wrong = ledger.note(*report); !wrong.empty()) return wrong;
        told.remove_prefix(end + 1);
    }
    const auto opened = daemon::LeaseStore::open(world.path);
    if (!opened) return opened.error();
    if (opened->created && !ledger.empty()) return "the file is gone";
    return ledger.audit(opened->leases, world.now());
}

unsigned number(std::string_view text) {
    unsigned out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc{} && end == text.data() + text.size() && out > 0) return out;
    fmt::print(stderr, "{}: give a number above 0\n", text);
    std::exit(2);
}

} // namespace

int main(int argc, char** argv) {
    unsigned kills = 200;
    unsigned seed = std::random_device()();
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if ((option != "--kills" && option != "--seed") || i + 1 == argc) {
            fmt::print(stderr, "usage: lease-kill-test [--kills N] [--seed N]\n");
            return 2;
        }
        (option == "--kills" ? kills : seed) = number(argv[++i]);
    }
    fmt::print("lease-kill-test: {} kills, --seed {}\n", kills, seed);
    std::fflush(stdout); // before there are two of us

    const Folder folder;
    const World world = make_world(folder.path + "/leases.db");
    std::mt19937 random(seed);
    Ledger ledger(world);
    std::string wrong;
    unsigned life = 0;
    for (; life < kills && wrong.empty(); ++life) {
        // Some end before they have begun, some while they open the file, most at their work.
        const bool early = random() % 4 == 0;
        const Ending ending{early ? 0 : static_cast<std::ptrdiff_t>(random() % 50),
                            std::chrono::microseconds(random() % (early ? 12'000 : 3'000))};
        wrong = check(ledger, world, life_until(world, static_cast<unsigned>(random()), ending));
    }
    const auto& [granted, renewed, refused, changed_hands] = ledger.counts();
    fmt::print("told to clients: {} grants, {} of them renewed, {} refusals; {} blocks went to another "
               "holder after their time\n",
               granted, renewed, refused, changed_hands);
    // Without these nothing was shown.
    if (wrong.empty() && kills >= 100 &&
        (granted < kills || refused == 0 || changed_hands == 0 || renewed == 0))
        wrong = "too little happened to show anything";
    if (!wrong.empty()) fmt::print("life {}: {}\n", life, wrong);
    fmt::print("{} passed, {} failed, 0 skipped\n", wrong.empty() ? 1 : 0, wrong.empty() ? 0 : 1);
    return wrong.empty() ? 0 : 1;
}

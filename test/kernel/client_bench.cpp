// client-bench [CLIENTS [ROUNDS]]: what many clients of a gateway cost in the kernel: to install (against
// `ip -batch` with the same objects), to remove at the next start, and for the packets of one of them. Needs
// root and a kernel with ESP; works in network namespaces that it makes. Compare within one run only.
#include "test/kernel/crowd.h"
#include "test/kernel/packet_cost.h"
#include "test/kernel/world.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace sheaf::kernel_test {
namespace {

constexpr unsigned kSlices = 10;
constexpr unsigned kMaxClients = 60000; // of the sample's prefixes

double seconds_since(Instant begin) { return std::chrono::duration<double>(now() - begin).count(); }

double processor_seconds(int who) {
    rusage used{};
    getrusage(who, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.at(values.size() / 2);
}

struct Side {
    double seconds = 0;
    double processor = 0;
};

Side by_kernel(xfrm::Kernel& kernel, Range slice, std::string& error) {
    const Instant begin = now();
    const double used = processor_seconds(RUSAGE_SELF);
    if (std::string told = install(kernel, slice); !told.empty()) error = std::move(told);
    return {seconds_since(begin), processor_seconds(RUSAGE_SELF) - used};
}

Side by_batch(const World& world, Range slice, std::string& error) {
    const std::string file = "/tmp/client-bench." + std::to_string(getpid());
    std::ofstream(file) << batch_of(slice);
    world.enter();
    const Instant begin = now();
    const double used = processor_seconds(RUSAGE_CHILDREN);
    if (shell("ip -6 -batch " + file) != 0) error = "ip -batch failed";
    const Side out{seconds_since(begin), processor_seconds(RUSAGE_CHILDREN) - used};
    std::remove(file.c_str());
    return out;
}

// Slice by slice, in turns, in two namespaces.
bool measure_installs(unsigned clients) {
    World ours, theirs;
    theirs.enter();
    shell("ip link add sheaf0 type xfrm external && ip link set sheaf0 up");
    auto kernel = ours.kernel();
    std::string error;
    std::vector<double> ratios;
    Side us, them;
    const unsigned size = std::max(1U, clients / kSlices);
    for (unsigned i = 0; i < kSlices && error.empty(); ++i) {
        const Range slice{1 + i * size, (i + 1) * size};
        const Side one = by_kernel(*kernel, slice, error), other = by_batch(theirs, slice, error);
        ratios.push_back(other.seconds / one.seconds);
        us = {us.seconds + one.seconds, us.processor + one.processor};
        them = {them.seconds + other.seconds, them.processor + other.processor};
    }
    if (!error.empty()) {
        std::printf("installs: %s\n", error.c_str());
        return false;
    }
    const double objects = static_cast<double>(size) * kSlices * kObjectsPerClient;
    const Snapshot mine = ours.look(), other = theirs.look();
    std::printf("installs of %u clients (route, 2 SAs, 3 policies each), %u slices in turns\n",
                size * kSlices, kSlices);
    std::printf("  sheaf      %7.0f objects per second, %5.1f s of processor time\n", objects / us.seconds,
                us.processor);
    std::printf("  ip -batch  %7.0f objects per second, %5.1f s of processor time\n", objects / them.seconds,
                them.processor);
    std::printf("  sheaf is %.2f times as fast (median of the slices)\n", median(ratios));
    const bool same = mine.states == other.states && mine.policies == other.policies &&
                      mine.routes.size() == other.routes.size();
    std::printf("  both kernels hold %s\n", same ? "the same" : "DIFFERENT OBJECTS");

    auto next_life = ours.kernel();
    const Instant begin = now();
    const auto removed = next_life->reconcile();
    std::printf("start-up reconciliation with them left over: %zu objects in %.2f s\n",
                removed ? removed->total() : 0, seconds_since(begin));
    std::fflush(stdout);
    return same && removed && removed->total() >= static_cast<std::size_t>(objects);
}

std::optional<unsigned> number(const char* text) {
    unsigned out = 0;
    const auto [end, code] = std::from_chars(text, text + std::strlen(text), out);
    if (code != std::errc() || *end != 0 || out == 0) return std::nullopt;
    return out;
}

int run(int argc, char** argv) {
    const auto clients = argc > 1 ? number(argv[1]) : 10000;
    const auto rounds = argc > 2 ? number(argv[2]) : 15;
    if (!clients || *clients < kSlices || *clients > kMaxClients || !rounds || argc > 3) {
        std::fprintf(stderr, "usage: client-bench [CLIENTS (%u to %u) [ROUNDS]]\n", kSlices, kMaxClients);
        return 2;
    }
    const bool installed = measure_installs(*clients);
    std::vector<unsigned> crowds{10, std::max(11U, *clients / 10), *clients};
    return measure_packets(crowds, *rounds) && installed ? 0 : 1;
}

} // namespace
} // namespace sheaf::kernel_test

int main(int argc, char** argv) { return sheaf::kernel_test::run(argc, argv); }

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

constexpr unsigned kSlices = 40;
constexpr unsigned kMaxClients = 60000; // of the sample's prefixes

double seconds_since(Instant begin) { return std::chrono::duration<double>(now() - begin).count(); }

struct Spent {
    double seconds = 0; // by the clock
    double user = 0;    // of the processor
    double system = 0;

    Spent& operator+=(const Spent& other) {
        seconds += other.seconds;
        user += other.user;
        system += other.system;
        return *this;
    }
};

// What `work` takes; of the processor that of this process, or of its children.
template <typename Work>
Spent measure(int who, Work work) {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    rusage before{}, after{};
    getrusage(who, &before);
    const Instant begin = now();
    work();
    const double taken = seconds_since(begin);
    getrusage(who, &after);
    return {taken, seconds(after.ru_utime) - seconds(before.ru_utime),
            seconds(after.ru_stime) - seconds(before.ru_stime)};
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.at(values.size() / 2);
}

Spent by_kernel(xfrm::Kernel& kernel, Range slice, std::string& error) {
    return measure(RUSAGE_SELF, [&] {
        if (std::string told = install(kernel, slice); !told.empty()) error = std::move(told);
    });
}

Spent by_batch(const World& world, Range slice, std::string& error) {
    const std::string file = "/tmp/client-bench." + std::to_string(getpid());
    std::ofstream(file) << batch_of(slice);
    world.enter();
    const Spent out = measure(RUSAGE_CHILDREN, [&] {
        if (shell("ip -6 -batch " + file) != 0) error = "ip -batch failed";
    });
    std::remove(file.c_str());
    return out;
}

// A namespace in which `ip` installs.
struct Rival {
    explicit Rival(const char* what, const char* before = "true") : name(what) {
        world.enter();
        shell(std::string("ip link add sheaf0 type xfrm external && ip link set sheaf0 up; ") + before);
    }
    const char* name;
    World world;
    Spent spent;
    std::vector<double> ratios;
};

void print(const char* who, const Spent& spent, double objects) {
    std::printf("  %-34s %7.0f objects per second; processor: %.1f s user, %.1f s system\n", who,
                objects / spent.seconds, spent.user, spent.system);
}

bool measure_reconciliation(World& world, std::size_t objects) {
    auto next_life = world.kernel();
    const Instant begin = now();
    const auto removed = next_life->reconcile();
    std::printf("start-up reconciliation with them left over: %zu objects in %.2f s\n",
                removed ? removed->total() : 0, seconds_since(begin));
    std::fflush(stdout);
    return removed && removed->total() >= objects;
}

// Slice by slice, in turns. Sheaf sets up the SPD's hash table where the kernel gains by it, `ip` does not;
// so `ip` has a second try with that done.
bool measure_installs(unsigned clients) {
    World ours;
    Rival plain("ip -batch"), set_up("ip -batch, SPD set up as by sheaf", "ip xfrm policy set hthresh6 0 64");
    auto kernel = ours.kernel();
    static_cast<void>(kernel->probe());
    std::string error;
    Spent us;
    const unsigned size = std::max(1U, clients / kSlices);
    for (unsigned i = 0; i < kSlices && error.empty(); ++i) {
        const Range slice{1 + i * size, (i + 1) * size};
        const Spent one = by_kernel(*kernel, slice, error);
        us += one;
        for (Rival* rival : {&plain, &set_up}) {
            const Spent other = by_batch(rival->world, slice, error);
            rival->spent += other;
            rival->ratios.push_back(other.seconds / one.seconds);
        }
    }
    if (!error.empty()) {
        std::printf("installs: %s\n", error.c_str());
        return false;
    }
    const std::size_t objects = std::size_t{size} * kSlices * kObjectsPerClient;
    std::printf("installs of %u clients (route, 2 SAs, 3 policies each), %u slices in turns\n",
                size * kSlices, kSlices);
    print("sheaf", us, static_cast<double>(objects));
    bool same = true;
    const Snapshot mine = ours.look();
    for (Rival* rival : {&plain, &set_up}) {
        print(rival->name, rival->spent, static_cast<double>(objects));
        std::printf("    sheaf is %.2f times as fast (median of the slices; %.2f the first, %.2f the last)\n",
                    median(rival->ratios), rival->ratios.front(), rival->ratios.back());
        const Snapshot other = rival->world.look();
        same &= mine.states == other.states && mine.policies == other.policies &&
                mine.routes.size() == other.routes.size();
    }
    std::printf("  the kernel holds %s after each\n", same ? "the same" : "DIFFERENT OBJECTS");
    return measure_reconciliation(ours, objects) && same;
}

std::optional<unsigned> number(const char* text) {
    unsigned out = 0;
    const auto [end, code] = std::from_chars(text, text + std::strlen(text), out);
    if (code != std::errc() || *end != 0 || out == 0) return std::nullopt;
    return out;
}

int run(int argc, char** argv) {
    const auto clients = argc > 1 ? number(argv[1]) : 10000;
    const auto rounds = argc > 2 ? number(argv[2]) : 300;
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

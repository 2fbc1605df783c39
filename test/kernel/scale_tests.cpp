#include "test/kernel/samples.h"
#include "test/kernel/tests.h"
#include "test/kernel/world.h"

#include <array>
#include <cstdio>
#include <poll.h>

namespace sheaf::kernel_test {
namespace {

constexpr unsigned kClients = 1000; // 10 objects each
constexpr std::size_t kObjects = kClients * 10;

double seconds_since(Instant begin) { return std::chrono::duration<double>(now() - begin).count(); }

std::string rate(const char* what, std::size_t objects, double seconds, std::size_t sends) {
    std::array<char, 128> out{};
    std::snprintf(out.data(), out.size(), "%s: %zu objects in %.2f s, %.0f per second, %zu system calls",
                  what, objects, seconds, static_cast<double>(objects) / seconds, sends);
    return out.data();
}

} // namespace

void test_scale(Report& report) {
    report.begin("many clients");
    World world;
    auto kernel = world.kernel();
    const std::size_t sends_before = world.sends();
    const Instant begin = now();
    for (unsigned n = 1; n <= kClients; ++n) {
        child::KernelIntent intent;
        intent.id = n;
        intent.steps = Client{.n = n}.up();
        kernel->apply(std::move(intent), now());
    }
    std::size_t done = 0, failed = 0;
    std::string first_error;
    while (done < kClients && seconds_since(begin) < 120) {
        kernel->flush(now());
        for (const child::KernelEvent& event : kernel->take_events()) {
            const auto* end = std::get_if<child::IntentDone>(&event);
            if (end == nullptr) continue;
            ++done;
            if (end->error && failed++ == 0) first_error = *end->error;
        }
        if (kernel->next_timeout() == Instant::min()) continue;
        std::array<pollfd, 1> watched{pollfd{kernel->fds()[0], POLLIN, 0}};
        static_cast<void>(::poll(watched.data(), 1, 1));
        kernel->on_readable(now());
    }
    report.check(done == kClients && failed == 0, std::to_string(kClients) + " clients are installed",
                 first_error);
    const std::size_t sends = world.sends() - sends_before;
    report.note(rate("installed", kObjects, seconds_since(begin), sends));
    report.check(sends * 20 < kObjects, "in few system calls");

    auto next_life = world.kernel();
    const std::size_t sends_reconciling = world.sends();
    const Instant reconciling = now();
    const auto removed = next_life->reconcile();
    report.check(removed && removed->total() == kObjects + 3 && world.look().objects() == 0,
                 "the next life removes them all",
                 removed ? std::to_string(removed->total()) : removed.error());
    report.note(rate("removed", kObjects, seconds_since(reconciling), world.sends() - sends_reconciling));
    report.check((world.sends() - sends_reconciling) * 20 < kObjects, "in few system calls, too");
}

} // namespace sheaf::kernel_test

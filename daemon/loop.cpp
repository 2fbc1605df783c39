#include "daemon/loop.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace sheaf::daemon {

namespace {

void must(int result, const char* what) {
    if (result >= 0) return;
    std::fprintf(stderr, "event loop: %s: %s\n", what, std::strerror(-result));
    std::abort();
}

// A callback may destroy its own source, and with it the function object that is running: run a copy.
template <class Callback>
int invoke(void* data, std::uint32_t events) {
    const auto call = static_cast<Callback*>(data)->call;
    call(events);
    return 0;
}

} // namespace

LoopSource::LoopSource(std::unique_ptr<Callback> callback) : callback_(std::move(callback)) {}

LoopSource::LoopSource(LoopSource&& other) noexcept
    : source_(std::exchange(other.source_, nullptr)), callback_(std::move(other.callback_)) {}

LoopSource& LoopSource::operator=(LoopSource&& other) noexcept {
    std::swap(source_, other.source_);
    std::swap(callback_, other.callback_);
    return *this;
}

LoopSource::~LoopSource() {
    if (source_ != nullptr) sd_event_source_disable_unref(source_);
}

void LoopSource::arm(Instant when) {
    const auto micros = when.time_since_epoch().count();
    must(sd_event_source_set_time(source_, micros > 0 ? static_cast<std::uint64_t>(micros) : 0), "timer");
    must(sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT), "timer");
}

void LoopSource::disarm() { must(sd_event_source_set_enabled(source_, SD_EVENT_OFF), "timer"); }

bool LoopSource::armed() const { return sd_event_source_get_enabled(source_, nullptr) > 0; }

void LoopSource::watch(std::uint32_t events) {
    must(sd_event_source_set_io_events(source_, events), "descriptor");
}

Loop::Loop() { must(sd_event_new(&event_), "new"); }

Loop::~Loop() { sd_event_unref(event_); }

LoopSource Loop::on_io(int fd, std::uint32_t events, std::function<void(std::uint32_t)> callback) {
    LoopSource source(std::make_unique<LoopSource::Callback>(std::move(callback)));
    const auto dispatch = [](sd_event_source*, int, std::uint32_t revents, void* data) {
        return invoke<LoopSource::Callback>(data, revents);
    };
    must(sd_event_add_io(event_, &source.source_, fd, events, dispatch, source.callback_.get()),
         "descriptor");
    return source;
}

LoopSource Loop::on_timer(std::function<void()> callback) {
    LoopSource source(std::make_unique<LoopSource::Callback>(
        [callback = std::move(callback)](std::uint32_t) { callback(); }));
    const auto dispatch = [](sd_event_source*, std::uint64_t, void* data) {
        return invoke<LoopSource::Callback>(data, 0);
    };
    constexpr std::uint64_t kAccuracy = 1000; // µs: by how much a call may be late so that wake-ups coincide
    must(sd_event_add_time(event_, &source.source_, CLOCK_BOOTTIME, 0, kAccuracy, dispatch,
                           source.callback_.get()),
         "timer");
    source.disarm();
    return source;
}

LoopSource Loop::on_signal(int signal, std::function<void()> callback) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    must(-::pthread_sigmask(SIG_BLOCK, &set, nullptr), "signal mask");
    LoopSource source(std::make_unique<LoopSource::Callback>(
        [callback = std::move(callback)](std::uint32_t) { callback(); }));
    const auto dispatch = [](sd_event_source*, const signalfd_siginfo*, void* data) {
        return invoke<LoopSource::Callback>(data, 0);
    };
    must(sd_event_add_signal(event_, &source.source_, signal, dispatch, source.callback_.get()), "signal");
    return source;
}

void Loop::enable_watchdog() { must(sd_event_set_watchdog(event_, 1), "watchdog"); }

int Loop::run() {
    constexpr std::uint64_t kForEver = UINT64_MAX;
    int result = 0;
    while (!stopped_ && result >= 0)
        result = sd_event_run(event_, kForEver);
    stopped_ = false;
    return result < 0 ? -result : 0;
}

} // namespace sheaf::daemon

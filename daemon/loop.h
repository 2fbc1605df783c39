#pragma once

#include "lib/base/time.h"

#include <systemd/sd-event.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace sheaf::daemon {

// One source of a Loop. Destroying it ends its callbacks, also from within one.
class LoopSource {
  public:
    LoopSource() = default;
    LoopSource(LoopSource&& other) noexcept;
    LoopSource& operator=(LoopSource&& other) noexcept;
    LoopSource(const LoopSource&) = delete;
    LoopSource& operator=(const LoopSource&) = delete;
    ~LoopSource();

    // Timers only: to call once at this moment, at once if it is past. Until armed anew, it stays silent.
    void arm(Instant when);
    void disarm();
    [[nodiscard]] bool armed() const;
    // Descriptors only: EPOLLIN, EPOLLOUT.
    void watch(std::uint32_t events);

  private:
    friend class Loop;
    struct Callback {
        std::function<void(std::uint32_t)> call;
    };
    explicit LoopSource(std::unique_ptr<Callback> callback);

    sd_event_source* source_ = nullptr;
    std::unique_ptr<Callback> callback_;
};

// The process's event loop: sd-event in our types. All callbacks run in the thread that calls run().
// Out of memory while a source is added ends the process: there is no daemon without its sources.
class Loop {
  public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    [[nodiscard]] LoopSource on_io(int fd, std::uint32_t events, std::function<void(std::uint32_t)> callback);
    [[nodiscard]] LoopSource on_timer(std::function<void()> callback);
    // Blocks the signal for the thread and gives it to the callback.
    [[nodiscard]] LoopSource on_signal(int signal, std::function<void()> callback);

    // For libraries that bring sources of their own (sd-bus).
    [[nodiscard]] sd_event* handle() { return event_; }

    // Answers systemd's watchdog, if it asks for that.
    void enable_watchdog();

    // Until stop(), which may come before; then it can run again. Zero, or the errno that ended it.
    [[nodiscard]] int run();
    void stop() { stopped_ = true; }

  private:
    sd_event* event_ = nullptr;
    bool stopped_ = false;
};

} // namespace sheaf::daemon

#pragma once

#include "test/kernel/samples.h"
#include "test/kernel/world.h"

#include <memory>
#include <vector>

namespace sheaf::kernel_test {

// One of two hosts on a wire, without virtual interfaces. The hosts are 10.1.0.1 and 10.1.0.2 (and .11 and
// .12, to move to) outside, 10.8.0.1 and 10.8.0.2 inside.
class Host {
  public:
    explicit Host(unsigned number);

    World world;
    std::unique_ptr<xfrm::Kernel> kernel;
    unsigned number;

    // Of a Child SA with the other host. REQUIRES: the same form at both.
    struct Form {
        child::Mode mode = child::Mode::tunnel;
        bool udp_encapsulation = false;
        child::SaLimits limits{};
        std::uint32_t generation = 0; // of SPIs and keys
    };
    [[nodiscard]] Endpoint outside(unsigned host) const {
        return {ip(host == 1 ? "10.1.0.1" : "10.1.0.2"), 4500};
    }
    [[nodiscard]] IpAddress inside(unsigned host) const { return ip(host == 1 ? "10.8.0.1" : "10.8.0.2"); }
    [[nodiscard]] child::SaPairId pair(const Form& form) const;
    [[nodiscard]] child::InstallSas sas(const Form& form) const;
    [[nodiscard]] child::PolicySet policies(const Form& form) const;

    // What goes wrong; empty when nothing does.
    [[nodiscard]] std::string outcome(std::vector<child::KernelStep> steps);
    [[nodiscard]] std::string outcome(child::KernelStep step);

    [[nodiscard]] bool reaches_inside(); // the other host, by two packets
    [[nodiscard]] bool reaches_outside();
    [[nodiscard]] bool counts(const std::string& name) const; // in /proc/net/xfrm_stat
    int run(const std::string& command) const;

    // The first of that kind within some seconds; others are dropped.
    template <typename Event>
    [[nodiscard]] std::optional<Event> event() {
        for (const Instant end = now() + std::chrono::seconds(5); now() < end;) {
            for (child::KernelEvent& told : events_within(*kernel, std::chrono::seconds(1))) {
                if (auto* wanted = std::get_if<Event>(&told)) return std::move(*wanted);
            }
        }
        return std::nullopt;
    }

  private:
    [[nodiscard]] unsigned other() const { return 3 - number; }
};

void join(const Host& left, const Host& right); // by a wire, with addresses and routes

// A UDP port that takes ESP, while it lives (RFC 3948).
class EspPort {
  public:
    EspPort(const Host& host, std::uint16_t port);
    ~EspPort();
    EspPort(const EspPort&) = delete;
    EspPort& operator=(const EspPort&) = delete;
    [[nodiscard]] bool open() const { return socket_ >= 0; }

  private:
    int socket_ = -1;
};

} // namespace sheaf::kernel_test

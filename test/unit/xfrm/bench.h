#pragma once

#include "test/unit/xfrm/fake_kernel.h"
#include "xfrm/kernel.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <expected>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::test {

inline constexpr Instant kBenchStart{std::chrono::seconds(1000)};
inline constexpr Duration kLongestWait = std::chrono::seconds(15); // for an answer of the kernel's

// Whether an intent was carried out at once, with nothing else told.
inline bool carried_out(xfrm::KernelEdge& kernel, std::vector<child::KernelStep> steps) {
    child::KernelIntent intent;
    intent.id = 1;
    intent.steps = std::move(steps);
    kernel.apply(std::move(intent), kBenchStart);
    for (int i = 0; i < 20; ++i)
        kernel.flush(kBenchStart);
    const auto events = kernel.take_events();
    return events.size() == 1 && !std::get<child::IntentDone>(events[0]).error;
}

// Marks by addresses, as nftables would hold them.
class FakeMarks final : public xfrm::PacketMarks {
  public:
    using Held = std::map<xfrm::AddressPair, std::uint32_t>;
    FakeMarks(Held& held, std::string& error) : held_(held), error_(error) { held_.clear(); }

    std::expected<void, std::string> change(const std::vector<xfrm::PacketMark>& added,
                                            const std::vector<xfrm::PacketMark>& removed) override {
        if (!error_.empty()) return std::unexpected(error_);
        for (const auto& one : removed)
            CHECK(held_.erase(one.packet) == 1);
        for (const auto& one : added)
            CHECK(held_.emplace(one.packet, one.mark).second);
        return {};
    }
    void clear() override { held_.clear(); }

  private:
    Held& held_;
    std::string& error_;
};

// What is marked for home addresses.
class FakePaths : public xfrm::PathMarks {
  public:
    using Held = std::map<child::LinkNumber, xfrm::HomeMarks>;
    FakePaths(Held& held, std::string& error) : held_(held), error_(error) { held_.clear(); }

    std::expected<void, std::string> change(child::LinkNumber home, const xfrm::HomeMarks& wanted) override {
        hold(home, error_.empty() ? wanted : xfrm::remainder(held(home), wanted));
        if (!error_.empty()) return std::unexpected(error_);
        return {};
    }
    xfrm::HomeMarks held(child::LinkNumber home) const override {
        const auto found = held_.find(home);
        return found == held_.end() ? xfrm::HomeMarks{} : found->second;
    }
    void clear() override { held_.clear(); }

  private:
    void hold(child::LinkNumber home, const xfrm::HomeMarks& marks) {
        held_.erase(home);
        if (!marks.admitted.empty() || !marks.guarded.empty() || !marks.rules.empty()) held_[home] = marks;
    }

    Held& held_;
    std::string& error_;
};

// A Kernel on the simulated one, and a clock.
struct Bench {
    NetlinkKernel fake;
    FakeMarks::Held marks;
    std::string marks_error; // what the next changes of marks fail with
    FakePaths::Held paths;
    std::string paths_error; // and those of paths
    std::unique_ptr<xfrm::Kernel> kernel;
    child::IntentId last = 0;
    Instant at = kBenchStart;

    Bench() { restart(); }
    void restart() {
        kernel.reset();
        auto opened = xfrm::Kernel::open(fake.os, {},
                                         {std::make_unique<FakeMarks>(marks, marks_error),
                                          std::make_unique<FakePaths>(paths, paths_error)});
        REQUIRE(opened);
        kernel = std::move(*opened);
    }
    child::IntentId apply(std::vector<child::KernelStep> steps) {
        child::KernelIntent intent;
        intent.id = ++last;
        intent.steps = std::move(steps);
        kernel->apply(std::move(intent), at);
        return last;
    }
    // Runs until nothing more happens by itself; time passes only where an answer is missing.
    std::vector<child::KernelEvent> run() {
        std::vector<child::KernelEvent> out;
        kernel->flush(at);
        for (int i = 0; i < 1000; ++i) {
            std::ranges::move(kernel->take_events(), std::back_inserter(out));
            const auto next = kernel->next_timeout();
            if (!next || *next > at + kLongestWait) break;
            kernel->on_readable(at);
            if (kernel->next_timeout() != next) continue;
            at = std::max(at, *next);
            kernel->on_timeout(at);
        }
        std::ranges::move(kernel->take_events(), std::back_inserter(out));
        return out;
    }
    // The error of an intent; empty when it succeeded.
    std::string outcome(std::vector<child::KernelStep> steps) {
        const auto id = apply(std::move(steps));
        const auto events = run();
        REQUIRE(events.size() == 1);
        const auto* done = std::get_if<child::IntentDone>(&events[0]);
        REQUIRE(done != nullptr);
        CHECK(done->id == id);
        return done->error.value_or("");
    }
};

inline std::vector<child::KernelStep> only(child::KernelStep step) {
    std::vector<child::KernelStep> out;
    out.push_back(std::move(step));
    return out;
}

} // namespace sheaf::test

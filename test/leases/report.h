#pragma once

#include "lib/address/lease_book.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::leases_test {

// What both processes know of the trial: the pools are so small that blocks get scarce, and time goes on with
// the work that is done, so that leases lapse whatever the speed of the machine.
struct World {
    std::string path;                             // of the lease file
    std::atomic<std::int64_t>* seconds = nullptr; // in memory that both share
    std::vector<address::PoolSpec> pools;
    unsigned holders = 0;

    [[nodiscard]] WallTime now() const {
        return WallTime(std::chrono::seconds(1'700'000'000 + seconds->load()));
    }
};
[[nodiscard]] World make_world(std::string path);
[[nodiscard]] address::Holder holder(unsigned number);
[[nodiscard]] unsigned number_of(const address::Holder& holder);

// What a life tells while it lasts: one line each, so that a pipe carries whole ones only.
struct Report {
    enum class Kind : char {
        began = 'B',    // all links of the life before are gone
        granted = 'G',  // a client was told
        refused = 'N',  // a client was told that there is nothing
        released = 'R', // a client has said that it goes; told before the source hears of it
        failed = 'F',   // the life could not go on
    } kind{};
    WallTime at{};
    unsigned holder = 0;
    address::LinkId link = 0;
    Prefix block{};
    bool renewed = false;
    std::string text{}; // failed
};
[[nodiscard]] std::string encode(const Report& report);
[[nodiscard]] std::optional<Report> decode(std::string_view line);

} // namespace sheaf::leases_test

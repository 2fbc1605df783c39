// Replays the committed fuzz corpora: what a fuzzer once found stays found.
#include "lib/base/bytes.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#define SHEAF_TARGETS(X)                                                                                     \
    X(group_put)                                                                                             \
    X(mobility_message)                                                                                      \
    X(prefix_message) X(wire_cfg) X(wire_chain) X(wire_header) X(wire_message) X(wire_payload)

namespace sheaf::fuzz {
#define X(name) void fuzz_##name(View input);
SHEAF_TARGETS(X)
#undef X
} // namespace sheaf::fuzz

namespace {

struct Target {
    const char* name;
    void (*run)(sheaf::View);
};

constexpr Target kTargets[] = {
#define X(name) {#name, sheaf::fuzz::fuzz_##name},
    SHEAF_TARGETS(X)
#undef X
};

sheaf::Bytes content(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace

TEST_CASE("committed fuzz inputs run through their targets") {
    for (const Target& target : kTargets) {
        const auto folder = std::filesystem::path(SHEAF_TEST_DATA) / "fuzz/corpus" / target.name;
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            INFO(entry.path().string());
            target.run(content(entry.path())); // a breach ends the process and names the property
            ++count;
        }
        CAPTURE(target.name);
        CHECK(count >= 5);
    }
}

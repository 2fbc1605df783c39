#include "test/simulation/seeds.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace sheaf::test {
namespace {

std::uint64_t number(std::string_view text) {
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error == std::errc{} && end == text.data() + text.size() && out > 0) return out;
    fmt::print(stderr, "{}: give a number above 0\n", text);
    std::exit(2);
}

} // namespace

int run_seeds(int argc, char** argv, const std::function<std::string(std::uint64_t seed)>& run,
              const std::function<std::string()>& summary) {
    std::uint64_t seeds = 10'000, first = 1;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if ((option != "--seeds" && option != "--first") || i + 1 == argc) {
            fmt::print(stderr, "usage: {} [--seeds N] [--first N]\n", argv[0]);
            return 2;
        }
        (option == "--seeds" ? seeds : first) = number(argv[++i]);
    }
    std::uint64_t failed = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const std::string wrong = run(seed);
        if (wrong.empty()) continue;
        ++failed;
        fmt::print("seed {}: {}\n", seed, wrong);
        std::fflush(stdout);
    }
    if (summary) fmt::print("{}\n", summary());
    fmt::print("{} passed, {} failed, 0 skipped\n", seeds - failed, failed);
    return failed == 0 ? 0 : 1;
}

} // namespace sheaf::test

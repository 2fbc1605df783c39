#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace sheaf::test {

// `run` is a world that follows from its seed: it answers what was wrong, empty if nothing. The main function of a
// program with the options --seeds N (10,000 unless told otherwise) and --first N. Its last line is
// `N passed, N failed, 0 skipped`; `summary`, if there is one, is printed before that.
int run_seeds(int argc, char** argv, const std::function<std::string(std::uint64_t seed)>& run,
              const std::function<std::string()>& summary = {});

} // namespace sheaf::test

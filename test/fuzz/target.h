#pragma once

#include "lib/base/bytes.h"

#include <cstdio>
#include <cstdlib>

// A fuzz target is one function of the input's octets. libFuzzer's build has one target per executable and
// enters it here; the unit tests link all of them and replay the committed corpora through fuzz_NAME.
//
//   SHEAF_FUZZ_TARGET(wire_header) { ... input ... }
#ifdef SHEAF_LIBFUZZER
#define SHEAF_FUZZ_ENTRY(name)                                                                               \
    extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {                      \
        sheaf::fuzz::fuzz_##name({data, size});                                                              \
        return 0;                                                                                            \
    }
#else
#define SHEAF_FUZZ_ENTRY(name)
#endif

#define SHEAF_FUZZ_TARGET(name)                                                                              \
    namespace sheaf::fuzz {                                                                                  \
    void fuzz_##name(View input);                                                                            \
    }                                                                                                        \
    SHEAF_FUZZ_ENTRY(name)                                                                                   \
    void sheaf::fuzz::fuzz_##name(View input)

namespace sheaf::fuzz {

// What must hold for every input. A breach ends the process, as libFuzzer expects.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: not true: %s\n", what);
    std::abort();
}

} // namespace sheaf::fuzz

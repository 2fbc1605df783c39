#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

namespace sheaf::kernel_test {

// Counts checks and prints each as a TAP line.
class Report {
  public:
    void begin(const std::string& what) { std::printf("# %s\n", what.c_str()); }

    bool check(bool holds, const std::string& what, const std::string& otherwise = {}) {
        (holds ? passed_ : failed_) += 1;
        std::printf("%s %zu - %s\n", holds ? "ok" : "not ok", passed_ + failed_ + skipped_, what.c_str());
        if (!holds && !otherwise.empty()) std::printf("# %s\n", otherwise.c_str());
        std::fflush(stdout);
        return holds;
    }

    // What this kernel cannot do, by its own word.
    void skip(const std::string& what, const std::string& why) {
        ++skipped_;
        std::printf("ok %zu - %s # SKIP %s\n", passed_ + failed_ + skipped_, what.c_str(), why.c_str());
    }

    void note(const std::string& text) { std::printf("# %s\n", text.c_str()); }

    [[nodiscard]] int end() const {
        std::printf("%zu passed, %zu failed, %zu skipped\n", passed_, failed_, skipped_);
        return failed_ == 0 && passed_ > 0 ? 0 : 1;
    }

  private:
    std::size_t passed_ = 0, failed_ = 0, skipped_ = 0;
};

} // namespace sheaf::kernel_test

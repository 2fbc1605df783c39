#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sheaf::daemon::test {

// A folder of the test's own, gone at its end.
class ScratchFolder {
  public:
    ScratchFolder() {
        std::string path = "/tmp/sheaf-test-XXXXXX"; // short: a socket's name has 107 octets
        if (::mkdtemp(path.data()) == nullptr) std::abort();
        path_ = path;
    }
    ~ScratchFolder() { std::filesystem::remove_all(path_); }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
    [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ / name) << text;
        return path_ / name;
    }

  private:
    std::filesystem::path path_;
};

} // namespace sheaf::daemon::test

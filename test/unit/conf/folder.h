#pragma once

#include "test/unit/conf/mistakes.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace sheaf::conf::test {

// SHEAF_TEST_DATA is the folder test/ of the sources.
inline std::string pem(const std::string& name) {
    std::ifstream in(std::filesystem::path(SHEAF_TEST_DATA) / "unit/conf/pem" / name, std::ios::binary);
    REQUIRE(in);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

// A folder of the test's own, with sheafd.json and what the test puts beside it.
class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "sheaf-conf-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, std::string_view content, mode_t mode = 0600) const {
        std::ofstream(path(name), std::ios::binary) << content;
        REQUIRE(::chmod(path(name).c_str(), mode) == 0);
    }
    // The client's file with this as its secret.
    [[nodiscard]] Loaded load_with(std::string_view secret, const Environment& environment = {}) const {
        return load_text(changed(kClient, "\"text\": \"correct horse\"", secret), environment);
    }
    [[nodiscard]] Loaded load_text(std::string_view text, const Environment& environment = {}) const {
        write("sheafd.json", text);
        return load(path("sheafd.json"), environment);
    }
    // A file of test/unit/conf/pem, under its own name.
    void copy(const std::string& name, mode_t mode = 0600) const { write(name, pem(name), mode); }

  private:
    std::string path_;
};

} // namespace sheaf::conf::test

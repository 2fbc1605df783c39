#pragma once

#include "lib/base/bytes.h"

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <sys/stat.h>

namespace sheaf::conf {

// A file open for reading. Errors are errno's numbers.
class File {
  public:
    [[nodiscard]] static std::expected<File, int> open(const std::string& path);
    File(File&& other) noexcept;
    File& operator=(File&&) = delete;
    ~File();

    [[nodiscard]] const struct stat& info() const { return info_; }
    // Fills `buffer` from where the last call ended; fewer octets than that: the end was reached.
    [[nodiscard]] std::expected<std::size_t, int> read(std::span<std::uint8_t> buffer);

  private:
    explicit File(int descriptor) : descriptor_(descriptor) {}

    int descriptor_;
    struct stat info_ {};
};

[[nodiscard]] std::string error_text(int error); // "No such file or directory"

} // namespace sheaf::conf

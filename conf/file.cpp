#include "conf/file.h"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace sheaf::conf {

std::expected<File, int> File::open(const std::string& path) {
    // Non-blocking: a FIFO in a file's place must not stop the daemon.
    File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.descriptor_ < 0 || ::fstat(file.descriptor_, &file.info_) != 0) return std::unexpected(errno);
    return file;
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), info_(other.info_) {}

File::~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

std::expected<std::size_t, int> File::read(std::span<std::uint8_t> buffer) {
    std::size_t size = 0;
    while (size < buffer.size()) {
        const auto got = ::read(descriptor_, buffer.data() + size, buffer.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(errno);
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    return size;
}

std::string error_text(int error) { return std::generic_category().message(error); }

} // namespace sheaf::conf

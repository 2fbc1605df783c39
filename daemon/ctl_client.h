#pragma once

#include "daemon/file_descriptor.h"
#include "daemon/line_reader.h"

#include <chrono>
#include <expected>
#include <optional>
#include <string>

namespace sheaf::daemon {

// sheafctl's end of the control socket; blocking.
class CtlClient {
  public:
    // The longest line that is read: the status of some 100,000 IKE SAs.
    static constexpr std::size_t kMaxAnswer = 256 << 20;

    // Errors of all: sentences with the remedy.
    [[nodiscard]] static std::expected<CtlClient, std::string> connect(const std::string& path);
    [[nodiscard]] std::expected<void, std::string> send(std::string_view line);
    // The next line. Without a deadline it waits for ever.
    [[nodiscard]] std::expected<std::string, std::string>
    receive(std::optional<std::chrono::milliseconds> patience);

  private:
    explicit CtlClient(FileDescriptor fd) : fd_(std::move(fd)), reader_(kMaxAnswer) {}

    FileDescriptor fd_;
    LineReader reader_;
};

} // namespace sheaf::daemon

#pragma once

#include "daemon/file_descriptor.h"
#include "lib/ike/key_record.h"

#include <expected>
#include <string>
#include <string_view>

namespace sheaf::daemon {

// The file of a Wireshark profile that a key belongs into, and its line there, without a newline. Where
// Wireshark 4.0 has no word for an algorithm, and would refuse the whole file, the line is a comment.
inline constexpr std::string_view kIkeTable = "ikev2_decryption_table";
inline constexpr std::string_view kEspTable = "esp_sa";
[[nodiscard]] std::string wireshark_line(const ike::IkeKeys& keys);
[[nodiscard]] std::string wireshark_line(const ike::ChildKeys& keys);

// Appends the keys of SAs to these two files, for a decoder to read a capture with. Whoever reads the files
// reads all traffic, so they are open to their owner only, and this is for who asks for it (--write-keys).
class KeyWriter {
  public:
    // Error: a sentence. The folder must be there.
    [[nodiscard]] static std::expected<KeyWriter, std::string> open(const std::string& folder);

    // Zero, or the errno of a write that failed.
    [[nodiscard]] int write(const ike::KeyRecord& record);

  private:
    KeyWriter(FileDescriptor ike, FileDescriptor esp) : ike_(std::move(ike)), esp_(std::move(esp)) {}

    FileDescriptor ike_;
    FileDescriptor esp_;
};

} // namespace sheaf::daemon

#pragma once

#include "lib/base/bytes.h"
#include "test/support/hex.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sheaf::test {

// One block of a vector file: a title and named values. Reading a value that is not there throws: a vector
// that does not say what a test needs is a failure of that test.
class Vector {
  public:
    std::string title;
    std::map<std::string, std::string, std::less<>> values;

    [[nodiscard]] bool has(std::string_view name) const { return values.contains(name); }
    [[nodiscard]] const std::string& text(std::string_view name) const;
    [[nodiscard]] Bytes hex(std::string_view name) const;
    [[nodiscard]] std::size_t number(std::string_view name) const;
    [[nodiscard]] std::uint64_t u64(std::string_view name) const; // 8 octets, big endian
};

// Reads test/vectors/<file>:
//
//   # origin: where the values come from
//   [title]
//   name = value
//   name =
//       value that goes on
//       over lines
//
// Throws std::runtime_error with file and line if it is not of that form, names no origin or holds no block.
[[nodiscard]] std::vector<Vector> read_vectors(const std::string& file);

} // namespace sheaf::test

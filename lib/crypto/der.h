#pragma once

#include "lib/base/bytes.h"

#include <cstdint>
#include <optional>

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

inline constexpr std::uint8_t kSequence = 0x30; // the tag of SEQUENCE and SEQUENCE OF

struct DerElement {
    std::uint8_t tag = 0; // class, constructed bit and number; numbers above 30 are not read
    View content;
    View whole;
};

// Takes DER elements off the front of octets that a stranger may have made. Views are into those octets.
class DerReader {
  public:
    explicit DerReader(View octets) : rest_(octets) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    // None at the end, and where no element stands: its length indefinite, not minimal or too long.
    [[nodiscard]] std::optional<DerElement> next();

  private:
    View rest_;
};

// The content of the one element that the octets are; none if they are something else.
[[nodiscard]] std::optional<View> only_element(View octets, std::uint8_t tag);

} // namespace sheaf::crypto

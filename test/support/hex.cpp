#include "test/support/hex.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>

namespace sheaf::test {
namespace {

std::uint8_t digit(char c, std::string_view text) {
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
    std::fprintf(stderr, "from_hex: '%c' is not a hexadecimal digit in \"%.*s\"\n", c,
                 static_cast<int>(text.size()), text.data());
    std::abort();
}

} // namespace

Bytes from_hex(std::string_view text) {
    Bytes out;
    bool high = true;
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
        const std::uint8_t value = digit(c, text);
        if (high)
            out.push_back(static_cast<std::uint8_t>(value << 4));
        else
            out.back() = static_cast<std::uint8_t>(out.back() | value);
        high = !high;
    }
    if (!high) {
        std::fprintf(stderr, "from_hex: an odd number of digits in \"%.*s\"\n", static_cast<int>(text.size()),
                     text.data());
        std::abort();
    }
    return out;
}

std::string to_hex(View bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t octet : bytes) {
        out += kDigits[octet >> 4];
        out += kDigits[octet & 15];
    }
    return out;
}

} // namespace sheaf::test

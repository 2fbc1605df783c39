#pragma once

#include "lib/base/bytes.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Distinguished names (RFC 5280 4.1.2.4), as DER and as text: "C=CH, O=Example, CN=gw.example.org", the parts
// in the order in which they are encoded.
namespace sheaf::crypto {

// None for DER that is no name. Octets that do not print, and the marks of the form itself, are escaped by a
// backslash as RFC 4514 2.4 does, so that a log line stays a line. A name without parts is an empty text.
[[nodiscard]] std::optional<std::string> name_to_text(View der);
// None for text that is not of the form, or a part of a type without a word. Values may hold escapes.
[[nodiscard]] std::optional<Bytes> name_from_text(std::string_view text);

// RFC 5280 7.1: the same parts in the same order, whatever string types, case and repeated spaces are used.
[[nodiscard]] bool same_name(View a, View b);
// RFC 5280 4.2.1.10: whether the name begins with all parts of the base.
[[nodiscard]] bool name_within(View name, View base);
// The mail addresses that stand in the name itself.
[[nodiscard]] std::vector<std::string> mail_of_name(View der);

} // namespace sheaf::crypto

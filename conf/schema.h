#pragma once

#include <string>

namespace sheaf::conf {

// The JSON Schema (draft 2020-12) of the configuration, made from the tables of spec.h, ending in a newline.
// conf/sheafd.schema.json holds the same text.
//
// It is a little wider than the checker: what needs two places of the file (names that refer to one another,
// overlaps) or more than a regular expression (prefixes, proposals) only the checker decides.
[[nodiscard]] std::string json_schema();

} // namespace sheaf::conf

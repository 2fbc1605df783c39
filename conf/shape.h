#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "conf/spec.h"

namespace sheaf::conf {

// Reports everything in which the tree differs from the tables: unknown and missing keys, keys of the other
// role, wrong types, words that are none, numbers out of range. What needs more than one place of the file to
// be decided is left to settings.cpp.
void check_shape(const json::Value& root, const Object& model, Report& report);

} // namespace sheaf::conf

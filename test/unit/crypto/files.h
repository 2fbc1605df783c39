#pragma once

#include "lib/base/bytes.h"

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace sheaf::test {

// The octets of test/vectors/certificates/<name>.
inline Bytes certificate_file(const std::string& name) {
    std::ifstream in(std::string(SHEAF_TEST_DATA) + "/vectors/certificates/" + name, std::ios::binary);
    if (!in) throw std::runtime_error("test/vectors/certificates/" + name + " cannot be read");
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

} // namespace sheaf::test

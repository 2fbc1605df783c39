#pragma once

#include <vector>

namespace sheaf::kernel_test {

// Prints what a packet of one client costs with so many others installed, for each layout of the kernel's
// objects. Whether all could be measured.
[[nodiscard]] bool measure_packets(const std::vector<unsigned>& crowds, unsigned rounds);

} // namespace sheaf::kernel_test

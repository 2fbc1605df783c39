#pragma once

#include "test/kernel/samples.h"
#include "test/kernel/world.h"

#include <cstddef>
#include <string>
#include <vector>

namespace sheaf::kernel_test {

// Clients of a gateway by the thousand, each with a /64: one route, two SAs and three policies.
inline constexpr std::size_t kObjectsPerClient = 6;

// Clients `first` to `last`.
struct Range {
    unsigned first = 1;
    unsigned last = 1;
    [[nodiscard]] unsigned size() const { return last + 1 - first; }
};

// One client of it, at either end.
[[nodiscard]] std::vector<child::KernelStep> opening(unsigned n, child::LinkRole role);

// Installs them as the daemon does. The errors that were told; empty when there are none.
[[nodiscard]] std::string install(xfrm::Kernel& kernel, Range clients);

// The same objects as commands of `ip -batch`, in the same order; the shared interface is there already.
[[nodiscard]] std::string batch_of(Range clients);

// Another layout: each with an xfrm interface of its own, in which its route ends.
[[nodiscard]] std::string install_with_devices(const World& world, Range clients);

} // namespace sheaf::kernel_test

#pragma once

#include <cstddef>

// What one of `members` endpoints has in its kernel, counted in a simulated kernel that takes the netlink messages which
// xfrm/ makes of the engine's intents.
namespace sheaf::bench {

struct KernelObjects {
    std::size_t states = 0;   // SAD
    std::size_t policies = 0; // SPD
    std::size_t routes = 0;
    std::size_t marks = 0; // elements of nftables' maps
    std::size_t interfaces = 0;

    [[nodiscard]] std::size_t total() const { return states + policies + routes + marks + interfaces; }
};

// As a member of a group, with one network behind each other member; with `rolling` while a new SA takes over.
[[nodiscard]] KernelObjects group_objects(std::size_t members, bool rolling);
// With a Child SA to each other member, likewise for its network; with `rolling` while all of them are being rekeyed.
[[nodiscard]] KernelObjects mesh_objects(std::size_t members, bool rolling);

} // namespace sheaf::bench

#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace sheaf::address {

// A set of numbers that knows its gaps: kept as runs, so that the next number that is missing is found in
// O(log n) however full the set is.
class IndexSet {
  public:
    bool insert(std::uint64_t index); // false: it was there
    bool erase(std::uint64_t index);  // false: it was not there
    [[nodiscard]] bool contains(std::uint64_t index) const;
    [[nodiscard]] std::uint64_t count() const { return count_; }
    // The first number of [begin, end) that is missing, looked for from `from` on and then from `begin` on.
    [[nodiscard]] std::optional<std::uint64_t> gap(std::uint64_t from, std::uint64_t begin,
                                                   std::uint64_t end) const;

  private:
    [[nodiscard]] std::uint64_t missing_from(std::uint64_t index) const;

    std::map<std::uint64_t, std::uint64_t> runs_; // first number -> one past the last; no two of them touch
    std::uint64_t count_ = 0;
};

} // namespace sheaf::address

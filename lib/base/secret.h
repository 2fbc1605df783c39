#pragma once

#include "lib/base/bytes.h"

#include <memory>

namespace sheaf {

// A key or other secret: one heap block, wiped before it is given back.
//
// Ownership: move-only, so that every copy is a visible act (copy_of). A moved-from Secret is empty.
// There is no printing, no comparison operator and no implicit conversion: compare with constant_time_equal.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::size_t size);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    [[nodiscard]] static Secret copy_of(View bytes);
    [[nodiscard]] Secret copy() const { return copy_of(view()); }

    [[nodiscard]] View view() const { return {data_.get(), size_}; }
    [[nodiscard]] std::span<std::uint8_t> span() { return {data_.get(), size_}; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    void clear();

  private:
    std::unique_ptr<std::uint8_t[]> data_;
    std::size_t size_ = 0;
};

// Overwrites memory in a way that the optimiser keeps.
void wipe(std::span<std::uint8_t> memory);

} // namespace sheaf

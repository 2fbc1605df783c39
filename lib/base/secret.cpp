#include "lib/base/secret.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sheaf {

void wipe(std::span<std::uint8_t> memory) {
    if (!memory.empty()) explicit_bzero(memory.data(), memory.size());
}

Secret::Secret(std::size_t size) : data_(std::make_unique<std::uint8_t[]>(size)), size_(size) {}

Secret::Secret(Secret&& other) noexcept
    : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        clear();
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Secret::~Secret() { clear(); }

Secret Secret::copy_of(View bytes) {
    Secret secret(bytes.size());
    std::ranges::copy(bytes, secret.data_.get());
    return secret;
}

void Secret::clear() {
    wipe(span());
    data_.reset();
    size_ = 0;
}

} // namespace sheaf

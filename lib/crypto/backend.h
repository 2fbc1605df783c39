#pragma once

#include <memory>

namespace sheaf::crypto {

// The cipher, hash and group objects that the functions of this room work with, made once and used again.
// Looking an algorithm up by name costs as much as running it, so an engine owns one of these.
//
// Ownership: one per engine; must outlive nothing, KeyExchange and the keys hold no reference to it.
// Threads: not shared between threads; two threads need two.
// Cost: empty until used; a gateway's settles at a few KiB.
// Secrets: holds the last key of an algorithm until the next use or its destruction, then wipes it.
class Backend {
  public:
    Backend();
    Backend(Backend&&) noexcept;
    Backend& operator=(Backend&&) noexcept;
    ~Backend();

    class Parts;
    [[nodiscard]] Parts& parts() { return *parts_; } // for the sources of lib/crypto

  private:
    std::unique_ptr<Parts> parts_;
};

} // namespace sheaf::crypto

#pragma once

#include <catch2/catch.hpp>
#include <linux/capability.h>

#include <array>
#include <sys/syscall.h>
#include <unistd.h>

namespace sheaf::daemon::test {

// Takes a capability from this thread, and so from the loop.
class WithoutCapability {
  public:
    explicit WithoutCapability(unsigned capability) {
        REQUIRE(::syscall(SYS_capget, &header_, before_.data()) == 0);
        auto fewer = before_;
        fewer[0].effective &= ~(1U << capability);
        REQUIRE(::syscall(SYS_capset, &header_, fewer.data()) == 0);
    }
    WithoutCapability(const WithoutCapability&) = delete;
    WithoutCapability& operator=(const WithoutCapability&) = delete;
    ~WithoutCapability() { ::syscall(SYS_capset, &header_, before_.data()); }

  private:
    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> before_{};
};

} // namespace sheaf::daemon::test

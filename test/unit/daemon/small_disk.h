#pragma once

#include <csignal>
#include <cstdlib>
#include <sys/resource.h>

namespace sheaf::daemon::test {

// While it lives, no file of this process grows beyond `octets`, as if the disk were full.
class SmallDisk {
  public:
    explicit SmallDisk(rlim_t octets) {
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        if (::getrlimit(RLIMIT_FSIZE, &before_) != 0) std::abort();
        const rlimit small{octets, before_.rlim_max};
        if (::setrlimit(RLIMIT_FSIZE, &small) != 0) std::abort();
    }
    ~SmallDisk() {
        if (::setrlimit(RLIMIT_FSIZE, &before_) != 0) std::abort();
        std::signal(SIGXFSZ, handler_);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

} // namespace sheaf::daemon::test

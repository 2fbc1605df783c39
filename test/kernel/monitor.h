#pragma once

#include "test/kernel/report.h"
#include "test/kernel/world.h"

#include <string>

namespace sheaf::kernel_test {

// `ip monitor` in a namespace, which tells of addresses or routes that go. It is known to see before the constructor
// returns and at gone(): what it does not tell of has not gone. Where it sees nothing a check fails.
class Monitor {
  public:
    // Of which objects: "route", "address route"; routes must be among them.
    Monitor(Report& report, const World& world, const std::string& objects);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    // Its lines on what went until now.
    [[nodiscard]] std::string gone();

  private:
    // Until it tells that a route to this address went, which is made for that.
    void expect_to_see(const std::string& address);

    Report& report_;
    const World& world_;
    std::string file_;
};

// Whether a line of a text has this extended regular expression.
[[nodiscard]] bool has_line(const std::string& text, const std::string& expression);

} // namespace sheaf::kernel_test

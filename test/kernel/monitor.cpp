#include "test/kernel/monitor.h"

#include <regex>
#include <sstream>
#include <unistd.h>

namespace sheaf::kernel_test {
namespace {

const char* const kBefore = "192.0.2.251";
const char* const kAfter = "192.0.2.252";

} // namespace

Monitor::Monitor(Report& report, const World& world, const std::string& objects)
    : report_(report), world_(world), file_("/tmp/kernel-test-monitor." + std::to_string(getpid())) {
    world_.enter();
    shell("ip monitor " + objects + " > " + file_ + " & echo $! > " + file_ + ".pid");
    expect_to_see(kBefore);
}

Monitor::~Monitor() { shell("kill $(cat " + file_ + ".pid); rm -f " + file_ + " " + file_ + ".pid"); }

std::string Monitor::gone() {
    expect_to_see(kAfter);
    return output_of("grep '^Deleted' " + file_ + " | grep -vwE '" + kBefore + "|" + kAfter + "'");
}

void Monitor::expect_to_see(const std::string& address) {
    world_.enter();
    const std::string once = "ip route replace " + address + " dev lo; ip route del " + address +
                             " dev lo; grep -q '^Deleted " + address + " ' " + file_;
    if (shell("for n in $(seq 100); do " + once + " && exit 0; sleep 0.1; done; exit 1") != 0)
        report_.check(false, "ip monitor tells of a route that went");
}

bool has_line(const std::string& text, const std::string& expression) {
    const std::regex wanted(expression, std::regex::extended);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (std::regex_search(line, wanted)) return true;
    return false;
}

} // namespace sheaf::kernel_test

#include "daemon/run.h"

#include <cstdio>

int main(int argc, char** argv) {
    using namespace sheaf::daemon;
    const auto options = parse_options(argc, argv);
    if (const auto* exit = std::get_if<ExitNow>(&options)) return exit->code;
    if (const auto* check = std::get_if<CheckOptions>(&options)) return check_file(*check);
    return run(std::get<RunOptions>(options));
}

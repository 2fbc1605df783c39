// Writes the JSON Schema of the configuration to the file that is named.
#include "conf/schema.h"

#include <cstdio>
#include <fstream>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: sheaf-schema FILE\n", stderr);
        return 2;
    }
    std::ofstream file(argv[1]);
    file << sheaf::conf::json_schema() << std::flush;
    if (file) return 0;
    std::fprintf(stderr, "sheaf-schema: cannot write %s\n", argv[1]);
    return 1;
}

#include "conf/diagnostic.h"

#include <algorithm>

namespace sheaf::conf {

std::string to_string(const Diagnostic& diagnostic) {
    if (diagnostic.line == 0) {
        std::string out = diagnostic.file + ": " + diagnostic.message + "\n";
        if (!diagnostic.hint.empty()) out += "   " + diagnostic.hint + "\n";
        return out;
    }
    const std::string line = std::to_string(diagnostic.line);
    const std::string gutter(std::max<std::size_t>(line.size(), 5), ' ');
    std::string out = diagnostic.file + ":" + line + ":" + std::to_string(diagnostic.column) + ": " +
                      diagnostic.message + "\n";
    out += gutter.substr(std::min(line.size(), gutter.size())) + line + " |" +
           (diagnostic.excerpt.empty() ? "" : " ") + diagnostic.excerpt + "\n";
    out += gutter + " | " + std::string(diagnostic.indent, ' ') + "^" +
           std::string(std::max<std::size_t>(diagnostic.width, 1) - 1, '~') + "\n";
    if (!diagnostic.hint.empty()) out += "   " + diagnostic.hint + "\n";
    return out;
}

std::string to_string(std::span<const Diagnostic> diagnostics) {
    std::string out;
    for (const auto& diagnostic : diagnostics)
        out += to_string(diagnostic);
    return out + std::to_string(diagnostics.size()) +
           (diagnostics.size() == 1 ? " mistake\n" : " mistakes\n");
}

} // namespace sheaf::conf

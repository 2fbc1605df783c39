#include "daemon/line_reader.h"

#include <algorithm>

namespace sheaf::daemon {

void LineReader::append(std::string_view bytes) {
    const bool searching = line_ == pending_.size();
    pending_ += bytes;
    if (searching) line_ = std::min(pending_.find('\n', line_), pending_.size());
}

bool LineReader::overflow() const { return line_ > limit_; }

bool LineReader::has_line() const { return line_ < pending_.size() && !overflow(); }

std::optional<std::string> LineReader::next() {
    if (!has_line()) return std::nullopt;
    std::string line = pending_.substr(0, line_);
    pending_.erase(0, line_ + 1);
    line_ = std::min(pending_.find('\n'), pending_.size());
    return line;
}

} // namespace sheaf::daemon

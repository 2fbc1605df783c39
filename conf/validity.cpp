#include "conf/validity.h"

#include <array>
#include <chrono>
#include <cstdio>

namespace sheaf::conf {
namespace {

constexpr std::chrono::days kSoon{30}; // time enough to have a new one issued

std::string date(WallTime moment) {
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(moment));
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(day.year()),
                  static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    return text.data();
}

} // namespace

std::optional<std::string> validity_note(const std::string& what, const Validity& validity, WallTime now) {
    if (now < validity.from)
        return what + " is not valid before " + date(validity.from) + ": is the clock right?";
    if (validity.until < now)
        return what + " has expired on " + date(validity.until) + ": peers will refuse it; renew it";
    if (validity.until < now + kSoon) return what + " expires on " + date(validity.until) + ": renew it";
    return std::nullopt;
}

} // namespace sheaf::conf

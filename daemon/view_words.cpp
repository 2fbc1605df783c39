#include "daemon/view_words.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace sheaf::daemon {
namespace view {

std::string text(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

const Json& list(const Json& object, const char* key) {
    static const Json none = Json::array();
    const auto found = object.find(key);
    return found != object.end() && found->is_array() ? *found : none;
}

const Json& member(const Json& object, const char* key) {
    static const Json none = Json::object();
    const auto found = object.find(key);
    return found != object.end() && found->is_object() ? *found : none;
}

bool flag(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string time(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? human_time(found->get<double>()) : std::string("-");
}

std::string joined(const Json& array) {
    std::string out;
    for (const auto& item : array)
        if (item.is_string()) out += (out.empty() ? "" : ", ") + item.get<std::string>();
    return out;
}

std::string traffic(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? human_bytes(found->get<std::uint64_t>())
                                                                : std::string("-");
}

std::string number(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->dump() : std::string("-");
}

} // namespace view

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    constexpr double kStep = 1024;
    if (bytes < 1024) return fmt::format("{} B", bytes);
    auto amount = static_cast<double>(bytes) / kStep;
    std::size_t unit = 0;
    for (; amount >= kStep && unit + 1 < kUnits.size(); ++unit)
        amount /= kStep;
    return fmt::format("{:.{}f} {}", amount, amount < 10 ? 1 : 0, kUnits.at(unit));
}

std::string human_time(double seconds) {
    constexpr std::int64_t kMinute = 60;
    constexpr std::int64_t kHour = 60 * kMinute;
    constexpr std::int64_t kDay = 24 * kHour;
    constexpr double kMost = 1e15; // further than any clock, and within the integer
    if (!(seconds > 0)) return "0 s";
    if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
    const auto whole = static_cast<std::int64_t>(std::min(seconds, kMost));
    if (whole < kMinute) return fmt::format("{} s", whole);
    if (whole < kHour) return fmt::format("{} min {} s", whole / kMinute, whole % kMinute);
    if (whole < kDay) return fmt::format("{} h {} min", whole / kHour, whole % kHour / kMinute);
    return fmt::format("{} d {} h", whole / kDay, whole % kDay / kHour);
}

} // namespace sheaf::daemon

#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>

namespace sheaf::daemon {

// "850 ms", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h".
[[nodiscard]] std::string human_time(double seconds);
// "512 B", "1.5 KiB", "340 MiB"
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

// Words of sheafctl's tables out of JSON, whatever that is: a member that is missing or of another kind is empty, or "-"
// where it would be a figure.
namespace view {

using Json = nlohmann::ordered_json;

[[nodiscard]] std::string text(const Json& object, const char* key); // numbers and the like as in JSON
[[nodiscard]] const Json& list(const Json& object, const char* key);
[[nodiscard]] const Json& member(const Json& object, const char* key);
[[nodiscard]] bool flag(const Json& object, const char* key);
[[nodiscard]] std::string time(const Json& object, const char* key);
[[nodiscard]] std::string traffic(const Json& object, const char* key);
[[nodiscard]] std::string number(const Json& object, const char* key);
[[nodiscard]] std::string joined(const Json& array);

} // namespace view
} // namespace sheaf::daemon

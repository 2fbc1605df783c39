#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"

#include <optional>
#include <string>
#include <string_view>

// The small languages inside the configuration's strings. Each function reads a word or says that it is none;
// check_*() say why not, for a person.
namespace sheaf::conf {

// What is wrong with a word, and the remedy.
struct Fault {
    std::string message;
    std::string hint;
    std::string_view part = {}; // of the word, if not all of it is wrong; a view into what was checked
};

inline constexpr Duration kMaxDuration = std::chrono::hours(24);
inline constexpr Duration kMaxLifetime = std::chrono::days(30);
inline constexpr Duration kMaxLease = std::chrono::days(365);
inline constexpr std::size_t kMaxInterfaceName = 15; // IFNAMSIZ of Linux less the closing zero
inline constexpr std::size_t kMaxName = 63;

[[nodiscard]] std::optional<Duration>
parse_duration(std::string_view word); // "500ms", "30s", "5m", "1h", "7d"

[[nodiscard]] std::optional<Fault> check_duration(std::string_view word);  // up to kMaxDuration
[[nodiscard]] std::optional<Fault> check_lifetime(std::string_view word);  // up to kMaxLifetime
[[nodiscard]] std::optional<Fault> check_lease(std::string_view word);     // whole seconds up to kMaxLease
[[nodiscard]] std::optional<Fault> check_seconds(std::string_view word);   // whole seconds up to kMaxDuration
[[nodiscard]] std::optional<Fault> check_wait(std::string_view word);      // 10ms to 1m
[[nodiscard]] std::optional<Fault> check_probe(std::string_view word);     // 100ms to 1m
[[nodiscard]] std::optional<Fault> check_address(std::string_view word);   // IPv4 or IPv6
[[nodiscard]] std::optional<Fault> check_prefix(std::string_view word);    // no bits beyond the length
[[nodiscard]] std::optional<Fault> check_selector(std::string_view word);  // selector_words.h
[[nodiscard]] std::optional<Fault> check_interface(std::string_view word); // of Linux
[[nodiscard]] std::optional<Fault> check_interface_id(std::string_view word); // interface_id_words.h
[[nodiscard]] std::optional<Fault> check_domain(std::string_view word);       // of the DNS, in ASCII
[[nodiscard]] std::optional<Fault> check_name(std::string_view word); // of a connection, pool or secret
[[nodiscard]] std::optional<Fault> check_identity(std::string_view word);
[[nodiscard]] std::optional<Fault> check_identity_pattern(std::string_view word);
[[nodiscard]] std::optional<Fault> check_mobile_node(std::string_view word);
[[nodiscard]] std::optional<Fault> check_credential(std::string_view word); // of systemd.exec(5)
[[nodiscard]] std::optional<Fault> check_path(std::string_view word);
[[nodiscard]] std::optional<Fault> check_secret(std::string_view word);
[[nodiscard]] std::optional<Fault> check_binding_lifetime(std::string_view word);
[[nodiscard]] std::optional<Fault> check_ike_proposal(std::string_view word);
[[nodiscard]] std::optional<Fault> check_esp_proposal(std::string_view word);
[[nodiscard]] std::optional<Fault> check_group_suite(std::string_view word);

} // namespace sheaf::conf

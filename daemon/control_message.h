#pragma once

#include "daemon/binding_request.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

// The control socket's protocol: a request is one line with one JSON object, {"schema":1,"command":"status"};
// each is answered by one line with one object that has "schema", "ok" and, where ok is false, "error".
namespace sheaf::daemon {

enum class Verb : std::uint8_t {
    status,
    list,
    clients,
    pools,
    paths,
    groups,
    bindings,
    binding,
    up,
    down,
    rekey,
    reauth,
    clone,
    explain,
    reload,
    watch,
    version
};
[[nodiscard]] std::string_view name(Verb verb);

// What rekey is for.
enum class Rekeyed : std::uint8_t { children, ike, group };

struct Request {
    Verb verb{};
    // The connection; for down, rekey, clone, explain, clients, paths, groups and bindings also a peer's identity, for
    // explain, clients, paths and bindings an address as well. May be missing for these five alone. groups, and rekey
    // with Rekeyed::group: the group.
    std::string name{};
    std::string child{}; // down: only the Child SAs of this name
    Rekeyed what = Rekeyed::children;
    BindingRequest binding{}; // binding

    friend bool operator==(const Request&, const Request&) = default;
};

// The longest request that is accepted: a command, a name and some air.
inline constexpr std::size_t kMaxRequest = 4096;

// The error is a sentence for the person who asked.
[[nodiscard]] std::expected<Request, std::string> parse_request(std::string_view line);
[[nodiscard]] std::string encode(const Request& request); // without newline

[[nodiscard]] nlohmann::ordered_json success();
[[nodiscard]] nlohmann::ordered_json failure(std::string_view sentence);

} // namespace sheaf::daemon

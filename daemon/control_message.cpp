#include "daemon/control_message.h"

#include "daemon/status_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 17> kVerbs{
    "status", "list",  "clients", "pools", "paths",   "groups", "bindings", "binding", "up",
    "down",   "rekey", "reauth",  "clone", "explain", "reload", "watch",    "version"};
constexpr std::array<std::string_view, 3> kRekeyed{"children", "ike", "group"};

std::optional<Verb> find_verb(std::string_view word) {
    for (std::size_t i = 0; i < kVerbs.size(); ++i)
        if (kVerbs.at(i) == word) return static_cast<Verb>(i);
    return std::nullopt;
}

bool needs_name(Verb verb) {
    return verb == Verb::up || verb == Verb::down || verb == Verb::rekey || verb == Verb::reauth ||
           verb == Verb::clone;
}
bool takes_name(Verb verb) {
    return needs_name(verb) || verb == Verb::explain || verb == Verb::clients || verb == Verb::paths ||
           verb == Verb::groups || verb == Verb::bindings;
}

// The member, if it is a string.
const std::string* text_member(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

std::expected<Request, std::string> read_request(const Json& object) {
    const auto schema = object.find("schema");
    if (schema == object.end() || !schema->is_number_integer() || *schema != kSchema)
        return std::unexpected(fmt::format("the request's \"schema\" must be {}; sheafctl and sheafd are of "
                                           "different versions",
                                           kSchema));
    const std::string* word = text_member(object, "command");
    const auto verb = word == nullptr ? std::nullopt : find_verb(*word);
    if (!verb)
        return std::unexpected("\"command\" must be status, list, clients, pools, paths, groups, bindings, "
                               "binding, up, down, rekey, reauth, clone, explain, reload, watch or version");
    Request request{*verb, {}};
    if (takes_name(*verb)) {
        const std::string* name = text_member(object, "name");
        if (needs_name(*verb) && (name == nullptr || name->empty()))
            return std::unexpected(fmt::format("\"{}\" needs a \"name\": that of a connection", *word));
        if (name != nullptr) request.name = *name;
    }
    if (*verb == Verb::binding) {
        auto binding = read_binding(object);
        if (!binding) return std::unexpected(binding.error());
        request.binding = *std::move(binding);
    }
    if (const std::string* child = text_member(object, "child"); child != nullptr && *verb == Verb::down)
        request.child = *child;
    if (const std::string* what = text_member(object, "what"); what != nullptr && *verb == Verb::rekey) {
        const auto known = std::ranges::find(kRekeyed, *what);
        if (known == kRekeyed.end()) return std::unexpected("\"what\" must be children, ike or group");
        request.what = static_cast<Rekeyed>(known - kRekeyed.begin());
    }
    return request;
}

} // namespace

std::string_view name(Verb verb) { return kVerbs.at(static_cast<std::size_t>(verb)); }

std::expected<Request, std::string> parse_request(std::string_view line) {
    if (line.size() > kMaxRequest)
        return std::unexpected(fmt::format("the request is longer than {} octets", kMaxRequest));
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) return std::unexpected("the request is not a JSON object on one line");
    return read_request(object);
}

std::string encode(const Request& request) {
    Json out{{"schema", kSchema}, {"command", name(request.verb)}};
    if (takes_name(request.verb) && !request.name.empty()) out["name"] = request.name;
    if (!request.child.empty()) out["child"] = request.child;
    if (request.what != Rekeyed::children) out["what"] = kRekeyed.at(static_cast<std::size_t>(request.what));
    if (request.verb == Verb::binding) put_binding(out, request.binding);
    return one_line(out);
}

Json success() { return {{"schema", kSchema}, {"ok", true}}; }

Json failure(std::string_view sentence) { return {{"schema", kSchema}, {"ok", false}, {"error", sentence}}; }

} // namespace sheaf::daemon

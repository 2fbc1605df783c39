#include "daemon/binding_request.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostBid = 0xffff;
constexpr std::int64_t kMostPriority = 127; // RFC 6089 4.1
constexpr std::int64_t kMostLifetime = std::int64_t{0xffff} * 4;

std::expected<std::string, std::string> word(const Json& object, const char* key) {
    const auto found = object.find(key);
    const auto* text = found == object.end() ? nullptr : found->get_ptr<const std::string*>();
    if (text == nullptr || text->empty()) return std::unexpected(fmt::format("\"{}\" is missing", key));
    return *text;
}

// None if it is missing.
std::expected<std::optional<std::int64_t>, std::string> number_in(const Json& object, const char* key,
                                                                  std::int64_t least, std::int64_t most) {
    const auto found = object.find(key);
    if (found == object.end()) return std::nullopt;
    const bool fits = found->is_number_integer() && *found >= least && *found <= most;
    if (!fits)
        return std::unexpected(fmt::format("\"{}\" must be a whole number from {} to {}", key, least, most));
    return found->get<std::int64_t>();
}

std::expected<IpAddress, std::string> address(const std::string& text, const char* what) {
    const auto parsed = IpAddress::parse(text);
    if (!parsed || !parsed->is_v6())
        return std::unexpected(fmt::format("{} \"{}\" is no IPv6 address", what, text));
    return *parsed;
}

} // namespace

std::expected<BindingRequest, std::string> read_binding(const Json& object) {
    BindingRequest out;
    const auto action = word(object, "action");
    if (!action || (*action != "add" && *action != "del"))
        return std::unexpected("\"action\" must be add or del");
    out.add = *action == "add";
    const auto home = word(object, "home");
    if (!home) return std::unexpected(home.error());
    out.home = *home;
    const auto bid = number_in(object, "bid", 1, kMostBid);
    if (!bid) return std::unexpected(bid.error());
    if (*bid) out.bid = static_cast<std::uint16_t>(**bid);
    if (!out.add) return out;
    const auto care_of = word(object, "care_of");
    const auto priority = number_in(object, "priority", 1, kMostPriority);
    const auto lifetime = number_in(object, "lifetime_s", 1, kMostLifetime);
    if (!care_of) return std::unexpected(care_of.error());
    if (!priority) return std::unexpected(priority.error());
    if (!lifetime) return std::unexpected(lifetime.error());
    out.care_of = *care_of;
    out.priority = static_cast<std::uint8_t>(priority->value_or(0));
    out.lifetime = static_cast<std::uint32_t>(lifetime->value_or(out.lifetime));
    return out;
}

void put_binding(Json& object, const BindingRequest& request) {
    object["action"] = request.add ? "add" : "del";
    object["home"] = request.home;
    if (request.bid) object["bid"] = *request.bid;
    if (!request.add) return;
    object["care_of"] = request.care_of;
    if (request.priority != 0) object["priority"] = request.priority;
    object["lifetime_s"] = request.lifetime;
}

std::expected<BindingOrder, std::string> to_order(const BindingRequest& request) {
    const auto home = address(request.home, "the home address");
    if (!home) return std::unexpected(home.error());
    if (!request.add) return ike::RemoveBinding{*home, request.bid};
    const auto care_of = address(request.care_of, "the care-of address");
    if (!care_of) return std::unexpected(care_of.error());
    return ike::SetBinding{*home, request.bid.value_or(0), *care_of, request.priority,
                           std::chrono::seconds(request.lifetime)};
}

} // namespace sheaf::daemon

#include "conf/requests.h"

#include "conf/interface_id_words.h"
#include "conf/read.h"
#include "conf/text.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::conf {
namespace {

std::optional<ike::InterfaceIdChoice> interface_id(std::string_view text) {
    const auto parsed = parse_interface_id(text);
    return parsed ? std::optional(*parsed) : std::nullopt;
}

std::optional<std::uint32_t> subnet_of(const json::Value& entry) {
    const auto* value = child(entry, "subnet", json::Kind::integer);
    if (!value || value->integer < 1 || !std::in_range<std::uint32_t>(value->integer)) return std::nullopt;
    return static_cast<std::uint32_t>(value->integer);
}

std::vector<ike::LanNetwork> read_lan(const json::Value& connection) {
    std::vector<ike::LanNetwork> out;
    if (const auto* list = child(connection, "lan", json::Kind::array))
        for (const auto& entry : list->items)
            if (const auto subnet = subnet_of(entry))
                out.push_back({std::string(string_at(entry, "interface")), *subnet});
    return out;
}

class RequestChecker {
  public:
    RequestChecker(const json::Value& connection, std::string path, Report& report)
        : connection_(connection), path_(std::move(path)), report_(report) {}

    void request();
    void interface_ids();
    void lan(std::span<const std::string> interfaces);

  private:
    void needs_prefix(std::string_view key);

    const json::Value& connection_;
    std::string path_;
    Report& report_;
};

void RequestChecker::request() {
    const auto* list = child(connection_, "request", json::Kind::array);
    if (list && list->items.size() == 1 && list->items.front().string == "dns")
        report_.add(list->place, path_ + ".request: no address is asked for",
                    "add \"prefix\", \"ipv6\" or \"ipv4\"");
}

void RequestChecker::needs_prefix(std::string_view key) {
    const auto* member = json::find(connection_, key);
    if (member && !read_request(connection_).prefix)
        report_.add(member->place, path_ + "." + std::string(key) + " needs prefixes",
                    "add \"prefix\" to \"request\", or remove " + quote(key));
}

// One identifier can be written in several ways.
void RequestChecker::interface_ids() {
    needs_prefix("interface_ids");
    const auto* list = child(connection_, "interface_ids", json::Kind::array);
    if (!list) return;
    std::map<wire::InterfaceId, std::string_view> seen;
    for (const auto& item : list->items) {
        const auto choice = interface_id(item.string);
        const auto* id = choice ? std::get_if<wire::InterfaceId>(&*choice) : nullptr;
        if (!id) continue;
        const auto [known, fresh] = seen.emplace(*id, item.string);
        if (!fresh && known->second != item.string) // else the list tells
            report_.add(item.place,
                        path_ + ".interface_ids: " + quote(item.string) + " is " + quote(known->second) +
                            " again",
                        "remove one");
    }
}

void RequestChecker::lan(std::span<const std::string> interfaces) {
    needs_prefix("lan");
    const auto* list = child(connection_, "lan", json::Kind::array);
    if (!list) return;
    std::vector<std::string_view> names;
    std::vector<std::uint32_t> subnets;
    for (const auto& entry : list->items) {
        if (const auto* name = child(entry, "interface", json::Kind::string)) {
            if (std::ranges::find(interfaces, name->string) != interfaces.end())
                report_.add(name->place,
                            path_ + ".lan: " + quote(name->string) + " is one of our own interfaces",
                            "name the interface of a network behind this host");
            else if (std::ranges::find(names, std::string_view(name->string)) != names.end())
                report_.add(name->place, path_ + ".lan: " + quote(name->string) + " has a subnet already",
                            "remove one");
            names.push_back(name->string);
        }
        const auto subnet = subnet_of(entry);
        if (!subnet) continue;
        if (std::ranges::find(subnets, *subnet) != subnets.end())
            report_.add(child(entry, "subnet", json::Kind::integer)->place,
                        path_ + ".lan: subnet " + std::to_string(*subnet) + " stands twice",
                        "give each network a subnet of its own");
        subnets.push_back(*subnet);
    }
}

} // namespace

ike::AddressRequest read_request(const json::Value& connection) {
    ike::AddressRequest out;
    if (child(connection, "request", json::Kind::array)) {
        const auto words = strings_at(connection, "request");
        const auto has = [&words](std::string_view what) {
            return std::ranges::find(words, what) != words.end();
        };
        out.prefix = has("prefix");
        out.ipv6 = has("ipv6");
        out.ipv4 = has("ipv4");
        out.dns = has("dns");
    }
    if (auto ids = list_at(connection, "interface_ids", interface_id); !ids.empty())
        out.interface_ids = std::move(ids);
    out.lan = read_lan(connection);
    return out;
}

void check_request(const json::Value& connection, const std::string& path,
                   std::span<const std::string> interfaces, Report& report) {
    RequestChecker checker(connection, path, report);
    checker.request();
    checker.interface_ids();
    checker.lan(interfaces);
}

} // namespace sheaf::conf

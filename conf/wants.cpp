#include "conf/wants.h"

#include "conf/read.h"
#include "conf/text.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

// The names of one entry, with their places.
std::span<const json::Value> names_of(const json::Value& entry) {
    if (entry.kind == json::Kind::array) return entry.items;
    return {&entry, 1};
}

std::string_view text_of(Family family) { return family == Family::ipv6 ? "IPv6" : "IPv4"; }

class WantChecker {
  public:
    WantChecker(const json::Value& root, const ike::Config& config, std::string path, Report& report)
        : pools_(config.pools), path_(std::move(path)), report_(report) {
        if (const auto* pools = child(root, "pools", json::Kind::object))
            for (const auto& member : pools->members)
                names_.emplace_back(member.key);
    }
    void want(const json::Value& entry);

  private:
    [[nodiscard]] std::optional<Family> family_of(std::string_view name) const;
    void known(const json::Value& name);

    const std::vector<address::PoolSpec>& pools_;
    std::vector<std::string_view> names_; // also of pools whose mistakes are reported
    std::string path_;
    Report& report_;
    const json::Value* ipv4_ = nullptr; // the entry for it
};

std::optional<Family> WantChecker::family_of(std::string_view name) const {
    const auto pool = std::ranges::find(pools_, name, &address::PoolSpec::name);
    return pool == pools_.end() ? std::nullopt : std::optional(pool->prefix.family());
}

void WantChecker::known(const json::Value& name) {
    if (name.kind != json::Kind::string ||
        std::ranges::find(names_, std::string_view(name.string)) != names_.end())
        return;
    report_.add(name.place, path_ + ": there is no pool " + quote(name.string),
                names_.empty() ? "add it to \"pools\" at the top level" : suggestion(name.string, names_));
}

void WantChecker::want(const json::Value& entry) {
    const json::Value* first = nullptr; // that is known
    for (const auto& name : names_of(entry)) {
        known(name);
        const auto family = family_of(name.string);
        if (!family) continue;
        if (!first) first = &name;
        if (family == family_of(first->string)) continue;
        report_.add(name.place,
                    path_ + ": " + quote(name.string) + " is " + std::string(text_of(*family)) + ", and " +
                        quote(first->string) + " before it is not",
                    "an inner list is of pools for one block: to give a block of each, write " +
                        quote(name.string) + " outside of it");
        return;
    }
    if (!first || family_of(first->string) != Family::ipv4) return;
    if (ipv4_)
        report_.add(entry.place, path_ + ": a client gets one IPv4 address, and this would be a second",
                    "for a choice write one entry: [" + quote(names_of(*ipv4_).front().string) + ", " +
                        quote(first->string) + "]");
    else
        ipv4_ = &entry;
}

} // namespace

std::vector<address::Want> read_wants(const json::Value& connection) {
    std::vector<address::Want> out;
    const auto* list = child(connection, "pools", json::Kind::array);
    if (!list) return out;
    for (const auto& entry : list->items) {
        address::Want want;
        for (const auto& name : names_of(entry))
            if (name.kind == json::Kind::string) want.pools.push_back(name.string);
        out.push_back(std::move(want));
    }
    return out;
}

void check_wants(const json::Value& root, const ike::Config& config, const json::Value& connection,
                 const std::string& path, Report& report) {
    const auto* list = child(connection, "pools", json::Kind::array);
    if (!list) return;
    WantChecker checker(root, config, path + ".pools", report);
    for (const auto& entry : list->items)
        checker.want(entry);
}

} // namespace sheaf::conf

#include "conf/given.h"

#include "conf/read.h"
#include "conf/text.h"
#include "lib/address/block_range.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::conf {
namespace {

using address::PoolSpec;

// A reserved block may have the name server of everybody in it: it is a client itself.
bool gives(const PoolSpec& pool, const IpAddress& address) {
    if (!pool.prefix.contains(address)) return false;
    const Prefix block(address, pool.delegate);
    const bool reserved =
        std::ranges::find(pool.reserved, block, &address::Reservation::block) != pool.reserved.end();
    return !reserved && address::BlockRange(pool).index(block);
}

class GivenChecker {
  public:
    GivenChecker(std::vector<const PoolSpec*> pools, Report& report)
        : pools_(std::move(pools)), report_(report) {}

    void addresses(const json::Value& object, std::string_view key, const std::string& path,
                   std::string_view whose) {
        if (const auto* list = child(object, key, json::Kind::array))
            for (const auto& item : list->items)
                address(item, path + "." + std::string(key), whose);
        if (const auto* one = child(object, key, json::Kind::string))
            address(*one, path + "." + std::string(key), whose);
    }

  private:
    void address(const json::Value& text, const std::string& path, std::string_view whose) {
        const auto address = IpAddress::parse(text.string);
        const auto pool = std::ranges::find_if(
            pools_, [&](const PoolSpec* one) { return address && gives(*one, *address); });
        if (pool == pools_.end()) return;
        report_.add(text.place,
                    path + ": " + quote(text.string) + " is in pools." + (*pool)->name +
                        ", which gives it to a client",
                    "that client would take " + std::string(whose) +
                        " from everybody: choose an address outside of " + (*pool)->prefix.to_string() +
                        ", or another prefix for the pool");
    }

    std::vector<const PoolSpec*> pools_;
    Report& report_;
};

} // namespace

void check_given(const json::Value& root, const ike::Config& config, Report& report) {
    std::vector<const PoolSpec*> given;
    for (const PoolSpec& pool : config.pools) {
        const bool used = std::ranges::any_of(config.connections, [&](const ike::Connection& connection) {
            return connection.role == ike::Role::gateway &&
                   std::ranges::any_of(connection.pools, [&](const address::Want& want) {
                       return std::ranges::find(want.pools, pool.name) != want.pools.end();
                   });
        });
        if (used) given.push_back(&pool);
    }
    GivenChecker checker(std::move(given), report);
    checker.addresses(object_at(root, "listen"), "addresses", "listen", "our address");
    for (const auto& member : object_at(root, "connections").members) {
        const std::string path = "connections." + member.key;
        const auto& local = object_at(member.value, "local");
        checker.addresses(local, "address", path + ".local", "our address");
        checker.addresses(local, "other_addresses", path + ".local", "our address");
        checker.addresses(member.value, "dns", path, "the name server");
    }
}

} // namespace sheaf::conf

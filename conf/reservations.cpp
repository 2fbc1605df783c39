#include "conf/reservations.h"

#include "conf/read.h"
#include "conf/text.h"
#include "lib/auth/identity.h"
#include "lib/ike/assignment.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

std::string path_of(const address::PoolSpec& pool, std::string_view identity) {
    return "pools." + pool.name + ".reserved." + std::string(identity);
}

// What is wrong with the block, as message and remedy.
std::optional<std::pair<std::string, std::string>> block_fault(const address::PoolSpec& pool,
                                                               const Prefix& block) {
    const std::string text = block.to_string();
    const bool single = pool.delegate == pool.prefix.address().bits();
    if (!pool.prefix.contains(block))
        return std::pair(text + " is not in " + pool.prefix.to_string(),
                         "reserve a block of the pool's prefix");
    if (block.length() != pool.delegate)
        return std::pair(text + " is a /" + std::to_string(block.length()) +
                             ", and the pool's clients get a /" + std::to_string(pool.delegate) + " each",
                         single ? "write one address"
                                : "write " + quote(Prefix(block.address(), pool.delegate).to_string()));
    // Of single addresses the first is the subnet-router anycast address (RFC 4291 2.6.1) or that of an IPv4
    // network, and the last of that is its broadcast address.
    const bool first =
        single && pool.prefix.length() < pool.delegate && block.address() == pool.prefix.address();
    const bool last = single && !block.address().is_v6() && pool.prefix.length() + 2 <= pool.delegate &&
                      block.address() == pool.prefix.last();
    if (first || last)
        return std::pair(text + " is the " + (first ? "first" : "last") +
                             " address of the pool, which nobody gets",
                         "reserve another");
    return std::nullopt;
}

bool names(const ike::Connection& connection, const std::string& pool) {
    return std::ranges::any_of(connection.pools, [&pool](const address::Want& want) {
        return std::ranges::find(want.pools, pool) != want.pools.end();
    });
}

} // namespace

std::vector<address::Reservation> read_reservations(const json::Value& entry, const address::PoolSpec& pool,
                                                    Report& report) {
    std::vector<address::Reservation> out;
    const auto* reserved = child(entry, "reserved", json::Kind::object);
    if (!reserved) return out;
    std::map<address::Holder, std::string> holders; // -> as it is written
    std::map<Prefix, std::string> blocks;           // -> whose it is
    for (const auto& member : reserved->members) {
        const auto identity = auth::Identity::parse(member.key);
        const auto block = Prefix::parse(member.value.string);
        if (!identity || !block || member.value.kind != json::Kind::string)
            continue; // reported by their form
        const std::string path = path_of(pool, member.key);
        address::Holder holder = ike::holder_of(*identity);
        const auto [known, fresh] = holders.emplace(holder, member.key);
        const auto [owner, free] = blocks.emplace(*block, member.key);
        if (!fresh)
            report.add(member.place, path + ": this is " + quote(known->second) + " again",
                       "an identity gets one block of a pool: remove one");
        if (auto fault = block_fault(pool, *block))
            report.add(member.value.place, path + ": " + fault->first, std::move(fault->second));
        else if (!free)
            report.add(member.value.place,
                       path + ": " + block->to_string() + " is that of " + quote(owner->second),
                       "reserve another block");
        out.push_back({std::move(holder), *block});
    }
    return out;
}

void check_reservations(const json::Value& root, const ike::Config& config, Report& report) {
    const auto* pools = child(root, "pools", json::Kind::object);
    if (!pools) return;
    for (const auto& member : pools->members) {
        const auto* reserved = child(member.value, "reserved", json::Kind::object);
        const auto uses = [&member](const ike::Connection& connection) {
            return names(connection, member.key);
        };
        if (!reserved || std::ranges::none_of(config.connections, uses)) continue;
        for (const auto& entry : reserved->members) {
            const auto identity = auth::Identity::parse(entry.key);
            if (!identity || std::ranges::any_of(config.connections, [&](const ike::Connection& connection) {
                    return uses(connection) && connection.remote_id.matches(*identity);
                }))
                continue;
            report.add(entry.place,
                       "pools." + member.key + ".reserved: no gateway connection with this pool serves " +
                           quote(entry.key),
                       "compare it with the remote.id of the connections");
        }
    }
}

} // namespace sheaf::conf

#include "conf/pools.h"

#include "conf/read.h"
#include "conf/reservations.h"
#include "conf/text.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace sheaf::conf {
namespace {

constexpr unsigned kLongestDelegate = 64; // of IPv6 prefixes: a link needs a /64 (RFC 5739 4.1)

struct Found {
    address::PoolSpec pool;
    Place place; // of the prefix
};

std::string path_of(const address::PoolSpec& pool) { return "pools." + pool.name; }

// The length of a client's block, or none if it was reported.
std::optional<unsigned> read_delegate(const json::Value& entry, const address::PoolSpec& pool,
                                      Place prefix_place, Report& report) {
    const bool v6 = pool.prefix.family() == Family::ipv6;
    const unsigned bits = v6 ? 128 : 32;
    const auto* member = json::find(entry, "delegate");
    const auto* value = child(entry, "delegate", json::Kind::integer);
    if (member && (!value || value->integer < 1 || value->integer > 128)) return std::nullopt;
    const unsigned delegate = value ? static_cast<unsigned>(value->integer) : v6 ? kLongestDelegate : bits;
    const Place place = value ? value->place : prefix_place;
    if (delegate < pool.prefix.length()) {
        report.add(place,
                   path_of(pool) + ": " + pool.prefix.to_string() + " is too small for a /" +
                       std::to_string(delegate) + " per client",
                   !v6 ? "write \"delegate\": 32, or leave it out"
                   : pool.prefix.length() > kLongestDelegate
                       ? "write \"delegate\": 128 for an address per client, or give a shorter prefix"
                       : "write \"delegate\": 64, or give a shorter prefix");
        return std::nullopt;
    }
    if (!v6 && delegate != bits) {
        report.add(place,
                   path_of(pool) + ": clients get single IPv4 addresses, not a /" + std::to_string(delegate),
                   "write \"delegate\": 32, or leave it out");
        return std::nullopt;
    }
    if (v6 && delegate > kLongestDelegate && delegate != bits) {
        report.add(place,
                   path_of(pool) + ": a client cannot use a /" + std::to_string(delegate) + " on a link",
                   "write 64 for a prefix per client, or 128 for an address");
        return std::nullopt;
    }
    return delegate;
}

void read_terms(const json::Value& entry, address::PoolSpec& pool) {
    pool.lease = std::chrono::floor<std::chrono::seconds>(duration_at(entry, "lease", pool.lease));
    const auto* percent = child(entry, "warn_at", json::Kind::integer);
    if (percent && percent->integer >= 0 && percent->integer <= 100)
        pool.warn_at = static_cast<unsigned>(percent->integer);
}

// Prefixes that overlap contain one another; sorted, whatever a prefix contains follows it at once.
void check_overlaps(std::vector<Found> found, Report& report) {
    std::ranges::sort(found, {}, [](const Found& f) { return f.pool.prefix; });
    for (std::size_t outer = 0, i = 1; i < found.size(); ++i) {
        if (!found[outer].pool.prefix.overlaps(found[i].pool.prefix)) {
            outer = i;
            continue;
        }
        const bool in_order = found[outer].place.begin < found[i].place.begin;
        const auto& later = found[in_order ? i : outer];
        const auto& earlier = found[in_order ? outer : i];
        report.add(later.place,
                   path_of(later.pool) + ": " + later.pool.prefix.to_string() + " overlaps " +
                       earlier.pool.prefix.to_string() + " of " + path_of(earlier.pool),
                   "the same address would be given away twice: make them distinct");
    }
}

} // namespace

std::vector<address::PoolSpec> read_pools(const json::Value& root, Report& report) {
    const auto* pools = child(root, "pools", json::Kind::object);
    if (!pools) return {};
    std::vector<Found> found;
    for (const auto& member : pools->members) {
        const auto* text = child(member.value, "prefix", json::Kind::string);
        const auto prefix = text ? Prefix::parse(text->string) : std::nullopt;
        if (!prefix) continue;
        Found entry{{.name = member.key, .prefix = *prefix, .delegate = 0, .reserved = {}}, text->place};
        read_terms(member.value, entry.pool);
        if (const auto delegate = read_delegate(member.value, entry.pool, entry.place, report)) {
            entry.pool.delegate = *delegate;
            entry.pool.reserved = read_reservations(member.value, entry.pool, report);
        }
        found.push_back(std::move(entry));
    }
    std::vector<address::PoolSpec> out;
    for (const auto& entry : found)
        out.push_back(entry.pool);
    check_overlaps(std::move(found), report);
    return out;
}

} // namespace sheaf::conf
